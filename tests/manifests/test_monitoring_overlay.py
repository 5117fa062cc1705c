"""What the demo and the end-to-end tests apply of the monitoring stack, and with which images."""

from __future__ import annotations

import json

import pytest

from tests.cluster import monitoring_images, programs, registry
from tests.manifests.stack_files import FOLDERS, ROOT
from tools.monitoring import WORKLOADS, Parts, kustomization


def test_every_folder_is_installed_and_awaited() -> None:
    """A folder that nobody waits for might never become ready."""
    assert set(WORKLOADS) == set(FOLDERS)
    assert Parts(grafana=True).folders == list(WORKLOADS)


def test_grafana_is_left_out_when_no_registry_serves_it() -> None:
    """There is no package of it."""
    overlay = json.loads(kustomization(Parts(grafana=False), {}))
    assert [path.rpartition("/")[2] for path in overlay["resources"]] == [name for name in FOLDERS if name != "grafana"]


def test_promtail_comes_beside_the_collector_when_asked_for() -> None:
    """Its image is built too, and its component applied."""
    parts = Parts(grafana=False, promtail=True)
    overlay = json.loads(kustomization(parts, {}))
    assert overlay["components"] == [overlay["resources"][0].replace("prometheus", "promtail")]
    assert (ROOT / "promtail" / "kustomization.yaml").exists()
    assert set(parts.programs) == set(monitoring_images.ALL)
    assert parts.workloads[-1] == "daemonset/log-agent-promtail"


@pytest.mark.parametrize("public", [True, False])
def test_images_are_local_only_when_no_registry_answers(monkeypatch: pytest.MonkeyPatch, public: bool) -> None:
    """The manifests name the public ones; kustomize puts the local ones in their place, by name and tag."""
    monkeypatch.setattr(registry, "usable", lambda: public)
    found = monitoring_images.references()
    assert set(found) == {
        "docker.io/prom/prometheus",
        "docker.io/prom/alertmanager",
        "docker.io/prom/node-exporter",
        "docker.io/grafana/loki",
        "docker.io/otel/opentelemetry-collector-k8s",
        "docker.io/grafana/promtail",
    }
    assert all(each.startswith("docker.io/" if public else "localhost/trading/") for each in found.values())
    entry = next(each for each in monitoring_images.kustomize_images(found) if each["name"].endswith("/loki"))
    version = programs.PROGRAMS["loki"].version
    assert entry["newTag"] == version
    assert entry["newName"] == ("docker.io/grafana/loki" if public else "localhost/trading/loki")


def test_local_image_has_its_program_where_the_public_one_has_it() -> None:
    """Nobody can tell them apart by path, user or entrypoint."""
    text = monitoring_images.dockerfile(monitoring_images.LOKI, "k1")
    assert "COPY program /usr/bin/loki" in text
    assert "USER 10001:10001" in text
    assert 'ENTRYPOINT ["/usr/bin/loki"]' in text
    assert "=k1" in text
