"""What an engine declares of itself to be observed: a MonitoringTarget for each worker and collector. Pure.

One each, so that `kubectl get monitoringtargets` names the worker that is not scraped and the metric that it lacks. The
database exports no metrics; a target of it could never be Ready, so there is none.
"""

from __future__ import annotations

from collections.abc import Iterable

from trading_engine.contract.metrics import Kind, Metric, of_worker
from trading_engine.contract.workers import COLLECTORS, WORKERS, Worker
from trading_operator.api.v1alpha1 import MonitoringTarget, TradingEngine
from trading_operator.api.v1alpha1.base import API_VERSION
from trading_operator.api.v1alpha1.observability import OwnTargets, Scrape
from trading_operator.desired.labels import COMPONENT, Object, finished, home_name, pod_labels
from trading_operator.desired.selection import selects


def target_objects(
    engine: TradingEngine, objects: Iterable[Object], others: Iterable[MonitoringTarget]
) -> list[Object]:
    """Targets of the engine's Services among `objects`, finished.

    `others` are those that people declared in the engine's namespace: where one of them selects a Service, or has the
    name, the engine declares nothing about it. Elsewhere anybody could take an engine's targets away so.
    """
    spec = engine.spec.observability
    if spec.scrape is Scrape.DISABLED or spec.targets is OwnTargets.DISABLED:
        return []
    people_s = [each for each in others if each.namespace == engine.namespace]
    services = {each["metadata"]["labels"][COMPONENT]: each for each in objects if each["kind"] == "Service"}
    return [
        finished(engine, worker.service, _target(engine, worker, service["metadata"]["namespace"]))
        for worker in (*WORKERS, *COLLECTORS)
        if (service := services.get(worker.service))
        and not any(each.name == _name(engine, worker) or selects(each, service) for each in people_s)
    ]


def _name(engine: TradingEngine, worker: Worker) -> str:
    return home_name(engine, worker.service)


def _target(engine: TradingEngine, worker: Worker, namespace: str) -> Object:
    return {
        "apiVersion": API_VERSION,
        "kind": "MonitoringTarget",
        "metadata": {"name": _name(engine, worker), "namespace": engine.namespace},
        "spec": {
            "namespaces": [namespace],
            "selector": {"matchLabels": pod_labels(engine, worker.service)},
            "endpoints": [{"port": "http", "path": "/metrics", "scheme": "HTTP"}],
            "expectedMetrics": sorted(_series(metric) for metric in of_worker(worker.name) if _is_always_there(metric)),
        },
    }


def _is_always_there(metric: Metric) -> bool:
    """A worker makes all its counters and histograms when it starts, but no gauge of something it does not know yet."""
    return metric.kind is not Kind.GAUGE or not metric.labels


def _series(metric: Metric) -> str:
    return f"{metric.name}_count" if metric.kind is Kind.HISTOGRAM else metric.name
