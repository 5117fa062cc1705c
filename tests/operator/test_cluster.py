"""What a reconcile sees of an engine, and what it writes, over a connection that plays the API server."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.operator.engines import SETTINGS, echoed, engine, objects
from trading_operator.cache import Cache, ref_of
from trading_operator.cluster import Cluster
from trading_operator.errors import ApiRefused, ClusterUnavailable
from trading_operator.kinds import kind_of
from trading_operator.observed import Observed
from trading_operator.ownership import owner_of
from trading_operator.plan import Plan


class PlayedApi:
    """Answers GET with what it holds; notes what else it is asked."""

    def __init__(self) -> None:
        self.held: dict[str, dict[str, Any]] = {}
        self.asked: list[tuple[str, str]] = []

    async def request(self, method: str, path: str, body: bytes = b"", *_: Any, **__: Any) -> dict[str, Any]:
        self.asked.append((method, path))
        if method == "POST" and f"{path}/{orjson.loads(body)['metadata']['name']}" in self.held:
            raise ApiRefused(409, "AlreadyExists", path)
        if method == "DELETE":
            if self.held.pop(path, None) is None:
                raise ApiRefused(404, "NotFound", path)
            return {}
        if method != "GET":
            return self.hold(orjson.loads(body))
        if path not in self.held:
            raise ApiRefused(404, "NotFound", path)
        return self.held[path]

    def hold(self, manifest: dict[str, Any]) -> dict[str, Any]:
        ref = ref_of(kind_of(manifest), manifest)
        version = {"uid": "u", "resourceVersion": str(len(self.held) + 1)}
        held = manifest | {"metadata": manifest["metadata"] | version}
        self.held[ref.kind.path(ref.namespace, ref.name)] = held
        return held

    def writes(self) -> list[str]:
        return [method for method, _ in self.asked if method != "GET"]


def bench() -> tuple[PlayedApi, Cache, Cluster]:
    api, cache = PlayedApi(), Cache(owner_of)
    return api, cache, Cluster(api, cache, SETTINGS.collectors_namespace)  # type: ignore[arg-type]


def in_namespace(manifest: dict[str, Any], namespace: str) -> dict[str, Any]:
    return manifest | {"metadata": manifest["metadata"] | {"namespace": namespace}}


async def test_strangers_are_strays_when_they_wear_the_mark_elsewhere() -> None:
    """Status and repair look at the engine's namespace and the collectors' only."""
    of = engine()
    _, cache, cluster = bench()
    stored = echoed(objects(of))
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": stored[0]["metadata"] | {"name": "p"}}
    for each in (*stored, pod, in_namespace(stored[0], "a-tenant"), in_namespace(pod, "a-tenant")):
        cache.put(kind_of(each), each)
    observed = await cluster.gather(of)
    assert {each["metadata"]["namespace"] for each in observed.objects} == {"crypto-trading", "crypto-collectors"}
    assert len(observed.objects) == len(stored)
    assert [each["metadata"]["namespace"] for each in observed.pods] == ["crypto-trading"]
    assert [each["metadata"]["namespace"] for each in observed.strays] == ["a-tenant"]


async def test_user_secrets_are_read_once_when_an_engine_is_gathered_and_looked_at_again() -> None:
    """The second look is the cache's alone."""
    of = engine(database={"secretRef": {"name": "mine"}})
    api, cache, cluster = bench()
    observed = await cluster.gather(of)
    before = list(api.asked)
    assert before.count(("GET", "/api/v1/namespaces/crypto-trading/secrets/mine")) == 1
    token = next(each for each in echoed(objects(engine())) if each["metadata"]["name"] == "paper-token")
    cache.put(kind_of(token), token)
    assert [each["metadata"]["name"] for each in cluster.refreshed(of, observed).objects] == ["paper-token"]
    assert api.asked == before


@pytest.mark.parametrize("kind", ["ConfigMap", "PersistentVolumeClaim", "Secret", "Deployment"])
async def test_namesake_is_refused_and_left_alone_when_somebody_else_made_it(kind: str) -> None:
    """Taken over it would be overwritten now, and deleted with the engine."""
    api, _, cluster = bench()
    wanted = next(each for each in objects(engine()) if each["kind"] == kind)
    name, namespace = wanted["metadata"]["name"], wanted["metadata"]["namespace"]
    bare = {"apiVersion": wanted["apiVersion"], "kind": kind, "metadata": {"name": name, "namespace": namespace}}
    api.hold(bare)
    (words,) = await cluster.execute(Plan(apply=(wanted,)), Observed())
    assert f"{kind} {namespace}/{name} is there and the operator did not make it" in words
    assert api.writes() == []


async def test_no_workload_is_written_when_something_before_it_was_refused() -> None:
    """A database must not start on somebody else's volume."""
    api, _, cluster = bench()
    claim, pods = (
        next(each for each in objects(engine()) if each["kind"] == kind)
        for kind in ("PersistentVolumeClaim", "StatefulSet")
    )
    api.hold(
        {
            "apiVersion": "v1",
            "kind": claim["kind"],
            "metadata": {"name": "paper-postgresql", "namespace": "crypto-trading"},
        }
    )
    assert len(await cluster.execute(Plan(apply=(pods, claim)), Observed())) == 1
    assert api.writes() == []


async def test_own_object_is_applied_when_somebody_took_its_labels() -> None:
    """It dropped out of the watch; the hash that only we write says whose it is."""
    api, _, cluster = bench()
    wanted = next(each for each in objects(engine()) if each["kind"] == "Service")
    api.hold(wanted | {"metadata": {key: value for key, value in wanted["metadata"].items() if key != "labels"}})
    assert await cluster.execute(Plan(apply=(wanted,)), Observed()) == ()
    assert api.writes() == ["PATCH"]


async def test_values_of_a_secret_are_kept_when_it_is_seen_only_now() -> None:
    """New random values must not replace those that the workers hold."""
    api, cache, cluster = bench()
    (wanted,) = (each for each in objects(engine()) if each["metadata"]["name"] == "paper-token")
    held = api.hold(wanted)
    with pytest.raises(ClusterUnavailable, match="kept"):
        await cluster.execute(Plan(apply=(wanted,)), Observed())
    assert api.writes() == []
    assert cache.get(ref_of(kind_of(held), held)) is not None


async def test_object_is_forgotten_when_its_deletion_finds_nothing() -> None:
    """A ghost of the first list that no watch will tell of is deleted in vain once, not at every look."""
    _, cache, cluster = bench()
    ghost = echoed(objects(engine()))[0]
    cache.put(kind_of(ghost), ghost)
    await cluster.delete(ghost)
    assert cache.get(ref_of(kind_of(ghost), ghost)) is None
