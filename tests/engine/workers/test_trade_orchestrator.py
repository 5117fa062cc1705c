"""Each recommendation moves one committed stage at a time, and stays where it is while a worker is down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.builders import a_recommendation, a_signal, a_validation, an_assessment, an_execution
from tests.fakes_engine import CountingMetrics, MemoryDatabase, ScriptedCalls
from trading_engine.contract.messages import (
    AssessmentRequest,
    Decision,
    DenyReason,
    ExecutionRequest,
    OrderState,
    Recommendation,
    RecommendationStatus,
    RiskDecision,
    ValidationRequest,
    Wake,
)
from trading_engine.ports import RecommendationRow
from trading_engine.runtime.clock import SimulatedClock
from trading_engine.workers import trade_orchestrator

S = RecommendationStatus


def validates(**fields: object) -> Callable[[bytes], bytes]:
    def answer(body: bytes) -> bytes:
        return (
            a_validation(ValidationRequest.model_validate_json(body).recommendation, **fields)
            .model_dump_json()
            .encode()
        )

    return answer


def assesses(**fields: object) -> Callable[[bytes], bytes]:
    def answer(body: bytes) -> bytes:
        wanted = AssessmentRequest.model_validate_json(body).recommendation
        return an_assessment(wanted, **fields).model_dump_json().encode()

    return answer


def executes(state: OrderState, **fields: object) -> Callable[[bytes], bytes]:
    def answer(body: bytes) -> bytes:
        wanted = ExecutionRequest.model_validate_json(body).recommendation
        return an_execution(wanted.id, state, **fields).model_dump_json().encode()

    return answer


class Desk:
    """An orchestrator over a store with one pending recommendation."""

    def __init__(self) -> None:
        self.clock = SimulatedClock(61_000)
        self.database = MemoryDatabase()
        self.metrics = CountingMetrics()
        self.woken = 0
        self.calls = ScriptedCalls(validate=validates(), assess=assesses(), execute=executes(OrderState.FILLED))
        self.wanted = a_recommendation()
        self.deps = self.fresh()

    def fresh(self) -> trade_orchestrator.Deps:
        """A new process."""
        return trade_orchestrator.Deps(self.database, self.calls, self.clock, self.metrics, self.wake)

    def wake(self) -> None:
        self.woken += 1

    async def put(self, wanted: Recommendation) -> None:
        await self.database.run(lambda store: store.put_signal(a_signal(), wanted))

    async def row(self) -> RecommendationRow:
        row = await self.database.run(lambda store: store.recommendation(self.wanted.id))
        assert row is not None
        return row


@pytest.fixture
async def desk() -> Desk:
    made = Desk()
    await made.put(made.wanted)
    return made


async def test_filled_in_one_pass_when_everybody_answers(desk: Desk) -> None:
    """Four committed moves, each with its event; the terminal one is counted."""
    await trade_orchestrator.step(desk.deps)

    row = await desk.row()
    events = await desk.database.run(lambda store: store.recommendation_events(desk.wanted.id))
    assert (row.status, desk.calls.calls) == (S.FILLED, ["validate", "assess", "execute"])
    assert [event.after for event in events][-4:] == ["validated", "approved", "executing", "filled"]
    assert row.execution is not None
    assert desk.metrics.counts[("recommendations_processed_total", "filled")] == 1
    assert desk.metrics.gauges["pending_recommendations_queue_size"] == 0


@pytest.mark.parametrize(
    ("path", "answer", "status"),
    [
        ("validate", validates(decision=Decision.REJECT), S.VETOED),
        ("assess", assesses(decision=RiskDecision.REFUSED), S.REFUSED),
        ("execute", executes(OrderState.DENIED, reason=DenyReason.TRADING_HALTED), S.DENIED),
        ("execute", executes(OrderState.DENIED, reason=DenyReason.RECOMMENDATION_EXPIRED), S.EXPIRED),
        ("execute", executes(OrderState.REJECTED), S.REJECTED),
    ],
)
async def test_ends_where_a_stage_says_no(
    desk: Desk, path: str, answer: Callable[[bytes], bytes], status: RecommendationStatus
) -> None:
    """No stage after the one that ended it is asked."""
    desk.calls.answers[path] = answer

    await trade_orchestrator.step(desk.deps)

    assert (await desk.row()).status is status
    assert desk.calls.calls[-1] == path
    assert desk.metrics.counts[("recommendations_processed_total", status.value)] == 1


@pytest.mark.parametrize(("path", "left"), [("validate", S.PENDING), ("assess", S.VALIDATED), ("execute", S.EXECUTING)])
async def test_goes_on_where_it_stood_when_a_worker_was_down(desk: Desk, path: str, left: RecommendationStatus) -> None:
    """A failed call changes nothing; a new process asks that stage and not those before it."""
    answer = desk.calls.answers.pop(path)
    await trade_orchestrator.step(desk.deps)
    status = (await desk.row()).status
    desk.calls.answers[path] = answer
    desk.calls.calls.clear()

    await trade_orchestrator.step(desk.fresh())

    assert status is left
    assert (await desk.row()).status is S.FILLED
    assert desk.calls.calls[0] == path


async def test_asked_less_often_when_a_worker_stays_down(desk: Desk) -> None:
    """Back-off per recommendation: half a second, then twice as long each time."""
    desk.calls.answers.pop("validate")

    for _ in range(12):
        await trade_orchestrator.step(desk.deps)
        desk.clock.advance_to(desk.clock.now_ms() + 500)

    assert len(desk.calls.calls) == 4


async def test_expired_and_counted_when_nobody_answered_in_time(desk: Desk) -> None:
    """Before an order can exist, time ends a recommendation."""
    desk.calls.answers.pop("validate")
    await trade_orchestrator.step(desk.deps)
    desk.clock.advance_to(desk.wanted.expires_ms)

    await trade_orchestrator.step(desk.deps)

    assert (await desk.row()).status is S.EXPIRED
    assert desk.metrics.counts[("recommendations_processed_total", "expired")] == 1


async def test_never_expired_by_the_clock_when_an_order_may_exist(desk: Desk) -> None:
    """From executing on only the executor's word counts."""
    desk.calls.answers["execute"] = executes(OrderState.UNKNOWN)
    await trade_orchestrator.step(desk.deps)
    desk.clock.advance_to(desk.wanted.expires_ms + 600_000)
    await trade_orchestrator.step(desk.deps)
    before = (await desk.row()).status
    desk.calls.answers["execute"] = executes(OrderState.FILLED)
    desk.clock.advance_to(desk.clock.now_ms() + 10_000)

    await trade_orchestrator.step(desk.deps)

    assert before is S.EXECUTING
    assert (await desk.row()).status is S.FILLED


async def test_not_believed_when_the_answer_is_about_another_recommendation(desk: Desk) -> None:
    """A mixed-up answer is no answer."""
    desk.calls.answers["validate"] = lambda _: a_validation(a_recommendation(7)).model_dump_json().encode()

    await trade_orchestrator.step(desk.deps)

    assert (await desk.row()).status is S.PENDING


async def test_counted_once_when_two_passes_race(desk: Desk) -> None:
    """Guarded moves: the loser of a race moves and counts nothing."""
    await asyncio.gather(trade_orchestrator.step(desk.deps), trade_orchestrator.step(desk.fresh()))

    assert desk.metrics.counts[("recommendations_processed_total", "filled")] == 1


async def test_loop_woken_when_a_hint_comes(desk: Desk) -> None:
    """The hint does no more than that."""
    await trade_orchestrator.handle_wake(desk.deps, Wake(recommendation_id=desk.wanted.id))

    assert desk.woken == 1
    assert desk.calls.calls == []
