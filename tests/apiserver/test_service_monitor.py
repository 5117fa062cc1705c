"""Engines that leave their scraping to prometheus-operator, in a cluster without its kinds and in one with them.

The kinds here have only the fields that the operator writes, so an API server refuses to keep any other. They were
compared by hand with those of prometheus-operator 0.85.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.apiserver.conftest import COLLECTORS, ENGINES, Operators, World
from tests.apiserver.kube import Manifest, Refused, eventually
from tests.apiserver.operator_process import short

pytestmark = pytest.mark.usefixtures("clean")
GROUP = "monitoring.coreos.com"
TEXT = {"type": "string"}
TEXTS = {"type": "array", "items": TEXT}
WORDS = {"type": "object", "additionalProperties": TEXT}
EVERY = 1.0


def record(**fields: Any) -> Manifest:
    return {"type": "object", "properties": fields}


def listed(**fields: Any) -> Manifest:
    return {"type": "array", "items": record(**fields)}


RELABELING = listed(
    sourceLabels=TEXTS, targetLabel=TEXT, replacement=TEXT, action={"type": "string", "default": "replace"}
)
MONITOR = record(
    namespaceSelector=record(matchNames=TEXTS),
    selector=record(matchLabels=WORDS, matchExpressions=listed(key=TEXT, operator=TEXT, values=TEXTS)),
    sampleLimit={"type": "integer", "format": "int64"},
    endpoints=listed(port=TEXT, path=TEXT, relabelings=RELABELING),
)
RULE = listed(
    alert=TEXT,
    record=TEXT,
    expr={"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, TEXT]},
    **{"for": TEXT, "keep_firing_for": TEXT, "labels": WORDS, "annotations": WORDS},
)
RULES = record(groups=listed(name=TEXT, interval=TEXT, limit={"type": "integer"}, rules=RULE))


def definition(kind: str, plural: str, spec: Manifest) -> Manifest:
    schema = {"openAPIV3Schema": record(spec=spec)}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }


DEFINITIONS = [
    definition("ServiceMonitor", "servicemonitors", MONITOR),
    definition("PrometheusRule", "prometheusrules", RULES),
]
KINDS = ("ServiceMonitor", "PrometheusRule")


def served(world: World, kind: str) -> bool:
    try:
        world.kube.list(kind)
    except Refused:
        return False
    return True


@pytest.fixture
def prometheus_operator(world: World) -> Iterator[None]:
    """Its kinds, for a test."""
    for each in DEFINITIONS:
        world.kube.apply(each)
    for kind in KINDS:
        eventually(lambda kind=kind: served(world, kind), 20, what=kind)
    yield
    for each in DEFINITIONS:
        world.kube.delete("CustomResourceDefinition", None, each["metadata"]["name"])
    for kind in KINDS:
        eventually(lambda kind=kind: not served(world, kind), 20, what=f"no {kind}")


def reason(world: World, name: str) -> str:
    return world.condition(name, "Observed").get("reason", "")


def monitors(world: World, name: str) -> list[Manifest]:
    found = [world.kube.find(kind, ENGINES, f"{name}-engine") for kind in KINDS]
    return [each for each in found if each]


def test_condition_says_so_when_the_cluster_has_no_such_kinds(world: World, start_for_test: Operators) -> None:
    """Everything else of the engine is made, nothing is refused, and nobody tries again and again."""
    start_for_test("without")
    name = world.engine(observability={"scrape": "ServiceMonitor"})["metadata"]["name"]
    owned = world.built(name)
    eventually(lambda: reason(world, name) == "PrometheusOperatorMissing", 20)
    assert ("Deployment", ENGINES, f"{name}-trade-executor") in owned
    assert world.condition(name, "Ready")["reason"] != "ApplyRefused"
    annotations = owned["Service", ENGINES, f"{name}-trade-executor"]["metadata"]["annotations"]
    assert not [each for each in annotations if each.startswith("prometheus.io/")]
    since = world.settle()
    time.sleep(3)
    assert short(world.mutations(since)) == []


def test_monitor_and_rules_follow_the_spec_when_the_kinds_are_there(
    world: World, start_for_test: Operators, prometheus_operator: None
) -> None:
    """Written as they are kept, quiet at rest, mended with the next list, gone with the wish for them."""
    start_for_test("with", RELIST_SECONDS=str(EVERY), MONITOR_LABELS="release=prometheus")
    name = world.engine(observability={"scrape": "ServiceMonitor"})["metadata"]["name"]
    world.built(name)
    eventually(lambda: len(monitors(world, name)) == 2, 20)
    monitor, rules = monitors(world, name)
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["spec"]["namespaceSelector"]["matchNames"] == sorted([ENGINES, COLLECTORS])
    services = world.kube.owned(ENGINES, name)
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    assert wanted <= services["Service", ENGINES, f"{name}-trade-executor"]["metadata"]["labels"].items()
    assert len(rules["spec"]["groups"][0]["rules"]) > 5
    eventually(lambda: reason(world, name) == "LeftToPrometheusOperator", 20)
    since = world.settle()
    time.sleep(3 * EVERY)
    assert short(world.mutations(since)) == []
    world.kube.merge("ServiceMonitor", ENGINES, f"{name}-engine", {"spec": {"endpoints": []}})
    eventually(lambda: monitors(world, name)[0]["spec"] == monitor["spec"], EVERY + 5)
    world.kube.merge("TradingEngine", ENGINES, name, {"spec": {"observability": {"scrape": "Annotations"}}})
    eventually(lambda: not monitors(world, name), 10)
