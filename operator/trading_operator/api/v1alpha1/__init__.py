"""Version v1alpha1 of both kinds; everybody else imports the models from here."""

from trading_operator.api.v1alpha1.base import Condition, ConditionStatus, Metadata
from trading_operator.api.v1alpha1.monitoring_target import MonitoringTarget, MonitoringTargetStatus
from trading_operator.api.v1alpha1.trading_engine import TradingEngine, TradingEngineSpec
from trading_operator.api.v1alpha1.trading_engine_status import TradingEngineStatus, WorkerStatus
from trading_operator.api.v1alpha1.worker_spec import CollectorSpec, WorkerSpec

__all__ = [
    "CollectorSpec",
    "Condition",
    "ConditionStatus",
    "Metadata",
    "MonitoringTarget",
    "MonitoringTargetStatus",
    "TradingEngine",
    "TradingEngineSpec",
    "TradingEngineStatus",
    "WorkerSpec",
    "WorkerStatus",
]
