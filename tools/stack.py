"""Puts the operator, the simulated exchange and the local language model on a cluster.

The demo and the end-to-end tests both start here, so what the tests prove is what the demo shows.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import base_images, engine
from tests.cluster.errors import ClusterError
from tests.cluster.provider import Provider, from_environment
from tools import images
from tools.images import ROOT
from tools.kubectl import Kubectl, KubectlFailed, Object, until

OPERATOR_NAMESPACE = "trading-operator-system"
EXCHANGE_NAMESPACE = "crypto-exchange"
MANAGED = "app.kubernetes.io/managed-by=trading-operator"
OVERLAY = ROOT / "out" / "overlay"
IMAGES_IN_CONFIGMAPS = ROOT / "manifests" / "images-in-configmaps.yaml"


@dataclass(frozen=True)
class Tape:
    """What the simulated exchange plays: candle files, or a seeded generator where there are none."""

    files: tuple[Path, ...]
    fee_rate: str
    synthetic: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """For people: where the prices come from."""
        if self.synthetic:
            return f"SYNTHETIC prices of a seeded generator ({', '.join(self.synthetic)})"
        return "recorded candles: " + ", ".join(path.name for path in self.files)

    @property
    def arguments(self) -> str:
        """Arguments of `trading-engine simulate-exchange`."""
        files = " ".join(f"/etc/exchange-simulator/{path.name}" for path in self.files)
        source = f"--synthetic {','.join(self.synthetic)}" if self.synthetic else f"--candles {files}"
        return f"{source} --fee-rate {self.fee_rate}"


def kustomization(references: dict[str, str]) -> str:
    """An overlay of the manifests whose only difference are the images."""
    entries = [
        {"name": name, "newName": reference.rpartition(":")[0], "newTag": reference.rpartition(":")[2]}
        for name, reference in references.items()
    ]
    base = os.path.relpath(ROOT / "manifests", OVERLAY)
    content = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [base, f"{base}/demo"],
        "configurations": [IMAGES_IN_CONFIGMAPS.name],
        "images": entries,
    }
    return json.dumps(content, indent=1)


def install(kubectl: Kubectl, references: dict[str, str], tape: Tape) -> None:
    """Apply everything and wait until it runs. Doing it again changes nothing."""
    OVERLAY.mkdir(parents=True, exist_ok=True)
    (OVERLAY / "kustomization.yaml").write_text(kustomization(references))
    # kustomize reads configurations only from the overlay's own folder.
    shutil.copy(IMAGES_IN_CONFIGMAPS, OVERLAY)
    manifests = kubectl("kustomize", str(OVERLAY))
    _apply_kinds_first(kubectl, manifests)
    _put_tape(kubectl, tape)
    for namespace, name in (
        (EXCHANGE_NAMESPACE, "exchange-simulator"),
        (EXCHANGE_NAMESPACE, "local-llm"),
        (OPERATOR_NAMESPACE, "trading-operator"),
    ):
        kubectl("rollout", "status", f"deployment/{name}", "-n", namespace, "--timeout=180s", seconds=200)


def remove(kubectl: Kubectl, engines: list[tuple[str, str]]) -> None:
    """Take away what `install` applied: first these engines, while there is an operator to clean up after them.

    Raises:
        ClusterError: other engines are on the cluster; nothing but ours is touched then.
    """
    if kubectl("get", "crd", "tradingengines.tradingengine.io", "--ignore-not-found"):
        for namespace, name in engines:
            wait = ("--ignore-not-found", "--timeout=120s")
            kubectl("delete", "tradingengine", name, "-n", namespace, *wait, seconds=150)
        if others := [each["metadata"] for each in kubectl.list("tradingengines")]:
            names = ", ".join(f"{each['namespace']}/{each['name']}" for each in others)
            raise ClusterError(f"the operator stays, for it runs other TradingEngines: {names}")
        until("children in other namespaces are gone", lambda: not _strays(kubectl), 120)
    if (OVERLAY / "kustomization.yaml").exists():
        kubectl("delete", "--ignore-not-found", "-k", str(OVERLAY), "--timeout=300s", seconds=330)


def _strays(kubectl: Kubectl) -> list[Object]:
    return kubectl.list("deployments,services,secrets", selector=MANAGED)


def _apply_kinds_first(kubectl: Kubectl, manifests: str) -> None:
    """Namespaces and CRDs must be there before what uses them: apply twice rather than sort ourselves."""
    try:
        kubectl.apply(manifests)
    except KubectlFailed:
        time.sleep(3)
        kubectl.apply(manifests)


def _put_tape(kubectl: Kubectl, tape: Tape) -> None:
    files = [f"--from-file={path}" for path in tape.files]
    text = kubectl(
        "create", "configmap", "exchange-simulator", "-n", EXCHANGE_NAMESPACE, *files,
        f"--from-literal=arguments={tape.arguments}", "--dry-run=client", "-o", "json",
    )  # fmt: skip
    before = kubectl.get("configmap", "exchange-simulator", EXCHANGE_NAMESPACE)
    wanted = json.loads(text)
    if before and all(before.get(key) == wanted.get(key) for key in ("data", "binaryData")):
        return
    kubectl.apply(wanted)
    if before:
        kubectl("rollout", "restart", "deployment/exchange-simulator", "-n", EXCHANGE_NAMESPACE)


def cluster() -> Kubectl:
    """The cluster of tests and demo, created where it is not there."""
    provider = from_environment()
    return Kubectl(provider.kubectl, provider.up())


def existing() -> Kubectl | None:
    """The same, where it is up; None where it is not."""
    provider = from_environment()
    _refuse_context(provider)
    return Kubectl(provider.kubectl, provider.kubeconfig) if provider.healthy() else None


def load(wanted: dict[str, str]) -> None:
    """Bring images onto the cluster's node; those already there are skipped."""
    provider = from_environment()
    if not provider.context:
        provider.load(list(wanted.values()))


def references() -> dict[str, str]:
    """Every image the manifests name -> its reference on this machine, built where it is missing."""
    provider = from_environment()
    _refuse_context(provider)
    base = base_images.ensure(provider.cache, engine.find(provider.cache))
    return {**images.build(), "postgres": base["POSTGRES_IMAGE"]}


def _refuse_context(provider: Provider) -> None:
    """Images that are built here cannot be put on somebody else's cluster; nor is anything taken away there."""
    if provider.context:
        raise ClusterError(
            f"CLUSTER_CONTEXT={provider.context}: demo and end-to-end tests run on a cluster of their own; "
            "install on yours with images of your registry, as the README says"
        )
