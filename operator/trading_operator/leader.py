"""Leader election over a coordination.k8s.io/v1 Lease: of several processes one may write.

The timings are client-go's: a lease lasts 15 s, its holder renews every 2 s and gives up after 10 s
without success; another takes over 15 s after it last saw the lease change. Ages are measured on the
monotonic clock of the one who measures, so clocks need not agree. Whoever loses the lease has to end
its process: `elect` then raises LeadershipLost.
"""

from __future__ import annotations

import asyncio
import copy
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from trading_operator.errors import ApiRefused, ClusterUnavailable, LeadershipLost

logger = logging.getLogger(__name__)


class LeaseStore(Protocol):
    """Where the lease is kept; `cluster.py` has the real one. Each call must end within the request timeout."""

    async def read(self) -> dict[str, Any] | None:
        """The lease, or None where there is none."""

    async def create(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """Make the lease; ApiRefused 409 where it exists."""

    async def update(self, lease: Mapping[str, Any]) -> dict[str, Any]:
        """Replace the lease; ApiRefused 409 where somebody changed it meanwhile."""


@dataclass(frozen=True)
class Timings:
    """Seconds. `renew` is less than `lease`, and one request takes less than `renew`."""

    lease: float = 15.0
    renew: float = 10.0
    retry: float = 2.0

    @classmethod
    def of(cls, lease: float) -> Timings:
        """Client-go's proportions for a lease of another length."""
        return cls(lease, lease * 2 / 3, min(2.0, lease / 6))


class Leader:
    """One candidate. `leads()` says whether it may write at this very moment."""

    def __init__(
        self, store: LeaseStore, identity: str, timings: Timings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.identity = identity
        self.elected = asyncio.Event()
        self._store = store
        self._timings = timings
        self._clock = clock
        self._seen_spec: dict[str, Any] | None = None
        self._seen_at = clock()
        self._renewed_at: float | None = None

    def leads(self) -> bool:
        """Whether the last renewal was begun less than `renew` seconds ago.

        It is also False in a process that slept through its lease and has not noticed yet.
        """
        return self._renewed_at is not None and self._clock() - self._renewed_at < self._timings.renew

    def require(self) -> None:
        """Raise LeadershipLost unless this process may write now."""
        if not self.leads():
            raise LeadershipLost(f"{self.identity} does not hold the lease")

    async def run(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Take the lease when it is free, then hold it; LeadershipLost when it cannot be held."""
        while True:
            held = await self._try_once()
            if held and not self.elected.is_set():
                logger.info("leading as %s", self.identity)
                self.elected.set()
            if self.elected.is_set() and not self.leads():
                raise LeadershipLost(f"{self.identity} could not renew the lease for {self._timings.renew:g} s")
            await sleep(self._timings.retry)

    async def release(self) -> None:
        """Give the lease back, so that another takes over at once; does nothing where it is not held.

        `run` must have ended: it would take the lease again. Its last renewal may have been cut off, so the
        lease is read first.
        """
        if not self.leads():
            return
        self._renewed_at = None
        try:
            lease = await self._store.read()
            if lease is None or lease["spec"].get("holderIdentity") != self.identity:
                return
            freed = {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": _now()}
            await self._store.update(lease | {"spec": lease["spec"] | freed})
        except (ApiRefused, ClusterUnavailable) as error:
            logger.warning("the lease is left to run out: %s", error)

    async def _try_once(self) -> bool:
        started = self._clock()
        try:
            lease = await self._acquire_or_renew()
        except (ApiRefused, ClusterUnavailable) as error:
            logger.warning("lease: %s", error)
            return False
        if lease is None:
            self._lose_if_taken()
            return False
        self._renewed_at = started
        return True

    def _lose_if_taken(self) -> None:
        if self.elected.is_set():
            raise LeadershipLost(f"another took the lease of {self.identity}")

    async def _acquire_or_renew(self) -> dict[str, Any] | None:
        lease = await self._store.read()
        if lease is None:
            return await self._store.create(self._spec(taken=_now(), transitions=0))
        spec = lease.get("spec", {})
        if spec != self._seen_spec:
            self._seen_spec, self._seen_at = copy.deepcopy(spec), self._clock()
        if spec.get("holderIdentity") == self.identity:
            return await self._store.update(lease | {"spec": spec | {"renewTime": _now()} | self._duration()})
        if spec.get("holderIdentity") and self._clock() - self._seen_at < spec.get("leaseDurationSeconds", 0):
            return None
        transitions = int(spec.get("leaseTransitions", 0)) + 1
        return await self._store.update(lease | {"spec": self._spec(taken=_now(), transitions=transitions)})

    def _spec(self, taken: str, transitions: int) -> dict[str, Any]:
        times = {"acquireTime": taken, "renewTime": taken}
        return {"holderIdentity": self.identity, "leaseTransitions": transitions} | times | self._duration()

    def _duration(self) -> dict[str, Any]:
        return {"leaseDurationSeconds": round(self._timings.lease)}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
