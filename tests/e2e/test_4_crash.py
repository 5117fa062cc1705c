"""A worker killed at any stage leaves no recommendation stuck or doubled."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.e2e.engine import Engine
from tools.kubectl import KubectlFailed, until
from trading_engine.contract.messages import TERMINAL
from trading_engine.contract.workers import WORKERS, WorkerName

#: When each worker is killed: as soon as the first recommendation is at or past the stage that it does; the
#: others are still on their way to it, for verdicts come one after another.
STAGES = {
    WorkerName.SIGNAL_GENERATOR: ("pending",),
    WorkerName.LLM_VALIDATION: ("pending",),
    WorkerName.RISK_MANAGEMENT: ("validated", "approved", "executing", "filled"),
    WorkerName.TRADE_EXECUTOR: ("executing", "filled"),
    WorkerName.TRADE_ORCHESTRATOR: ("approved", "executing", "filled"),
}
ENDED = {status.value for status in TERMINAL}


@pytest.mark.parametrize("worker", [worker.name for worker in WORKERS])
def test_pipeline_recovers_when_worker_is_killed(paper: Engine, worker: WorkerName) -> None:
    """SIGKILL while recommendations flow; all of them end, and the engine is Ready again."""
    ids = paper.plant(5)
    reached = paper.watch_for(ids, STAGES[worker], 60)
    before = paper.pod(worker)
    paper.kill(worker)
    at_kill = Counter(paper.statuses(ids).values())
    until(f"a new pod of {worker}", lambda: ready(paper, worker, before), 120)
    until("all of them have ended", lambda: set(paper.statuses(ids).values()) <= ENDED, 240, interval=2)
    print(f"killed {worker} at {dict(at_kill)}; ended as {dict(Counter(paper.statuses(ids).values()))}")

    assert reached
    paper.wait_for("Ready", "True", 120)


def ready(paper: Engine, worker: WorkerName, killed: object) -> bool:
    """Whether another pod than the killed one is available."""
    try:
        return paper.deployment(worker)["status"].get("availableReplicas") == 1 and paper.pod(worker) != killed
    except KubectlFailed:
        return False


def test_nothing_is_stuck_when_workers_were_killed(paper: Engine) -> None:
    """Every recommendation that expired two minutes ago or earlier has ended."""

    def stuck() -> list[list[str]]:
        return paper.sql(
            "select id, status from recommendations where status in ('pending','validated','approved','executing') "
            "and expires_ms < extract(epoch from now()) * 1000 - 120000"
        )

    until("nothing is stuck", lambda: not stuck(), 120, interval=5)


def test_nothing_is_doubled_when_workers_were_killed(paper: Engine) -> None:
    """One order per recommendation, and the venue has exactly those that were sent."""
    sent = {row[0] for row in paper.sql("select client_order_id from orders where venue_order_id is not null")}
    at_venue = [row[0] for row in paper.sql("select client_order_id from paper_orders")]
    filled = int(paper.sql("select count(*) from recommendations where status = 'filled'")[0][0])

    print(f"{len(sent)} orders sent, {len(at_venue)} at the venue, {filled} recommendations filled")
    assert len(at_venue) == len(set(at_venue))
    assert set(at_venue) == sent
    assert filled > 0
