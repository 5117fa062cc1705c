"""(desired, observed) -> what to write. Pure; `reconcile` executes it, and an empty plan means that nothing is written.

An object is applied when the hash of what we wanted differs from the one it carries, or when a field that we
own is not what we want (somebody edited it). Fields that we do not name belong to others: the API server's
defaults, another controller's annotations. Deleted is what carries our label and this owner's mark and is
not desired any more; the shell deletes with the uid and resourceVersion found here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from trading_operator.desired.labels import DESIRED_HASH, Object
from trading_operator.desired.quantities import same, smaller

Manifest = Mapping[str, Any]
Identity = tuple[str, str, str, str]

#: Rows outlive every plan: a claim goes only with its TradingEngine, by its ownerReference.
_NEVER_DELETED: Final = frozenset({"PersistentVolumeClaim"})
#: Maps whose values are quantities.
_QUANTITIES: Final = frozenset({"requests", "limits"})
#: By what an element of a list is known to the API server, tried in this order.
_MERGE_KEYS: Final = ("mountPath", "containerPort", "uid", "name")
#: Lists that the API server replaces as a whole: order and length count.
_ATOMIC: Final = frozenset({"ingress", "egress", "from", "to", "command", "args", "items", "accessModes"})
#: Maps that it replaces as a whole: a key too many is an edit, and an apply takes it away.
_ATOMIC_MAPS: Final = frozenset({"selector", "podSelector", "namespaceSelector"})


@dataclass(frozen=True)
class Plan:
    """Objects to apply, in order, and observed objects to delete."""

    apply: tuple[Object, ...] = ()
    delete: tuple[Manifest, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.apply or self.delete)

    @property
    def names(self) -> tuple[str, ...]:
        """`Kind name` of everything it touches, for status and logs."""
        return tuple(f"{each['kind']} {each['metadata']['name']}" for each in (*self.apply, *self.delete))


def identity(manifest: Manifest) -> Identity:
    """apiVersion, kind, namespace, name."""
    metadata = manifest["metadata"]
    return manifest["apiVersion"], manifest["kind"], metadata.get("namespace", ""), metadata["name"]


def plan(desired: Iterable[Object], observed: Iterable[Manifest]) -> Plan:
    """What to write so that `observed` (all objects with this owner's mark) becomes `desired`.

    An object that is being deleted is left alone: it is made again when it is gone.
    """
    wanted = {identity(each): each for each in desired}
    found = {identity(each): each for each in observed}
    return Plan(
        apply=tuple(each for key, each in wanted.items() if _differs(each, found.get(key))),
        delete=tuple(each for key, each in found.items() if key not in wanted and _deletable(each)),
    )


def _deletable(manifest: Manifest) -> bool:
    return manifest["kind"] not in _NEVER_DELETED and not manifest["metadata"].get("deletionTimestamp")


def _differs(desired: Object, observed: Manifest | None) -> bool:
    if observed is None:
        return True
    if observed["metadata"].get("deletionTimestamp"):
        return False
    hashed = (observed["metadata"].get("annotations") or {}).get(DESIRED_HASH)
    return hashed != desired["metadata"]["annotations"][DESIRED_HASH] or not holds(desired, observed)


def holds(desired: object, observed: object, field: str = "") -> bool:
    """Whether every field of `desired` has that value in `observed`; `field` is the name of the value."""
    if desired == observed:
        return True
    if isinstance(desired, Mapping):
        return isinstance(observed, Mapping) and _holds_map(desired, observed, field)
    if isinstance(desired, list):
        return isinstance(observed, list) and _holds_list(desired, observed, field)
    return False


def _holds_map(desired: Manifest, observed: Manifest, field: str) -> bool:
    if field in _QUANTITIES:
        return all(key in observed and _holds_quantity(key, value, observed[key]) for key, value in desired.items())
    if field in _ATOMIC_MAPS:
        return dict(desired) == dict(observed)
    # The API server drops an empty map or list: absent is what we asked for.
    return all(
        holds(value, observed[key], key) if key in observed else value in ({}, []) for key, value in desired.items()
    )


def _holds_quantity(key: str, desired: object, observed: object) -> bool:
    """A volume that somebody made larger stays so: it cannot shrink, and its size is no worker's."""
    return same(desired, observed) or (key == "storage" and smaller(desired, observed))


def _holds_list(desired: list[Any], observed: list[Any], field: str) -> bool:
    key = None if field in _ATOMIC else _merge_key(desired)
    if key is None:
        return len(desired) == len(observed) and all(
            holds(left, right, field) for left, right in zip(desired, observed, strict=True)
        )
    by_key = {each.get(key): each for each in observed if isinstance(each, Mapping)}
    return all(each[key] in by_key and holds(each, by_key[each[key]]) for each in desired)


def _merge_key(elements: list[Any]) -> str | None:
    """The field that tells the elements apart, or None where they are plain values."""
    if not all(isinstance(each, Mapping) for each in elements):
        return None
    return next((key for key in _MERGE_KEYS if all(key in each for each in elements)), None)
