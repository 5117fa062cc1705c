"""The cache and its second opinion: order of versions, ghosts, and deafness."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from trading_operator.cache import Cache, Ref, ref_of
from trading_operator.desired.labels import ENGINE_NAME, ENGINE_NAMESPACE
from trading_operator.errors import ApiRefused, ClusterUnavailable, Deaf, NotInstalled
from trading_operator.handlers import Handlers
from trading_operator.kinds import BY_NAME, MONITORING_TARGET, NAMESPACE, TRADING_ENGINE, WATCHED, Kind
from trading_operator.ownership import owner_of
from trading_operator.relist import Relist
from trading_operator.target_index import TargetIndex

SERVICE = BY_NAME["Service"]
OWNER = ("trading", "paper")
ENGINE = Ref(TRADING_ENGINE, *OWNER)
SHARED = Ref(NAMESPACE, "", "monitoring")


def a_service(version: int, name: str = "paper-x") -> dict[str, Any]:
    labels = {"tradingengine.io/engine": "paper", "tradingengine.io/engine-namespace": "trading"}
    metadata = {"name": name, "namespace": "trading", "resourceVersion": str(version), "labels": labels}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata}


SERVICE_REF = ref_of(SERVICE, a_service(1))


class Lists:
    """A connection that only lists."""

    def __init__(self) -> None:
        self.items: dict[str, list[dict[str, Any]]] = {}
        self.version = 100
        self.error: Exception | None = None

    async def pages(self, kind: Kind, selector: str = "") -> AsyncIterator[tuple[list[dict[str, Any]], str]]:
        if self.error:
            raise self.error
        yield self.items.get(kind.name, []), str(self.version)


class Bench:
    """A relist with its cache, and what it woke and corrected."""

    def __init__(self) -> None:
        self.lists, self.cache = Lists(), Cache(owner_of)
        self.woken: list[Ref] = []
        self.corrected: list[str] = []
        self.handlers = Handlers(self.cache, self.woken.append, lambda _: None, "monitoring", TargetIndex())
        self.relist = Relist(
            self.lists,  # type: ignore[arg-type]
            self.cache,
            self.handlers.deliveries,
            self.handlers.changed,
            self.corrected.append,
        )


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_older_version_is_ignored_when_a_newer_is_known() -> None:
    """The answer to a write and the events of a watch may arrive in any order."""
    cache = Cache(owner_of)
    assert cache.put(SERVICE, a_service(5))
    assert not cache.put(SERVICE, a_service(5))
    assert not cache.put(SERVICE, a_service(4))
    assert cache.version(SERVICE_REF) == 5


def test_object_stays_gone_when_an_older_answer_arrives_after_its_deletion() -> None:
    """A late answer raises nobody from the dead; a newer object of the same name is another one."""
    cache = Cache(owner_of)
    cache.put(SERVICE, a_service(5))
    assert cache.remove(SERVICE_REF, 7)
    assert not cache.put(SERVICE, a_service(6))
    assert cache.get(SERVICE_REF) is None
    assert cache.put(SERVICE, a_service(8))
    assert not cache.remove(SERVICE_REF, 7)
    assert [each["metadata"]["resourceVersion"] for each in cache.owned(OWNER)] == ["8"]


def test_owner_is_forgotten_when_its_last_object_goes() -> None:
    """The sweep asks for owners; none of them is without objects."""
    cache = Cache(owner_of)
    cache.put(SERVICE, a_service(5))
    assert list(cache.owners()) == [OWNER]
    cache.remove(SERVICE_REF, 6)
    assert list(cache.owners()) == []


def test_managed_fields_are_dropped_when_an_object_is_kept() -> None:
    """Half of an object's size is bookkeeping that nobody here reads."""
    cache = Cache(owner_of)
    service = a_service(5)
    service["metadata"]["managedFields"] = [{"manager": "x"}]
    cache.put(SERVICE, service)
    assert "managedFields" not in cache.owned(OWNER)[0]["metadata"]


def test_engine_is_woken_once_when_a_watch_repeats_itself(bench: Bench) -> None:
    """A child's event wakes its engine; the echo of what is known wakes nobody."""
    bench.handlers.on_event(SERVICE, "ADDED", a_service(5))
    bench.handlers.on_event(SERVICE, None, a_service(5))
    assert bench.woken == [ENGINE]
    bench.handlers.on_event(SERVICE, "DELETED", a_service(6))
    assert bench.woken == [ENGINE, ENGINE]
    assert bench.cache.get(SERVICE_REF) is None


async def test_ghost_goes_and_its_engine_is_woken_when_no_watch_told_of_the_deletion(bench: Bench) -> None:
    """What a watch missed while it was down is found by the next list."""
    bench.handlers.on_event(SERVICE, "ADDED", a_service(5))
    await bench.relist.once()
    assert bench.cache.get(SERVICE_REF) is None
    assert bench.woken == [ENGINE, ENGINE]
    assert bench.corrected == ["Service"]


async def test_object_survives_when_it_was_made_after_the_list(bench: Bench) -> None:
    """A list says nothing about what is newer than itself."""
    bench.handlers.on_event(SERVICE, "ADDED", a_service(101))
    await bench.relist.once()
    assert bench.cache.get(SERVICE_REF) is not None


