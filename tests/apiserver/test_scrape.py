"""A real Prometheus with the operator's configuration, the rights that it grants, and a real API server to look at.

There are no nodes here: pods and EndpointSlices are written by hand, and two rules at the end of each job turn their
addresses into loopback ones, where real HTTP servers answer.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.apiserver.conftest import Operators, World
from tests.apiserver.kube import Manifest, eventually
from tests.apiserver.test_stack import SHARED, text
from tests.cluster.apiserver import free_port
from tests.observer_programs import program

pytestmark = pytest.mark.usefixtures("clean")
PLACE = "crypto-monitoring"
MONITORING = "monitoring"
INTERVAL = 1


@contextmanager
def counting(host: str, port: int, start: float) -> Iterator[None]:
    """An exporter whose counter grows by 0.1 per second, from its own start."""
    began = time.monotonic()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            value = start + 0.1 * (time.monotonic() - began)
            body = f"# TYPE work counter\nwork_total {value}\n".encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer((host, port), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Prometheus:
    """The real program, asked over HTTP."""

    def __init__(self, url: str) -> None:
        self.url = url

    def query(self, promql: str) -> list[tuple[dict[str, str], float]]:
        try:
            with urllib.request.urlopen(
                f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': promql})}"
            ) as answer:
                found = json.loads(answer.read())["data"]["result"]
        except OSError:
            return []
        return [(each["metric"], float(each["value"][1])) for each in found]

    def value(self, promql: str) -> float | None:
        found = self.query(promql)
        return found[0][1] if len(found) == 1 else None


def local(configuration: Manifest, world: World, operator: Any, folder: Path) -> Manifest:
    """The configuration, looking at this API server as its own ServiceAccount, and at loopback for pods."""
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "prometheus", "namespace": MONITORING},
    }
    world.kube.apply(account)
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 7200}}
    path = f"/api/v1/namespaces/{MONITORING}/serviceaccounts/prometheus/token"
    (folder / "token").write_text(world.kube.request("POST", path, request)["status"]["token"])
    access = {
        "api_server": world.server.url,
        "authorization": {"credentials_file": str(folder / "token")},
        "tls_config": {"ca_file": str(world.server.certificate_authority)},
    }
    loopback = {
        "source_labels": ["__address__"],
        "regex": r"10\.99\.0\.(\d+:\d+)",
        "target_label": "__address__",
        "replacement": "127.0.0.$1",
    }
    for job in configuration["scrape_configs"]:
        for discovery in job.get("kubernetes_sd_configs", ()):
            discovery.update(access)
        for discovery in job.get("http_sd_configs", ()):
            discovery["url"] = f"http://127.0.0.1:{operator.port}/targets"
        if "authorization" in job:
            job["authorization"] = access["authorization"]
        if "ca_file" in job.get("tls_config", {}):
            job["tls_config"]["ca_file"] = access["tls_config"]["ca_file"]
        job["relabel_configs"] = [*job.get("relabel_configs", ()), loopback]
    configuration["global"] |= {"scrape_interval": f"{INTERVAL}s", "scrape_timeout": f"{INTERVAL}s"}
    return configuration


@pytest.fixture(scope="module")
def operator_at(start_operator: Operators) -> Any:
    process = start_operator("scraping")
    eventually(process.leads, 20)
    return process


@pytest.fixture
def prometheus(world: World, operator_at: Any, tmp_path: Path) -> Iterator[Prometheus]:
    """A Prometheus with what the operator wrote for one engine."""
    world.kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PLACE}})
    world.engine()
    eventually(lambda: world.kube.shared().keys() >= SHARED, 10)
    configuration = local(yaml.safe_load(text(world)), world, operator_at, tmp_path)
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    url = f"127.0.0.1:{free_port()}"
    with (tmp_path / "prometheus.log").open("wb") as log:
        command = [
            program("prometheus"),
            f"--config.file={tmp_path / 'prometheus.yml'}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
        ]
        process = subprocess.Popen([*command, f"--web.listen-address={url}"], stdout=log, stderr=log)
    try:
        found = Prometheus(f"http://{url}")
        eventually(lambda: found.query("vector(1)"), 20, what=(tmp_path / "prometheus.log").read_text())
        yield found
        assert "forbidden" not in (tmp_path / "prometheus.log").read_text()
    finally:
        process.kill()
        process.wait()


def service(world: World, name: str, port: int, hosts: tuple[int, ...], annotated: bool) -> None:
    """A Service with one pod per last number of an address."""
    annotations = {"prometheus.io/scrape": "true", "prometheus.io/port": str(port)} if annotated else {}
    metadata = {"name": name, "namespace": PLACE, "labels": {"app": name}, "annotations": annotations}
    world.kube.apply(
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"name": "http", "port": 80}]}}
    )
    endpoints = []
    for host in hosts:
        pod = f"{name}-{host}"
        spec = {"nodeName": f"node-{host}", "containers": [{"name": "x", "image": "x"}]}
        world.kube.apply(
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod, "namespace": PLACE}, "spec": spec}
        )
        endpoints.append(
            {
                "addresses": [f"10.99.0.{host}"],
                "conditions": {"ready": True},
                "nodeName": f"node-{host}",
                "targetRef": {"kind": "Pod", "name": pod, "namespace": PLACE},
            }
        )
    world.kube.request(
        "POST",
        f"/apis/discovery.k8s.io/v1/namespaces/{PLACE}/endpointslices",
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": f"{name}-1", "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
            "endpoints": endpoints,
        },
    )


def within(probe: Callable[[], object], seconds: float, what: str) -> float:
    """How long it took."""
    began = time.monotonic()
    eventually(probe, seconds, 0.1, what)
    return time.monotonic() - began


def test_rate_is_the_sum_of_all_replicas_when_a_service_has_two(world: World, prometheus: Prometheus) -> None:
    """Two replicas that count 0.1/s each are 0.2/s; through the Service's address they would be 56/s."""
    port = free_port()
    with ExitStack() as servers:
        servers.enter_context(counting("127.0.0.2", port, 1000))
        servers.enter_context(counting("127.0.0.3", port, 5))
        service(world, "two", port, (2, 3), annotated=True)
        promise = INTERVAL + 6
        took = within(lambda: len(prometheus.query('up{service="two"} == 1')) == 2, promise + 5, "both replicas")
        print(f"\na new annotated Service: both replicas scraped after {took:.1f} s, promised {promise} s, no reload")
        time.sleep(10)
        rate = prometheus.value('sum(rate(work_total{service="two"}[8s]))')
        assert rate == pytest.approx(0.2, rel=0.05)
        labels = sorted((each for each, _ in prometheus.query('up{service="two"}')), key=lambda each: each["pod"])
    assert labels[0] == {
        "__name__": "up",
        "job": "kubernetes-services-metrics",
        "namespace": PLACE,
        "service": "two",
        "pod": "two-2",
        "node": "node-2",
        "instance": f"127.0.0.2:{port}",
    }


