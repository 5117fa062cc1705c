"""The shared configuration on its way into Prometheus: checked by promtool, loaded by a real one, and what is said."""

from __future__ import annotations

import json
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.apiserver.conftest import ENGINES, Operators, World
from tests.apiserver.kube import eventually
from tests.apiserver.test_stack import SHARED, reason, text
from tests.cluster.apiserver import free_port
from tests.observer_programs import program
from trading_operator.desired.scrape import revision_of

pytestmark = pytest.mark.usefixtures("clean")
CONSENT = "tradingengine.io/scrape"
BASE = "global: {scrape_interval: 15s}\n"
TEAM = "consenting-team"


@pytest.fixture
def consent(world: World) -> Iterator[None]:
    """A namespace that consents once a test says so."""
    world.kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": TEAM, "labels": {"x": "y"}}})
    yield
    world.kube.merge("Namespace", None, TEAM, {"metadata": {"labels": {CONSENT: None}}})


def give_consent(world: World) -> None:
    world.kube.merge("Namespace", None, TEAM, {"metadata": {"labels": {CONSENT: "true"}}})


def test_last_good_configuration_stays_when_promtool_refuses_the_next(
    world: World, start_for_test: Operators, tmp_path: Path, consent: None
) -> None:
    """A checker that says no, and one that is not there: the ConfigMap keeps its bytes, the condition says why."""
    good = start_for_test("good")
    name = world.engine()["metadata"]["name"]
    world.built(name)
    eventually(lambda: world.kube.shared().keys() >= SHARED, 20)
    assert good.stop() == 0
    before = text(world)
    stub = tmp_path / "promtool"
    stub.write_text("#!/bin/sh\necho 'prometheus.yml: this is not good'\nexit 1\n")
    stub.chmod(0o755)
    refusing = start_for_test("refusing", PROMTOOL=str(stub))
    give_consent(world)
    eventually(lambda: reason(world, name) == "ConfigurationInvalid", 20)
    assert "this is not good" in world.condition(name, "Observed")["message"]
    assert text(world) == before
    assert refusing.stop() == 0
    missing = start_for_test("missing", PROMTOOL=str(tmp_path / "nowhere"))
    eventually(lambda: reason(world, name) == "PromtoolMissing", 20)
    assert text(world) == before
    assert missing.stop() == 0


class Kubelet:
    """A Prometheus whose pod exists for the API server, and a kubelet that looks at it only when it is touched."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world, self.folder = world, folder
        self.url = f"http://127.0.0.1:{free_port()}"
        self.file = folder / "prometheus.yml"
        self.file.write_text(BASE)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.synced = 0

    def __enter__(self) -> Kubelet:
        container = {"name": "prometheus", "image": "prometheus"}
        metadata = {
            "name": "prometheus-0",
            "namespace": "monitoring",
            "labels": {"app.kubernetes.io/name": "prometheus"},
        }
        self.world.kube.create(
            {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}
        )
        self.process = self._prometheus()
        self._thread.start()
        eventually(lambda: self._asks("/-/ready"), 20, what="Prometheus")
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.process.kill()
        self.process.wait()
        self.world.kube.request("DELETE", "/api/v1/namespaces/monitoring/pods/prometheus-0?gracePeriodSeconds=0")

    def loaded(self) -> str:
        return revision_of(json.loads(self._asks("/api/v1/status/config") or b"{}")["data"]["yaml"])

    def _prometheus(self) -> subprocess.Popen[bytes]:
        with (self.folder / "prometheus.log").open("wb") as log:
            return subprocess.Popen(
                [
                    program("prometheus"),
                    f"--config.file={self.file}",
                    f"--storage.tsdb.path={self.folder / 'data'}",
                    f"--web.listen-address={self.url.removeprefix('http://')}",
                    "--web.enable-lifecycle",
                ],
                stdout=log,
                stderr=log,
            )

    def _asks(self, path: str) -> bytes:
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as answer:
                return bytes(answer.read())
        except OSError:
            return b""

    def _run(self) -> None:
        seen = ""
        while not self._stop.wait(0.2):
            pod = self.world.kube.get("Pod", "monitoring", "prometheus-0")
            touched = (pod["metadata"].get("annotations") or {}).get("tradingengine.io/config-revision", "")
            if touched == seen:
                continue
            seen, self.synced = touched, self.synced + 1
            found = self.world.kube.find("ConfigMap", "monitoring", "trading-prometheus")
            self.file.write_text(found["data"]["prometheus.yml"] if found else BASE)


def test_prometheus_loads_each_revision_when_what_is_scraped_changes(
    world: World, start_for_test: Operators, tmp_path: Path, consent: None
) -> None:
    """The kubelet is woken once per revision, the reload read back; the last engine gives Prometheus its own back."""
    with Kubelet(world, tmp_path) as kubelet:
        start_for_test("reloading", PROMETHEUS_URL=kubelet.url)
        name = world.engine()["metadata"]["name"]
        eventually(lambda: reason(world, name) == "Observed", 20)
        first = kubelet.loaded()
        assert first == revision_of(text(world)) != ""
        give_consent(world)
        eventually(lambda: kubelet.loaded() == revision_of(text(world)) != first, 15, what="the next revision")
        assert reason(world, name) == "Observed"
        since = world.settle()
        assert kubelet.synced == 2
        assert world.mutations(since) == []
        world.kube.delete("TradingEngine", ENGINES, name)
        eventually(lambda: kubelet.loaded() == "", 15, what="its own configuration")
