"""Rules and receivers on their way to Prometheus and Alertmanager, against a real API server and the real checkers."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest
import yaml

from tests.apiserver.conftest import ENGINES, Operators, World
from tests.apiserver.kube import Kube, Manifest, eventually
from tests.apiserver.operator_process import OperatorProcess

pytestmark = pytest.mark.usefixtures("clean")
SOON = 20.0
PAGER = {"name": "pager", "webhook": {"url": "http://pager.ops.svc:8080", "tokenSecretRef": {"name": "pager-token"}}}
CREDENTIAL = "made-up-token"


def files(kube: Kube) -> dict[str, str]:
    """What Alertmanager's pod would mount."""
    found = kube.find("Secret", "monitoring", "trading-alertmanager")
    return {name: base64.b64decode(text).decode() for name, text in found["data"].items()} if found else {}


def rules(world: World) -> set[str]:
    """Names of the rule files."""
    return set(rule_files(world))


def rule_files(world: World) -> dict[str, str]:
    found = world.kube.find("ConfigMap", "monitoring", "trading-prometheus-rules")
    return found.get("data", {}) if found else {}


def condition(world: World, name: str) -> tuple[str, str]:
    found = world.condition(name, "Alerting")
    return found.get("reason", ""), found.get("message", "")


def secret(data: dict[str, str]) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "pager-token", "namespace": ENGINES},
        "stringData": data,
    }