async def test_nothing_is_corrected_when_list_and_watch_agree(bench: Bench) -> None:
    """The usual case wakes nobody."""
    bench.handlers.on_event(SERVICE, "ADDED", a_service(5))
    bench.lists.items["Service"] = [a_service(5)]
    bench.woken.clear()
    await bench.relist.once()
    assert (bench.woken, bench.corrected) == ([], [])


async def test_process_ends_when_no_watch_delivers_what_a_list_shows(bench: Bench) -> None:
    """Deafness is found by what a list shows and no watch brings, even where our own write put it into the cache."""
    bench.cache.put(SERVICE, a_service(5))
    bench.lists.items["Service"] = [a_service(5)]
    with pytest.raises(Deaf, match="Service trading/paper-x"):
        await asyncio.wait_for(bench.relist.run(period=10, deaf_after=0.05), 2)


async def test_process_stays_when_the_watch_delivers_late(bench: Bench) -> None:
    """A watch that lags behind a list is not deaf."""
    bench.lists.items["Service"] = [a_service(5)]
    task = asyncio.create_task(bench.relist.run(period=10, deaf_after=0.1))
    await bench.relist.complete.wait()
    bench.handlers.on_event(SERVICE, "ADDED", a_service(5))
    await asyncio.sleep(0.4)
    assert not task.done()
    task.cancel()


async def test_outage_is_no_deafness_when_nothing_can_be_listed(bench: Bench) -> None:
    """While the API server is away nothing is owed and nothing ends; the attempt still counts for health."""
    await bench.relist.once()
    before = bench.relist.tried_at
    bench.lists.error = ClusterUnavailable("away")
    task = asyncio.create_task(bench.relist.run(period=0.05, deaf_after=0.05))
    await asyncio.sleep(0.3)
    assert not task.done()
    assert bench.relist.tried_at > before
    task.cancel()


async def test_missing_kinds_are_named_when_they_are_not_installed(bench: Bench) -> None:
    """The first thing a newcomer forgets gets its own words."""
    bench.lists.error = ApiRefused(404, "404", "page not found")
    with pytest.raises(NotInstalled, match=r"tradingengines\.tradingengine\.io.*install the CRDs"):
        await bench.relist.run(period=10, deaf_after=10)


async def test_orphans_are_woken_when_their_engine_is_not_there(bench: Bench) -> None:
    """An engine of which only objects are left has to be swept."""
    bench.cache.put(SERVICE, a_service(5))
    bench.handlers.wake_all()
    assert bench.woken == [SHARED, ENGINE]


def test_every_kind_has_one_place() -> None:
    """No kind is listed twice, and paths are those of the API server."""
    assert len({kind.name for kind in WATCHED}) == len(WATCHED)
    assert BY_NAME["Deployment"].path("a", "b") == "/apis/apps/v1/namespaces/a/deployments/b"
    assert SERVICE.path() == "/api/v1/services"


async def test_process_stays_when_what_was_listed_went_before_the_watch_began(bench: Bench) -> None:
    """A start lists an object, its sweep deletes it, then the watch begins: nobody will ever tell of it."""
    bench.lists.items["Service"] = [a_service(5)]
    running = asyncio.create_task(bench.relist.run(period=10, deaf_after=0.05))
    await asyncio.wait_for(bench.relist.complete.wait(), 1)
    bench.lists.items["Service"] = []
    await asyncio.sleep(0.4)
    alive = not running.done()
    running.cancel()

    assert alive
    assert bench.cache.get(SERVICE_REF) is None


@pytest.mark.parametrize("label", ["tradingengine.io/engine", "tradingengine.io/engine-namespace"])
def test_nobody_is_woken_when_a_mark_is_empty(label: str) -> None:
    """A label may be empty, and a path made of it would ask for all engines."""
    bench = Bench()
    found = a_service(1)
    found["metadata"]["labels"][label] = ""
    bench.handlers.on_event(SERVICE, "ADDED", found)
    bench.handlers.wake_orphans()
    assert bench.woken == []


def test_target_of_our_own_making_is_looked_at_when_its_event_comes() -> None:
    """The answer to the write filled the cache before: there the event is no news, and it is the target's first."""
    bench = Bench()
    target = {
        "metadata": {"name": "own", "namespace": "n", "resourceVersion": "7", "generation": 1},
        "spec": {},
    }
    key = Ref(MONITORING_TARGET, "n", "own")
    bench.cache.put(MONITORING_TARGET, target)
    bench.handlers.on_event(MONITORING_TARGET, "ADDED", dict(target))
    assert key in bench.woken
    bench.woken.clear()
    bench.handlers.on_event(MONITORING_TARGET, "MODIFIED", dict(target))
    assert bench.woken == []


def test_owner_is_woken_when_its_target_is_edited_and_not_when_its_status_is() -> None:
    """An engine's own target is a child of it."""
    bench = Bench()
    labels = {ENGINE_NAME: "paper", ENGINE_NAMESPACE: "n"}

    def event(version: int, generation: int) -> None:
        metadata = {"name": "own", "namespace": "n", "resourceVersion": str(version), "generation": generation}
        bench.woken.clear()
        bench.handlers.on_event(MONITORING_TARGET, "MODIFIED", {"metadata": metadata | {"labels": labels}})

    engine = Ref(TRADING_ENGINE, "n", "paper")
    event(1, 1)
    assert engine in bench.woken
    event(2, 1)
    assert engine not in bench.woken
    event(3, 2)
    assert engine in bench.woken
