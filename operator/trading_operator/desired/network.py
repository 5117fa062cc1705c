"""NetworkPolicies: nothing in or out of the engine's pods but the paths that the engine needs. Pure.

One policy denies all for every pod of the engine (in both namespaces); one per component allows what its
work needs: the calls in `contract.workers`, the database, DNS, the exchange, the language model, Prometheus,
and the operator's word to the executor. Ports in a policy are ports of pods, so a peer behind a Service of
somebody else is allowed by namespace.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from trading_engine.contract.config import LlmProvider
from trading_engine.contract.workers import (
    COLLECTORS,
    TRADE_EXECUTOR,
    WORKERS,
    Worker,
)
from trading_operator.api.v1alpha1 import TradingEngine
from trading_operator.api.v1alpha1.observability import Scrape
from trading_operator.desired import names
from trading_operator.desired.labels import (
    Object,
    away_name,
    finished,
    home_name,
    pod_labels,
)
from trading_operator.settings import Settings

_HTTPS: Final = 443
_NAMESPACE_LABEL: Final = "kubernetes.io/metadata.name"
#: What "the internet" is not: neighbours, other pods, a cloud's metadata service.
_PRIVATE: Final = ("10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16")
_OPERATOR_LABELS: Final = {"app.kubernetes.io/name": "trading-operator"}


def network_objects(engine: TradingEngine, settings: Settings) -> list[Object]:
    """All NetworkPolicies of the engine, finished."""
    home, away = engine.namespace, settings.collectors_namespace
    found = [
        finished(engine, "network", _policy(home_name(engine, "deny"), home, pod_labels(engine), [], [])),
        finished(engine, "network", _policy(away_name(engine, "deny"), away, pod_labels(engine), [], [])),
        *(_worker_policy(engine, worker, settings) for worker in WORKERS),
        *(_collector_policy(engine, collector, settings) for collector in COLLECTORS),
        _training_policy(engine),
    ]
    return found if engine.spec.database.secret_ref else [*found, _database_policy(engine, settings)]


def _worker_policy(engine: TradingEngine, worker: Worker, settings: Settings) -> Object:
    callers = [_pods(engine, other.service) for other in WORKERS if worker.name in other.calls]
    if worker == TRADE_EXECUTOR:
        callers.append(_namespaced(settings.pod_namespace, _OPERATOR_LABELS))
    called = [
        _rule("to", [_pods(engine, other.service)], other.port) for other in WORKERS if other.name in worker.calls
    ]
    egress = [_dns(), *called, *_outside(engine, worker)]
    ingress = _listening(engine, worker, settings, callers)
    policy = _policy(
        names.deployment(engine, worker), engine.namespace, pod_labels(engine, worker.service), ingress, egress
    )
    return finished(engine, worker.service, policy)


def _collector_policy(engine: TradingEngine, collector: Worker, settings: Settings) -> Object:
    egress = [_dns(), *_outside(engine, collector)]
    ingress = _listening(engine, collector, settings, [])
    name, namespace = names.deployment(engine, collector), settings.collectors_namespace
    policy = _policy(name, namespace, pod_labels(engine, collector.service), ingress, egress)
    return finished(engine, collector.service, policy)


def _training_policy(engine: TradingEngine) -> Object:
    name, labels = home_name(engine, names.TRAINING), pod_labels(engine, names.TRAINING)
    policy = _policy(name, engine.namespace, labels, [], [_dns(), _database_rule(engine)])
    return finished(engine, names.TRAINING, policy)


def _database_policy(engine: TradingEngine, settings: Settings) -> Object:
    home = [
        _pods(engine, component)
        for component in (*(each.service for each in WORKERS if "database" in each.reads), names.TRAINING)
    ]
    away = [_namespaced(settings.collectors_namespace, pod_labels(engine, each.service)) for each in COLLECTORS]
    ingress = [_rule("from", [*home, *away], names.DATABASE_PORT)]
    policy = _policy(names.database(engine), engine.namespace, pod_labels(engine, names.DATABASE), ingress, [])
    return finished(engine, names.DATABASE, policy)


def _listening(engine: TradingEngine, worker: Worker, settings: Settings, callers: list[Object]) -> list[Object]:
    """Who may reach a worker's port: its callers, and Prometheus unless scraping is disabled."""
    observed = engine.spec.observability.scrape is not Scrape.DISABLED
    peers = [*callers, *([_namespaced(settings.monitoring_namespace)] if observed else [])]
    return [_rule("from", peers, worker.port)] if peers else []


