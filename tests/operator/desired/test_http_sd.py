"""What the operator tells Prometheus of MonitoringTargets: labels, nothing twice, nobody hurt by another's target."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.observer_programs import program
from tests.operator.targets import a_service, a_slice, a_target, a_target_manifest, a_world, an_endpoint
from trading_operator.api.v1alpha1 import MonitoringTarget
from trading_operator.desired.http_sd import http_sd

HOME = "crypto-trading"


def urls(found: list[dict[str, Any]]) -> list[str]:
    return [
        f"{each['labels']['__scheme__']}://{each['targets'][0]}{each['labels']['__metrics_path__']}" for each in found
    ]


def elsewhere(name: str, namespace: str, **spec: Any) -> MonitoringTarget:
    """A target in another namespace."""
    manifest = a_target_manifest(name, **spec)
    return MonitoringTarget.parse(manifest | {"metadata": manifest["metadata"] | {"namespace": namespace}})


def test_endpoint_is_labelled_when_a_target_selects_it() -> None:
    """The same labels as in the job of annotated Services, and the target's name beside."""
    (group,) = http_sd([a_target()], a_world(), (), ())
    assert group["targets"] == ["10.0.0.1:8080"]
    assert group["labels"] == {
        "__scheme__": "http",
        "__metrics_path__": "/metrics",
        "namespace": HOME,
        "service": "exporter",
        "pod": "pod-1",
        "node": "node-1",
        "target_namespace": HOME,
        "target_name": "exporter",
    }


def test_endpoint_is_left_out_when_its_annotation_gets_it_scraped() -> None:
    """Same port and path in a namespace of that job: there only; another path, or another namespace: here."""
    annotations = {"prometheus.io/scrape": "true", "prometheus.io/port": "8080"}
    world = a_world([a_service(annotations=annotations)])
    other_path = a_target(endpoints=[{"port": "http", "path": "/other"}])
    assert http_sd([a_target()], world, [HOME], ()) == []
    assert urls(http_sd([a_target(), other_path], world, [HOME], ())) == ["http://10.0.0.1:8080/other"]
    assert urls(http_sd([a_target()], world, ["elsewhere"], ())) == ["http://10.0.0.1:8080/metrics"]


def test_endpoint_stays_when_its_annotation_names_the_port() -> None:
    """Prometheus compares numbers: by that annotation it scrapes nothing."""
    annotations = {"prometheus.io/scrape": "true", "prometheus.io/port": "http"}
    world = a_world([a_service(annotations=annotations)])
    assert urls(http_sd([a_target()], world, [HOME], ())) == ["http://10.0.0.1:8080/metrics"]


def test_endpoint_is_given_to_one_target_when_several_select_it() -> None:
    """To one of its own namespace, whatever a stranger is called."""
    targets = [elsewhere("aaa", "aaa", namespaces=[HOME]), a_target("z"), a_target("y")]
    (group,) = http_sd(targets, a_world(), (), [HOME])
    assert (group["labels"]["target_namespace"], group["labels"]["target_name"]) == (HOME, "y")


def test_stranger_sees_nothing_when_a_namespace_does_not_consent() -> None:
    """Its target selects there in vain."""
    target = elsewhere("aaa", "aaa", namespaces=[HOME])
    assert http_sd([target], a_world(), (), ()) == []
    assert len(http_sd([target], a_world(), (), [HOME])) == 1


def test_answer_is_the_same_when_targets_come_in_another_order() -> None:
    """So that Prometheus sees no change where there is none."""
    world = a_world(slices=[a_slice(*(an_endpoint(f"10.0.0.{n}", f"pod-{n}") for n in range(5)))])
    targets = [a_target(name) for name in "cab"]
    assert http_sd(targets, world, (), ()) == http_sd(targets[::-1], world, (), ())


def test_prometheus_takes_the_answer_when_a_target_is_hostile(tmp_path: Path) -> None:
    """IPv6, HTTPS, names like PromQL or JSON: each target group is read by Prometheus's own code."""
    services = [a_service("a"), a_service("b")]
    slices = [
        a_slice(an_endpoint("fd00::1", 'pod"}[5m]'), service="a"),
        a_slice(an_endpoint("10.0.0.2", "pod-{{.x}}"), service="b", ports={"https": 8443}),
    ]
    target = a_target(endpoints=[{"port": "http"}, {"port": "https", "path": "/a/~b", "scheme": "HTTPS"}])
    found = http_sd([target], a_world(services, slices), (), ())
    (tmp_path / "sd.json").write_text(json.dumps(found))
    job = {"job_name": "x", "file_sd_configs": [{"files": [str(tmp_path / "sd.json")]}]}
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump({"scrape_configs": [job]}))
    command = [program("promtool"), "check", "service-discovery", "--timeout=1s", str(tmp_path / "prometheus.yml"), "x"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    seen = {each["labels"]["pod"]: each["labels"] for each in json.loads(done.stdout)}
    assert seen['pod"}[5m]']["instance"] == "[fd00::1]:8080"
    https = seen["pod-{{.x}}"]
    assert (https["__scheme__"], https["__metrics_path__"], https["instance"]) == ("https", "/a/~b", "10.0.0.2:8443")
