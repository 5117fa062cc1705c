"""MonitoringTargets against a real API server: statuses that fit, columns, and quiet at rest.

Prometheus is played over HTTP: what it says of endpoints is up to each test. The real one is asked end to end.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.apiserver.conftest import ENGINES, Operators, World
from tests.apiserver.kube import Manifest, eventually
from tests.apiserver.operator_process import short
from tests.cluster import programs
from tests.cluster.cache import default_cache

_numbers = itertools.count(1)
OPERATOR = "operator-targets"


class PlayedPrometheus(ThreadingHTTPServer):
    """Answers the two questions of a round; `health` is by URL, `series` are names that every endpoint has."""

    def __init__(self) -> None:
        self.health: dict[str, str] = {}
        self.series: set[str] = set()
        self.away = False
        super().__init__(("127.0.0.1", 0), Answer)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def targets(self) -> Any:
        listed = [
            {
                "discoveredLabels": {},
                "labels": {"job": "monitoring-targets", "instance": url.split("/")[2]},
                "scrapeUrl": url,
                "lastError": error,
                "lastScrape": datetime.now(UTC).isoformat(),
                "health": "down" if error else "up",
            }
            for url, error in self.health.items()
        ]
        return {"activeTargets": listed, "droppedTargets": []}

    def query(self) -> Any:
        found = [
            {
                "metric": {"__name__": name, "job": "monitoring-targets", "instance": url.split("/")[2]},
                "value": [1, "1"],
            }
            for url in self.health
            for name in self.series
        ]
        return {"resultType": "vector", "result": found}


class Answer(BaseHTTPRequestHandler):
    server: PlayedPrometheus

    def do_GET(self) -> None:
        self.say(self.server.targets())

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.say(self.server.query())

    def say(self, data: Any) -> None:
        body = json.dumps({"status": "success", "data": data}, separators=(",", ":")).encode()
        self.send_response(503 if self.server.away else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Not to the terminal."""


@pytest.fixture(scope="module")
def prometheus() -> Iterator[PlayedPrometheus]:
    with PlayedPrometheus() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def watcher(start_operator: Operators, prometheus: PlayedPrometheus) -> Any:
    """The operator that asks the played Prometheus, every second."""
    process = start_operator(OPERATOR, PROMETHEUS_URL=prometheus.url, EVIDENCE_SECONDS="1")
    eventually(process.leads, 20, what="leadership")
    return process


@pytest.fixture
def name(world: World, prometheus: PlayedPrometheus) -> Iterator[str]:
    """A name for a target and its Service; the target is taken away at the end."""
    made = f"exporter-{next(_numbers)}"
    prometheus.health, prometheus.series, prometheus.away = {}, set(), False
    yield made
    world.kube.delete("MonitoringTarget", ENGINES, made)


def declare(world: World, name: str, **spec: Any) -> Manifest:
    fields = {"selector": {"matchLabels": {"app": name}}, "endpoints": [{"port": "http"}]} | spec
    return world.kube.create(
        {
            "apiVersion": "tradingengine.io/v1alpha1",
            "kind": "MonitoringTarget",
            "metadata": {"name": name, "namespace": ENGINES},
            "spec": fields,
        }
    )


def serve(world: World, name: str, address: str) -> str:
    """A Service with one ready endpoint; the URL of its metrics."""
    port = {"name": "http", "port": 8080, "protocol": "TCP"}
    metadata = {"name": name, "namespace": ENGINES, "labels": {"app": name}}
    world.kube.apply({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [port]}})
    world.kube.apply(
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": metadata | {"labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4",
            "ports": [port],
            "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
        }
    )
    return f"http://{address}:8080/metrics"


def reason(world: World, name: str) -> str:
    found: str = world.condition(name, "Ready", kind="MonitoringTarget").get("reason", "")
    return found


def until(world: World, name: str, wanted: str) -> None:
    eventually(lambda: reason(world, name) == wanted, 5, what=f"{wanted} of {name}")


def status(world: World, name: str) -> Manifest:
    found: Manifest = world.kube.get("MonitoringTarget", ENGINES, name)["status"]
    return found


def test_chain_breaks_and_heals_link_by_link(
    world: World, watcher: Any, prometheus: PlayedPrometheus, name: str
) -> None:
    """Each link in turn is the reason, and the status fits its kind at each."""
    declare(world, name, expectedMetrics=["a_total"])
    until(world, name, "NoServices")
    url = serve(world, name, "10.1.0.1")
    until(world, name, "AwaitingDiscovery")
    prometheus.health = {url: "server returned HTTP status 404 Not Found"}
    until(world, name, "HttpStatus")
    found = status(world, name)
    assert found["targets"] == {"matched": 1, "up": 0}
    assert found["errors"] == [
        {"reason": "HttpStatus", "message": "HTTP status 404 Not Found", "count": 1, "example": url}
    ]
    prometheus.health = {url: ""}
    until(world, name, "MissingSeries")
    prometheus.series = {"a_total"}
    until(world, name, "AllUp")
    found = status(world, name)
    assert (found["targets"], found["errors"]) == ({"matched": 1, "up": 1}, [])
    assert {each["status"] for each in found["conditions"]} == {"True"}
    prometheus.away = True
    until(world, name, "PrometheusUnreachable")
    assert status(world, name)["targets"] == {"matched": 1}
    prometheus.away = False
    until(world, name, "AllUp")
    world.kube.delete("EndpointSlice", ENGINES, name)
    until(world, name, "NoEndpoints")
    world.kube.delete("Service", ENGINES, name)
    until(world, name, "NoServices")


def test_nothing_is_written_at_rest_and_over_a_restart(
    world: World, watcher: Any, prometheus: PlayedPrometheus, name: str
) -> None:
    """Rounds go on, scrapes go on, times move: the stored status does not, and neither does a new process write it."""
    prometheus.health = {serve(world, name, "10.1.0.2"): ""}
    declare(world, name)
    until(world, name, "AllUp")
    world.settle()
    since = world.now()
    eventually(lambda: world.settle(3.0), 10)
    assert watcher.stop() == 0
    watcher.start()
    eventually(watcher.leads, 20, what="leadership")
    world.settle(4.0)
    assert short(world.mutations(since)) == []


def test_columns_show_what_is_seen(world: World, watcher: Any, prometheus: PlayedPrometheus, name: str) -> None:
    """As `kubectl get monitoringtargets` prints it."""
    prometheus.health = {serve(world, name, "10.1.0.3"): ""}
    declare(world, name)
    until(world, name, "AllUp")
    environment = os.environ | {"KUBECONFIG": str(world.server.kubeconfig)}
    kubectl = programs.paths(default_cache(), ["kubectl"])["kubectl"]
    command = [str(kubectl), "get", "mt", "-n", ENGINES, name]
    lines = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.splitlines()
    assert lines[0].split() == ["NAME", "TARGETS", "UP", "READY", "REASON", "LAST", "SCRAPE", "AGE"]
    assert lines[1].split()[:5] == [name, "1", "1", "True", "AllUp"]


def test_series_of_the_operator_say_what_the_status_says(
    world: World, watcher: Any, prometheus: PlayedPrometheus, name: str
) -> None:
    """The replica that leads shows each target's readiness with its reason."""
    declare(world, name)
    until(world, name, "NoServices")
    wanted = f'trading_monitoring_target_ready{{name="{name}",namespace="{ENGINES}",reason="NoServices"}} 0.0'
    eventually(lambda: wanted in watcher.http("/metrics")[1], 5, what=wanted)
