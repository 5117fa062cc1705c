"""An engine's status tells the truth: each trouble by its own reason, nothing Ready that is not."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.operator.engines import engine, live
from tests.operator.observations import NOW, condition, container, report, rolled, waiting, with_failing_pod
from trading_engine.contract.config import TradingState
from trading_operator.api.v1alpha1 import TradingEngine
from trading_operator.checks import engine_status, invalid_status
from trading_operator.checks.reasons import NEEDS_A_PERSON, Reason, reference
from trading_operator.desired.labels import secret
from trading_operator.errors import InvalidResource
from trading_operator.observed import Observed

LATER = NOW + timedelta(minutes=5)
OUT_OF_MEMORY = {"exitCode": 137, "reason": "OOMKilled"}
Edit = Callable[[dict[str, Any]], object]


def test_engine_is_ready_when_all_is_rolled() -> None:
    """True, with what runs."""
    status = engine_status(engine(), rolled(engine()), NOW)
    ready = condition(status, "Ready")

    assert (ready.status, ready.reason) == ("True", "AllWorkersReady")
    assert ready.message == "5/5 workers, Paper, BTC/USD 1m"
    assert status.workers_ready == "5/5"
    assert len(status.workers) == 6
    assert all(each.ready and each.image for each in status.workers)
    assert condition(status, "Stalled").status == "False"
    assert condition(status, "Progressing").status == "False"


def test_engine_is_progressing_when_nothing_is_there_yet() -> None:
    """Not ready, not stalled, nobody has to mend anything."""
    status = engine_status(engine(), Observed(trading_problem="no trade executor runs"), NOW)

    assert condition(status, "Ready").status == "False"
    assert condition(status, "Progressing").status == "True"
    assert condition(status, "Stalled").status == "False"
    assert status.workers_ready == "0/5"
    assert status.trading_state == "Unknown"


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        (waiting("ErrImagePull", "pull access denied"), "ImagePullFailed", "image trading-engine: pull access denied"),
        (waiting("ImagePullBackOff"), "ImagePullFailed", "image trading-engine: ImagePullBackOff"),
        (waiting("CreateContainerConfigError", 'secret "keys" not found'), "SecretMissing", 'secret "keys" not found'),
        (waiting("CreateContainerError", "no such file"), "ContainerInvalid", "no such file"),
        (
            waiting(
                "CrashLoopBackOff",
                lastState={"terminated": {"exitCode": 2, "reason": "Error", "message": "risk: must be above 0\n"}},
            ),
            "CrashLooping",
            "container risk-management ended with status 2: risk: must be above 0",
        ),
        (
            {"containerStatuses": [container(restartCount=3, lastState={"terminated": OUT_OF_MEMORY})]},
            "CrashLooping",
            "ended with status 137 (OOMKilled)",
        ),
        (
            {
                "conditions": [
                    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes: cpu"}
                ]
            },
            "Unschedulable",
            "0/1 nodes: cpu",
        ),
        ({"containerStatuses": [container()]}, "Progressing", "pod newer is not ready yet"),
        ({"initContainerStatuses": [container(name="migrate", state={"waiting": {"reason": "CrashLoopBackOff"}})]},
         "CrashLooping", "container migrate"),
    ],
)  # fmt: skip
def test_pod_trouble_has_its_own_reason_when_worker_fails(status: dict[str, Any], reason: str, words: str) -> None:
    """Ready names the worker and what was said; the other workers stay ready."""
    found = engine_status(engine(), with_failing_pod(engine(), **status), NOW)
    ready = condition(found, "Ready")

    assert (ready.status, ready.reason) == ("False", reason)
    assert ready.message.startswith("risk_management: ")
    assert words in ready.message
    assert found.workers_ready == "4/5"
    assert condition(found, "Stalled").status == ("True" if Reason(reason) in NEEDS_A_PERSON else "False")


def test_old_pod_does_not_hide_new_one_when_rolling() -> None:
    """The old pod is ready all the while; the status speaks of the one that rolls in."""
    observed = with_failing_pod(engine(), **waiting("ErrImagePull"))
    reversed_pods = dataclasses.replace(observed, pods=observed.pods[::-1])

    assert engine_status(engine(), observed, NOW) == engine_status(engine(), reversed_pods, NOW)
    assert condition(engine_status(engine(), observed, NOW), "Ready").reason == "ImagePullFailed"


@pytest.mark.parametrize(
    "edit",
    [
        lambda found: found["metadata"].update(generation=2),
        lambda found: found["status"].update(updatedReplicas=0),
        lambda found: found["status"].update(readyReplicas=0),
        lambda found: found["status"].update(replicas=2),
        lambda found: found.pop("status"),
    ],
)
def test_worker_is_not_ready_when_not_quite_rolled(edit: Edit) -> None:
    """A Deployment that was just written, is half rolled, or has an old pod left over is not ready."""
    observed = rolled(engine())
    edit(next(each for each in observed.objects if each["kind"] == "Deployment"))  # type: ignore[arg-type]
    ready = condition(engine_status(engine(), observed, NOW), "Ready")

    assert (ready.status, ready.reason) == ("False", "Progressing")


def test_secret_is_named_when_missing_or_incomplete() -> None:
    """Which Secret, which key; before anything that follows from it."""
    of = live()
    absent = engine_status(of, rolled(of), NOW)
    keys = secret("keys", of.namespace, {"apiKey": "made-up"})
    incomplete = engine_status(of, dataclasses.replace(rolled(of), user_secrets={"keys": keys}), NOW)
    keys = secret("keys", of.namespace, {"apiKey": "made-up", "secret": "made-up"})
    complete = engine_status(of, dataclasses.replace(rolled(of), user_secrets={"keys": keys}), NOW)

    assert condition(absent, "Ready").reason == "SecretMissing"
    assert "Secret crypto-trading/keys: does not exist" in condition(absent, "Ready").message
    assert condition(incomplete, "Ready").message == "Secret crypto-trading/keys: lacks key secret"
    assert condition(complete, "Ready").status == "True"


def test_database_comes_before_crash_when_both_are_wrong() -> None:
    """Workers fall because the database is not there: the cause is named."""
    observed = with_failing_pod(engine(), **waiting("CrashLoopBackOff"))
    database = next(each for each in observed.objects if each["kind"] == "StatefulSet")
    database["status"]["readyReplicas"] = 0  # type: ignore[index]

    assert condition(engine_status(engine(), observed, NOW), "Ready").reason == "DatabaseNotReady"


def test_refusal_is_told_when_api_server_refused_an_object() -> None:
    """In its own words, before everything that follows from it."""
    observed = dataclasses.replace(rolled(engine()), refused=("403 Forbidden: exceeded quota: pods",))
    status = engine_status(engine(), observed, NOW)

    assert condition(status, "Ready").reason == "ApplyRefused"
    assert "exceeded quota" in condition(status, "Stalled").message


@pytest.mark.parametrize(
    ("wanted", "said", "expected"),
    [
        ("Halted", TradingState.HALTED, ("True", "Acknowledged")),
        ("Halted", TradingState.ACTIVE, ("False", "AwaitingAcknowledgement")),
        ("Halted", None, ("Unknown", "ExecutorUnreachable")),
        ("Active", TradingState.HALTED, ("True", "Acknowledged")),
        ("Active", TradingState.REDUCING, ("False", "NotHalted")),
    ],
)
def test_halted_is_true_on_executors_word_only_when_computed(
    wanted: str, said: TradingState | None, expected: tuple[str, str]
) -> None:
    """Never because somebody asked for it."""
    of = engine(tradingState=wanted)
    observed = dataclasses.replace(rolled(of), trading=report(said) if said else None, trading_problem="timeout")
    status = engine_status(of, observed, NOW)
    halted = condition(status, "Halted")

    assert (halted.status, halted.reason) == expected
    assert status.trading_state == (said or "Unknown")


def test_time_moves_only_when_status_flips() -> None:
    """Another reason or generation keeps the time; another status does not. No fraction of a second is written."""
    first = engine_status(engine(), rolled(engine()), NOW)
    again = engine().model_copy(update={"status": first})
    same = engine_status(again, rolled(engine()), LATER)
    broken = engine_status(again, with_failing_pod(engine(), **waiting("ErrImagePull")), LATER)

    assert same == first
    assert condition(broken, "Ready").last_transition_time == LATER.replace(microsecond=0)
    assert condition(broken, "Halted").last_transition_time == NOW.replace(microsecond=0)
    assert first.to_dict()["conditions"][0]["lastTransitionTime"] == "2026-01-02T03:04:05Z"


def test_generation_is_on_status_and_each_condition_when_computed() -> None:
    """What `kubectl wait` compares."""
    of = engine()
    of = of.model_copy(update={"metadata": of.metadata.model_copy(update={"generation": 7})})
    status = engine_status(of, rolled(of), NOW)

    assert {status.observed_generation, *(each.observed_generation for each in status.conditions)} == {7}


def test_suspended_says_so_when_objects_are_missing() -> None:
    """Nothing is being made, so the status does not say Progressing."""
    of = engine(suspend=True)
    status = engine_status(of, Observed(), NOW)

    assert condition(status, "Suspended").status == "True"
    assert condition(status, "Ready").reason == "Suspended"


@pytest.mark.parametrize(("held_back", "ready"), [((), "True"), (("Deployment paper-trade-executor",), "False")])
def test_suspended_engine_is_ready_when_it_is_as_the_spec_says(held_back: tuple[str, ...], ready: str) -> None:
    """An edit that waits for the end of the suspension is not taken for applied."""
    of = engine(suspend=True)
    status = engine_status(of, dataclasses.replace(rolled(of), held_back=held_back), NOW)

    assert condition(status, "Ready").status == ready
    assert condition(status, "Suspended").status == "True"
    assert all(name in condition(status, "Ready").message for name in held_back)


def test_invalid_object_is_a_condition_when_it_does_not_fit() -> None:
    """A mistake that the schema once allowed."""
    manifest = {"metadata": {"name": "old", "generation": 3}, "spec": {"symbols": []}}
    with pytest.raises(InvalidResource, match=r"spec\.symbols") as caught:
        TradingEngine.parse(manifest)
    status = invalid_status(manifest, caught.value, NOW)

    assert condition(status, "Ready").reason == "InvalidSpec"
    assert status.observed_generation == 3


def test_reference_has_every_reason_when_generated() -> None:
    """One sentence each."""
    page = reference()

    assert all(f"| `{reason}` | {reason.meaning} |" in page for reason in Reason)
