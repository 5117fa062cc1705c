"""A target's key: what is looked for, what is written, and what a start of the operator does not write."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from tests.fakes_prometheus import NOW, FakePrometheus, Rounds, scraped, url
from tests.operator.engines import SETTINGS
from tests.operator.targets import a_service, a_target_manifest, a_world
from trading_operator.cache import Ref
from trading_operator.desired.selection import World
from trading_operator.events import EventRecorder
from trading_operator.kinds import MONITORING_TARGET, SERVICE, Kind
from trading_operator.observed import StackState
from trading_operator.reconcile_target import AT_REST, UNSURE, TargetReconciler
from trading_operator.target_index import TargetIndex

REF = Ref(MONITORING_TARGET, "crypto-trading", "exporter")


class MemoryCluster:
    """What a `TargetReconciler` asks of a cluster; a status that is written is there from then on."""

    def __init__(self, target: dict[str, Any] | None) -> None:
        self.target = target
        self.seen: World = a_world()
        self.stack_state: StackState | None = None
        self.statuses: list[Mapping[str, Any]] = []
        self.events: list[Mapping[str, Any]] = []

    def get(self, _: Ref) -> dict[str, Any] | None:
        return self.target

    def world(self) -> World:
        return self.seen

    async def write_status(self, _: Kind, manifest: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
        if manifest.get("status", {}) == status:
            return False
        self.statuses.append(status)
        self.target = dict(manifest) | {"status": status}
        return True

    async def post_event(self, event: Mapping[str, Any]) -> None:
        self.events.append(event)

    @property
    def reason(self) -> str:
        return str(self.statuses[-1]["conditions"][0]["reason"])


class Bench:
    """A reconciler, what it asks, and a Prometheus in which the one endpoint is up."""

    def __init__(self, **spec: Any) -> None:
        self.prometheus = FakePrometheus([scraped(1)])
        self.cluster = MemoryCluster(a_target_manifest(**spec))
        self.start()

    def start(self) -> None:
        """An operator that has just started: it remembers nothing."""
        self.rounds, self.index = Rounds(self.prometheus), TargetIndex()
        evidence, events = (self.rounds, self.index), EventRecorder("me")
        self.reconciler = TargetReconciler(self.cluster, SETTINGS, evidence, events, lambda: self.rounds.now)  # type: ignore[arg-type]  # a fake

    async def look(self, seconds: float = 0) -> float | None:
        """A round some seconds later, then a reconcile."""
        await self.rounds.after(seconds)
        return await self.reconciler.reconcile(REF)


@pytest.fixture
async def bench() -> Bench:
    made = Bench(expectedMetrics=["a_total"])
    made.prometheus.series = {"a_total": {1: 1.0}}
    return made


async def test_nothing_is_written_before_the_first_round(bench: Bench) -> None:
    """What Prometheus says is asked first; the target waits a moment."""
    assert await bench.reconciler.reconcile(REF) == UNSURE
    assert bench.cluster.statuses == []


async def test_ready_after_the_first_round(bench: Bench) -> None:
    """One reconcile says what to look for, the round finds it, the next one writes; then it rests."""
    await bench.reconciler.reconcile(REF)
    assert await bench.look() == AT_REST
    assert bench.cluster.reason == "AllUp"
    assert [await bench.look(10) for _ in range(3)] == [AT_REST] * 3
    assert len(bench.cluster.statuses) == 1


async def test_status_is_written_every_five_minutes_at_rest(bench: Bench) -> None:
    """So that a reader sees that somebody still looks."""
    await bench.reconciler.reconcile(REF)
    for _ in range(70):
        bench.prometheus.listed = [scraped(1, at=bench.rounds.now)]
        await bench.look(10)
    assert len(bench.cluster.statuses) == 3
    assert bench.cluster.statuses[-1]["evidenceTime"] > bench.cluster.statuses[0]["evidenceTime"]
    assert [(event["reason"], event["type"]) for event in bench.cluster.events] == [("AllUp", "Normal")]


async def test_one_warning_tells_that_ready_was_lost(bench: Bench) -> None:
    """Of the seven conditions Ready alone is told; its coming and its first reasons are no warning."""
    listed, bench.prometheus.listed = bench.prometheus.listed, []
    await bench.reconciler.reconcile(REF)
    await bench.look()
    bench.prometheus.listed = listed
    await bench.look(1)
    bench.prometheus.listed = [scraped(1, "down", "server returned HTTP status 404 Not Found")]
    await bench.look(1)
    told = [(event["reason"], event["type"]) for event in bench.cluster.events]
    assert told == [("AwaitingDiscovery", "Normal"), ("AllUp", "Normal"), ("HttpStatus", "Warning")]


async def test_nothing_is_written_when_the_operator_starts_anew(bench: Bench) -> None:
    """A restart is no news about a target, neither for one that is well nor for one that is not."""
    for listed in ([scraped(1)], [scraped(1, "down", "server returned HTTP status 404 Not Found")], []):
        bench.prometheus.listed = listed
        for _ in range(4):
            await bench.look(10)
        written = len(bench.cluster.statuses)
        bench.start()
        bench.rounds.now = NOW + timedelta(seconds=50)
        await bench.reconciler.reconcile(REF)
        for _ in range(3):
            await bench.look(1)
        assert len(bench.cluster.statuses) == written


async def test_quarantine_is_that_of_the_shared_configuration(bench: Bench) -> None:
    """By the words that stand there under the target's name."""
    bench.cluster.stack_state = StackState(quarantined={str(REF): "promtool: no"})
    await bench.reconciler.reconcile(REF)
    await bench.look()
    assert bench.cluster.reason == "Quarantined"


