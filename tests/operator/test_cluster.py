"""What a reconcile sees of an engine, and what it writes, over a connection that plays the API server."""

from __future__ import annotations

from typing import Any

from tests.operator.engines import SETTINGS, echoed, engine, objects
from trading_operator.cache import Cache
from trading_operator.cluster import Cluster
from trading_operator.errors import ApiRefused
from trading_operator.kinds import kind_of
from trading_operator.ownership import owner_of


class PlayedApi:
    """Answers GET with what it holds; notes what else it is asked."""

    def __init__(self) -> None:
        self.held: dict[str, dict[str, Any]] = {}
        self.asked: list[tuple[str, str]] = []

    async def request(self, method: str, path: str, *_: Any, **__: Any) -> dict[str, Any]:
        self.asked.append((method, path))
        if path not in self.held:
            raise ApiRefused(404, "NotFound", path)
        return self.held[path]


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
