"""Which MonitoringTargets an event about a Service, an EndpointSlice or a Namespace concerns.

`reconcile_target.py` enters what each target selects and has selected, `handlers.py` asks. Without it every event of a
busy cluster would mean a look at every target.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator
from typing import Final

from trading_operator.api.v1alpha1 import MonitoringTarget
from trading_operator.cache import Manifest, Ref
from trading_operator.desired.selection import SERVICE_NAME, Selection
from trading_operator.kinds import ENDPOINT_SLICE, NAMESPACE, SERVICE, Kind

_IMPORT: Final = "import"


class TargetIndex:
    """Targets by what would concern them."""

    def __init__(self) -> None:
        self._keys: dict[Ref, frozenset[Hashable]] = {}
        self._refs: defaultdict[Hashable, set[Ref]] = defaultdict(set)

    def put(self, ref: Ref, target: MonitoringTarget, selection: Selection) -> None:
        """A target selects this now; what it selected before concerns it no more."""
        keys = frozenset(_keys(target, selection))
        if self._keys.get(ref) == keys:
            return
        self.forget(ref)
        self._keys[ref] = keys
        for key in keys:
            self._refs[key].add(ref)

    def forget(self, ref: Ref) -> None:
        """A target is gone."""
        for key in self._keys.pop(ref, ()):
            self._refs[key].discard(ref)
            if not self._refs[key]:
                del self._refs[key]

    def concerned(self, kind: Kind, found: Manifest) -> set[Ref]:
        """Targets that have to be looked at after an event about an object."""
        return {ref for key in _events(kind, found) for ref in self._refs.get(key, ())}


def _keys(target: MonitoringTarget, selection: Selection) -> Iterator[Hashable]:
    selector = target.spec.selector
    for namespace in target.spec.namespaces or (target.namespace,):
        yield namespace
        # One label of the selector suffices to find it: whoever lacks that one is not selected.
        yield namespace, (min(selector.match_labels.items()) if selector else _IMPORT)
    for service in selection.services:
        yield tuple(service.split("/"))


def _events(kind: Kind, found: Manifest) -> Iterator[Hashable]:
    metadata = found["metadata"]
    labels = metadata.get("labels") or {}
    if kind == NAMESPACE:
        yield metadata["name"]
    elif kind == ENDPOINT_SLICE:
        yield metadata["namespace"], labels.get(SERVICE_NAME)
    elif kind == SERVICE:
        yield metadata["namespace"], metadata["name"]
        yield metadata["namespace"], _IMPORT
        yield from ((metadata["namespace"], label) for label in labels.items())
