"""Probes and metrics over HTTP, and what counts as healthy."""

from __future__ import annotations

import time
from types import SimpleNamespace

import aiohttp

from trading_operator import health
from trading_operator.metrics import OperatorMetrics
from trading_operator.run import RECONCILE_DEADLINE, unhealthy


async def get(port: int, path: str, **headers: str) -> tuple[int, str, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}{path}", headers=headers) as answer,
    ):
        return answer.status, await answer.text(), answer.headers["Content-Type"]


async def test_probe_says_why_when_it_fails() -> None:
    """503 with the reason; 200 as soon as there is none."""
    problems = ["the queue has not moved", ""]
    async with health.serving(
        0, OperatorMetrics("x").registry, lambda: problems.pop(0), lambda: "", lambda: None
    ) as port:
        assert (await get(port, "/healthz"))[:2] == (503, "the queue has not moved\n")
        assert (await get(port, "/healthz"))[:2] == (200, "ok\n")
        assert (await get(port, "/readyz"))[:2] == (200, "ok\n")


async def test_metrics_carry_the_usual_names_when_they_are_scraped() -> None:
    """controller-runtime's names, in the format that is asked for."""
    metrics = OperatorMetrics("tradingengine")
    metrics.reconciled("success", 0.01)
    metrics.watched("Service")
    async with health.serving(0, metrics.registry, lambda: "", lambda: "", lambda: None) as port:
        _, plain, _ = await get(port, "/metrics")
        _, text, kind = await get(port, "/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert 'controller_runtime_reconcile_total{controller="tradingengine",result="success"} 1.0' in plain
    assert 'controller_runtime_reconcile_total{controller="tradingengine",result="error"} 0.0' in plain
    assert 'trading_operator_watch_last_event_age_seconds{kind="Service"}' in plain
    assert "workqueue_depth" in plain
    assert kind.startswith("application/openmetrics-text")
    assert text.endswith("# EOF\n")


def parts(*, oldest: float = 0, leads: bool = True, listed_ago: float = 0) -> SimpleNamespace:
    return SimpleNamespace(
        queue=SimpleNamespace(oldest_seconds=lambda: oldest),
        leader=SimpleNamespace(leads=lambda: leads),
        relist=SimpleNamespace(tried_at=time.monotonic() - listed_ago),
        settings=SimpleNamespace(relist_seconds=300),
    )


def test_process_is_unhealthy_when_the_queue_or_the_relist_stands_still() -> None:
    """A standby's queue waits for the lease, which is no illness."""
    assert unhealthy(parts()) == ""  # type: ignore[arg-type]
    stuck = 2 * RECONCILE_DEADLINE + 1
    assert "queue" in unhealthy(parts(oldest=stuck))  # type: ignore[arg-type]
    assert unhealthy(parts(oldest=stuck, leads=False)) == ""  # type: ignore[arg-type]
    assert "listed" in unhealthy(parts(listed_ago=700))  # type: ignore[arg-type]
