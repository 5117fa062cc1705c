"""The end-to-end tests' world: one real cluster with everything installed, one paper engine that trades.

Faked: nothing but the exchange, which is simulated on the real wire, and the language model's size.
Tests run in the order of their files; each leaves the engine as it found it.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator

import pytest
import yaml

from tests.e2e.engine import Engine
from tests.e2e.log_collector import LogCollector
from tests.e2e.log_scan import unexpected
from tools import monitoring, stack
from tools.demo import FEE_RATE, SYMBOLS
from tools.images import ROOT
from tools.kubectl import Kubectl, KubectlFailed, until

PAPER = yaml.safe_load((ROOT / "manifests" / "samples" / "paper.yaml").read_text())
MARKET = ROOT.parent / "shared" / "market"
#: Promised from apply to Ready once the images are there; asserted with room on a shared machine.
READY_SECONDS, ROOM = 90.0, 5
NAMESPACES = (
    "crypto-trading",
    "crypto-second",
    "crypto-collectors",
    "crypto-exchange",
    stack.OPERATOR_NAMESPACE,
    monitoring.NAMESPACE,
)


def tape() -> stack.Tape:
    """Real candles where they are; else synthetic ones, said so."""
    files = tuple(MARKET / f"coinbase_{symbol}_1m_trade.csv.gz" for symbol in SYMBOLS)
    if all(path.is_file() for path in files):
        return stack.Tape(files, FEE_RATE)
    return stack.Tape((), FEE_RATE, synthetic=SYMBOLS)


@pytest.fixture(scope="session")
def kubectl() -> Iterator[Kubectl]:
    """A cluster with operator, simulated exchange and language model, and nothing of an earlier run."""
    cluster = stack.cluster()
    references = stack.references()
    stack.load(references)
    remove_engines(cluster)
    played = tape()
    print(f"\nprices: {played.label}")
    stack.install(cluster, references, played)
    monitoring.install(cluster, print)
    cluster.apply(
        "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: crypto-second\n"
        "  labels: {pod-security.kubernetes.io/enforce: restricted}\n"
    )
    yield cluster
    if "KEEP_ENGINES" not in os.environ:
        remove_engines(cluster)


def remove_engines(cluster: Kubectl) -> None:
    """Delete every engine and wait until nothing of them is left."""
    try:
        cluster("delete", "tradingengines", "--all", "--all-namespaces", "--timeout=120s", seconds=150)
    except KubectlFailed as error:
        if "doesn't have a resource type" in str(error):
            return
        raise
    until("nothing of earlier engines is left", lambda: not cluster.list("pods", selector=stack.MANAGED), 120)


@pytest.fixture(scope="session", autouse=True)
def logs(kubectl: Kubectl) -> Iterator[LogCollector]:
    """Every log line of ours, from here to the end."""
    folder = ROOT / "out" / "e2e-logs"
    shutil.rmtree(folder, ignore_errors=True)
    collector = LogCollector(kubectl, NAMESPACES, folder)
    collector.start()
    yield collector
    collector.stop()
    errors = [error for name, lines in collector.lines().items() for error in unexpected(name, lines)]
    assert not errors, f"{len(errors)} unexpected errors in the logs:\n" + "\n".join(errors[:40])


@pytest.fixture(scope="session")
def paper(kubectl: Kubectl, logs: LogCollector) -> Engine:
    """The demo's engine, Ready."""
    engine = Engine(kubectl, PAPER["metadata"]["name"], PAPER["metadata"]["namespace"])
    started = time.monotonic()
    kubectl.apply(PAPER)
    engine.wait_for("Ready", "True", READY_SECONDS * ROOM)
    print(f"\napply -> Ready=True: {time.monotonic() - started:.0f} s (promise {READY_SECONDS:.0f} s)")
    return engine


@pytest.fixture(scope="session")
def rest_began(paper: Engine) -> float:
    """When the operator had nothing left to do: from here on nobody changes anything, until the rest is over."""
    paper.wait_for("Ready", "True", 120)
    time.sleep(40)  # operators that were replaced a moment ago: their first relist is part of the start
    return time.time()
