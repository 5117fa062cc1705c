"""What the watches and lists have shown: objects by kind, namespace and name, and by the engine that owns them.

`watchers` and `relist` put into it, `cluster.gather` reads from it. Versions only move forward:
what is older than what is known, or than a deletion, is ignored, so the answer to a write and the
events of a watch may arrive in any order. Of what is only looked at (Services of others, EndpointSlices,
Namespaces) no more is kept than is read: a large cluster has very many.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from trading_operator.kinds import ENDPOINT_SLICE, NAMESPACE, SERVICE, Kind, Owner

Manifest = Mapping[str, Any]
OwnerOf = Callable[[Manifest], Owner | None]


@dataclass(frozen=True, order=True)
class Ref:
    """Which object: kind, namespace, name."""

    kind: Kind
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind.name} {self.namespace}/{self.name}"


class Cache:
    """The objects. `owner_of` gives the namespace and name of the engine an object belongs to."""

    def __init__(self, owner_of: OwnerOf) -> None:
        self._owner_of = owner_of
        self._objects: dict[Ref, Manifest] = {}
        self._by_kind: defaultdict[Kind, dict[Ref, Manifest]] = defaultdict(dict)
        self._changes: defaultdict[Kind, int] = defaultdict(int)
        self.absent: frozenset[Kind] = frozenset()
        """Optional kinds that the cluster does not know, by the last list."""
        self._deleted: dict[Ref, int] = {}
        self._owned: defaultdict[Owner, set[Ref]] = defaultdict(set)

    def put(self, kind: Kind, found: Manifest) -> bool:
        """Remember an object; False where it is not newer than what is known."""
        ref = ref_of(kind, found)
        version = version_of(found)
        if version <= self.version(ref):
            return False
        self._forget(ref)
        owner = self._owner_of(found)
        kept = slim(found) if owner is not None else trimmed(kind, found)
        self._objects[ref] = self._by_kind[kind][ref] = kept
        self._deleted.pop(ref, None)
        if owner is not None:
            self._owned[owner].add(ref)
        return True

    def remove(self, ref: Ref, version: int) -> bool:
        """Forget an object that was deleted at a version; False where a newer one is known."""
        if version < self.version(ref):
            return False
        self._forget(ref)
        self._deleted[ref] = version
        return True

    def get(self, ref: Ref) -> Manifest | None:
        """The object, or None."""
        return self._objects.get(ref)

    def version(self, ref: Ref) -> int:
        """The version of the object, or of its deletion; 0 where it was never seen."""
        known = self._objects.get(ref)
        return version_of(known) if known is not None else self._deleted.get(ref, 0)

    def owned(self, owner: Owner) -> list[Manifest]:
        """All objects of an engine, in a stable order."""
        return [self._objects[ref] for ref in sorted(self._owned.get(owner, ()))]

    def owners(self) -> Iterable[Owner]:
        """Every engine that owns an object."""
        return [owner for owner, refs in self._owned.items() if refs]

    def refs(self, kind: Kind | None = None) -> list[Ref]:
        """Every object, or every one of a kind."""
        return list(self._objects if kind is None else self._by_kind[kind])

    def all(self, kind: Kind) -> list[Manifest]:
        """Every object of a kind."""
        return list(self._by_kind[kind].values())

    def changes(self, kind: Kind) -> int:
        """A number that grows with every object of a kind that came, changed or went."""
        return self._changes[kind]

    def forget_deletions(self, before: int) -> None:
        """Drop the memory of deletions older than a version; events that old cannot come any more."""
        self._deleted = {ref: version for ref, version in self._deleted.items() if version >= before}

    def _forget(self, ref: Ref) -> None:
        self._changes[ref.kind] += 1
        known = self._objects.pop(ref, None)
        self._by_kind[ref.kind].pop(ref, None)
        owner = self._owner_of(known) if known is not None else None
        if owner is not None:
            self._owned[owner].discard(ref)
            if not self._owned[owner]:
                del self._owned[owner]


def ref_of(kind: Kind, found: Manifest) -> Ref:
    """Where an object is."""
    metadata = found["metadata"]
    return Ref(kind, metadata.get("namespace", ""), metadata["name"])


def version_of(found: Manifest) -> int:
    """Its resourceVersion, which orders the versions of one object (stated since Kubernetes 1.35, true before)."""
    return int(found["metadata"]["resourceVersion"])


def slim(found: Manifest) -> Manifest:
    """The object without managedFields, which nobody here reads."""
    return dict(found) | {
        "metadata": {key: value for key, value in found["metadata"].items() if key != "managedFields"}
    }


#: Annotations and labels of others may be long, and their spec too.
_KEPT_METADATA: Final = ("name", "namespace", "uid", "resourceVersion", "labels", "deletionTimestamp")
_KEPT_FIELDS: Final[Mapping[Kind, Mapping[str, tuple[str, ...]]]] = {
    SERVICE: {"spec": ("ports", "selector", "type")},
    ENDPOINT_SLICE: {},
    NAMESPACE: {"status": ("phase",)},
}
_KEPT_ANNOTATIONS: Final = "prometheus.io/"


def trimmed(kind: Kind, found: Manifest) -> Manifest:
    """What is read of an object of somebody else."""
    if kind not in _KEPT_FIELDS:
        return slim(found)
    metadata = found["metadata"]
    annotations = metadata.get("annotations") or {}
    kept: dict[str, Any] = {key: found[key] for key in ("apiVersion", "kind") if key in found}
    kept["metadata"] = {key: metadata[key] for key in _KEPT_METADATA if key in metadata}
    kept["metadata"]["annotations"] = {
        key: annotations[key] for key in annotations if key.startswith(_KEPT_ANNOTATIONS)
    }
    for part, fields in _KEPT_FIELDS[kind].items():
        kept[part] = {field: found[part][field] for field in fields if field in found.get(part, {})}
    if kind == ENDPOINT_SLICE:
        kept["ports"] = found.get("ports") or []
        kept["endpoints"] = [_endpoint(each) for each in found.get("endpoints") or ()]
    return kept


def _endpoint(found: Manifest) -> Manifest:
    wanted = ("addresses", "conditions", "nodeName")
    pod = {key: value for key, value in (found.get("targetRef") or {}).items() if key in ("kind", "name", "namespace")}
    return {key: found[key] for key in wanted if key in found} | ({"targetRef": pod} if pod else {})
