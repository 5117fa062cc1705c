"""Suspend leaves the world alone; Halted is obeyed at once, also while suspended, and shown only with proof."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.e2e.engine import Engine, scale_operator
from tools.kubectl import until
from trading_engine.contract.messages import TERMINAL
from trading_engine.contract.workers import WorkerName

#: Promised to the user; asserted with five-fold room on a shared machine.
HALT_SECONDS = 2.0
ROOM = 5
ENDED = {status.value for status in TERMINAL}


@pytest.fixture(autouse=True)
def active_again(paper: Engine) -> Iterator[None]:
    """Each test leaves the engine trading."""
    yield
    paper.patch({"tradingState": "Active", "suspend": False})
    paper.wait_for("Halted", "False", 60)
    paper.wait_for("Ready", "True", 120)


def halt(paper: Engine, spec: dict[str, object]) -> None:
    """Press the button, print the time until the status has the proof."""
    started = time.monotonic()
    paper.patch(spec)
    paper.wait_for("Halted", "True", 60)
    took = time.monotonic() - started
    print(f"tradingState: Halted -> Halted=True with the executor's acknowledgement in {took:.2f} s")
    assert took < HALT_SECONDS * ROOM


def sent(paper: Engine) -> int:
    """Orders that went to the venue."""
    return int(paper.sql("select count(*) from orders where sent_ms is not null")[0][0])


def test_nothing_is_sent_when_halted(paper: Engine) -> None:
    """After the acknowledgement no order leaves, whatever is recommended: each is refused or denied."""
    flowing = paper.plant(3)
    halt(paper, {"tradingState": "Halted"})
    before = sent(paper)
    state = paper.sql("select state, who from trading_state")
    ids = [*flowing, *paper.plant(3)]
    until("all of them have ended", lambda: set(paper.statuses(ids).values()) <= ENDED, 200, interval=2)
    print(f"while halted they ended as {Counter(paper.statuses(ids).values())}")

    assert state == [["Halted", "trading-operator"]]
    assert sent(paper) == before


def test_children_are_left_alone_when_suspended(paper: Engine) -> None:
    """A deleted Service stays deleted while suspended, status says so, and it is repaired after."""
    paper.patch({"suspend": True})
    paper.wait_for("Suspended", "True", 30)
    paper.kubectl("delete", "service", "paper-llm-validation", "-n", paper.namespace)
    time.sleep(8)
    gone = paper.kubectl.get("service", "paper-llm-validation", paper.namespace)
    paper.patch({"suspend": False})

    assert gone is None
    until("repaired after suspend", lambda: paper.kubectl.get("service", "paper-llm-validation", paper.namespace), 30)
    paper.wait_for("Suspended", "False", 30)


def test_halt_is_obeyed_when_suspended(paper: Engine) -> None:
    """`suspend: true` never blocks the red button."""
    paper.patch({"suspend": True})
    paper.wait_for("Suspended", "True", 30)

    halt(paper, {"tradingState": "Halted"})


@pytest.fixture
def no_executor(paper: Engine) -> Iterator[None]:
    """Suspended, with the executor scaled away by hand; the operator is there again after the test."""
    paper.patch({"suspend": True})
    paper.wait_for("Suspended", "True", 30)
    scale_executor(paper, 0)
    executor = f"{paper.selector},app.kubernetes.io/component=trade-executor"
    until("no executor", lambda: not paper.kubectl.list("pods", paper.namespace, executor), 60)
    yield
    scale_operator(paper.kubectl, 2)


def scale_executor(paper: Engine, replicas: int) -> None:
    """By hand, which `suspend: true` leaves alone."""
    name = f"deployment/{paper.name}-trade-executor"
    paper.kubectl("scale", name, "-n", paper.namespace, f"--replicas={replicas}")


def declared(paper: Engine) -> str:
    """The state that an executor finds when it starts."""
    found = paper.kubectl.get("configmap", f"{paper.name}-trading-state", paper.namespace)
    return json.loads(found["data"]["declared.json"])["state"] if found else ""


def test_new_executor_starts_halted_when_nobody_could_tell_it(paper: Engine, no_executor: None) -> None:
    """Halted while none ran and the operator gone since: work waits for the next one, and it sends nothing."""
    before, ids, started = sent(paper), paper.plant(3), time.monotonic()
    paper.patch({"tradingState": "Halted"})
    until("it is declared", lambda: declared(paper) == "Halted", HALT_SECONDS * ROOM, interval=0.1)
    print(f"tradingState: Halted -> declared to the next executor in {time.monotonic() - started:.2f} s")
    scale_operator(paper.kubectl, 0)
    stored = paper.sql("select state from trading_state")
    scale_executor(paper, 1)
    started = time.monotonic()
    until("a state of its own", lambda: paper.sql("select state from trading_state") != stored, 60, interval=0.5)
    found = paper.sql("select state, who, why from trading_state")
    print(f"the next executor started as {found} after {time.monotonic() - started:.1f} s")
    until("one of them has ended", lambda: set(paper.statuses(ids).values()) & ENDED, 130)
    print(f"with the operator gone they ended as {Counter(paper.statuses(ids).values())}")

    assert stored in ([], [["Active"]])
    assert found == [["Halted", "trading-operator", "spec.tradingState"]]
    assert sent(paper) == before


def test_halt_survives_when_executor_is_killed(paper: Engine) -> None:
    """The state is durable: a new executor wakes up halted."""
    halt(paper, {"tradingState": "Halted"})
    before = sent(paper)
    paper.kill(WorkerName.TRADE_EXECUTOR)
    paper.wait_for("Ready", "False", 60)
    paper.wait_for("Ready", "True", 120)

    assert paper.sql("select state from trading_state")[0][0] == "Halted"
    assert sent(paper) == before
