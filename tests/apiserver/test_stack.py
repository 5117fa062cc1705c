"""What engines and targets share, against a real API server: written, mended, and removed with the last of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.apiserver.conftest import ENGINES, World
from tests.apiserver.kube import Manifest, eventually
from tests.apiserver.operator_process import short
from trading_operator.desired.scrape import revision_of

pytestmark = pytest.mark.usefixtures("clean")
CONFIG_MAP = ("ConfigMap", "trading-prometheus")
SHARED = {
    CONFIG_MAP,
    ("ClusterRole", "trading-operator-prometheus"),
    ("ClusterRoleBinding", "trading-operator-prometheus"),
}
WITHIN = 10.0
OTHER = "another-team"


def configuration(world: World) -> Manifest:
    """What the ConfigMap holds now."""
    return yaml.safe_load(text(world))


def text(world: World) -> str:
    return world.kube.get("ConfigMap", "monitoring", "trading-prometheus")["data"]["prometheus.yml"]


def scraped(world: World) -> list[str]:
    """Namespaces of the job of annotated Services."""
    return configuration(world)["scrape_configs"][0]["kubernetes_sd_configs"][0]["namespaces"]["names"]


def reason(world: World, name: str) -> str:
    return world.condition(name, "Observed").get("reason", "")


@pytest.fixture
def other(world: World) -> Iterator[str]:
    """A namespace of somebody else; it stays, for nobody here deletes namespaces."""
    world.kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": OTHER, "labels": {"x": "y"}}})
    yield OTHER
    world.kube.merge("Namespace", None, OTHER, {"metadata": {"labels": {"tradingengine.io/scrape": None}}})


def test_shared_objects_come_with_the_first_and_go_with_the_last_engine(
    world: World, operator: Any, other: str
) -> None:
    """Two engines in two namespaces: the first deletion takes away one namespace, the second all of it."""
    assert world.kube.shared() == {}
    first = world.engine()["metadata"]["name"]
    eventually(lambda: world.kube.shared().keys() >= SHARED, WITHIN, what="shared objects")
    second = world.engine(namespace=other)["metadata"]["name"]
    eventually(lambda: other in scraped(world), WITHIN, what="the second engine's namespace")
    assert ENGINES in scraped(world)
    world.kube.delete("TradingEngine", other, second)
    eventually(lambda: other not in scraped(world), WITHIN, what="one engine less")
    assert world.kube.shared().keys() >= SHARED
    world.kube.delete("TradingEngine", ENGINES, first)
    eventually(lambda: world.kube.shared() == {}, WITHIN, what="nothing shared")


def test_edit_is_undone_when_somebody_changes_what_is_shared(world: World, operator: Any) -> None:
    """A ConfigMap, a rule of Prometheus's ClusterRole; a deleted binding comes back."""
    world.built(world.engine()["metadata"]["name"])
    eventually(lambda: world.kube.shared().keys() >= SHARED, WITHIN)
    world.settle()
    before = text(world)
    world.kube.merge("ConfigMap", "monitoring", "trading-prometheus", {"data": {"prometheus.yml": "{}"}})
    eventually(lambda: text(world) == before, WITHIN)
    role = world.kube.get("ClusterRole", None, "trading-operator-prometheus")["rules"]
    world.kube.merge("ClusterRole", None, "trading-operator-prometheus", {"rules": []})
    eventually(lambda: world.kube.get("ClusterRole", None, "trading-operator-prometheus")["rules"] == role, WITHIN)
    world.kube.delete("ClusterRoleBinding", None, "trading-operator-prometheus")
    eventually(lambda: world.kube.find("ClusterRoleBinding", None, "trading-operator-prometheus"), WITHIN)


def test_nothing_is_written_when_nothing_changes_and_the_operator_restarts(world: World, operator: Any) -> None:
    """Rest and restart write neither shared objects nor conditions about them."""
    name = world.engine()["metadata"]["name"]
    world.built(name)
    eventually(lambda: reason(world, name) == "PrometheusUnreachable", WITHIN)
    since = world.settle()
    assert operator.stop() == 0
    operator.start()
    eventually(operator.leads, 20)
    time.sleep(4)
    assert short(world.mutations(since)) == []


def test_namespace_is_scraped_when_its_label_consents(world: World, operator: Any, other: str) -> None:
    """The label alone decides, and each configuration has another revision."""
    world.built(world.engine()["metadata"]["name"])
    eventually(lambda: world.kube.shared().keys() >= SHARED, WITHIN)
    before = revision_of(text(world))
    assert other not in scraped(world)
    world.kube.merge("Namespace", None, other, {"metadata": {"labels": {"tradingengine.io/scrape": "true"}}})
    eventually(lambda: other in scraped(world), WITHIN)
    assert revision_of(text(world)) not in ("", before)


def test_nobody_is_observed_when_scraping_is_disabled(world: World, operator: Any) -> None:
    """Disabled writes nothing, and says so."""
    name = world.engine(observability={"scrape": "Disabled"})["metadata"]["name"]
    world.built(name)
    eventually(lambda: reason(world, name) == "ScrapeDisabled", WITHIN)
    world.settle()
    assert world.kube.shared() == {}
