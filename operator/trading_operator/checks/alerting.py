"""What became of an engine's alerts -> its conditions Alerting and LogAgentSupported. Pure.

Alerting says whether somebody would be told; the engine is Ready without it.
"""

from __future__ import annotations

from typing import Final

from trading_operator.api.v1alpha1 import ConditionStatus, TradingEngine
from trading_operator.api.v1alpha1.observability import LogAgent
from trading_operator.checks.conditions import Draft
from trading_operator.checks.observability import Finding, state_about, unloaded, unwritten
from trading_operator.checks.reasons import Reason
from trading_operator.observed import Observed, StackState

TYPE: Final = "Alerting"
LOG_AGENT: Final = "LogAgentSupported"

_ALERTING: Final[Finding] = (ConditionStatus.TRUE, Reason.ALERTING, "")
#: Whoever would be told is told nothing while no rule is evaluated.
_PENDING: Final = "Prometheus has not loaded the rules yet"


def alerting_condition(engine: TradingEngine, observed: Observed) -> Draft:
    """Whether the engine's rules and receivers are in force, and the first thing that keeps them from being so."""
    state = state_about(engine, observed, TYPE)
    if isinstance(state, Draft):
        return state
    words = state.quarantined.get(f"TradingEngine {engine.namespace}/{engine.name}")
    if words:
        return Draft(TYPE, ConditionStatus.FALSE, Reason.QUARANTINED, words)
    status, reason, message = unwritten(state) or _untold(state) or unloaded(state, _PENDING) or _ALERTING
    return Draft(TYPE, status, reason, message or _told(engine))


def _untold(state: StackState) -> Finding | None:
    if state.untold:
        return ConditionStatus.UNKNOWN, Reason.ALERTMANAGER_UNREACHABLE, state.untold
    if not state.tells:
        return ConditionStatus.FALSE, Reason.RELOAD_PENDING, "Alertmanager has not loaded the configuration yet"
    return None


def _told(engine: TradingEngine) -> str:
    names = [each.name for each in engine.spec.observability.receivers]
    return f"receivers: {', '.join(names)}" if names else "nobody is told: observability.receivers is empty"


def log_agent_conditions(engine: TradingEngine) -> tuple[Draft, ...]:
    """False for an agent that nobody maintains any more; nothing for the others."""
    if engine.spec.observability.logs.agent is not LogAgent.PROMTAIL:
        return ()
    reason = Reason.LOG_AGENT_END_OF_LIFE
    return (Draft(LOG_AGENT, ConditionStatus.FALSE, reason, reason.meaning),)
