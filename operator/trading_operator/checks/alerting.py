"""What became of an engine's alerts -> its conditions Alerting and LogAgentSupported. Pure.

Alerting says whether somebody would be told; the engine is Ready without it.
"""

from __future__ import annotations

from typing import Final

from trading_operator.api.v1alpha1 import ConditionStatus, TradingEngine
from trading_operator.api.v1alpha1.observability import LogAgent, Scrape
from trading_operator.checks.conditions import Draft
from trading_operator.checks.observability import as_before, left_to_prometheus_operator
from trading_operator.checks.reasons import Reason
from trading_operator.observed import Observed, StackState

TYPE: Final = "Alerting"
LOG_AGENT: Final = "LogAgentSupported"


def alerting_condition(engine: TradingEngine, observed: Observed) -> Draft:
    """Whether the engine's rules and receivers are in force, and the first thing that keeps them from being so."""
    if engine.spec.observability.scrape is Scrape.DISABLED:
        return Draft(TYPE, ConditionStatus.FALSE, Reason.SCRAPE_DISABLED, "")
    if engine.spec.observability.scrape is Scrape.SERVICE_MONITOR:
        return left_to_prometheus_operator(TYPE, observed)
    if observed.stack is None or engine.uid not in observed.stack.engines:
        return as_before(engine, TYPE)
    words = observed.stack.quarantined.get(f"TradingEngine {engine.namespace}/{engine.name}")
    if words:
        return Draft(TYPE, ConditionStatus.FALSE, Reason.QUARANTINED, words)
    status, reason, message = _finding(observed.stack)
    return Draft(TYPE, status, reason, message or _told(engine))


def _finding(state: StackState) -> tuple[ConditionStatus, Reason, str]:
    if state.unchecked:
        return ConditionStatus.FALSE, Reason.PROMTOOL_MISSING, state.unchecked
    if state.invalid:
        return ConditionStatus.FALSE, Reason.CONFIGURATION_INVALID, state.invalid
    if state.refused:
        return ConditionStatus.FALSE, Reason.SHARED_OBJECT_REFUSED, "; ".join(state.refused)
    if state.untold:
        return ConditionStatus.UNKNOWN, Reason.ALERTMANAGER_UNREACHABLE, state.untold
    if not state.tells:
        return ConditionStatus.FALSE, Reason.RELOAD_PENDING, "Alertmanager has not loaded the configuration yet"
    # Whoever would be told is told nothing while no rule is evaluated.
    if state.unreachable:
        return ConditionStatus.UNKNOWN, Reason.PROMETHEUS_UNREACHABLE, state.unreachable
    if not state.loaded:
        return ConditionStatus.FALSE, Reason.RELOAD_PENDING, "Prometheus has not loaded the rules yet"
    return ConditionStatus.TRUE, Reason.ALERTING, ""


def _told(engine: TradingEngine) -> str:
    names = [each.name for each in engine.spec.observability.receivers]
    return f"receivers: {', '.join(names)}" if names else "nobody is told: observability.receivers is empty"


def log_agent_conditions(engine: TradingEngine) -> tuple[Draft, ...]:
    """False for an agent that nobody maintains any more; nothing for the others."""
    if engine.spec.observability.logs.agent is not LogAgent.PROMTAIL:
        return ()
    reason = Reason.LOG_AGENT_END_OF_LIFE
    return (Draft(LOG_AGENT, ConditionStatus.FALSE, reason, reason.meaning),)
