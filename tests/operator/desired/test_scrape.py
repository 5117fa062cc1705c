"""Prometheus's configuration: valid to promtool, its relabelling tried as data, its revision, its namespaces."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.observer_programs import program
from tests.operator.engines import SETTINGS, engine
from tests.operator.targets import a_service, a_slice, a_world, an_endpoint
from trading_operator.desired.scrape import (
    allowed_namespaces,
    configuration_text,
    prometheus_configuration,
    revision_of,
    unscraped,
)
from trading_operator.desired.scrape_jobs import annotated

Labels = dict[str, str]
ANNOTATED = {"scrape": "true", "port": "8025", "path": "/metrics"}


def promtool(*arguments: object) -> str:
    done = subprocess.run([program("promtool"), *map(str, arguments)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def discovered(
    pod: str, port: int = 8025, address: str = "10.0.0.1", annotations: Labels | None = None, **more: str
) -> dict[str, Any]:
    """A target as role endpointslice gives it: the Service's annotations, the slice's port, the pod."""
    meta = "__meta_kubernetes_"
    labels = {f"{meta}service_annotation_prometheus_io_{key}": value for key, value in (annotations or {}).items()}
    host = f"[{address}]" if ":" in address else address
    labels |= {
        f"{meta}namespace": "crypto-trading",
        f"{meta}service_name": "paper-signal-generator",
        f"{meta}endpointslice_port": str(port),
        f"{meta}pod_name": pod,
        f"{meta}pod_node_name": "node-1",
        f"{meta}pod_phase": "Running",
    }
    found = {key: value for key, value in (labels | {f"{meta}{k}": v for k, v in more.items()}).items() if value}
    return {"targets": [f"{host}:{port}"], "labels": found}


POD_PORT = {"endpointslice_port": "", "pod_container_port_number": "9999"}
#: What role endpointslice may give, each with the pod's name.
DISCOVERED = [
    discovered("one", annotations=ANNOTATED),
    *(discovered(f"three-{n}", address=f"10.0.1.{n}", annotations=ANNOTATED) for n in range(3)),
    discovered("second-port", port=9100, address="10.0.2.1", annotations=ANNOTATED),
    discovered("container-port", port=9999, address="10.0.2.2", annotations=ANNOTATED, **POD_PORT),
    discovered("six", address="fd00::1", annotations=ANNOTATED),
    discovered("no-annotation", address="10.0.3.1"),
    discovered("says-false", address="10.0.3.2", annotations=ANNOTATED | {"scrape": "false"}),
    discovered("no-port", address="10.0.3.3", annotations={"scrape": "true"}),
    discovered("succeeded", address="10.0.4.1", annotations=ANNOTATED, pod_phase="Succeeded"),
    discovered("failed", address="10.0.4.2", annotations=ANNOTATED, pod_phase="Failed"),
    discovered("other-path", address="10.0.5.1", annotations=ANNOTATED | {"path": "/other"}),
    discovered("no-path", address="10.0.5.2", annotations={"scrape": "true", "port": "8025"}),
]


@pytest.fixture(scope="module")
def relabelled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Labels]:
    """Pod -> labels, after the real job's relabelling by Prometheus's own code; what was dropped is not there."""
    folder = tmp_path_factory.mktemp("sd")
    (folder / "sd.json").write_text(json.dumps(DISCOVERED))
    job = annotated(["crypto-trading"])
    del job["kubernetes_sd_configs"]
    job["file_sd_configs"] = [{"files": [str(folder / "sd.json")]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump({"scrape_configs": [job]}))
    answer = promtool("check", "service-discovery", "--timeout=2s", folder / "prometheus.yml", job["job_name"])
    kept = [each["labels"] for each in json.loads(answer) if each.get("labels")]
    return {each["pod"]: each for each in kept}


def test_every_pod_is_a_target_when_a_service_is_annotated(relabelled: dict[str, Labels]) -> None:
    """One replica or three: one target each, never one for all of them."""
    assert {pod for pod in relabelled if pod.startswith(("one", "three"))} == {"one", "three-0", "three-1", "three-2"}
    addresses = {relabelled[f"three-{n}"]["instance"] for n in range(3)}
    assert addresses == {"10.0.1.0:8025", "10.0.1.1:8025", "10.0.1.2:8025"}


def test_labels_say_where_a_series_is_from_when_relabelled(relabelled: dict[str, Labels]) -> None:
    """namespace, service, pod, node, instance, job; scheme and path as asked."""
    assert relabelled["one"] == {
        "__address__": "10.0.0.1:8025",
        "__metrics_path__": "/metrics",
        "__scheme__": "http",
        "__scrape_interval__": "1m",
        "__scrape_timeout__": "10s",
        "instance": "10.0.0.1:8025",
        "job": "kubernetes-services-metrics",
        "namespace": "crypto-trading",
        "node": "node-1",
        "pod": "one",
        "service": "paper-signal-generator",
    }


def test_only_what_asks_is_scraped_when_relabelled(relabelled: dict[str, Labels]) -> None:
    """Another port, no annotation, none for the port, a pod that ended: dropped. IPv6 and paths: kept."""
    assert set(relabelled) == {"one", "three-0", "three-1", "three-2", "six", "other-path", "no-path"}
    assert relabelled["six"]["instance"] == "[fd00::1]:8025"
    assert relabelled["other-path"]["__metrics_path__"] == "/other"
    assert relabelled["no-path"]["__metrics_path__"] == "/metrics"


@pytest.mark.parametrize("namespaces", [(), ("a",), tuple(f"team-{n}" for n in range(200))])
def test_configuration_is_valid_when_promtool_reads_it(namespaces: tuple[str, ...], tmp_path: Path) -> None:
    """Whatever the namespaces."""
    file = tmp_path / "prometheus.yml"
    file.write_text(configuration_text(prometheus_configuration(namespaces, SETTINGS)))
    promtool("check", "config", "--syntax-only", file)


def changed(change: Callable[[], dict[str, Any]]) -> str:
    return revision_of(configuration_text(change()))


def test_revision_differs_when_anything_that_is_loaded_does() -> None:
    """Namespaces, settings, rules; and nothing else changes it. It is read back from Prometheus's own writing too."""
    base = changed(lambda: prometheus_configuration(["a"], SETTINGS, "r"))
    others = [
        changed(lambda: prometheus_configuration(["a", "b"], SETTINGS, "r")),
        changed(lambda: prometheus_configuration(["a"], SETTINGS.model_copy(update={"scrape_seconds": 5}), "r")),
        changed(lambda: prometheus_configuration(["a"], SETTINGS, "s")),
    ]
    assert base == changed(lambda: prometheus_configuration(["a"], SETTINGS, "r"))
    assert len({base, *others, ""}) == 5
    assert revision_of("global: {}\n") == ""
    job: dict[str, Any] = {"job_name": "configuration-revision", "scrape_interval": "15s"}
    job["static_configs"] = [{"targets": [], "labels": {"revision": base}}]
    assert revision_of(yaml.safe_dump({"scrape_configs": [job, {"job_name": "x"}]}, sort_keys=False)) == base


