"""Puts `manifests/monitoring` on the cluster of demo and tests: `python -m tools.monitoring [--promtail]`.

What the tests prove is what the demo shows: both call `install`. Grafana is left out where no registry has its image.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.cluster import engine, monitoring_images
from tests.cluster.errors import ClusterError
from tests.cluster.provider import from_environment
from tools import stack
from tools.images import ROOT
from tools.kubectl import Kubectl, KubectlFailed

NAMESPACE = "monitoring"
MANIFESTS = ROOT / "manifests" / "monitoring"
OVERLAY = ROOT / "out" / "monitoring-overlay"
WORKLOADS = {
    "prometheus": "statefulset/prometheus",
    "alertmanager": "statefulset/alertmanager",
    "loki": "statefulset/loki",
    "log-agent": "daemonset/log-agent",
    "node-exporter": "daemonset/node-exporter",
    "grafana": "deployment/grafana",
}
READY_SECONDS = 240


@dataclass(frozen=True)
class Parts:
    """Which folders are installed, and whether Promtail is beside the collector."""

    grafana: bool
    promtail: bool = False

    @property
    def folders(self) -> list[str]:
        """Names below manifests/monitoring."""
        return [name for name in WORKLOADS if self.grafana or name != "grafana"]

    @property
    def programs(self) -> tuple[monitoring_images.ProgramImage, ...]:
        """Images of Go programs that these parts run."""
        both = (monitoring_images.LOKI, monitoring_images.LOG_AGENT)
        return (*both, monitoring_images.PROMTAIL) if self.promtail else both

    @property
    def workloads(self) -> list[str]:
        """What has to become ready."""
        found = [WORKLOADS[folder] for folder in self.folders]
        return [*found, "daemonset/log-agent-promtail"] if self.promtail else found


def install(kubectl: Kubectl, say: Callable[[str], None], promtail: bool = False) -> Parts:
    """Build and load what is missing, apply, wait until all of it is ready; what was installed."""
    parts = Parts(grafana=monitoring_images.served(), promtail=promtail)
    provider = from_environment()
    started = time.monotonic()
    references = monitoring_images.ensure(provider.cache, engine.find(provider.cache), parts.programs)
    stack.load({name: each for name, each in references.items() if each.startswith("localhost/")})
    say(f"monitoring images: {time.monotonic() - started:.0f} s")
    started = time.monotonic()
    apply(kubectl, parts, references)
    for workload in parts.workloads:
        _wait(kubectl, workload)
    said = "" if parts.grafana else "; Grafana left out: its image is in container registries only, and none answers"
    say(f"monitoring ready: {time.monotonic() - started:.0f} s{said}")
    return parts


def apply(kubectl: Kubectl, parts: Parts, references: dict[str, str]) -> None:
    """Apply some parts with these images. Doing it again changes nothing."""
    OVERLAY.mkdir(parents=True, exist_ok=True)
    (OVERLAY / "kustomization.yaml").write_text(kustomization(parts, references))
    kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "manifests" / "namespaces.yaml"))
    kubectl("apply", "--server-side", "--force-conflicts", "-k", str(OVERLAY))


def kustomization(parts: Parts, references: dict[str, str]) -> str:
    """An overlay of some folders whose only difference are the images."""
    base = os.path.relpath(MANIFESTS, OVERLAY)
    content = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [f"{base}/{folder}" for folder in parts.folders],
        "components": [f"{base}/promtail"] if parts.promtail else [],
        "images": monitoring_images.kustomize_images(references),
    }
    return json.dumps(content, indent=1)


def _wait(kubectl: Kubectl, workload: str) -> None:
    arguments = ("rollout", "status", workload, "-n", NAMESPACE, f"--timeout={READY_SECONDS}s")
    kubectl(*arguments, seconds=READY_SECONDS + 20)


def main() -> int:
    """Install on the cluster that is up, or make one."""
    parser = argparse.ArgumentParser(prog="python -m tools.monitoring", description=__doc__)
    parser.add_argument("--promtail", action="store_true", help="Promtail beside the OpenTelemetry Collector")
    try:
        install(stack.cluster(), lambda text: print(text, flush=True), parser.parse_args().promtail)
    except (ClusterError, KubectlFailed) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
