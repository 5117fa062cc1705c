"""An engine as observed -> its status. Pure: the clock is an argument. `reconcile` writes it where it differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from trading_engine.contract.config import TradingState
from trading_engine.contract.workers import WORKERS
from trading_operator.api.v1alpha1 import (
    ConditionStatus,
    TradingEngine,
    TradingEngineStatus,
    WorkerStatus,
)
from trading_operator.api.v1alpha1.trading_engine_status import AcknowledgedState
from trading_operator.checks.alerting import alerting_condition, log_agent_conditions
from trading_operator.checks.conditions import Draft, dated
from trading_operator.checks.findings import Finding, worst
from trading_operator.checks.model import model_ready
from trading_operator.checks.observability import observed_condition
from trading_operator.checks.reasons import NEEDS_A_PERSON, Reason
from trading_operator.checks.workloads import database_finding, worker_statuses
from trading_operator.desired import names
from trading_operator.desired.inputs import plain
from trading_operator.errors import InvalidResource
from trading_operator.observed import Observed

TRUE, FALSE, UNKNOWN = ConditionStatus.TRUE, ConditionStatus.FALSE, ConditionStatus.UNKNOWN


def engine_status(engine: TradingEngine, observed: Observed, now: datetime) -> TradingEngineStatus:
    """Conditions, workers and the acknowledged trading state.

    `observed` is what was gathered after the plan was written, so a workload that was just changed
    counts as not rolled yet.
    """
    workers, findings = worker_statuses(engine, observed)
    database = database_finding(engine, observed)
    findings += [database] if database else []
    findings += _refusals(observed) + secret_findings(engine, observed) + _held_back(observed)
    drafts = (
        _ready(engine, worst(findings), workers),
        _progressing(findings),
        _stalled(worst(findings)),
        _halted(engine, observed),
        _suspended(engine),
        model_ready(engine, observed),
        observed_condition(engine, observed),
        alerting_condition(engine, observed),
        *log_agent_conditions(engine),
    )
    report = observed.trading
    return TradingEngineStatus(
        observed_generation=engine.metadata.generation,
        conditions=dated(drafts, engine.status.conditions, engine.metadata.generation, now),
        trading_state=AcknowledgedState(report.state.value) if report else AcknowledgedState.UNKNOWN,
        workers_ready=_ready_count(workers),
        workers=workers,
    )


def invalid_status(manifest: Mapping[str, Any], error: InvalidResource, now: datetime) -> TradingEngineStatus:
    """Status of an object that its own kind does not accept (one written before its schema was tightened)."""
    metadata = manifest["metadata"]
    before = TradingEngineStatus.model_validate(
        {"conditions": manifest.get("status", {}).get("conditions", ())}
    ).conditions
    drafts = (
        Draft("Ready", FALSE, Reason.INVALID_SPEC, str(error)),
        Draft("Stalled", TRUE, Reason.INVALID_SPEC, str(error)),
    )
    generation = metadata.get("generation", 0)
    return TradingEngineStatus(observed_generation=generation, conditions=dated(drafts, before, generation, now))


def secret_findings(engine: TradingEngine, observed: Observed) -> list[Finding]:
    """Secrets that the spec names and that are not there, or lack a key."""
    found = []
    for name, keys in names.referenced_secrets(engine).items():
        subject = f"Secret {engine.namespace}/{name}"
        if name not in observed.user_secrets:
            found.append(Finding(Reason.SECRET_MISSING, subject, f"does not exist; it needs {_listed(keys)}"))
            continue
        missing = [key for key in keys if not plain(observed.user_secrets[name]).get(key)]
        if missing:
            found.append(Finding(Reason.SECRET_MISSING, subject, f"lacks {_listed(missing)}"))
    return found


def _listed(keys: Sequence[str]) -> str:
    return " and ".join(f"key {key}" for key in keys)


def _refusals(observed: Observed) -> list[Finding]:
    return [Finding(Reason.APPLY_REFUSED, "", words) for words in observed.refused]


def _held_back(observed: Observed) -> list[Finding]:
    """A suspended engine that is not what its spec says: whoever waits for Ready must not take it for applied."""
    if not observed.held_back:
        return []
    return [Finding(Reason.SUSPENDED, "", f"not as the spec says: {', '.join(observed.held_back)}")]


def _ready(engine: TradingEngine, wrong: list[Finding], workers: tuple[WorkerStatus, ...]) -> Draft:
    if wrong:
        return Draft("Ready", FALSE, wrong[0].reason, "; ".join(str(each) for each in wrong))
    spec = engine.spec
    message = f"{_ready_count(workers)} workers, {spec.mode.value}, {', '.join(spec.symbols)} {spec.timeframe.value}"
    return Draft("Ready", TRUE, Reason.ALL_WORKERS_READY, message)


def _progressing(findings: list[Finding]) -> Draft:
    rolling = [each for each in findings if each.reason in (Reason.PROGRESSING, Reason.DATABASE_NOT_READY)]
    if rolling:
        return Draft("Progressing", TRUE, Reason.PROGRESSING, "; ".join(str(each) for each in rolling))
    return Draft("Progressing", FALSE, Reason.SETTLED, "")


def _stalled(wrong: list[Finding]) -> Draft:
    if wrong and wrong[0].reason in NEEDS_A_PERSON:
        return Draft("Stalled", TRUE, wrong[0].reason, "; ".join(str(each) for each in wrong))
    return Draft("Stalled", FALSE, Reason.NOTHING_TO_MEND, "")


def _halted(engine: TradingEngine, observed: Observed) -> Draft:
    """True only on the executor's own word."""
    report = observed.trading
    if report is None:
        return Draft("Halted", UNKNOWN, Reason.EXECUTOR_UNREACHABLE, observed.trading_problem)
    said = f"the executor obeys {report.state.value}, set by {report.who}"
    if report.state is TradingState.HALTED:
        message = f"{said}; orders sent since: {report.orders_sent_since}"
        return Draft("Halted", TRUE, Reason.ACKNOWLEDGED, message)
    wanted = engine.spec.trading_state is TradingState.HALTED
    return Draft("Halted", FALSE, Reason.AWAITING_ACKNOWLEDGEMENT if wanted else Reason.NOT_HALTED, said)


def _suspended(engine: TradingEngine) -> Draft:
    if engine.spec.suspend:
        return Draft("Suspended", TRUE, Reason.SUSPENDED, Reason.SUSPENDED.meaning)
    return Draft("Suspended", FALSE, Reason.NOT_SUSPENDED, "")


def _ready_count(workers: tuple[WorkerStatus, ...]) -> str:
    """Of the five workers; collectors have rows of their own."""
    own = {worker.name for worker in WORKERS}
    ready = [each for each in workers if each.ready and each.name in own]
    return f"{len(ready)}/{len(own)}"