def test_namespaces_are_those_allowed_when_engines_and_labels_say_so() -> None:
    """Settings, consent and an observed engine's own; an engine that is not observed opens nothing."""
    engines = [engine(namespace="team-a"), engine(namespace="team-b", observability={"scrape": "Disabled"})]
    assert allowed_namespaces(engines, ["team-c", "trading-operator-system"], SETTINGS) == (
        "crypto-collectors",
        "crypto-monitoring",
        "crypto-trading",
        "team-a",
        "team-c",
    )


@pytest.mark.parametrize(
    ("annotations", "ports", "finding"),
    [
        ({"scrape": "true"}, {"http": 8080}, "it has no annotation prometheus.io/port"),
        ({"scrape": "true", "port": "80"}, {"http": 8080, "x": 9}, "is 80, and the ports of its pods are 9, 8080"),
        ({"scrape": "true", "port": "http"}, {"http": 8080}, "is http, and the ports of its pods are 8080"),
        ({"scrape": "true", "port": "8080"}, {"http": 8080}, ""),
        ({"scrape": "false", "port": "80"}, {"http": 8080}, ""),
        ({}, {"http": 8080}, ""),
    ],
)
def test_service_is_a_finding_when_its_annotation_finds_no_port(
    annotations: Labels, ports: dict[str, int], finding: str
) -> None:
    """Prometheus drops such a Service without a word."""
    service = a_service(annotations={f"prometheus.io/{key}": value for key, value in annotations.items()})
    found = unscraped(a_world([service], [a_slice(an_endpoint(), ports=ports)]), "crypto-trading")
    assert len(found) == (1 if finding else 0)
    assert all(finding in each and each.startswith("Service crypto-trading/exporter: ") for each in found)


def test_service_is_no_finding_when_it_has_no_pods_yet() -> None:
    """Nothing is known of its ports."""
    service = a_service(annotations={"prometheus.io/scrape": "true", "prometheus.io/port": "80"})
    assert unscraped(a_world([service], [a_slice()]), "crypto-trading") == ()
