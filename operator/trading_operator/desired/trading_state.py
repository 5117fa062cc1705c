"""The declared trading state as a ConfigMap, for an executor that starts while nobody can tell it. Pure.

`desired_objects` has it like any other object; `reconcile` also writes it right after the red button, so it is made of
what is at hand: neither a valid spec nor anything gathered. It holds what a PUT would carry, and nothing else
of the spec, so only an edit of `tradingState` changes it; no pod template names its content, so nothing is restarted.
"""

from __future__ import annotations

from dataclasses import dataclass

from trading_engine.contract.config import TradingState
from trading_engine.contract.messages import DECLARED_BY, TradingStateChange
from trading_operator.desired import names
from trading_operator.desired.labels import Object, finished


@dataclass(frozen=True)
class Declaration:
    """An engine, and the state that its spec declares."""

    namespace: str
    name: str
    uid: str
    state: TradingState


def trading_state_object(declared: Declaration) -> Object:
    """The ConfigMap, finished."""
    change = TradingStateChange(state=declared.state, who=DECLARED_BY, why="spec.tradingState")
    made: Object = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": names.trading_state(declared), "namespace": declared.namespace},
        "data": {names.TRADING_STATE_KEY: change.model_dump_json() + "\n"},
    }
    return finished(declared, "trading-state", made)
