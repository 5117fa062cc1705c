"""The Kubernetes side of a reconcile: `gather` reads the cache, `execute` writes a plan, `write_status` the status.

`reconcile` calls it. Writes are server-side apply with one field manager and ready JSON bytes; the
answer to each write goes into the cache, so the next reconcile sees it without waiting for a watch.
What the cache lacks is read before it is applied: an object of somebody else is never taken over.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import orjson

from trading_operator.api.v1alpha1 import TradingEngine
from trading_operator.cache import Cache, Manifest, Ref, ref_of, version_of
from trading_operator.connection import APPLY, JSON_PATCH, MERGE_PATCH, Connection
from trading_operator.desired import names, referenced_secrets
from trading_operator.desired.inputs import plain
from trading_operator.desired.labels import DESIRED_HASH, ENGINE_NAME
from trading_operator.desired.scrape import unscraped
from trading_operator.desired.selection import World
from trading_operator.errors import ApiRefused, ClusterUnavailable
from trading_operator.kinds import (
    ENDPOINT_SLICE,
    EVENT,
    NAMESPACE,
    PARENTS,
    POD,
    SECRET,
    SERVICE,
    Kind,
    Owner,
    kind_of,
)
from trading_operator.observed import Observed, StackState
from trading_operator.ownership import is_ours
from trading_operator.plan import Plan

FIELD_MANAGER: Final = "trading-operator"
FORCED: Final = {"fieldManager": FIELD_MANAGER, "force": "true"}
MANAGED: Final = {"fieldManager": FIELD_MANAGER}
NOT_FOUND, CONFLICT = 404, 409
#: Written after everything they mount.
WORKLOADS: Final = frozenset({"Deployment", "StatefulSet", "Job"})
#: Written before what names them.
FIRST: Final = frozenset({"ClusterRole"})
#: Written when everything else is there: what only looks at it.
LAST: Final = frozenset({"MonitoringTarget", "PrometheusRule", "ServiceMonitor"})


class Cluster:
    """Reads from the cache, writes through the connection."""

    def __init__(self, connection: Connection, cache: Cache, collectors_namespace: str) -> None:
        self._connection = connection
        self._cache = cache
        self._collectors_namespace = collectors_namespace
        self._world: tuple[tuple[int, ...], World] | None = None
        self.stack_state: StackState | None = None
        """What `reconcile_stack` found last; None until it looked."""

    def get(self, ref: Ref) -> Manifest | None:
        """An object as last seen, or None."""
        return self._cache.get(ref)

    def owned(self, owner: Owner) -> list[Manifest]:
        """Everything of an engine as last seen, pods included."""
        return self._cache.owned(owner)

    def all(self, kind: Kind) -> list[Manifest]:
        """Every object of a kind as last seen."""
        return self._cache.all(kind)

    def changes(self, kind: Kind) -> int:
        """A number that grows with every object of a kind that came, changed or went."""
        return self._cache.changes(kind)

    def world(self) -> World:
        """Namespaces, Services and EndpointSlices as last seen; made anew only where one of them changed."""
        changes = tuple(map(self._cache.changes, (NAMESPACE, SERVICE, ENDPOINT_SLICE)))
        if self._world is None or self._world[0] != changes:
            self._world = changes, World.of(*map(self._cache.all, (NAMESPACE, SERVICE, ENDPOINT_SLICE)))
        return self._world[1]

    async def nothing_declared(self) -> bool:
        """Whether there is neither an engine nor a target of a person, asked of the API server itself."""
        for kind in PARENTS:
            query = {"limit": "1", "labelSelector": f"!{ENGINE_NAME}"}
            page = await self._connection.request("GET", kind.path(), query=query)
            if page["items"]:
                return False
        return True

    async def annotate_pods(self, namespace: str, selector: str, annotation: tuple[str, str]) -> int:
        """Set an annotation on the pods that a label selects and that lack it: their kubelets look at them at once."""
        key, value = annotation
        found = await self._connection.request("GET", POD.path(namespace), query={"labelSelector": selector})
        stale = [
            each["metadata"]["name"]
            for each in found["items"]
            if (each["metadata"].get("annotations") or {}).get(key) != value
        ]
        body = orjson.dumps({"metadata": {"annotations": {key: value}}})
        for name in stale:
            await self._connection.request("PATCH", POD.path(namespace, name), body, MERGE_PATCH, MANAGED)
        return len(stale)

    async def annotate_template(self, ref: Ref, key: str, wanted: Callable[[Manifest], str]) -> bool:
        """Set an annotation of a DaemonSet's pods, which makes them anew; whether that was needed and it is there."""
        found = await self._read(ref)
        if found is None or not (value := wanted(found)):
            return False
        body = orjson.dumps({"spec": {"template": {"metadata": {"annotations": {key: value}}}}})
        await self._connection.request("PATCH", ref.kind.path(ref.namespace, ref.name), body, MERGE_PATCH, MANAGED)
        return True

    async def secret_values(self, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], dict[str, str]]:
        """Plain values of Secrets, by namespace and name; those that do not exist are left out."""
        refs = [Ref(SECRET, *each) for each in sorted(set(wanted))]
        found = await asyncio.gather(*(self._read(ref) for ref in refs))
        return {(ref.namespace, ref.name): plain(each) for ref, each in zip(refs, found, strict=True) if each}

    async def gather(self, engine: TradingEngine) -> Observed:
        """What there is of an engine. Generated Secrets that the cache lacks are looked up, never assumed absent."""
        generated = (names.token_secret(engine), names.database_secret(engine))
        await asyncio.gather(*(self._look_up_unseen(Ref(SECRET, engine.namespace, name)) for name in generated))
        user_secrets = await self._secrets(engine.namespace, referenced_secrets(engine))
        return self._with_objects(engine, Observed(user_secrets=user_secrets))

    def refreshed(self, engine: TradingEngine, before: Observed) -> Observed:
        """The same as the cache has it now, with what a status says of the engine's surroundings."""
        return dataclasses.replace(
            self._with_objects(engine, before),
            stack=self.stack_state,
            absent=frozenset(kind.name for kind in self._cache.absent),
            unscraped=unscraped(self.world(), engine.namespace),
        )

    def _with_objects(self, engine: TradingEngine, before: Observed) -> Observed:
        places = (engine.namespace, self._collectors_namespace)
        found: list[Manifest] = []
        strays: list[Manifest] = []
        # Anybody may put an engine's mark on an object of his own: elsewhere it says nothing about the engine.
        for each in self._cache.owned((engine.namespace, engine.name)):
            (found if each["metadata"].get("namespace", "") in places else strays).append(each)
        return dataclasses.replace(
            before,
            objects=tuple(each for each in found if each["kind"] != POD.name and is_ours(each)),
            pods=tuple(each for each in found if each["kind"] == POD.name),
            strays=tuple(each for each in strays if each["kind"] != POD.name and is_ours(each)),
        )

    async def execute(self, plan: Plan, observed: Observed) -> tuple[str, ...]:
        """Write a plan; what was refused, in words, and then nothing that comes after it is written.

        What is of a kind that the cluster does not know is left out: `Observed.absent` says so.
        No workload runs beside a volume, a Secret or a NetworkPolicy that could not be made, and none waits for what
        only looks at it. ClusterUnavailable where the API server did not answer.
        """
        seen = {_ref(each) for each in observed.objects}
        for wave in _waves(each for each in plan.apply if kind_of(each) not in self._cache.absent):
            if refused := await _all(self._put(each, unseen=_ref(each) not in seen) for each in wave):
                return refused
        return await _all(self.delete(each) for each in plan.delete)

    async def delete(self, manifest: Manifest) -> None:
        """Delete exactly this version of an object of ours; one that is gone or changed meanwhile is left alone."""
        if not is_ours(manifest):
            raise ValueError(f"{_ref(manifest)} is not ours to delete")
        metadata = manifest["metadata"]
        options = {
            "preconditions": {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]},
            "propagationPolicy": "Background",
        }
        try:
            await self._connection.request("DELETE", _path(manifest), orjson.dumps(options))
        except ApiRefused as error:
            if error.status not in (NOT_FOUND, CONFLICT):
                raise
            if error.status == NOT_FOUND:
                # It went before the watches began, so none will tell: deleted once more at every look otherwise.
                self._cache.remove(_ref(manifest), version_of(manifest))

    async def write_status(self, kind: Kind, manifest: Manifest, status: Mapping[str, Any]) -> bool:
        """Replace a status that differs from the known one; whether it was written. A deleted object is no error.

        The whole of it is ours: what somebody else wrote into it goes. The uid keeps it off an object made anew.
        """
        if manifest.get("status", {}) == status:
            return False
        ref = ref_of(kind, manifest)
        body = orjson.dumps(
            [
                {"op": "replace", "path": "/metadata/uid", "value": manifest["metadata"]["uid"]},
                {"op": "add", "path": "/status", "value": status},
            ]
        )
        path = kind.path(ref.namespace, ref.name) + "/status"
        try:
            self._cache.put(kind, await self._connection.request("PATCH", path, body, JSON_PATCH, MANAGED))
        except ApiRefused as error:
            if error.status not in (NOT_FOUND, CONFLICT):
                raise
            return False
        return True

    async def exists(self, ref: Ref) -> bool:
        """Whether an object is there, asked of the API server itself."""
        return await self._read(ref) is not None

    async def post_event(self, event: Mapping[str, Any]) -> None:
        """Write an Event."""
        await self._connection.request("POST", EVENT.path(event["metadata"]["namespace"]), orjson.dumps(event))

    async def _put(self, desired: Manifest, *, unseen: bool) -> None:
        kind, body, ref = kind_of(desired), orjson.dumps(desired), _ref(desired)
        found = await self._read(ref) if unseen else None
        if found is not None:
            _check_adoptable(ref, found)
        if kind == SECRET and unseen and found is None:
            answer = await self._create(desired, body)
        else:
            answer = await self._connection.request("PATCH", _path(desired), body, APPLY, FORCED)
        self._cache.put(kind, answer)

    async def _create(self, desired: Manifest, body: bytes) -> dict[str, Any]:
        # Generated values must never replace others that this process has not seen yet.
        try:
            return await self._connection.request(
                "POST", SECRET.path(desired["metadata"]["namespace"]), body, query=MANAGED
            )
        except ApiRefused as error:
            if error.status != CONFLICT:
                raise
            raise ClusterUnavailable(f"{_ref(desired)} was made by somebody else meanwhile") from error

    async def _look_up_unseen(self, ref: Ref) -> None:
        if self._cache.get(ref) is None:
            await self._read(ref)

    async def _read(self, ref: Ref) -> Manifest | None:
        try:
            found = await self._connection.request("GET", ref.kind.path(ref.namespace, ref.name))
        except ApiRefused as error:
            if error.status == NOT_FOUND:
                return None
            raise
        if ref.kind.ours or is_ours(found):
            self._cache.put(ref.kind, found)
        return found

    async def _secrets(self, namespace: str, wanted: Iterable[str]) -> dict[str, Manifest]:
        refs = [Ref(SECRET, namespace, name) for name in wanted]
        found = await asyncio.gather(*(self._read(ref) for ref in refs))
        return {ref.name: secret for ref, secret in zip(refs, found, strict=True) if secret is not None}


