"""Whose an observed object is, and which objects are watched at all. Pure; used by the cache, watches and sweeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trading_operator.desired.labels import (
    ENGINE_NAME,
    ENGINE_NAMESPACE,
    MANAGED_BY,
    OPERATOR,
    OWNED_SELECTOR,
    STACK,
)
from trading_operator.kinds import ENDPOINT_SLICE, POD, SURROUNDINGS, Kind, Owner


def owner_of(manifest: Mapping[str, Any]) -> Owner | None:
    """Namespace and name of the engine whose mark an object carries, or None; a label may be empty, an engine not.

    What carries the stack's mark belongs to ("", observability namespace). The marks of an EndpointSlice are
    copies: Kubernetes gives it the labels of its Service.
    """
    if manifest.get("kind") == ENDPOINT_SLICE.name:
        return None
    labels = manifest["metadata"].get("labels") or {}
    namespace, name = labels.get(ENGINE_NAMESPACE), labels.get(ENGINE_NAME)
    if namespace and name:
        return namespace, name
    return ("", labels[STACK]) if labels.get(STACK) else None


def is_ours(manifest: Mapping[str, Any]) -> bool:
    """Whether the operator made an object: it carries our label and an owner's mark."""
    labels = manifest["metadata"].get("labels") or {}
    return labels.get(MANAGED_BY) == OPERATOR and owner_of(manifest) is not None


def selector_of(kind: Kind) -> str:
    """Label selector for lists and watches of a kind; pods carry the mark of their engine, not our label."""
    if kind.ours or kind in SURROUNDINGS:
        return ""
    return ENGINE_NAME if kind == POD else OWNED_SELECTOR
