"""The next stage of a recommendation, and the status an answer leads to."""

from __future__ import annotations

import pytest

from tests.builders import a_recommendation, an_execution
from trading_engine.contract.messages import (
    TERMINAL,
    Decision,
    DenyReason,
    OrderState,
    RecommendationStatus,
    RiskDecision,
)
from trading_engine.domain.orders import is_terminal
from trading_engine.domain.pipeline import (
    MOVES,
    Stage,
    after_assessment,
    after_execution,
    after_validation,
    next_stage,
)

S = RecommendationStatus


@pytest.mark.parametrize(
    ("status", "now_ms", "stage"),
    [
        (S.PENDING, 99, Stage.VALIDATE),
        (S.PENDING, 100, Stage.EXPIRE),
        (S.VALIDATED, 99, Stage.ASSESS),
        (S.VALIDATED, 100, Stage.EXPIRE),
        (S.APPROVED, 99, Stage.EXECUTE),
        (S.APPROVED, 100, Stage.EXECUTE),
        (S.EXECUTING, 10_000, Stage.EXECUTE),
        *[(status, 10_000, Stage.DONE) for status in sorted(TERMINAL)],
    ],
)
def test_next_stage_follows_from_status_and_time(status: S, now_ms: int, stage: Stage) -> None:
    """Before approval a recommendation expires; from then on only the executor may say so."""
    assert next_stage(status, 100, now_ms) is stage


def test_every_answer_leads_to_a_status_that_may_follow() -> None:
    """Stages and moves cannot disagree."""
    assert {after_validation(decision) for decision in Decision} <= MOVES[S.PENDING]
    assert {after_assessment(decision) for decision in RiskDecision} <= MOVES[S.VALIDATED]
    executed = {after_execution(an_execution(a_recommendation().id, state)) for state in OrderState}
    assert executed <= MOVES[S.APPROVED]
    assert executed - {S.EXECUTING} <= MOVES[S.EXECUTING]


def test_terminal_statuses_have_no_successor() -> None:
    """What has ended stays."""
    assert {status for status, after in MOVES.items() if not after} == TERMINAL
    assert set(MOVES) == set(S)


@pytest.mark.parametrize("state", list(OrderState))
def test_recommendation_ends_when_its_order_does(state: OrderState) -> None:
    """While the order can still change, so can the recommendation."""
    status = after_execution(an_execution(a_recommendation().id, state))
    assert (status in TERMINAL) == is_terminal(state)


def test_recommendation_is_expired_when_denied_for_its_age() -> None:
    """Too old is expired, not denied: it is counted apart."""
    execution = an_execution(
        a_recommendation().id, OrderState.DENIED, reason=DenyReason.RECOMMENDATION_EXPIRED, detail=""
    )
    assert after_execution(execution) is S.EXPIRED


def test_recommendation_is_vetoed_when_rejected_and_goes_on_when_skipped() -> None:
    """Only a reject vetoes."""
    assert after_validation(Decision.REJECT) is S.VETOED
    assert after_validation(Decision.SKIPPED) is after_validation(Decision.APPROVE) is S.VALIDATED