async def test_invalid_target_is_told_and_looked_for_no_more(bench: Bench) -> None:
    """One that its kind does not accept any more."""
    await bench.reconciler.reconcile(REF)
    bench.cluster.target = a_target_manifest(annotations="Import")
    assert await bench.reconciler.reconcile(REF) == AT_REST
    assert bench.cluster.reason == "InvalidSpec"
    assert await bench.rounds.after(10) == []
    assert bench.prometheus.lists == 0


async def test_events_around_concern_it_until_it_is_gone(bench: Bench) -> None:
    """What it selects is in the index, and nothing is when it was deleted."""
    await bench.reconciler.reconcile(REF)
    assert bench.index.concerned(SERVICE, a_service("new")) == {REF}
    bench.cluster.target = None
    assert await bench.reconciler.reconcile(REF) is None
    assert bench.index.concerned(SERVICE, a_service("new")) == set()
    await bench.rounds.once()
    assert bench.prometheus.lists == 0


async def test_url_is_that_of_the_endpoint(bench: Bench) -> None:
    """The fake and the selection agree, else the other tests would prove nothing."""
    await bench.reconciler.reconcile(REF)
    await bench.rounds.once()
    assert bench.rounds.evidence
    assert set(bench.rounds.evidence.scrapes) == {url(1)}


async def test_hostile_target_changes_nothing_for_another(bench: Bench) -> None:
    """Names that would be PromQL are refused, and what is asked for it stands beside what others ask for."""
    await bench.reconciler.reconcile(REF)
    await bench.look()
    before = bench.cluster.statuses[-1]
    hostile = Bench(expectedMetrics=["a_total", *(f"m{'x' * 180}{number}" for number in range(60))])
    bench.cluster.target, ours = hostile.cluster.target, bench.cluster.target
    await bench.reconciler.reconcile(Ref(MONITORING_TARGET, "crypto-trading", "hostile"))
    for name in ['a"} or vector(1) #', "(a+)+$", "a|b", "a\nb"]:
        bench.cluster.target = a_target_manifest(expectedMetrics=[name])
        await bench.reconciler.reconcile(Ref(MONITORING_TARGET, "crypto-trading", "worse"))
        assert bench.cluster.reason == "InvalidSpec"
    bench.cluster.target = ours
    await bench.look(10)
    assert bench.cluster.target["status"] == before
    assert all(query.count('"') == 2 and "vector" not in query for query in bench.prometheus.queries)