def test_target_is_scraped_once_when_a_monitoring_target_selects_it(world: World, prometheus: Prometheus) -> None:
    """Over the operator's http_sd, without a reload; what the annotation gets scraped stays with that job."""
    port = free_port()
    with ExitStack() as servers:
        servers.enter_context(counting("127.0.0.4", port, 0))
        servers.enter_context(counting("127.0.0.5", port, 0))
        service(world, "plain", port, (4,), annotated=False)
        service(world, "asking", port, (5,), annotated=True)
        for name in ("plain", "asking"):
            spec = {"selector": {"matchLabels": {"app": name}}, "endpoints": [{"port": "http"}]}
            metadata = {"name": name, "namespace": PLACE}
            kind = {"apiVersion": "tradingengine.io/v1alpha1", "kind": "MonitoringTarget"}
            world.kube.apply(kind | {"metadata": metadata, "spec": spec})
        try:
            took = within(lambda: prometheus.query('up{service="plain"} == 1'), 15, "the target")
            within(lambda: prometheus.query('up{service="asking"} == 1'), 15, "the annotated one")
            print(f"\na new MonitoringTarget: scraped after {took:.1f} s, no reload")
            time.sleep(6)
            jobs = {each["service"]: each["job"] for each, _ in prometheus.query('up{namespace="crypto-monitoring"}')}
            assert (jobs["plain"], jobs["asking"]) == ("monitoring-targets", "kubernetes-services-metrics")
            assert len(prometheus.query('up{service="asking"}')) == len(prometheus.query('up{service="plain"}')) == 1
            (labels, _) = prometheus.query('up{service="plain"}')[0]
            assert (labels["target_namespace"], labels["target_name"]) == (PLACE, "plain")
            assert (labels["pod"], labels["node"]) == ("plain-4", "node-4")
        finally:
            for name in ("plain", "asking"):
                world.kube.delete("MonitoringTarget", PLACE, name)


def test_prometheus_may_do_no_more_when_it_has_its_role(world: World, operator_at: Any) -> None:
    """It reads what it discovers by, and no Secret."""
    world.engine()
    eventually(lambda: world.kube.shared().keys() >= SHARED, 10)
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview"}
    user = f"system:serviceaccount:{MONITORING}:prometheus"

    def may(verb: str, resource: str, group: str = "") -> bool:
        wanted = {"verb": verb, "resource": resource, "group": group, "namespace": PLACE}
        answer = world.kube.request(
            "POST",
            "/apis/authorization.k8s.io/v1/subjectaccessreviews",
            review | {"spec": {"user": user, "resourceAttributes": wanted}},
        )
        return bool(answer["status"]["allowed"])

    assert all(may("list", each) for each in ("services", "pods", "nodes"))
    assert may("watch", "endpointslices", "discovery.k8s.io")
    assert not any(may(verb, "secrets") for verb in ("get", "list"))
    assert not may("patch", "pods")
    assert not may("list", "configmaps")
