"""Which stage a recommendation is at, and which status a stage's answer leads to. Called by trade_orchestrator.

pending -> validated | vetoed | expired; validated -> approved | refused | expired; approved ->
executing | a terminal status; executing -> a terminal status. Once approved an order may exist, so
only the executor, who owns the order, may say that it expired.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from trading_engine.contract.messages import (
    TERMINAL,
    Decision,
    DenyReason,
    Execution,
    OrderState,
    RecommendationStatus,
    RiskDecision,
)


class Stage(StrEnum):
    """What the orchestrator does next; the first three are the label values of the stage metrics."""

    VALIDATE = "validate"
    ASSESS = "assess"
    EXECUTE = "execute"
    EXPIRE = "expire"
    DONE = "done"


_EXECUTED: Final = {
    RecommendationStatus.FILLED,
    RecommendationStatus.CANCELED,
    RecommendationStatus.REJECTED,
    RecommendationStatus.DENIED,
    RecommendationStatus.EXPIRED,
}

#: Which status may follow which. Terminal ones have no successor.
MOVES: Final[dict[RecommendationStatus, frozenset[RecommendationStatus]]] = {
    RecommendationStatus.PENDING: frozenset(
        {RecommendationStatus.VALIDATED, RecommendationStatus.VETOED, RecommendationStatus.EXPIRED}
    ),
    RecommendationStatus.VALIDATED: frozenset(
        {RecommendationStatus.APPROVED, RecommendationStatus.REFUSED, RecommendationStatus.EXPIRED}
    ),
    RecommendationStatus.APPROVED: frozenset({RecommendationStatus.EXECUTING, *_EXECUTED}),
    RecommendationStatus.EXECUTING: frozenset(_EXECUTED),
    **{status: frozenset() for status in TERMINAL},
}

_STAGES: Final = {
    RecommendationStatus.PENDING: Stage.VALIDATE,
    RecommendationStatus.VALIDATED: Stage.ASSESS,
    RecommendationStatus.APPROVED: Stage.EXECUTE,
    RecommendationStatus.EXECUTING: Stage.EXECUTE,
}

_AFTER_ORDER: Final = {
    OrderState.DENIED: RecommendationStatus.DENIED,
    OrderState.REJECTED: RecommendationStatus.REJECTED,
    OrderState.FILLED: RecommendationStatus.FILLED,
    OrderState.CANCELED: RecommendationStatus.CANCELED,
    OrderState.EXPIRED: RecommendationStatus.EXPIRED,
}


def next_stage(status: RecommendationStatus, expires_ms: int, now_ms: int) -> Stage:
    """The one thing to do next with a recommendation; at `expires_ms` it has expired."""
    if status in TERMINAL:
        return Stage.DONE
    stage = _STAGES[status]
    return stage if stage is Stage.EXECUTE or now_ms < expires_ms else Stage.EXPIRE


def after_validation(decision: Decision) -> RecommendationStatus:
    """Status a verdict leads to; skipped passes, for nobody was asked."""
    return RecommendationStatus.VETOED if decision is Decision.REJECT else RecommendationStatus.VALIDATED


def after_assessment(decision: RiskDecision) -> RecommendationStatus:
    """Status an assessment leads to."""
    return RecommendationStatus.APPROVED if decision is RiskDecision.APPROVED else RecommendationStatus.REFUSED


def after_execution(execution: Execution) -> RecommendationStatus:
    """Status an execution leads to; executing while the order can still change."""
    if execution.reason is DenyReason.RECOMMENDATION_EXPIRED:
        return RecommendationStatus.EXPIRED
    return _AFTER_ORDER.get(execution.state, RecommendationStatus.EXECUTING)
