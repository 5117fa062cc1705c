"""A real kube-apiserver with the shipped CRDs, namespaces and RBAC; operators as processes of their own.

There is no kubelet and no controller manager: tests that need the status of a Deployment or a pod write it
themselves and say so.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.apiserver.kube import Kube, Manifest, Refused, eventually
from tests.apiserver.operator_process import OperatorProcess, mutations, settle
from tests.cluster import apiserver

ROOT = Path(__file__).parents[2]
ENGINES = "crypto-trading"
COLLECTORS = "crypto-collectors"
_numbers = itertools.count(1)


@dataclass
class World:
    """One API server with everything installed, and what tests do to it."""

    server: apiserver.ApiServer
    kube: Kube

    def engine(self, name: str = "", namespace: str = ENGINES, **spec: Any) -> Manifest:
        """Create a TradingEngine and give back what the API server made of it."""
        name = name or f"engine-{next(_numbers)}"
        manifest = {
            "apiVersion": "tradingengine.io/v1alpha1",
            "kind": "TradingEngine",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"symbols": ["BTC/USD"]} | spec,
        }
        return self.kube.create(manifest)

    def status(self, name: str, namespace: str = ENGINES) -> Manifest:
        return self.kube.get("TradingEngine", namespace, name).get("status", {})

    def condition(self, name: str, type_: str, namespace: str = ENGINES, kind: str = "TradingEngine") -> Manifest:
        found = self.kube.get(kind, namespace, name).get("status", {}).get("conditions", [])
        return next((each for each in found if each["type"] == type_), {})

    def built(self, name: str, namespace: str = ENGINES) -> dict[tuple[str, str, str], Manifest]:
        """Wait until an engine's objects are all there; they."""
        eventually(lambda: self.status(name, namespace).get("observedGeneration"), what=f"status of {name}")
        return self.kube.owned(namespace, name)

    def mutations(self, since: int = 0) -> list[dict[str, Any]]:
        return mutations(self.server, since)

    def settle(self, quiet: float = 1.0) -> int:
        return settle(self.server, quiet)

    def now(self) -> int:
        return len(self.server.audit_events())


def documents(*paths: Path) -> list[Manifest]:
    """All objects of some YAML files."""
    return [each for path in paths for each in yaml.safe_load_all(path.read_text()) if each]


def shipped(kinds: set[str]) -> list[Manifest]:
    """Objects of some kinds out of the shipped manifests."""
    return [each for each in documents(*sorted((ROOT / "manifests").glob("*.yaml"))) if each.get("kind") in kinds]


def shipped_crds() -> list[Manifest]:
    """Both CustomResourceDefinitions."""
    found = [each for each in documents(*(ROOT / "crds").glob("*.yaml")) if each["kind"] == "CustomResourceDefinition"]
    assert len(found) == 2
    return found


def install(kube: Kube) -> None:
    """CRDs, namespaces and RBAC, exactly as shipped."""
    crds = shipped_crds()
    for manifest in [*shipped({"Namespace"}), *crds]:
        kube.apply(manifest)
    rbac = {"ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}
    for manifest in shipped(rbac):
        kube.apply(manifest)
    for crd in crds:
        eventually(lambda crd=crd: _served(kube, crd), what=crd["metadata"]["name"])


def _served(kube: Kube, crd: Manifest) -> bool:
    """A new kind is refused for a moment, with 404 or 429, after it was established."""
    try:
        kube.list(crd["spec"]["names"]["kind"])
    except Refused:
        return False
    return True


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """The API server of the whole session."""
    with apiserver.running() as server:
        kube = Kube(server)
        install(kube)
        yield World(server, kube)


Operators = Callable[..., OperatorProcess]


def _operators(world: World, folder: Path) -> Iterator[Operators]:
    started: list[OperatorProcess] = []

    def start(name: str = "", *, ready: bool = True, **environment: str) -> OperatorProcess:
        name = name or f"operator-{len(started)}"
        process = OperatorProcess(world.server, world.kube, folder, name, **environment)
        started.append(process)
        return process.start(ready=ready)

    try:
        yield start
    finally:
        for process in started:
            process.end()
        problems = [line for process in started for line in process.lines() if line["level"] == "error"]
        bugs = [line for line in problems if "exception" in line]
        assert not bugs, bugs


@pytest.fixture
def clean(world: World) -> Iterator[None]:
    """Take the test's engines and targets away, so that operators of later tests do not work on them."""
    yield
    _sweep(world)


def _sweep(world: World) -> None:
    # Engines' own targets too: there is no garbage collector here.
    for kind in ("TradingEngine", "MonitoringTarget"):
        for each in world.kube.list(kind):
            with suppress(Refused):  # gone meanwhile
                world.kube.delete(kind, each["metadata"]["namespace"], each["metadata"]["name"])


@pytest.fixture(scope="module")
def start_operator(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operators]:
    """Start operators that end with the module; a bug in the log of one fails it."""
    _sweep(world)  # what is deleted while an operator starts, it believes in until it lists again
    yield from _operators(world, tmp_path_factory.mktemp("operators"))


@pytest.fixture(scope="module")
def operator(start_operator: Operators) -> Any:
    """One operator that leads, for a whole module."""
    process = start_operator("operator-a")
    eventually(process.leads, 20, what="leadership")
    return process


@pytest.fixture
def start_for_test(world: World, tmp_path: Path) -> Iterator[Operators]:
    """Start operators that end with the test."""
    yield from _operators(world, tmp_path)
