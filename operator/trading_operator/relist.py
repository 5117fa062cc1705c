"""The second opinion: an authoritative list of everything every few minutes.

It corrects the cache (kopf keeps objects that were deleted while a watch was down), and it finds
deafness: what the list shows and no watch delivered within some seconds ends the process, so that a
new one listens. `run.py` starts it; `watchers.py` reports deliveries to it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, Final

from trading_operator.cache import Cache, Manifest, Ref, ref_of, version_of
from trading_operator.connection import Connection
from trading_operator.errors import ApiRefused, ClusterUnavailable, Deaf, NotInstalled
from trading_operator.kinds import OPTIONAL, PARENTS, WATCHED, Kind
from trading_operator.ownership import selector_of

logger = logging.getLogger(__name__)

#: Seconds between attempts until the first list is complete.
RETRY: Final = 2.0
NOT_FOUND: Final = 404

Changed = Callable[[Kind, Manifest], None]


class Deliveries:
    """Which version of each object a watch delivered last, and which ones it owes."""

    def __init__(self) -> None:
        self._delivered: dict[Ref, int] = {}
        self._owed: dict[Ref, tuple[int, float]] = {}

    def delivered(self, ref: Ref, version: int) -> None:
        """A watch delivered a version of an object."""
        self._delivered[ref] = version
        owed = self._owed.get(ref)
        if owed is not None and version >= owed[0]:
            del self._owed[ref]

    def gone(self, ref: Ref) -> None:
        """The object is deleted: a watch owes nothing more."""
        self._delivered.pop(ref, None)
        self._owed.pop(ref, None)

    def expect(self, ref: Ref, version: int, now: float) -> None:
        """A list shows a version; the watch owes it from now on unless it delivered it."""
        if self._delivered.get(ref, 0) < version:
            self._owed.setdefault(ref, (version, now))

    def forgive(self, kind: Kind, listed: set[Ref]) -> None:
        """Objects of a kind that are not listed any more are owed by nobody: they went before a watch began."""
        self._owed = {ref: owed for ref, owed in self._owed.items() if ref.kind != kind or ref in listed}

    def excuse(self) -> None:
        """The API server is away: nothing can be delivered."""
        self._owed.clear()

    def overdue(self, before: float) -> list[Ref]:
        """What is owed since before a time."""
        return [ref for ref, (_, since) in self._owed.items() if since < before]


class Relist:
    """Lists everything, corrects the cache, wakes who is concerned."""

    def __init__(
        self,
        connection: Connection,
        cache: Cache,
        deliveries: Deliveries,
        changed: Changed,
        on_correction: Callable[[str], None],
    ) -> None:
        self.deliveries = deliveries
        self.tried_at = time.monotonic()
        self.complete = asyncio.Event()
        self._connection = connection
        self._cache = cache
        self._changed = changed
        self._on_correction = on_correction

    async def run(self, period: float, deaf_after: float) -> None:
        """List at once, then every `period` seconds; Deaf when a watch owes something for `deaf_after` seconds."""
        step = min(period, deaf_after)
        while True:
            pauses = round(period / step) if await self._try_once() else 1
            for _ in range(pauses):
                await asyncio.sleep(step if self.complete.is_set() else RETRY)
                await self._listen(deaf_after)

    async def once(self) -> None:
        """List every kind and make the cache agree."""
        versions = [await self._list(kind) for kind in WATCHED]
        self._cache.absent = frozenset([kind for kind in OPTIONAL if not await self._is_listed(kind)])
        self._cache.forget_deletions(min(versions) - 1)
        self.complete.set()

    async def _try_once(self) -> bool:
        try:
            await self.once()
        except ClusterUnavailable as error:
            logger.warning("relist: %s", error)
            self.deliveries.excuse()
            return False
        except ApiRefused as error:
            if not self.complete.is_set():
                raise
            logger.error("relist: %s", error)
            return False
        finally:
            self.tried_at = time.monotonic()
        return True

    async def _is_listed(self, kind: Kind) -> bool:
        """List a kind that need not be there; whether it is."""
        try:
            await self._list(kind)
        except ApiRefused as error:
            if error.status != NOT_FOUND:
                raise
            for ref in self._cache.refs(kind):
                self._cache.remove(ref, self._cache.version(ref))
            return False
        return True

    async def _list(self, kind: Kind) -> int:
        began, listed, version = time.monotonic(), set[Ref](), 0
        try:
            async for items, at in self._connection.pages(kind, selector_of(kind)):
                version = int(at)
                for item in items:
                    listed.add(self._compare(kind, item, began))
        except ApiRefused as error:
            if error.status == NOT_FOUND and kind in PARENTS:
                raise NotInstalled(f"the cluster does not know {kind.plural}.{kind.group}; install the CRDs") from error
            raise
        for ref in self._cache.refs(kind):
            if ref not in listed:
                self._correct_deletion(ref, version)
        self.deliveries.forgive(kind, listed)
        return version

    def _compare(self, kind: Kind, item: dict[str, Any], now: float) -> Ref:
        ref = ref_of(kind, item)
        if kind in WATCHED:
            self.deliveries.expect(ref, version_of(item), now)
        if self._cache.put(kind, item):
            if self.complete.is_set():
                self._on_correction(kind.name)
            self._changed(kind, item)
        return ref

    def _correct_deletion(self, ref: Ref, version: int) -> None:
        ghost = self._cache.get(ref)
        if ghost is not None and self._cache.remove(ref, version):
            logger.info("%s was deleted and no watch said so", ref)
            self.deliveries.gone(ref)
            self._on_correction(ref.kind.name)
            self._changed(ref.kind, ghost)

    async def _listen(self, deaf_after: float) -> None:
        """Nobody is called deaf on the word of an old list: what is overdue must still be there in a new one."""
        since = time.monotonic() - deaf_after
        if not self.deliveries.overdue(since) or not await self._try_once():
            return
        if overdue := self.deliveries.overdue(since):
            names = ", ".join(map(str, overdue[:3]))
            raise Deaf(f"no watch delivered {len(overdue)} changes within {deaf_after:g} s, among them {names}")