class Observer(BaseHTTPRequestHandler):
    """The paths that the operator asks about what is loaded; loads what a kubelet would have mounted by then."""

    kube: ClassVar[Kube]
    loaded: ClassVar[str]

    def do_POST(self) -> None:
        if self.path != "/-/reload":
            return self._answer(b"", 503)
        # As they give it back: another order, no comments.
        type(self).loaded = yaml.safe_dump(yaml.safe_load(self.mounted()))
        return self._answer(b"")

    def mounted(self) -> str:
        raise NotImplementedError

    def _answer(self, body: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing to standard error."""


class Alertmanager(Observer):
    """Alertmanager."""

    loaded = "receivers:\n- name: nobody\n"

    def do_GET(self) -> None:
        assert self.path == "/api/v2/status"
        self._answer(json.dumps({"config": {"original": self.loaded}}).encode())

    def mounted(self) -> str:
        return files(self.kube).get("alertmanager.yml", "receivers:\n- name: nobody\n")


class Prometheus(Observer):
    """Prometheus, which scrapes nothing: whatever else is asked is not answered."""

    loaded = "{}"

    def do_GET(self) -> None:
        if self.path != "/api/v1/status/config":
            return self._answer(b"", 503)
        return self._answer(json.dumps({"status": "success", "data": {"yaml": self.loaded}}).encode())

    def mounted(self) -> str:
        found = self.kube.find("ConfigMap", "monitoring", "trading-prometheus")
        return found["data"]["prometheus.yml"] if found else "{}"


@contextmanager
def served(handler: type[Observer], kube: Kube) -> Iterator[str]:
    """Its base URL."""
    handler.kube = kube
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def observers(world: World) -> Iterator[dict[str, str]]:
    """Where both are, as the operator is told it."""
    with served(Alertmanager, world.kube) as alertmanager, served(Prometheus, world.kube) as prometheus:
        yield {"ALERTMANAGER_URL": alertmanager, "PROMETHEUS_URL": prometheus}


@pytest.fixture(scope="module")
def operator(
    start_operator: Operators, observers: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> OperatorProcess:
    """One operator that leads, with a promtool that does not like engines called picky."""
    promtool = tmp_path_factory.mktemp("picky") / "promtool"
    promtool.write_text(
        '#!/bin/sh\nfor file; do :; done\nif grep -q picky "$file"; then echo "not these rules"; exit 1; fi\n'
    )
    promtool.chmod(0o755)
    process = start_operator("telling", PROMTOOL=str(promtool), **observers)
    eventually(process.leads, 20, what="leadership")
    return process


def test_credential_reaches_alertmanager_as_a_file_when_its_secret_is_there(
    world: World, operator: OperatorProcess
) -> None:
    """Left out and said without its Secret; copied with it; taken away with the engine. Never in a log."""
    name = world.engine(observability={"receivers": [PAGER]})["metadata"]["name"]
    eventually(lambda: condition(world, name)[0] == "Quarantined", SOON)
    assert condition(world, name)[1] == "receiver pager: Secret pager-token has no key token"
    assert f"{ENGINES}/{name}/pager" not in files(world.kube)["alertmanager.yml"]

    world.kube.apply(secret({"token": CREDENTIAL}))
    world.kube.merge("TradingEngine", ENGINES, name, {"spec": {"orderNotional": "51"}})  # or within a minute
    eventually(lambda: condition(world, name) == ("Alerting", "receivers: pager"), SOON)
    assert files(world.kube)[f"{ENGINES}.{name}.pager.token"] == CREDENTIAL
    assert CREDENTIAL not in files(world.kube)["alertmanager.yml"]
    assert f"{ENGINES}/{name}/pager" in Alertmanager.loaded

    world.kube.delete("TradingEngine", ENGINES, name)
    eventually(lambda: files(world.kube) == {}, SOON)
    eventually(lambda: "revision-" not in Alertmanager.loaded, SOON, what="Alertmanager's own configuration")
    world.kube.delete("Secret", ENGINES, "pager-token")
    assert CREDENTIAL not in operator.log.read_text()


def test_one_engine_is_quarantined_when_a_checker_refuses_what_it_adds(world: World, operator: OperatorProcess) -> None:
    """Its rules are left out and its status has the checker's words; the other's are there."""
    good, bad = (world.engine(name)["metadata"]["name"] for name in ("good", "picky"))
    eventually(lambda: condition(world, bad) == ("Quarantined", "not these rules"), SOON)
    eventually(lambda: condition(world, good)[0] == "Alerting", SOON)
    assert rules(world) == {f"{ENGINES}.{good}.yaml"}


def test_two_engines_have_rules_and_one_keeps_its_own_when_the_other_goes(
    world: World, operator: OperatorProcess
) -> None:
    """Byte for byte."""
    one, two = (world.engine(name)["metadata"]["name"] for name in ("told", "told-too"))
    both = {f"{ENGINES}.{name}.yaml" for name in (one, two)}
    eventually(lambda: rules(world) == both, SOON)
    before = rule_files(world)[f"{ENGINES}.{one}.yaml"]

    world.kube.delete("TradingEngine", ENGINES, two)
    eventually(lambda: rules(world) == {f"{ENGINES}.{one}.yaml"}, SOON)
    assert rule_files(world) == {f"{ENGINES}.{one}.yaml": before}


def log_agent() -> Manifest:
    """The DaemonSet of the manifests, as far as the operator reads it."""
    labels = {"app.kubernetes.io/name": "log-agent"}
    container = {"name": "log-agent", "image": "otelcol", "args": ["--config=/etc/log-agent/otelcol.yaml"]}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "log-agent", "namespace": "monitoring"},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }


def started_with(world: World) -> str:
    path = "/apis/apps/v1/namespaces/monitoring/daemonsets/log-agent"
    template = world.kube.request("GET", path)["spec"]["template"]
    return (template["metadata"].get("annotations") or {}).get("tradingengine.io/config-hash", "")


def test_agents_start_anew_and_end_of_life_is_said_when_promtail_is_chosen(
    world: World, operator: OperatorProcess
) -> None:
    """The collector leaves the engine's pods out, Promtail does not; without engines agents have their own."""
    path = "/apis/apps/v1/namespaces/monitoring/daemonsets"
    world.kube.request("POST", path, log_agent())
    plain = world.engine()["metadata"]["name"]
    eventually(lambda: condition(world, plain)[0] == "Alerting", SOON)
    assert started_with(world) == ""

    name = world.engine(observability={"logs": {"agent": "Promtail"}})["metadata"]["name"]
    eventually(lambda: world.condition(name, "LogAgentSupported").get("reason") == "LogAgentEndOfLife", SOON)
    eventually(lambda: started_with(world) != "", SOON)
    first = started_with(world)
    data = world.kube.get("ConfigMap", "monitoring", "trading-log-agent")["data"]
    assert f"{ENGINES}_{name}-trade-executor-*" in data["otelcol.yaml"]
    assert f"{ENGINES}_{name}-trade-executor-*" not in data["promtail.yaml"]

    for each in (plain, name):
        world.kube.delete("TradingEngine", ENGINES, each)
    eventually(lambda: started_with(world) != first, SOON)
    world.kube.request("DELETE", f"{path}/log-agent")
