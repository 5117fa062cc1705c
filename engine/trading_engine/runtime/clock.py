"""Time: the wall clock for workers, a simulated one for replay and tests (port `Clock`)."""

from __future__ import annotations

import asyncio
import time


class WallClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return time.time_ns() // 1_000_000

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class SimulatedClock:
    """A clock that moves only when told; sleeping on it moves it at once, so nothing waits."""

    def __init__(self, now_ms: int = 0) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        """Simulated milliseconds since the epoch."""
        return self._now_ms

    async def sleep(self, seconds: float) -> None:
        """Advance by `seconds`, letting other tasks run."""
        self._now_ms += round(seconds * 1000)
        await asyncio.sleep(0)

    def advance_to(self, now_ms: int) -> None:
        """Move forward to `now_ms`; a time already passed changes nothing, since time never goes back."""
        self._now_ms = max(self._now_ms, now_ms)
