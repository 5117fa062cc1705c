"""A keyed work queue: handlers put keys in, the reconcile loop takes them out.

A key is at most once in the queue and never worked on twice at the same time; keys added while
they are worked on come again afterwards. First come, first served, and urgent keys before all others; a key
that failed waits its own exponential back-off, so broken ones do not hold up the others.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Backoff:
    """Seconds to wait after the n-th failure in a row: base, doubled each time, at most cap, plus or minus jitter."""

    base: float = 0.2
    cap: float = 60.0
    jitter: float = 0.2

    def seconds(self, failures: int) -> float:
        """The wait after `failures` failures in a row (at least 1)."""
        wait = min(self.base * 2.0 ** min(failures - 1, 30), self.cap)
        return wait * random.uniform(1 - self.jitter, 1 + self.jitter)


class QueueMetrics(Protocol):
    """What a queue tells about itself; `metrics.py` has the real one."""

    def added(self, depth: int) -> None:
        """A key entered."""

    def taken(self, depth: int, waited: float) -> None:
        """A key was handed out after so many seconds."""

    def finished(self, worked: float) -> None:
        """Work on a key ended after so many seconds."""

    def retried(self) -> None:
        """A key failed and will come back."""


class WorkQueue(Generic[Key]):
    """The queue. Not thread-safe: one event loop owns it. Keys that are `urgent` wait for nobody who is not."""

    def __init__(self, metrics: QueueMetrics, urgent: Callable[[Key], bool] = lambda _: False) -> None:
        self._metrics = metrics
        self._is_urgent = urgent
        self._urgent: deque[Key] = deque()
        self._ready: deque[Key] = deque()
        self._waiting_since: dict[Key, float] = {}
        self._working_since: dict[Key, float] = {}
        self._again: set[Key] = set()
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}
        self._arrived = asyncio.Event()
        self._closed = False

    def __len__(self) -> int:
        return len(self._urgent) + len(self._ready)

    def add(self, key: Key) -> None:
        """Work on a key as soon as its turn comes; nothing happens where it already waits."""
        self._cancel_timer(key)
        if key in self._working_since:
            self._again.add(key)
        elif key not in self._waiting_since:
            self._waiting_since[key] = time.monotonic()
            (self._urgent if self._is_urgent(key) else self._ready).append(key)
            self._metrics.added(len(self))
            self._arrived.set()

    def add_after(self, key: Key, seconds: float) -> None:
        """Work on a key after a while; of several wishes the earliest counts."""
        loop = asyncio.get_running_loop()
        known = self._timers.get(key)
        if known is not None and known.when() <= loop.time() + seconds:
            return
        self._cancel_timer(key)
        self._timers[key] = loop.call_later(seconds, self.add, key)

    def retry(self, key: Key, backoff: Backoff) -> float:
        """Work on a key again after a back-off that grows with each call until `forget`; the seconds it waits."""
        self._failures[key] = self._failures.get(key, 0) + 1
        seconds = backoff.seconds(self._failures[key])
        self._metrics.retried()
        self.add_after(key, seconds)
        return seconds

    def forget(self, key: Key) -> None:
        """The key worked: its next failure waits the shortest back-off again."""
        self._failures.pop(key, None)

    async def get(self) -> Key:
        """The urgent key that waits longest, else the key that does; the caller must call `done` with it.

        Nothing comes out of a closed queue.
        """
        while self._closed or not len(self):
            self._arrived.clear()
            await self._arrived.wait()
        key = (self._urgent or self._ready).popleft()
        now = time.monotonic()
        self._metrics.taken(len(self), now - self._waiting_since.pop(key))
        self._working_since[key] = now
        return key

    def done(self, key: Key) -> None:
        """Work on a key ended; if it was added meanwhile it queues again."""
        self._metrics.finished(time.monotonic() - self._working_since.pop(key))
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def oldest_seconds(self) -> float:
        """How long the key that waits or is worked on longest has done so; 0 when there is none."""
        since = [*self._waiting_since.values(), *self._working_since.values()]
        return time.monotonic() - min(since) if since else 0.0

    def unfinished_seconds(self) -> list[float]:
        """For each key that is worked on now: since when, in seconds."""
        now = time.monotonic()
        return [now - since for since in self._working_since.values()]

    def close(self) -> None:
        """Drop all timers and hand out nothing more: who still works may end that, and begins nothing."""
        self._closed = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _cancel_timer(self, key: Key) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()


async def work(queue: WorkQueue[Key], handle: Callable[[Key], Awaitable[None]]) -> None:
    """One worker: take a key, handle it, for ever. `handle` decides about retries and must not raise."""
    while True:
        key = await queue.get()
        try:
            await handle(key)
        finally:
            queue.done(key)
