"""llm_validation: asks a language model about a recommendation and says approve, reject or skipped.

Called over HTTP by trade_orchestrator (POST /v1/validate). It returns a verdict and nothing else: side,
size, symbol and price are not in its answer, so it can veto and do no more. A model that gives no valid
verdict in time is answered for by `llm.on_unavailable`, and the reason says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from structlog.typing import FilteringBoundLogger

from trading_engine.contract.config import LlmConfig, LlmProvider, OnUnavailable
from trading_engine.contract.messages import Decision, Validation, ValidationRequest
from trading_engine.domain.validation import (
    VERDICT_SCHEMA,
    InvalidVerdict,
    Verdict,
    parse_verdict,
    prompt,
    repair_prompt,
)
from trading_engine.errors import ConfigError, WorkerUnavailable
from trading_engine.ports import Clock, LanguageModel, Metrics

#: Validations in line, the one being worked on included; the next is answered by `on_unavailable` at once.
LINE: Final = 16
_REASON_LENGTH: Final = 500


@dataclass(slots=True)
class Line:
    """One question at a time: a server answers in series anyway, and would count our wait as its own."""

    waiting: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True, slots=True)
class Deps:
    """What one llm_validation worker works with. `model` is None only where the provider is Disabled."""

    config: LlmConfig
    model: LanguageModel | None
    clock: Clock
    metrics: Metrics
    log: FilteringBoundLogger
    line: Line = field(default_factory=Line)

    def __post_init__(self) -> None:
        """A missing model must not pass for a disabled one.

        Raises:
            ConfigError: a provider is configured and no model was given.
        """
        if self.model is None and self.config.provider is not LlmProvider.DISABLED:
            raise ConfigError(f"llm.provider is {self.config.provider}: it needs a language model, none was given")


@dataclass(frozen=True, slots=True)
class _Outcome:
    """A verdict and how it came about: `model`, `repaired`, `unavailable` or `disabled`."""

    verdict: Verdict
    source: str


async def handle(deps: Deps, request: ValidationRequest) -> Validation:
    """The verdict on one recommendation. A model that gives none is a verdict too, never an exception."""
    started_ms = deps.clock.now_ms()
    outcome = await _outcome(deps, request)
    validation = Validation(
        recommendation_id=request.recommendation.id,
        decision=outcome.verdict.decision,
        confidence=outcome.verdict.confidence,
        reason=_printable(outcome.verdict.reason)[:_REASON_LENGTH],
        model=deps.model.name if deps.model else "",
        seconds=max(0, deps.clock.now_ms() - started_ms) / 1000,
    )
    _record(deps, validation, outcome.source)
    return validation


async def _outcome(deps: Deps, request: ValidationRequest) -> _Outcome:
    if deps.model is None:
        return _Outcome(Verdict(Decision.SKIPPED, Decimal(0), "llm.provider is Disabled"), "disabled")
    seconds = deps.config.timeout_seconds
    deadline = asyncio.get_running_loop().time() + seconds
    try:
        async with asyncio.timeout_at(deadline), _turn(deps.line):
            return await _asked(deps, deps.model, prompt(request), deadline)
    except TimeoutError:
        return _unavailable(deps.config, f"no verdict within {seconds} s, {deps.line.waiting} others in line")
    except WorkerUnavailable as error:
        return _unavailable(deps.config, str(error))


@asynccontextmanager
async def _turn(line: Line) -> AsyncIterator[None]:
    if line.waiting >= LINE:
        raise WorkerUnavailable(f"{LINE} validations are in line already")
    line.waiting += 1
    try:
        async with line.turn:
            yield
    finally:
        line.waiting -= 1


async def _asked(deps: Deps, model: LanguageModel, messages: list[dict[str, str]], deadline: float) -> _Outcome:
    """Ask; if the answer is no verdict, show the model what is wrong with it and ask once more."""
    answer = await _chat(deps, model, messages, deadline)
    verdict = parse_verdict(answer)
    if isinstance(verdict, Verdict):
        return _Outcome(verdict, "model")
    deps.log.info("verdict is invalid, asking once more", error=verdict.error)
    repaired = parse_verdict(await _chat(deps, model, repair_prompt(messages, answer, verdict), deadline))
    if isinstance(repaired, InvalidVerdict):
        return _unavailable(deps.config, f"no valid verdict in two answers: {repaired.error}")
    return _Outcome(repaired, "repaired")


async def _chat(deps: Deps, model: LanguageModel, messages: list[dict[str, str]], deadline: float) -> str:
    started_ms = deps.clock.now_ms()
    try:
        left = deadline - asyncio.get_running_loop().time()
        return await model.chat(messages, VERDICT_SCHEMA, left)
    finally:
        deps.metrics.observe("ollama_api_latency_seconds", max(0, deps.clock.now_ms() - started_ms) / 1000)


def _unavailable(config: LlmConfig, why: str) -> _Outcome:
    approve = config.on_unavailable is OnUnavailable.APPROVE
    decision = Decision.APPROVE if approve else Decision.REJECT
    reason = f"onUnavailable is {config.on_unavailable}: {why}"
    return _Outcome(Verdict(decision, Decimal(0), reason), "unavailable")


def _printable(text: str) -> str:
    """A model's words without control, zero-width and direction characters: NUL alone breaks PostgreSQL."""
    return "".join(character if character.isprintable() else " " for character in text)


def _record(deps: Deps, validation: Validation, source: str) -> None:
    deps.metrics.inc("llm_validations_total", decision=validation.decision.value)
    if source != "disabled":
        deps.metrics.observe("llm_validation_time_seconds", validation.seconds)
    if source in ("model", "repaired"):  # the others have no confidence of a model's
        deps.metrics.observe("llm_confidence_scores", float(validation.confidence))
    write = deps.log.warning if source == "unavailable" else deps.log.info
    write(
        "validated",
        recommendation_id=str(validation.recommendation_id),
        decision=validation.decision.value,
        confidence=str(validation.confidence),
        reason=validation.reason,
        source=source,
        model=validation.model,
        seconds=validation.seconds,
    )
