"""NetworkPolicies, judged by evaluating them: who may talk to whom, and nobody else."""

from __future__ import annotations

from typing import Any

import pytest

from tests.operator.engines import engine, live, objects
from trading_engine.contract.workers import WORKERS, Worker
from trading_operator.api.v1alpha1 import TradingEngine
from trading_operator.desired.labels import pod_labels
from trading_operator.desired.network import destination

HOME, AWAY = "crypto-trading", "crypto-collectors"
Pod = tuple[str, dict[str, str]]


def pod(of: TradingEngine, component: str, namespace: str = HOME) -> Pod:
    """Namespace and labels of a pod of an engine."""
    return namespace, pod_labels(of, component)


def worker_pod(of: TradingEngine, worker: Worker) -> Pod:
    return pod(of, worker.service)


def allowed(found: list[dict[str, Any]], source: Pod, target: Pod, port: int) -> bool:
    """Whether the policies let a connection pass: out of the source and into the target."""
    return _direction(found, source, target, port, "egress") and _direction(found, target, source, port, "ingress")


def _direction(found: list[dict[str, Any]], subject: Pod, peer: Pod, port: int, direction: str) -> bool:
    selected = [each for each in found if _selects(each, subject)]
    key = "to" if direction == "egress" else "from"
    rules = [rule for each in selected for rule in each["spec"].get(direction, ())]
    return not selected or any(_rule_allows(rule, key, subject, peer, port) for rule in rules)


def _selects(policy: dict[str, Any], subject: Pod) -> bool:
    namespace, labels = subject
    return policy["metadata"]["namespace"] == namespace and _matches(policy["spec"]["podSelector"], labels)


def _rule_allows(rule: dict[str, Any], key: str, subject: Pod, peer: Pod, port: int) -> bool:
    ports = [each["port"] for each in rule.get("ports", ())]
    peers = rule.get(key)
    return (not ports or port in ports) and (peers is None or any(_is_peer(each, subject, peer) for each in peers))


def _is_peer(wanted: dict[str, Any], subject: Pod, peer: Pod) -> bool:
    if "ipBlock" in wanted:
        return False
    namespaces = wanted.get("namespaceSelector")
    here = peer[0] == subject[0] if namespaces is None else _matches(
        namespaces, {"kubernetes.io/metadata.name": peer[0]}
    )  # fmt: skip
    return here and _matches(wanted.get("podSelector", {}), peer[1])


def _matches(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    return selector.get("matchLabels", {}).items() <= labels.items()


def policies(of: TradingEngine) -> list[dict[str, Any]]:
    return [each for each in objects(of) if each["kind"] == "NetworkPolicy"]


def test_workers_reach_exactly_those_they_call_when_evaluated() -> None:
    """Every pair of workers, by the contract."""
    of = engine()
    found = policies(of)
    for caller in WORKERS:
        for called in WORKERS:
            reached = allowed(found, worker_pod(of, caller), worker_pod(of, called), called.port)

            assert reached == (called.name in caller.calls), (caller.name, called.name)


def test_database_is_reached_by_those_that_use_it_when_evaluated() -> None:
    """Workers that read rows, training, and the collector from its namespace; nobody else."""
    of = engine()
    found, database = policies(of), pod(of, "postgresql")
    users = {worker.service for worker in WORKERS if "database" in worker.reads} | {"training"}
    for component in (*(worker.service for worker in WORKERS), "training", "postgresql"):
        assert allowed(found, pod(of, component), database, 5432) == (component in users), component
    assert allowed(found, pod(of, "exchange-data", AWAY), database, 5432)
    assert not allowed(found, pod(engine("other"), "exchange-data", AWAY), database, 5432)


def test_executor_hears_operator_and_orchestrator_only_when_evaluated() -> None:
    """Whoever reaches the executor may ask it to trade."""
    of = engine()
    found, executor = policies(of), pod(of, "trade-executor")
    operator = ("trading-operator-system", {"app.kubernetes.io/name": "trading-operator"})

    assert allowed(found, operator, executor, 8024)
    assert not allowed(found, ("trading-operator-system", {}), executor, 8024)
    assert not allowed(found, ("default", {"app.kubernetes.io/name": "trading-operator"}), executor, 8024)
    assert not allowed(found, operator, pod(of, "risk-management"), 8027)


@pytest.mark.parametrize(("scrape", "reached"), [("Annotations", True), ("Disabled", False)])
def test_prometheus_reaches_metrics_when_scraped(scrape: str, reached: bool) -> None:
    """From the monitoring namespace, every worker and the collector; not at all when disabled."""
    of = engine(observability={"scrape": scrape})
    found, prometheus = policies(of), ("monitoring", {"app": "prometheus"})
    for worker in WORKERS:
        assert allowed(found, prometheus, worker_pod(of, worker), worker.port) == reached
    assert allowed(found, prometheus, pod(of, "exchange-data", AWAY), 8030) == reached
    assert not allowed(found, prometheus, pod(of, "postgresql"), 5432)


def test_engines_are_apart_when_they_share_a_namespace() -> None:
    """No worker of one reaches a worker of the other."""
    one, other = engine("one"), engine("other")
    found = [*policies(one), *policies(other)]
    for caller in WORKERS:
        for called in WORKERS:
            assert not allowed(found, worker_pod(one, caller), worker_pod(other, called), called.port)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "http://exchange-simulator.crypto-exchange.svc:8080",
            {"to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "crypto-exchange"}}}]},
        ),
        (
            "http://ollama.llm.svc.cluster.local:11434/v1",
            {"to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "llm"}}}]},
        ),
        (
            "http://ollama:11434",
            {"to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": HOME}}}]},
        ),
        (
            "https://10.1.2.3:8443",
            {"to": [{"ipBlock": {"cidr": "10.1.2.3/32"}}], "ports": [{"port": 8443, "protocol": "TCP"}]},
        ),
    ],
)
def test_destination_is_the_narrowest_when_url_is_inside(url: str, expected: dict[str, Any]) -> None:
    """A Service is its namespace, an address is itself."""
    assert destination(url, HOME) == expected


def test_exchange_is_the_internet_without_neighbours_when_no_url_is_given() -> None:
    """Port 443 of public addresses, for the executor, risk and the collector; for nobody else."""
    open_to_internet = {
        each["metadata"]["name"]
        for each in policies(live())
        for rule in each["spec"].get("egress", ())
        for peer in rule.get("to", ())
        if "ipBlock" in peer and [port["port"] for port in rule["ports"]] == [443]
    }

    assert {name.removeprefix("live-") for name in open_to_internet if name.startswith("live-")} == {
        "trade-executor",
        "risk-management",
    }
    assert len(open_to_internet) == 3


def test_destination_is_not_the_metadata_service_when_url_names_it() -> None:
    """What a tenant writes into a URL must not open a cloud's credentials to a pod in the collectors' namespace."""
    (peer,) = destination("http://169.254.169.254/latest", HOME)["to"]

    assert "169.254.0.0/16" in peer["ipBlock"]["except"]
