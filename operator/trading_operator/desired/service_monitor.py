"""An engine -> what prometheus-operator reads instead of annotations: a ServiceMonitor and a PrometheusRule. Pure.

`desired_objects` adds them where `observability.scrape` is ServiceMonitor. They are in the engine's namespace and name
the collectors' beside it; which Prometheus selects them is decided by its own selectors, so settings add labels.
"""

from __future__ import annotations

from trading_engine.contract.workers import COLLECTORS, WORKERS
from trading_operator.api.v1alpha1 import TradingEngine
from trading_operator.api.v1alpha1.observability import Scrape
from trading_operator.desired.alerts import rule_group_of
from trading_operator.desired.labels import COMPONENT, Object, finished, home_name, pod_labels
from trading_operator.desired.scrape_jobs import ANNOTATED_JOB, SAMPLE_LIMIT
from trading_operator.kinds import PROMETHEUS_RULE, SERVICE_MONITOR, Kind
from trading_operator.settings import Settings


def monitor_objects(engine: TradingEngine, settings: Settings) -> list[Object]:
    """Both objects, finished; none where the engine is scraped otherwise."""
    if engine.spec.observability.scrape is not Scrape.SERVICE_MONITOR:
        return []
    return [
        _object(engine, SERVICE_MONITOR, _monitor(engine, settings), settings),
        _object(engine, PROMETHEUS_RULE, {"groups": [rule_group_of(engine, settings)]}, settings),
    ]


def _object(engine: TradingEngine, kind: Kind, spec: Object, settings: Settings) -> Object:
    metadata = {
        "name": home_name(engine, "engine"),
        "namespace": engine.namespace,
        "labels": dict(pair.split("=", 1) for pair in settings.monitor_labels.split(",") if pair),
    }
    manifest = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, "spec": spec}
    return finished(engine, "monitoring", manifest)


def _monitor(engine: TradingEngine, settings: Settings) -> Object:
    services = [worker.service for worker in (*WORKERS, *COLLECTORS)]
    return {
        "namespaceSelector": {"matchNames": sorted({engine.namespace, settings.collectors_namespace})},
        "selector": {
            "matchLabels": pod_labels(engine),
            "matchExpressions": [{"key": COMPONENT, "operator": "In", "values": services}],
        },
        "sampleLimit": SAMPLE_LIMIT,
        "endpoints": [
            {
                "port": "http",
                "path": "/metrics",
                # As in our own configuration: boards and rules select by these.
                "relabelings": [
                    {"targetLabel": "job", "replacement": ANNOTATED_JOB, "action": "replace"},
                    {
                        "sourceLabels": ["__meta_kubernetes_pod_node_name"],
                        "targetLabel": "node",
                        "action": "replace",
                    },
                ],
            }
        ],
    }
