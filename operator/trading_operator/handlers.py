"""From an event of a watch to keys in the queue: the only thing that events do here.

`watchers.py` calls `Handlers.on_event` for every event, `relist.py` calls `changed` for what it corrected.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from trading_operator.cache import Cache, Manifest, Ref, ref_of, version_of
from trading_operator.kinds import TRADING_ENGINE, Kind
from trading_operator.ownership import owner_of
from trading_operator.relist import Deliveries

logger = logging.getLogger(__name__)


class Handlers:
    """Keeps the cache up to date and wakes the resource that an object belongs to."""

    def __init__(self, cache: Cache, add: Callable[[Ref], None], watched: Callable[[str], None]) -> None:
        self.deliveries = Deliveries()
        self._cache = cache
        self._add = add
        self._watched = watched

    def on_event(self, kind: Kind, event: str | None, found: dict[str, Any]) -> None:
        """One event; `event` is None for what a watch lists when it starts. A repeated one wakes nobody."""
        found |= {"apiVersion": kind.api_version, "kind": kind.name}
        self._watched(kind.name)
        ref, version = ref_of(kind, found), version_of(found)
        if event == "DELETED":
            self.deliveries.gone(ref)
            news = self._cache.remove(ref, version)
        else:
            self.deliveries.delivered(ref, version)
            news = self._cache.put(kind, found)
        if news:
            self.changed(kind, found)

    def changed(self, kind: Kind, found: Manifest) -> None:
        """An object came, changed or went: its resource has to be looked at."""
        if kind.ours:
            self._add(ref_of(kind, found))
        elif (owner := owner_of(found)) is not None:
            self._add(Ref(TRADING_ENGINE, *owner))

    def wake_all(self) -> None:
        """Every resource, and every engine of which only objects are left."""
        for ref in (ref for ref in self._cache.refs() if ref.kind.ours):
            self._add(ref)
        self.wake_orphans()

    def wake_orphans(self) -> None:
        """Engines that are gone while objects of theirs are left."""
        for owner in self._cache.owners():
            ref = Ref(TRADING_ENGINE, *owner)
            if self._cache.get(ref) is None:
                self._add(ref)