def _waves(objects: Iterable[Manifest]) -> tuple[list[Manifest], ...]:
    waves: tuple[list[Manifest], ...] = ([], [], [], [])
    for each in objects:
        kind = each["kind"]
        waves[0 if kind in FIRST else 2 if kind in WORKLOADS else 3 if kind in LAST else 1].append(each)
    return waves


def _check_adoptable(ref: Ref, found: Manifest) -> None:
    """What only we write marks what we made; a namesake of somebody else is never taken over."""
    if DESIRED_HASH not in (found["metadata"].get("annotations") or {}):
        raise ApiRefused(CONFLICT, "NotOurs", f"{ref} is there and the operator did not make it: delete or rename it")
    if ref.kind == SECRET and is_ours(found):
        raise ClusterUnavailable(f"{ref} was seen only now: its values are kept")


async def _all(writes: Iterable[Any]) -> tuple[str, ...]:
    """Run writes side by side to their end; refusals become words, anything else is raised afterwards."""
    results = await asyncio.gather(*writes, return_exceptions=True)
    failures = [each for each in results if isinstance(each, BaseException)]
    for failure in failures:
        if not isinstance(failure, ApiRefused):
            raise failure
    return tuple(str(failure) for failure in failures)


def _ref(manifest: Manifest) -> Ref:
    return ref_of(kind_of(manifest), manifest)


def _path(manifest: Manifest) -> str:
    ref = _ref(manifest)
    return ref.kind.path(ref.namespace, ref.name)
