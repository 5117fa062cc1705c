"""Which models may trade, read from the report of the newest training Job alone."""

from __future__ import annotations

import dataclasses
from typing import Any

from tests.operator.engines import engine, objects
from tests.operator.observations import NOW, condition, rolled
from trading_engine.contract.messages import TrainingReport
from trading_operator.api.v1alpha1 import TradingEngine
from trading_operator.checks import engine_status


def training(of: TradingEngine, **terminated: Any) -> dict[str, Any]:
    """The training pod of an engine, ended."""
    job = next(each for each in objects(of) if each["kind"] == "Job")
    labels = job["spec"]["template"]["metadata"]["labels"] | {"batch.kubernetes.io/job-name": job["metadata"]["name"]}
    ended = {"name": "training", "restartCount": 0, "state": {"terminated": terminated}}
    metadata = {"name": "t", "labels": labels, "creationTimestamp": "2026-01-02T03:00:00Z"}
    return {"kind": "Pod", "metadata": metadata, "spec": {}, "status": {"containerStatuses": [ended]}}


def test_models_are_ready_when_training_reported_all_symbols() -> None:
    """True on the Job's own report; not merely because the Job ended well."""
    of = engine(symbols=["BTC/USD", "ETH/USD"])
    both = TrainingReport(promoted=("BTC/USD", "ETH/USD")).model_dump_json()
    one = TrainingReport(promoted=("BTC/USD",), refused={"ETH/USD": "below the base rate"}).model_dump_json()
    found = [
        condition(
            engine_status(of, dataclasses.replace(rolled(of), pods=(training(of, exitCode=0, message=message),)), NOW),
            "ModelReady",
        )
        for message in (both, one, "not a report")
    ]

    assert [(each.status, each.reason) for each in found] == [
        ("True", "ModelsPromoted"),
        ("False", "NoModel"),
        ("False", "Training"),
    ]
    assert found[1].message == "ETH/USD: below the base rate"


def test_models_are_not_ready_when_only_an_older_job_reported() -> None:
    """Candles of another length need another model, until whose training ends nothing is promoted."""
    before, now = engine(timeframe="1m"), engine(timeframe="5m")
    old = training(before, exitCode=0, message=TrainingReport(promoted=("BTC/USD",)).model_dump_json())
    jobs = [next(each for each in rolled(of).objects if each["kind"] == "Job") | {"status": {}} for of in (before, now)]
    for number, job in enumerate(jobs):
        job["metadata"]["creationTimestamp"] = f"2026-01-02T03:0{number}:00Z"
    observed = dataclasses.replace(rolled(now), objects=tuple(jobs), pods=(old,))

    assert condition(engine_status(now, observed, NOW), "ModelReady").reason == "Training"


def test_training_failure_is_told_when_job_gave_up() -> None:
    """With its last words; trading goes on as hold, so Ready does not depend on it."""
    observed = rolled(engine())
    job = next(each for each in observed.objects if each["kind"] == "Job")
    job["status"] = {"conditions": [{"type": "Failed", "status": "True"}]}  # type: ignore[index]
    ended = training(engine(), exitCode=1, reason="Error", message="no candles")
    status = engine_status(engine(), dataclasses.replace(observed, pods=(*observed.pods, ended)), NOW)

    assert condition(status, "ModelReady").reason == "TrainingFailed"
    assert "no candles" in condition(status, "ModelReady").message
    assert condition(status, "Ready").status == "True"
