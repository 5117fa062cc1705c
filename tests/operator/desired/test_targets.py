"""What an engine declares of itself, and when it leaves that to somebody else."""

from __future__ import annotations

from typing import Any

import pytest

from tests.operator.engines import by_name, engine, objects
from tests.operator.targets import a_target
from trading_engine.contract.metrics import of_worker
from trading_engine.contract.workers import COLLECTORS, WORKERS, WorkerName
from trading_engine.runtime.instruments import Instruments
from trading_operator.api.v1alpha1 import MonitoringTarget, TradingEngine
from trading_operator.desired.labels import COMPONENT, pod_labels
from trading_operator.desired.selection import World, select
from trading_operator.desired.targets import target_objects

ALL = {f"paper-{worker.service}" for worker in (*WORKERS, *COLLECTORS)}


def declared(of: TradingEngine, *others: MonitoringTarget) -> set[str]:
    made = [each for each in objects(of) if each["kind"] != "MonitoringTarget"]
    return {each["metadata"]["name"] for each in target_objects(of, made, others)}


def test_each_worker_and_collector_has_a_target() -> None:
    """In the engine's namespace, all of them; none for the database, which exports nothing."""
    assert declared(engine()) == ALL
    assert not any("postgresql" in name for name in ALL)


@pytest.mark.parametrize("observability", [{"targets": "Disabled"}, {"scrape": "Disabled"}])
def test_none_when_switched_off_or_not_scraped(observability: dict[str, Any]) -> None:
    """A target of what nobody scrapes could never be Ready."""
    assert declared(engine(observability=observability)) == set()


def test_each_selects_its_own_service_and_no_other() -> None:
    """The one Service of its worker, where it is."""
    found = objects(engine())
    services = [each for each in found if each["kind"] == "Service"]
    world = World.of([], services, [])
    for manifest in (each for each in found if each["kind"] == "MonitoringTarget"):
        target = MonitoringTarget.parse(manifest)
        (service,) = [
            each
            for each in services
            if each["metadata"]["labels"][COMPONENT] == manifest["metadata"]["labels"][COMPONENT]
        ]
        place = f"{service['metadata']['namespace']}/{service['metadata']['name']}"
        assert select(target, world, frozenset({"crypto-collectors"})).services == (place,)
        (endpoint,) = target.spec.endpoints or ()
        assert endpoint.port == service["spec"]["ports"][0]["name"]
        assert endpoint.path == service["metadata"]["annotations"]["prometheus.io/path"]


@pytest.mark.parametrize("name", list(WorkerName))
def test_every_expected_metric_is_there_from_the_start(name: WorkerName) -> None:
    """Asked of the worker's own instruments before anything was counted."""
    exposed = Instruments(name, ("BTC/USD",)).exposition("")[0].decode()
    there = {line.partition("{")[0].partition(" ")[0] for line in exposed.splitlines() if not line.startswith("#")}
    found = by_name(objects(engine()))["MonitoringTarget", f"paper-{name.value.replace('_', '-')}"]
    expected = found["spec"]["expectedMetrics"]
    assert set(expected) <= there
    assert len(expected) >= len(of_worker(name)) / 2


def test_engine_yields_to_a_target_of_its_people() -> None:
    """Over one Service, over all of them, and by name; not to one in another namespace."""
    of = engine()
    one = a_target("mine", selector={"matchLabels": pod_labels(of, "trade-executor")})
    assert declared(of, one) == ALL - {"paper-trade-executor"}
    every = a_target("every", selector=None, endpoints=None, annotations="Import")
    assert declared(of, every) == {"paper-exchange-data"}
    namesake = a_target("paper-risk-management", selector={"matchLabels": {"app": "other"}})
    assert declared(of, namesake) == ALL - {"paper-risk-management"}
    stranger = one.model_copy(update={"metadata": one.metadata.model_copy(update={"namespace": "elsewhere"})})
    assert declared(of, stranger) == ALL
