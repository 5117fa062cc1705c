"""Two engines never touch each other's objects; a deleted engine leaves nothing, also when the operator was down."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import PAPER
from tests.e2e.engine import COLLECTORS, Engine, scale_operator
from tools.kubectl import Kubectl, until

SECOND = "crypto-second"


def manifest(name: str, namespace: str) -> dict[str, Any]:
    """The paper sample under another name."""
    made = copy.deepcopy(PAPER)
    made["metadata"] = {"name": name, "namespace": namespace}
    made["spec"]["llm"] = {"provider": "Disabled"}
    return made


@pytest.fixture
def operator_down(kubectl: Kubectl) -> Iterator[None]:
    """No operator while the test runs; the test ends it by `start_operator`."""
    scale_operator(kubectl, 0)
    yield
    scale_operator(kubectl, 2)


def uids(engine: Engine) -> dict[tuple[str, str, str], str]:
    """Who is who among an engine's objects, pods and endpoints left out: they come and go."""
    return {
        (each["kind"], each["metadata"]["namespace"], each["metadata"]["name"]): each["metadata"]["uid"]
        for each in engine.children()
        if each["kind"] not in {"Pod", "Job"}
    }


def nothing_left(engine: Engine) -> None:
    """No object of an engine in any namespace."""
    until(f"nothing of {engine.namespace}/{engine.name} is left", lambda: not engine.children(), 120)


def test_first_engine_is_untouched_when_second_of_same_name_comes_and_goes(paper: Engine) -> None:
    """Same name, other namespace: own objects, own collector; deleting it leaves the first alone."""
    before = uids(paper)
    second = Engine(paper.kubectl, paper.name, SECOND)
    paper.kubectl.apply(manifest(paper.name, SECOND))
    second.wait_for("Ready", "True", 240)
    shared = set(uids(second).values()) & set(before.values())
    collectors = {key for key in uids(second) if key[1] == COLLECTORS}
    paper.kubectl("delete", "tradingengine", second.name, "-n", SECOND, "--timeout=60s", seconds=90)
    nothing_left(second)

    assert shared == set()
    assert collectors
    assert uids(paper) == before
    paper.wait_for("Ready", "True", 30)


def test_nothing_is_left_when_deleted_while_operator_is_down(paper: Engine, operator_down: None) -> None:
    """Applied, edited and deleted with no operator, and one that ran before: both leave nothing, nothing hangs."""
    kubectl = paper.kubectl
    scale_operator(kubectl, 2)
    ran = Engine(kubectl, "ran-before", SECOND)
    kubectl.apply(manifest(ran.name, SECOND))
    until(
        "its collector is there", lambda: [c for c in ran.children() if c["metadata"]["namespace"] == COLLECTORS], 120
    )
    scale_operator(kubectl, 0)
    ghost = Engine(kubectl, "never-seen", SECOND)
    kubectl.apply(manifest(ghost.name, SECOND))
    ghost.patch({"orderNotional": "40"})
    for engine in (ran, ghost):
        kubectl("delete", "tradingengine", engine.name, "-n", SECOND, "--timeout=30s", seconds=60)
    scale_operator(kubectl, 2)

    nothing_left(ran)
    nothing_left(ghost)
