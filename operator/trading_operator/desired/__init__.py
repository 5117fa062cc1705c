"""A TradingEngine's spec -> the Kubernetes objects that shall exist. Pure; `reconcile` and `render` call it.

Objects are plain dictionaries as a server-side apply wants them: only fields that we own, with values as the
API server writes them. Order matters: what others mount or name comes before them.
"""

from __future__ import annotations

from trading_operator.api.v1alpha1 import TradingEngine
from trading_operator.desired.collectors import collector_objects
from trading_operator.desired.database import database_objects
from trading_operator.desired.inputs import Inputs, inputs_from
from trading_operator.desired.labels import OWNED_SELECTOR, Object, is_owned_by
from trading_operator.desired.names import referenced_secrets
from trading_operator.desired.network import network_objects
from trading_operator.desired.rbac import account_objects
from trading_operator.desired.service_monitor import monitor_objects
from trading_operator.desired.targets import target_objects
from trading_operator.desired.trading_state import Declaration, trading_state_object
from trading_operator.desired.training import training_objects
from trading_operator.desired.workers import worker_objects
from trading_operator.settings import Settings

__all__ = [
    "OWNED_SELECTOR",
    "Declaration",
    "Inputs",
    "Object",
    "desired_objects",
    "inputs_from",
    "is_owned_by",
    "referenced_secrets",
    "trading_state_object",
]


def desired_objects(engine: TradingEngine, settings: Settings, inputs: Inputs) -> tuple[Object, ...]:
    """Everything that shall exist for one engine, in the order in which it is applied."""
    declared = Declaration(engine.namespace, engine.name, engine.uid, engine.spec.trading_state)
    made = (
        trading_state_object(declared),
        *account_objects(engine, settings),
        *network_objects(engine, settings),
        *database_objects(engine, settings, inputs),
        *worker_objects(engine, settings, inputs),
        *collector_objects(engine, settings, inputs),
        *training_objects(engine, settings),
        *monitor_objects(engine, settings),
    )
    return (*made, *target_objects(engine, made, inputs.targets))
