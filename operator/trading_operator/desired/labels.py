"""Names, labels, owner marks and the desired-hash of every object that the operator makes. Pure.

The owner mark is three labels (namespace, name, uid of the engine): it works across namespaces, where
an ownerReference does not. What all engines and targets share carries the stack's mark instead: the observability
namespace. An object is ours when it carries `managed-by` and a mark.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any, Final, Protocol

import orjson

from trading_operator.api.v1alpha1 import TradingEngine
from trading_operator.api.v1alpha1.base import API_VERSION
from trading_operator.kinds import GROUP

Object = dict[str, Any]

MANAGED_BY: Final = "app.kubernetes.io/managed-by"
OPERATOR: Final = "trading-operator"
COMPONENT: Final = "app.kubernetes.io/component"
ENGINE_NAME: Final = f"{GROUP}/engine"
ENGINE_NAMESPACE: Final = f"{GROUP}/engine-namespace"
ENGINE_UID: Final = f"{GROUP}/engine-uid"
STACK: Final = f"{GROUP}/stack"
DESIRED_HASH: Final = f"{GROUP}/desired-hash"
CONFIG_HASH: Final = f"{GROUP}/config-hash"

#: On a Namespace, "true": its annotated Services are scraped, and MonitoringTargets elsewhere may select there.
CONSENT: Final = f"{GROUP}/scrape"

#: Selects everything the operator made, in watches and lists.
OWNED_SELECTOR: Final = f"{MANAGED_BY}={OPERATOR}"

_MAX_NAME = 63


class Named(Protocol):
    """An engine, or the reference to one."""

    @property
    def name(self) -> str:
        """metadata.name."""


class Owning(Named, Protocol):
    """What must be known of an engine to mark an object as its own."""

    @property
    def namespace(self) -> str:
        """metadata.namespace."""

    @property
    def uid(self) -> str:
        """metadata.uid."""


def home_name(engine: Named, suffix: str) -> str:
    """Name of an object in the engine's namespace: `paper-trade-executor`."""
    return f"{engine.name}-{suffix}"


def away_name(engine: TradingEngine, suffix: str) -> str:
    """Name of an object elsewhere: `<namespace>-<engine>-<suffix>-<hash>`.

    The hash keeps `a-b`/`c` and `a`/`b-c` apart, and names that had to be cut.
    """
    digest = hashlib.sha256(f"{engine.namespace}/{engine.name}/{suffix}".encode()).hexdigest()[:8]
    return f"{engine.namespace}-{engine.name}-{suffix}"[: _MAX_NAME - 9].rstrip("-") + f"-{digest}"


def pod_labels(engine: TradingEngine, component: str | None = None) -> dict[str, str]:
    """Labels that select pods of the engine (of one component); never changed, for selectors are immutable."""
    found = {ENGINE_NAME: engine.name, ENGINE_NAMESPACE: engine.namespace}
    return found | ({COMPONENT: component} if component else {})


def owner_mark(engine: Owning) -> dict[str, str]:
    """The three labels that say whose an object is."""
    return {ENGINE_NAME: engine.name, ENGINE_NAMESPACE: engine.namespace, ENGINE_UID: engine.uid}


def is_owned_by(engine: TradingEngine, manifest: Mapping[str, Any]) -> bool:
    """Whether an observed object carries our label and this engine's namespace and name.

    The uid is not compared: what an engine of the same name left behind is taken over or removed.
    """
    labels = manifest["metadata"].get("labels") or {}
    return (
        labels.get(MANAGED_BY) == OPERATOR
        and labels.get(ENGINE_NAME) == engine.name
        and labels.get(ENGINE_NAMESPACE) == engine.namespace
    )


def finished(engine: Owning, component: str, manifest: Object) -> Object:
    """The object with its labels, its owner and the hash of all of it."""
    metadata = manifest["metadata"]
    labels = metadata.get("labels", {}) | {
        "app.kubernetes.io/name": "trading-engine",
        "app.kubernetes.io/instance": engine.name,
        COMPONENT: component,
        MANAGED_BY: OPERATOR,
        **owner_mark(engine),
    }
    owned = manifest | {"metadata": metadata | {"labels": labels}}
    if metadata["namespace"] == engine.namespace:
        owned["metadata"]["ownerReferences"] = [_owner_reference(engine)]
    annotations = metadata.get("annotations", {}) | {DESIRED_HASH: digest_of(owned)}
    owned["metadata"]["annotations"] = annotations
    return owned


def finished_stack(component: str, manifest: Object, namespace: str) -> Object:
    """An object that all engines and targets share, with its labels, the stack's mark and the hash of all of it.

    `namespace` is the observability namespace. The mark is a label, for the object may be cluster-scoped.
    """
    metadata = manifest["metadata"]
    labels = metadata.get("labels", {}) | {
        "app.kubernetes.io/name": "trading-monitoring",
        COMPONENT: component,
        MANAGED_BY: OPERATOR,
        STACK: namespace,
    }
    owned = manifest | {"metadata": metadata | {"labels": labels}}
    owned["metadata"]["annotations"] = metadata.get("annotations", {}) | {DESIRED_HASH: digest_of(owned)}
    return owned


def _owner_reference(engine: Owning) -> Object:
    return {
        "apiVersion": API_VERSION,
        "kind": "TradingEngine",
        "name": engine.name,
        "uid": engine.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }


def digest_of(value: object) -> str:
    """16 hex digits that change with any part of a JSON value."""
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def secret(name: str, namespace: str, values: Mapping[str, str]) -> Object:
    """An Opaque Secret; `values` are plain text."""
    data = {key: base64.b64encode(value.encode()).decode() for key, value in sorted(values.items())}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "type": "Opaque",
        "data": data,
    }
