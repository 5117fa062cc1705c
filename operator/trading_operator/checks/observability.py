"""What became of the shared configuration -> an engine's condition Observed. Pure.

It says whether Prometheus has loaded what scrapes the engine; the engine is Ready without it.
"""

from __future__ import annotations

from typing import Final

from trading_operator.api.v1alpha1 import ConditionStatus, TradingEngine
from trading_operator.api.v1alpha1.observability import Scrape
from trading_operator.checks.conditions import Draft
from trading_operator.checks.reasons import Reason
from trading_operator.observed import Observed, StackState

TYPE: Final = "Observed"

Finding = tuple[ConditionStatus, Reason, str]
_LOADED: Final[Finding] = (ConditionStatus.TRUE, Reason.OBSERVED, "Prometheus has loaded the configuration")


def observed_condition(engine: TradingEngine, observed: Observed) -> Draft:
    """Whether the engine is observed, and the first thing that keeps it from being so."""
    state = state_about(engine, observed, TYPE)
    if isinstance(state, Draft):
        return state
    status, reason, message = unwritten(state) or unloaded(state) or _LOADED
    if observed.unscraped and status is ConditionStatus.TRUE:
        return Draft(TYPE, ConditionStatus.FALSE, Reason.SERVICE_NOT_SCRAPED, "; ".join(observed.unscraped))
    return Draft(TYPE, status, reason, message)


def state_about(engine: TradingEngine, observed: Observed, type_: str) -> StackState | Draft:
    """What became of what is shared; where that says nothing about the engine, already the condition."""
    if engine.spec.observability.scrape is Scrape.DISABLED:
        return Draft(type_, ConditionStatus.FALSE, Reason.SCRAPE_DISABLED, "")
    if engine.spec.observability.scrape is Scrape.SERVICE_MONITOR:
        return _left_to_prometheus_operator(type_, observed)
    if observed.stack is None or engine.uid not in observed.stack.engines:
        return _as_before(engine, type_)
    return observed.stack


def _left_to_prometheus_operator(type_: str, observed: Observed) -> Draft:
    """Written for another operator, or not even that; more is not known here."""
    if observed.absent:
        message = f"the cluster does not know {', '.join(sorted(observed.absent))}"
        return Draft(type_, ConditionStatus.FALSE, Reason.PROMETHEUS_OPERATOR_MISSING, message)
    return Draft(type_, ConditionStatus.UNKNOWN, Reason.LEFT_TO_PROMETHEUS_OPERATOR, "")


def unwritten(state: StackState) -> Finding | None:
    """What keeps the shared configuration from being written; None where nothing does."""
    if state.unchecked:
        return ConditionStatus.FALSE, Reason.PROMTOOL_MISSING, state.unchecked
    if state.invalid:
        return ConditionStatus.FALSE, Reason.CONFIGURATION_INVALID, state.invalid
    if state.refused:
        return ConditionStatus.FALSE, Reason.SHARED_OBJECT_REFUSED, "; ".join(state.refused)
    return None


def unloaded(state: StackState, pending: str = "") -> Finding | None:
    """What keeps Prometheus from having loaded it; `pending` is said while it only takes its time."""
    if state.unreachable:
        return ConditionStatus.UNKNOWN, Reason.PROMETHEUS_UNREACHABLE, state.unreachable
    if not state.loaded:
        return ConditionStatus.FALSE, Reason.RELOAD_PENDING, pending
    return None


def _as_before(engine: TradingEngine, type_: str) -> Draft:
    """The condition as it was: an operator that has just started knows nothing yet, and writes nothing for it."""
    known = {reason.value: reason for reason in Reason}
    for each in engine.status.conditions:
        if each.type == type_ and each.reason in known:
            return Draft(type_, each.status, known[each.reason], each.message)
    return Draft(type_, ConditionStatus.UNKNOWN, Reason.NOT_LOOKED_AT, "")
