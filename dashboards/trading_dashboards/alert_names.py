"""Names and severities of alerts: one enum that the API's fields, the rules, the runbooks and the routes share."""

from __future__ import annotations

from enum import StrEnum


class Severity(StrEnum):
    """How soon a person has to look: at once, today, or never (it explains others)."""

    CRITICAL = "Critical"
    WARNING = "Warning"
    INFO = "Info"

    @property
    def label(self) -> str:
        """As label value of an alert."""
        return self.value.lower()


class AlertName(StrEnum):
    """Every alert; each has a runbook of that name in docs/runbooks."""

    WORKER_DOWN = "WorkerDown"
    WORKER_NOT_SCRAPED = "WorkerNotScraped"
    MARKET_DATA_STALE = "MarketDataStale"
    MODEL_NOT_LOADED = "ModelNotLoaded"
    NO_SIGNALS = "NoSignals"
    LLM_FAILING = "LlmFailing"
    LLM_SLOW = "LlmSlow"
    REJECTIONS_JUMP = "RejectionsJump"
    ORDERS_FAILING = "OrdersFailing"
    ORDER_PRECISION_ERRORS = "OrderPrecisionErrors"
    BALANCE_CHECK_FAILURES = "BalanceCheckFailures"
    QUEUE_GROWING = "QueueGrowing"
    RECOMMENDATIONS_EXPIRING = "RecommendationsExpiring"
    CYCLE_SLOW = "CycleSlow"
    TRADING_HALTED = "TradingHalted"
    NO_TRADES = "NoTrades"
    OPERATOR_DOWN = "OperatorDown"
    OPERATOR_DEAF = "OperatorDeaf"
    MONITORING_CONFIG_REJECTED = "MonitoringConfigRejected"
    TARGET_NOT_READY = "TargetNotReady"
    LOG_SHIPPING_STOPPED = "LogShippingStopped"
    WATCHDOG = "Watchdog"
