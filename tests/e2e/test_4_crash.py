"""A worker killed at any stage leaves no recommendation stuck or doubled."""

from __future__ import annotations

import time

import pytest

from tests.e2e.engine import Engine
from tools.kubectl import KubectlFailed, until
from trading_engine.contract.workers import WORKERS, WorkerName

#: The stage during which each worker is killed: the open statuses that its part of the pipeline starts from.
STAGES = {
    WorkerName.SIGNAL_GENERATOR: (),
    WorkerName.LLM_VALIDATION: ("pending",),
    WorkerName.RISK_MANAGEMENT: ("validated",),
    WorkerName.TRADE_EXECUTOR: ("approved", "executing"),
    WorkerName.TRADE_ORCHESTRATOR: ("pending", "validated", "approved", "executing"),
}
WAIT_SECONDS = 130


@pytest.mark.parametrize("worker", [worker.name for worker in WORKERS])
def test_pipeline_recovers_when_worker_is_killed(paper: Engine, worker: WorkerName) -> None:
    """SIGKILL the pod as soon as a recommendation is at its stage; the engine is Ready again and goes on."""
    seen = wait_for_stage(paper, STAGES[worker])
    paper.kill(worker)
    print(f"killed {worker} with an open recommendation at its stage: {seen}")
    until("the pod is there again", lambda: ready(paper, worker), 120)

    paper.wait_for("Ready", "True", 120)


def wait_for_stage(paper: Engine, statuses: tuple[str, ...]) -> bool:
    """True once a recommendation is in one of the statuses; False after two candles without one."""
    deadline = time.monotonic() + (WAIT_SECONDS if statuses else 0)
    wanted = ",".join(f"'{status}'" for status in statuses)
    while statuses and time.monotonic() < deadline:
        if int(paper.sql(f"select count(*) from recommendations where status in ({wanted})")[0][0]):
            return True
        time.sleep(0.2)
    return False


def ready(paper: Engine, worker: WorkerName) -> bool:
    """Whether its Deployment has its replica available."""
    try:
        return bool(paper.deployment(worker)["status"].get("availableReplicas") == 1)
    except KubectlFailed:
        return False


def test_nothing_is_stuck_when_workers_were_killed(paper: Engine) -> None:
    """Every recommendation older than its expiry has ended."""

    def stuck() -> list[list[str]]:
        query = (
            "select id, status from recommendations where status in ('pending','validated','approved','executing') "
            "and expires_ms < (extract(epoch from now()) * 1000 - 120000)"
        )
        return paper.sql(query)

    until("nothing is stuck", lambda: not stuck(), 240, interval=5)


def test_nothing_is_doubled_when_workers_were_killed(paper: Engine) -> None:
    """One order per recommendation, one fill per trade, no state but those the rows' journal leads to."""
    doubled = paper.sql("select recommendation_id, count(*) from orders group by 1 having count(*) > 1")
    paper_orders = paper.sql("select client_order_id, count(*) from paper_orders group by 1 having count(*) > 1")
    orphans = paper.sql(
        "select client_order_id from paper_orders where client_order_id not in (select client_order_id from orders)"
    )
    candles = paper.sql(
        "select symbol, candle_open_ms, count(*) from recommendations group by 1, 2 having count(*) > 1"
    )

    assert doubled == []
    assert paper_orders == []
    assert orphans == []
    assert candles == []
