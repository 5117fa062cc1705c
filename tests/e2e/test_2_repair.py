"""What somebody deletes or edits by hand comes back; what is edited in the spec rolls only what it changes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from tests.e2e.engine import COLLECTORS, Engine
from tools.kubectl import until
from trading_engine.contract.workers import WorkerName

#: Promised to the user; asserted with five-fold room on a shared machine.
REPAIR_SECONDS = 2.0
ROOM = 5


@pytest.fixture(autouse=True)
def ready_again(paper: Engine) -> Iterator[None]:
    """Each test leaves the engine Ready."""
    yield
    paper.wait_for("Ready", "True", 180)


def repaired(what: str, seconds: float) -> None:
    """Print the figure and hold the promise."""
    print(f"{what}: repaired in {seconds:.2f} s (promise {REPAIR_SECONDS} s)")
    assert seconds < REPAIR_SECONDS * ROOM


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("service", "paper-trade-executor"),
        ("configmap", "paper-config"),
        ("deployment", "paper-risk-management"),
        ("networkpolicy", None),
    ],
)
def test_child_is_made_again_when_deleted(paper: Engine, kind: str, name: str | None) -> None:
    """A deleted child is back with another uid."""
    before = next(
        child for child in paper.kubectl.list(kind, paper.namespace, paper.selector)
        if name in (None, child["metadata"]["name"])
    )  # fmt: skip
    name = before["metadata"]["name"]
    paper.kubectl("delete", kind, name, "-n", paper.namespace, "--wait=false")
    started = time.monotonic()

    def back() -> bool:
        found = paper.kubectl.get(kind, name, paper.namespace)
        return found is not None and found["metadata"]["uid"] != before["metadata"]["uid"]

    until(f"{kind} {name} is back", back, 60, interval=0.1)
    repaired(f"deleted {kind} {name}", time.monotonic() - started)


def test_child_is_mended_when_edited(paper: Engine) -> None:
    """An edited field of a Deployment and of a Service in the other namespace goes back."""
    scale = json.dumps({"spec": {"replicas": 3}})
    paper.kubectl("patch", "deployment", "paper-trade-executor", "-n", paper.namespace, "--type=merge", "-p", scale)
    started = time.monotonic()

    until("one replica again", lambda: paper.deployment(WorkerName.TRADE_EXECUTOR)["spec"]["replicas"] == 1, 60, 0.1)
    repaired("edited deployment", time.monotonic() - started)


def test_object_in_other_namespace_is_made_again_when_deleted(paper: Engine) -> None:
    """The collector's Service lives in crypto-collectors and is repaired as the rest."""
    service = paper.kubectl.list("services", COLLECTORS, paper.selector)[0]["metadata"]["name"]
    paper.kubectl("delete", "service", service, "-n", COLLECTORS)
    started = time.monotonic()

    until("the collector's Service is back", lambda: paper.kubectl.get("service", service, COLLECTORS), 60, 0.1)
    repaired("deleted service of the collector", time.monotonic() - started)


def test_one_worker_rolls_when_its_log_level_changes(paper: Engine) -> None:
    """A worker's own setting restarts that worker and no other."""
    before = generations(paper)
    paper.patch({"workers": {"riskManagement": {"logLevel": "Debug"}}})
    paper.wait_for("Ready", "True", 120)
    changed = {name for name, generation in generations(paper).items() if generation != before[name]}

    assert changed == {"paper-risk-management"}
    paper.patch({"workers": {"riskManagement": {"logLevel": "Info"}}})


def test_broken_image_has_its_own_reason_when_it_cannot_be_pulled(paper: Engine) -> None:
    """Status names the worker and what the kubelet said; the other workers go on."""
    paper.patch({"workers": {"llmValidation": {"image": "localhost/does-not-exist:1"}}})
    paper.wait_for("Ready", "False", 120, reason="ImagePullFailed")
    message = paper.condition("Ready")["message"]
    paper.patch({"workers": {"llmValidation": {"image": None}}})

    print(message)
    assert "llm_validation" in message
    assert "does-not-exist" in message
    paper.wait_for("Ready", "True", 180)


def test_unschedulable_pod_has_its_own_reason_when_it_asks_too_much(paper: Engine) -> None:
    """The scheduler's words reach the status."""
    paper.patch({"workers": {"riskManagement": {"resources": {"requests": {"cpu": "900"}, "limits": {"cpu": "900"}}}}})
    paper.wait_for("Ready", "False", 120, reason="Unschedulable")
    print(paper.condition("Ready")["message"])
    paper.patch({"workers": {"riskManagement": {"resources": None}}})


def generations(paper: Engine) -> dict[str, int]:
    """Generation of each Deployment: it grows with every change of its spec."""
    deployments = paper.kubectl.list("deployments", paper.namespace, paper.selector)
    return {each["metadata"]["name"]: each["metadata"]["generation"] for each in deployments}
