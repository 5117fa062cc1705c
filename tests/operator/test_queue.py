"""The work queue: coalescing, order, back-off, and that broken keys do not starve a healthy one."""

from __future__ import annotations

import asyncio
import time

import pytest

from trading_operator.metrics import OperatorMetrics
from trading_operator.queue import Backoff, WorkQueue, work

QUICK = Backoff(base=0.01, cap=0.05)


@pytest.fixture
def metrics() -> OperatorMetrics:
    return OperatorMetrics("test")


@pytest.fixture
def queue(metrics: OperatorMetrics) -> WorkQueue[str]:
    return WorkQueue(metrics.queue)


async def taken(queue: WorkQueue[str]) -> str:
    return await asyncio.wait_for(queue.get(), 1)


async def test_key_is_handed_out_once_when_added_many_times(queue: WorkQueue[str]) -> None:
    """A burst of events on one object is one reconcile."""
    for _ in range(100):
        queue.add("a")
    assert await taken(queue) == "a"
    assert len(queue) == 0


async def test_keys_come_in_order_when_several_wait(queue: WorkQueue[str]) -> None:
    """First come, first served."""
    for key in "cab":
        queue.add(key)
    assert [await taken(queue) for _ in range(3)] == ["c", "a", "b"]


async def test_urgent_key_comes_first_when_many_others_wait(metrics: OperatorMetrics) -> None:
    """However many came before it; among themselves urgent keys come in order."""
    queue = WorkQueue[str](metrics.queue, str.isupper)
    for key in ("a", "b", "B", "A"):
        queue.add(key)
    assert len(queue) == 4
    assert [await taken(queue) for _ in range(4)] == ["B", "A", "a", "b"]


async def test_key_comes_again_when_added_while_worked_on(queue: WorkQueue[str]) -> None:
    """What changes during a reconcile is seen by another one, never by two at the same time."""
    queue.add("a")
    await taken(queue)
    queue.add("a")
    queue.add("a")
    assert len(queue) == 0
    queue.done("a")
    assert await taken(queue) == "a"
    queue.done("a")
    assert len(queue) == 0


async def test_earliest_wish_counts_when_delays_differ(queue: WorkQueue[str]) -> None:
    """A later wish never postpones an earlier one."""
    queue.add_after("a", 0.02)
    queue.add_after("a", 10)
    assert await taken(queue) == "a"


async def test_delayed_key_is_not_added_twice_when_an_event_comes_first(queue: WorkQueue[str]) -> None:
    """An event takes the place of the delay."""
    queue.add_after("a", 0.02)
    queue.add("a")
    assert await taken(queue) == "a"
    queue.done("a")
    await asyncio.sleep(0.05)
    assert len(queue) == 0


async def test_backoff_grows_and_resets_when_forgotten(queue: WorkQueue[str]) -> None:
    """Failures in a row wait longer, up to the cap; one success starts anew."""
    waits = [queue.retry("a", QUICK) for _ in range(6)]
    assert waits[0] <= 0.012
    assert waits[2] > waits[0]
    assert 0.04 <= waits[5] <= 0.06
    queue.forget("a")
    assert queue.retry("a", QUICK) <= 0.012


async def test_healthy_key_is_served_at_once_when_32_others_are_broken(queue: WorkQueue[str]) -> None:
    """Broken resources wait their own back-off; with two workers a healthy one is done within 0.3 s."""
    healthy = asyncio.Event()

    async def handle(key: str) -> None:
        if key == "healthy":
            healthy.set()
            return
        await asyncio.sleep(0.005)
        queue.retry(key, QUICK)

    workers = [asyncio.create_task(work(queue, handle)) for _ in range(2)]
    for number in range(32):
        queue.add(f"broken-{number}")
    await asyncio.sleep(0.3)
    started = time.monotonic()
    queue.add("healthy")
    await asyncio.wait_for(healthy.wait(), 2)
    elapsed = time.monotonic() - started
    for worker in workers:
        worker.cancel()
    queue.close()
    assert elapsed < 0.3


async def test_metrics_count_what_happened_when_keys_pass(metrics: OperatorMetrics) -> None:
    """The figures carry controller-runtime's names."""
    queue: WorkQueue[str] = WorkQueue(metrics.queue)
    queue.add("a")
    depth = metrics.registry.get_sample_value("workqueue_depth", {"name": "test"})
    await taken(queue)
    queue.done("a")
    queue.retry("a", QUICK)
    queue.close()

    def sample(name: str) -> float | None:
        return metrics.registry.get_sample_value(f"workqueue_{name}", {"name": "test"})

    assert depth == 1
    assert (sample("depth"), sample("adds_total"), sample("retries_total")) == (0, 1, 1)
    assert (sample("queue_duration_seconds_count"), sample("work_duration_seconds_count")) == (1, 1)


async def test_oldest_key_is_reported_when_work_hangs(queue: WorkQueue[str]) -> None:
    """Health asks how long the oldest key has been waiting or worked on."""
    assert queue.oldest_seconds() == 0
    queue.add("a")
    await taken(queue)
    await asyncio.sleep(0.02)
    assert queue.oldest_seconds() >= 0.02
    assert len(queue.unfinished_seconds()) == 1


async def test_nothing_is_handed_out_when_the_queue_is_closed(queue: WorkQueue[str]) -> None:
    """Neither what waits nor what comes."""
    queue.add("before")
    queue.close()
    queue.add("after")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.get(), 0.05)
