"""Moves each open recommendation along: one call per stage, the answer committed before the next stage.

Driven by the step loop and woken by signal_generator. The store is the truth: a restart reads where each
recommendation stands and goes on. A failed call leaves it there; it is asked again, less and less often,
until it is answered or the recommendation expires. From `executing` on an order may exist, so only the
executor's word ends it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar
from uuid import UUID

import structlog
from pydantic import BaseModel, ValidationError
from structlog.contextvars import bound_contextvars

from trading_engine.contract.messages import (
    ASSESS_PATH,
    EXECUTE_PATH,
    TERMINAL,
    VALIDATE_PATH,
    Assessment,
    AssessmentRequest,
    Execution,
    ExecutionRequest,
    RecommendationStatus,
    Validation,
    ValidationRequest,
    Wake,
)
from trading_engine.contract.workers import WorkerName
from trading_engine.domain.pipeline import Stage, after_assessment, after_execution, after_validation, next_stage
from trading_engine.errors import WorkerUnavailable
from trading_engine.ports import Clock, Database, Metrics, RecommendationRow, Store, WorkerClient

Result = Validation | Assessment | Execution
Answer = TypeVar("Answer", Validation, Assessment, Execution)

#: Recommendations looked at in one pass, and how many of them at a time.
MOST_OPEN: Final = 500
AT_ONCE: Final = 8
#: Closes sent along for validation.
CLOSES: Final = 30
FIRST_BACK_OFF_MS: Final = 500
LONGEST_BACK_OFF_MS: Final = 10_000

log = structlog.get_logger()


class Patience:
    """When to ask again, per recommendation: 0.5 s after the first fruitless call, doubling up to 10 s."""

    def __init__(self) -> None:
        self._waits: dict[UUID, tuple[int, int]] = {}

    def ready(self, recommendation_id: UUID, now_ms: int) -> bool:
        """Whether it may be asked now."""
        return now_ms >= self._waits.get(recommendation_id, (0, 0))[1]

    def fruitless(self, recommendation_id: UUID, now_ms: int) -> None:
        """A call that led nowhere."""
        count = self._waits.get(recommendation_id, (0, 0))[0]
        wait = min(FIRST_BACK_OFF_MS * 2**count, LONGEST_BACK_OFF_MS)
        self._waits[recommendation_id] = (count + 1, now_ms + wait)

    def forget(self, recommendation_id: UUID) -> None:
        """It moved on."""
        self._waits.pop(recommendation_id, None)


@dataclass(frozen=True)
class Deps:
    """Ports, and `wake`: makes the step loop pass soon."""

    database: Database
    calls: WorkerClient
    clock: Clock
    metrics: Metrics
    wake: Callable[[], None]
    patience: Patience = field(default_factory=Patience)


async def handle_wake(deps: Deps, hint: Wake) -> None:
    """A new recommendation is in the store."""
    log.debug("woken", recommendation_id=str(hint.recommendation_id))
    deps.wake()


async def step(deps: Deps) -> None:
    """One pass over all open recommendations, each moved as far as it goes now.

    Raises:
        StoreUnavailable: the store cannot be read or written.
    """
    started = time.perf_counter()
    rows = await deps.database.run(lambda store: store.open_recommendations(limit=MOST_OPEN))
    deps.metrics.set("pending_recommendations_queue_size", len(rows))
    places = asyncio.Semaphore(AT_ONCE)
    outcomes = await asyncio.gather(*(_advance(deps, row, places) for row in rows), return_exceptions=True)
    left = await deps.database.run(lambda store: store.count_open_recommendations())
    deps.metrics.set("pending_recommendations_queue_size", left)
    deps.metrics.observe("orchestrator_cycle_duration_seconds", time.perf_counter() - started)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome


async def _advance(deps: Deps, row: RecommendationRow, places: asyncio.Semaphore) -> None:
    recommendation_id = row.recommendation.id
    current: RecommendationRow | None = row
    async with places:
        with bound_contextvars(recommendation_id=str(recommendation_id)):
            while current and deps.patience.ready(recommendation_id, deps.clock.now_ms()):
                current = await _one_stage(deps, current)


async def _one_stage(deps: Deps, row: RecommendationRow) -> RecommendationRow | None:
    """The row after its next stage; None when there is nothing more to do with it now."""
    stage = next_stage(row.status, row.recommendation.expires_ms, deps.clock.now_ms())
    if stage is Stage.DONE:
        return None
    if stage is Stage.EXPIRE:
        return await _moved(deps, row, RecommendationStatus.EXPIRED, detail=f"expired while {row.status}")
    if row.status is RecommendationStatus.APPROVED:
        # Committed before the executor is asked: from now on an order may exist, so expiry is its to say.
        return await _moved(deps, row, RecommendationStatus.EXECUTING)
    started = time.perf_counter()
    result: Result | None
    try:
        result, after = await _ASK[stage](deps, row)
    except WorkerUnavailable as error:
        log.warning("stage failed", stage=stage.value, reason=str(error))
        result, after = None, row.status
    finally:
        deps.metrics.observe("pipeline_stage_duration_seconds", time.perf_counter() - started, stage=stage.value)
    if after is not row.status:
        return await _moved(deps, row, after, result)
    deps.patience.fruitless(row.recommendation.id, deps.clock.now_ms())
    return None


async def _moved(
    deps: Deps, row: RecommendationRow, after: RecommendationStatus, result: Result | None = None, detail: str = ""
) -> RecommendationRow | None:
    """The row after a guarded move; None when somebody else moved it first."""
    recommendation_id, now = row.recommendation.id, deps.clock.now_ms()

    def work(store: Store) -> RecommendationRow | None:
        done = store.move_recommendation(recommendation_id, row.status, after, at_ms=now, result=result, detail=detail)
        return store.recommendation(recommendation_id) if done else None

    current = await deps.database.run(work)
    if current is not None:
        deps.patience.forget(recommendation_id)
        _tell(deps, row, current, detail)
    return current


def _tell(deps: Deps, before: RecommendationRow, after: RecommendationRow, detail: str) -> None:
    wanted = after.recommendation
    log.info(
        "recommendation " + after.status.value,
        before=before.status.value,
        symbol=wanted.symbol,
        side=wanted.side.value,
        detail=detail,
    )
    if after.status in TERMINAL:
        deps.metrics.inc("recommendations_processed_total", status=after.status.value)


async def _validate(deps: Deps, row: RecommendationRow) -> tuple[Result, RecommendationStatus]:
    wanted = row.recommendation
    candles = await deps.database.run(lambda store: store.candles(wanted.symbol, wanted.timeframe, limit=CLOSES))
    closes = tuple(candle.close for candle in candles if candle.open_ms <= wanted.candle_open_ms)
    request = ValidationRequest(recommendation=wanted, closes=closes)
    answer = await _answer(deps, WorkerName.LLM_VALIDATION, VALIDATE_PATH, request, Validation)
    return answer, after_validation(answer.decision)


async def _assess(deps: Deps, row: RecommendationRow) -> tuple[Result, RecommendationStatus]:
    request = AssessmentRequest(recommendation=row.recommendation)
    answer = await _answer(deps, WorkerName.RISK_MANAGEMENT, ASSESS_PATH, request, Assessment)
    return answer, after_assessment(answer.decision)


async def _execute(deps: Deps, row: RecommendationRow) -> tuple[Result, RecommendationStatus]:
    if row.assessment is None:
        raise ValueError(f"recommendation {row.recommendation.id} is {row.status} without an assessment")
    request = ExecutionRequest(recommendation=row.recommendation, assessment=row.assessment)
    answer = await _answer(deps, WorkerName.TRADE_EXECUTOR, EXECUTE_PATH, request, Execution)
    return answer, after_execution(answer)


_ASK: Final = {Stage.VALIDATE: _validate, Stage.ASSESS: _assess, Stage.EXECUTE: _execute}


async def _answer(deps: Deps, worker: WorkerName, path: str, request: BaseModel, kind: type[Answer]) -> Answer:
    """The worker's answer, of the kind that was asked for and about the recommendation that was asked about."""
    body = await deps.calls.call(worker, "POST", path, request.model_dump_json().encode())
    try:
        answer = kind.model_validate_json(body)
    except ValidationError as error:
        raise WorkerUnavailable(f"{worker}: {path}: not a {kind.__name__}: {error}") from error
    if answer.recommendation_id != getattr(request, "recommendation").id:  # noqa: B009  # every request has one
        raise WorkerUnavailable(f"{worker}: {path}: answered about {answer.recommendation_id}")
    return answer
