"""Suspend leaves the world alone; Halted is obeyed at once, also while suspended, and shown only with proof."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.e2e.engine import Engine
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


def test_halt_survives_when_executor_is_killed(paper: Engine) -> None:
    """The state is durable: a new executor wakes up halted."""
    halt(paper, {"tradingState": "Halted"})
    before = sent(paper)
    paper.kill(WorkerName.TRADE_EXECUTOR)
    paper.wait_for("Ready", "False", 60)
    paper.wait_for("Ready", "True", 120)

    assert paper.sql("select state from trading_state")[0][0] == "Halted"
    assert sent(paper) == before
