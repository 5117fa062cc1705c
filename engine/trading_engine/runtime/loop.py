"""The step loop that drives a worker: an interval, a wake-up, back-off on errors, and a pulse.

`run.py` starts one per worker that has a step; `server.py` asks `late` for `/healthz`. A step that
raises never ends the loop: an expected error is a warning, anything else an error with its traceback.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from trading_engine.errors import EngineError

LONGEST_BACK_OFF_SECONDS = 30.0

log = structlog.get_logger()


class StepLoop:
    """Calls `step` every `interval` seconds, or sooner when woken, until told to stop.

    Replay calls `step` itself, in its own time; what it raises then ends the replay.
    """

    def __init__(self, step: Callable[[], Awaitable[None]], *, interval: float, deadline: float) -> None:
        self.step = step
        self._interval = interval
        self._deadline = deadline
        self._wake = asyncio.Event()
        self._failures = 0
        self._passed_at = time.monotonic()

    def wake(self) -> None:
        """Pass again soon. During back-off it changes nothing: what fails is not asked more often."""
        self._wake.set()

    def late(self) -> str | None:
        """Why the loop counts as stuck, or None. A pass that failed is a pass."""
        silent = time.monotonic() - self._passed_at
        return f"no pass for {silent:.0f} s, allowed are {self._deadline:.0f} s" if silent > self._deadline else None

    async def run(self, stop: asyncio.Event) -> None:
        """Pass until `stop` is set; the pass that is under way then is finished."""
        while not stop.is_set():
            self._wake.clear()
            await self._pass()
            await self._wait(stop)

    async def _pass(self) -> None:
        try:
            await self.step()
            self._failures = 0
        except EngineError as error:
            self._failures += 1
            log.warning("step failed", reason=str(error), error=type(error).__name__, failures=self._failures)
        except Exception:
            self._failures += 1
            log.exception("step raised", failures=self._failures)
        self._passed_at = time.monotonic()

    async def _wait(self, stop: asyncio.Event) -> None:
        if self._failures:
            delay = min(self._interval * 2**self._failures, LONGEST_BACK_OFF_SECONDS)
            await _first_of(delay, stop.wait())
        else:
            await _first_of(self._interval, stop.wait(), self._wake.wait())


async def _first_of(seconds: float, *events: Awaitable[object]) -> None:
    tasks = [asyncio.ensure_future(event) for event in events]
    await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError):
            await task
