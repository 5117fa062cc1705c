"""Which models may trade -> condition ModelReady. Pure.

The training Job's container leaves a TrainingReport as its termination message: the one place in the cluster that
says which symbols have a promoted model, without asking a worker.
"""

from __future__ import annotations

from typing import Final

from pydantic import ValidationError

from trading_engine.contract.messages import TrainingReport
from trading_operator.api.v1alpha1 import ConditionStatus, TradingEngine
from trading_operator.checks.conditions import Draft
from trading_operator.checks.findings import Manifest, last_words
from trading_operator.checks.reasons import Reason
from trading_operator.checks.workloads import newest_first
from trading_operator.observed import Observed

#: The Job controller's own label.
_JOB_NAME: Final = "batch.kubernetes.io/job-name"


def model_ready(engine: TradingEngine, observed: Observed) -> Draft:
    """Whether every symbol has a promoted model, and why not."""
    # An older one trained for another timeframe or other symbols: its word is no longer the answer.
    job = next(iter(newest_first(each for each in observed.objects if each["kind"] == "Job")), None)
    containers = _containers(job, observed) if job else []
    report = next((found for found in map(_report, containers) if found), None)
    if report:
        return _from_report(engine, report)
    if job and _has(job, "Failed"):
        words = last_words(containers[0]) if containers else "its pods are gone"
        return _draft(ConditionStatus.FALSE, Reason.TRAINING_FAILED, words)
    if job and not _has(job, "Complete"):
        return _draft(ConditionStatus.FALSE, Reason.TRAINING, "no model yet: signals are hold until training ends")
    return _draft(ConditionStatus.UNKNOWN, Reason.NOT_REPORTED, "no training Job has reported")


def _from_report(engine: TradingEngine, report: TrainingReport) -> Draft:
    missing = [symbol for symbol in sorted(engine.spec.symbols) if symbol not in report.promoted]
    if not missing:
        return _draft(ConditionStatus.TRUE, Reason.MODELS_PROMOTED, f"{len(engine.spec.symbols)} symbols")
    reasons = (f"{symbol}: {report.refused.get(symbol, 'not trained yet')}" for symbol in missing)
    return _draft(ConditionStatus.FALSE, Reason.NO_MODEL, "; ".join(reasons))


def _draft(status: ConditionStatus, reason: Reason, message: str) -> Draft:
    return Draft("ModelReady", status, reason, message)


def _containers(job: Manifest, observed: Observed) -> list[Manifest]:
    """Statuses of a Job's containers, newest pod first."""
    name = job["metadata"]["name"]
    pods = newest_first(pod for pod in observed.pods if pod["metadata"]["labels"].get(_JOB_NAME) == name)
    return [each for pod in pods for each in pod.get("status", {}).get("containerStatuses", ())]


def _report(container: Manifest) -> TrainingReport | None:
    ended = container.get("state", {}).get("terminated") or {}
    if ended.get("exitCode") != 0:
        return None
    try:
        return TrainingReport.model_validate_json(ended.get("message", ""))
    except ValidationError:
        return None


def _has(job: Manifest, type_: str) -> bool:
    conditions = job.get("status", {}).get("conditions", ())
    return any(each["type"] == type_ and each["status"] == "True" for each in conditions)