def _outside(engine: TradingEngine, worker: Worker) -> list[Object]:
    """Where a worker may go beside the other workers, by what it reads of the configuration."""
    llm = engine.spec.llm
    database = [_database_rule(engine)] if "database" in worker.reads else []
    exchange = [_exchange_rule(engine)] if "exchange" in worker.reads else []
    asked = "llm" in worker.reads and llm.provider is not LlmProvider.DISABLED
    return [*database, *exchange, *([destination(llm.url, engine.namespace)] if asked and llm.url else [])]


def _exchange_rule(engine: TradingEngine) -> Object:
    url = engine.spec.exchange.url
    return destination(url, engine.namespace) if url else _rule("to", [_internet()], _HTTPS)


def destination(url: str, namespace: str) -> Object:
    """Egress rule for the host of a URL.

    `name` and `name.namespace.svc[...]` are Services: any port of pods in that namespace, for a policy sees
    the pod's port, not the Service's. An address is itself, unless it is link-local: there a cloud keeps its
    credentials, and no exchange. Anything else is the public internet.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (80 if parts.scheme == "http" else _HTTPS)
    labels = host.split(".")
    if len(labels) == 1:
        return _rule("to", [_namespaced(namespace)])
    if len(labels) >= 3 and labels[2] == "svc":
        return _rule("to", [_namespaced(labels[1])])
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return _rule("to", [_internet()], port)
    block = {"ipBlock": {"cidr": f"{address}/{address.max_prefixlen}"}}
    return _rule("to", [_internet() if address.is_link_local else block], port)


def _database_rule(engine: TradingEngine) -> Object:
    """Our PostgreSQL, or port 5432 anywhere where the user brings one (its address is in a Secret)."""
    if engine.spec.database.secret_ref:
        return {"ports": [_port(names.DATABASE_PORT)]}
    peer = _namespaced(engine.namespace, pod_labels(engine, names.DATABASE))
    return _rule("to", [peer], names.DATABASE_PORT)


def _dns() -> Object:
    peer = _namespaced("kube-system", {"k8s-app": "kube-dns"})
    return {"to": [peer], "ports": [_port(53, "TCP"), _port(53, "UDP")]}


def _rule(direction: str, peers: Iterable[Object], port: int | None = None) -> Object:
    found: Object = {direction: list(peers)}
    return found | ({"ports": [_port(port)]} if port else {})


def _port(port: int, protocol: str = "TCP") -> Object:
    return {"port": port, "protocol": protocol}


def _pods(engine: TradingEngine, component: str) -> Object:
    return {"podSelector": {"matchLabels": pod_labels(engine, component)}}


def _namespaced(namespace: str, labels: dict[str, str] | None = None) -> Object:
    found: Object = {"namespaceSelector": {"matchLabels": {_NAMESPACE_LABEL: namespace}}}
    return found | ({"podSelector": {"matchLabels": labels}} if labels else {})


def _internet() -> Object:
    return {"ipBlock": {"cidr": "0.0.0.0/0", "except": list(_PRIVATE)}}


def _policy(name: str, namespace: str, labels: dict[str, str], ingress: list[Object], egress: list[Object]) -> Object:
    """A NetworkPolicy for pods with these labels. An empty list is left out: the API server drops it too."""
    spec: Object = {"podSelector": {"matchLabels": labels}, "policyTypes": ["Ingress", "Egress"]}
    spec |= ({"ingress": ingress} if ingress else {}) | ({"egress": egress} if egress else {})
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }
