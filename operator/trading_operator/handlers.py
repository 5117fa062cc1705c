"""From an event of a watch to keys in the queue: the only thing that events do here.

`watchers.py` calls `Handlers.on_event` for every event, `relist.py` calls `changed` for what it corrected.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from trading_operator.cache import Cache, Manifest, Ref, ref_of, version_of
from trading_operator.kinds import NAMESPACE, PARENTS, TRADING_ENGINE, Kind, Owner
from trading_operator.ownership import owner_of
from trading_operator.relist import Deliveries
from trading_operator.target_index import TargetIndex

logger = logging.getLogger(__name__)


class Handlers:
    """Keeps the cache up to date and wakes the resource that an object belongs to.

    `monitoring` is the observability namespace: its key stands for all that engines and targets share. `targets` knows
    which targets what goes on around them concerns.
    """

    def __init__(
        self,
        cache: Cache,
        add: Callable[[Ref], None],
        watched: Callable[[str], None],
        monitoring: str,
        targets: TargetIndex,
    ) -> None:
        self.deliveries = Deliveries()
        self._targets = targets
        self._cache = cache
        self._add = add
        self._watched = watched
        self._stack = Ref(NAMESPACE, "", monitoring)
        self._generations: dict[Ref, tuple[int, bool]] = {}

    def on_event(self, kind: Kind, event: str | None, found: dict[str, Any]) -> None:
        """One event; `event` is None for what a watch lists when it starts. A repeated one wakes nobody.

        What the operator itself made is in the cache before its event comes; a target made so is news all the same.
        """
        found |= {"apiVersion": kind.api_version, "kind": kind.name}
        self._watched(kind.name)
        ref, version = ref_of(kind, found), version_of(found)
        if event == "DELETED":
            self.deliveries.gone(ref)
            news = self._cache.remove(ref, version)
        else:
            self.deliveries.delivered(ref, version)
            news = self._cache.put(kind, found) or (kind.ours and self._generations.get(ref) != _generation(found))
        if news:
            self.changed(kind, found)

    def changed(self, kind: Kind, found: Manifest) -> None:
        """An object came, changed or went: its resource has to be looked at."""
        ref = ref_of(kind, found)
        for target in self._targets.concerned(kind, found):
            self._add(target)
        if kind == NAMESPACE:
            self._add(self._stack)
        elif kind.ours:
            self._add(ref)
            if self._is_another(ref, found):
                self._add(self._stack)
                self._wake_owner(found)
        else:
            self._wake_owner(found)

    def _wake_owner(self, found: Manifest) -> None:
        if (owner := owner_of(found)) is not None:
            self._add(key_of(owner))

    def wake_all(self) -> None:
        """Every resource, and every engine of which only objects are left."""
        self._add(self._stack)
        self.wake_resources()
        self.wake_orphans()

    def wake_resources(self) -> None:
        """Every engine and target."""
        for kind in PARENTS:
            for ref in self._cache.refs(kind):
                self._add(ref)

    def wake_orphans(self) -> None:
        """Engines that are gone while objects of theirs are left, and what is shared under whichever setting."""
        for key in map(key_of, self._cache.owners()):
            if key.kind == NAMESPACE or self._cache.get(key) is None:
                self._add(key)

    def _is_another(self, ref: Ref, found: Manifest) -> bool:
        """Whether what is declared changed: a status that is written concerns nobody else."""
        if self._cache.get(ref) is None:
            self._generations.pop(ref, None)
            return True
        now = _generation(found)
        before = self._generations.get(ref)
        self._generations[ref] = now
        return now != before


def _generation(found: Manifest) -> tuple[int, bool]:
    metadata = found["metadata"]
    return metadata.get("generation", 0), "deletionTimestamp" in metadata


def key_of(owner: Owner) -> Ref:
    """The key under which an owner's objects are reconciled: an engine, or the observability namespace."""
    namespace, name = owner
    return Ref(TRADING_ENGINE, namespace, name) if namespace else Ref(NAMESPACE, "", name)
