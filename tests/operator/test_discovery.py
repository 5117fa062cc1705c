"""What both replicas answer to Prometheus, from their caches."""

from __future__ import annotations

import itertools
import json
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from tests.operator.engines import SETTINGS
from tests.operator.targets import a_service, a_slice, a_target_manifest, an_endpoint
from trading_operator import discovery, health
from trading_operator.cache import Cache, Ref, ref_of
from trading_operator.cluster import Cluster
from trading_operator.discovery import Discovery
from trading_operator.kinds import ENDPOINT_SLICE, MONITORING_TARGET, SERVICE, Kind
from trading_operator.metrics import OperatorMetrics
from trading_operator.ownership import owner_of


class Bench:
    """A cache that is filled by hand."""

    def __init__(self) -> None:
        self.cache, self.listed, self.version = Cache(owner_of), True, 0
        cluster = Cluster(None, self.cache, "crypto-collectors")  # type: ignore[arg-type]  # nothing is asked
        self.discovery = Discovery(cluster, SETTINGS, lambda: self.listed)

    def put(self, kind: Kind, manifest: dict[str, Any]) -> Ref:
        self.version += 1
        manifest = manifest | {"metadata": manifest["metadata"] | {"resourceVersion": str(self.version)}}
        self.cache.put(kind, manifest)
        return ref_of(kind, manifest)

    def names(self) -> list[str]:
        return [each["labels"]["target_name"] for each in json.loads(self.discovery.answer() or b"[]")]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> float:
    """Each look at the clock is a second later; the value says how long an answer took, then."""
    seconds = itertools.count()
    monkeypatch.setattr(discovery, "time", SimpleNamespace(monotonic=lambda: float(next(seconds))))
    return 1.0


def filled() -> Bench:
    bench = Bench()
    bench.put(SERVICE, a_service())
    bench.put(ENDPOINT_SLICE, a_slice(an_endpoint()))
    bench.put(MONITORING_TARGET, a_target_manifest())
    return bench


def test_answer_stands_a_while_when_it_was_costly(clock: float) -> None:
    """Nine times as long as it took: a tenth of a processor, however many targets."""
    bench = filled()
    assert bench.names() == ["exporter"]
    bench.cache.remove(Ref(MONITORING_TARGET, "crypto-trading", "exporter"), 99)
    looks = [bench.names() for _ in range(12)]
    assert looks.index([]) == round(9 * clock) - 1


def test_answer_follows_when_something_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new target, one that goes, an endpoint more; in between the answer is made only once."""
    monkeypatch.setattr(discovery, "_REST", 0.0)
    bench = filled()
    assert bench.names() == ["exporter"]
    assert bench.discovery.answer() is bench.discovery.answer()
    endpoints = a_slice(an_endpoint(), an_endpoint("10.0.0.2", "pod-2"))
    bench.put(ENDPOINT_SLICE, endpoints)
    assert bench.names() == ["exporter"] * 2
    gone = Ref(MONITORING_TARGET, "crypto-trading", "exporter")
    bench.cache.remove(gone, 99)
    assert bench.names() == []


def test_other_targets_stay_when_one_cannot_be_read() -> None:
    """One written before its kind was tightened."""
    bench = filled()
    bench.put(MONITORING_TARGET, a_target_manifest("broken", endpoints=[{"port": "NOT A PORT"}]))
    assert bench.names() == ["exporter"]


async def test_prometheus_keeps_what_it_knows_when_the_cluster_is_not_listed_yet() -> None:
    """503: an empty list would end every scrape."""
    bench = filled()
    bench.listed = False
    registry = OperatorMetrics("x").registry
    async with (
        health.serving(0, registry, lambda: "", lambda: "", bench.discovery.answer) as port,
        aiohttp.ClientSession() as http,
    ):
        async with http.get(f"http://127.0.0.1:{port}/targets") as response:
            assert response.status == 503
        bench.listed = True
        async with http.get(f"http://127.0.0.1:{port}/targets") as response:
            assert (response.status, response.content_type) == (200, "application/json")
            assert len(await response.json()) == 1


def test_little_is_kept_when_an_object_is_somebody_elses() -> None:
    """What is read stays, long annotations and the rest of the spec go; our own objects are kept whole."""
    bench = Bench()
    service = a_service(annotations={"prometheus.io/scrape": "true", "kubectl.kubernetes.io/last-applied": "x" * 9999})
    service |= {"spec": {"ports": [{"port": 80}], "clusterIPs": ["10.0.0.1"]}, "status": {"loadBalancer": {}}}
    kept = bench.cache.get(bench.put(SERVICE, service))
    assert kept is not None
    assert kept["metadata"]["annotations"] == {"prometheus.io/scrape": "true"}
    assert (kept["spec"], "status" in kept) == ({"ports": [{"port": 80}]}, False)
    marks = {"tradingengine.io/engine": "e", "tradingengine.io/engine-namespace": "n"}
    own = service | {"metadata": service["metadata"] | {"labels": marks, "name": "own"}}
    whole = bench.cache.get(bench.put(SERVICE, own))
    assert whole is not None
    assert whole["spec"] == own["spec"]
