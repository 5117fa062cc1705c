"""The step loop goes on whatever a step does, waits longer after failures, and stops after the step under way."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from trading_engine.errors import StoreUnavailable
from trading_engine.runtime.loop import StepLoop


class Steps:
    """A step that counts, and raises what it was given."""

    def __init__(self, *errors: Exception | None) -> None:
        self.errors = list(errors)
        self.count = 0
        self._begun: asyncio.Queue[None] = asyncio.Queue()

    async def __call__(self) -> None:
        self.count += 1
        self._begun.put_nowait(None)
        if self.errors and (error := self.errors.pop(0)):
            raise error

    async def begun(self, times: int) -> None:
        """Wait for so many more steps."""
        async with asyncio.timeout(10):
            for _ in range(times):
                await self._begun.get()


@pytest.mark.parametrize(
    ("error", "level"), [(StoreUnavailable("database is down"), "warning"), (KeyError("bug"), "error")]
)
async def test_goes_on_when_a_step_raises(error: Exception, level: str) -> None:
    """Expected trouble is a warning, a bug an error; neither ends the loop."""
    steps = Steps(error)
    with capture_logs() as logs:
        stop = asyncio.Event()
        task = asyncio.create_task(StepLoop(steps, interval=0.001, deadline=9).run(stop))
        await steps.begun(3)
        stop.set()
        await task

    assert [line["log_level"] for line in logs] == [level]


async def test_passes_soon_when_woken() -> None:
    """A wake-up need not wait for the interval."""
    steps = Steps()
    loop = StepLoop(steps, interval=60, deadline=9)
    stop = asyncio.Event()
    task = asyncio.create_task(loop.run(stop))
    await steps.begun(1)
    loop.wake()
    await steps.begun(1)
    stop.set()
    await task

    assert steps.count == 2


async def test_not_hurried_when_woken_during_back_off() -> None:
    """What fails is not asked more often because somebody is in a hurry."""
    steps = Steps(StoreUnavailable("down"))
    loop = StepLoop(steps, interval=30, deadline=9)
    stop = asyncio.Event()
    task = asyncio.create_task(loop.run(stop))
    await steps.begun(1)
    for _ in range(20):
        loop.wake()
        await asyncio.sleep(0)
    stop.set()
    await task

    assert steps.count == 1


async def test_step_under_way_finished_when_told_to_stop() -> None:
    """Stopping never cuts a step."""
    entered, finish, done = asyncio.Event(), asyncio.Event(), []

    async def step() -> None:
        entered.set()
        await finish.wait()
        done.append(1)

    stop = asyncio.Event()
    task = asyncio.create_task(StepLoop(step, interval=1, deadline=9).run(stop))
    await entered.wait()
    stop.set()
    await asyncio.sleep(0)
    early = task.done()
    finish.set()
    await task

    assert (early, done) == (False, [1])
