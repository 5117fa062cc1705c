"""What may be queried: every series of our catalogue and those of others that we scrape, each with its job.

Read by `promql`, which refuses an expression over anything else. The first part is derived from the engine's
catalogue; the second is the one list of foreign series that a board or rule may use.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from trading_engine.contract.metrics import CATALOGUE, Kind, Metric

#: Jobs of the Prometheus configuration. Workers and collectors are in the first, MonitoringTargets in the second.
SERVICES: Final = "kubernetes-services-metrics"
TARGETS: Final = "monitoring-targets"
OPERATOR: Final = "trading-operator"
PROMETHEUS: Final = "prometheus"
ALERTMANAGER: Final = "alertmanager"
LOKI: Final = "loki"
GRAFANA: Final = "grafana"
LOG_AGENT: Final = "log-agent"
NODES: Final = "node-exporter"
CONTAINERS: Final = "kubelet-cadvisor"
API_SERVER: Final = "kube-apiserver"
JOBS: Final = (
    SERVICES, TARGETS, OPERATOR, PROMETHEUS, ALERTMANAGER, LOKI, GRAFANA, LOG_AGENT, NODES, CONTAINERS, API_SERVER,
    "kube-scheduler", "kube-controller-manager", "etcd",
)  # fmt: skip

#: Labels that Prometheus puts on all that it scrapes, on pods, and on what it finds behind a Service.
SCRAPED: Final = frozenset({"job", "instance"})
IN_PODS: Final = SCRAPED | {"namespace", "pod", "node"}
PLACED: Final = IN_PODS | {"service"}
_PLACES: Final = {CONTAINERS: SCRAPED | {"node"}, API_SERVER: SCRAPED}


@dataclass(frozen=True)
class Series:
    """One name that can be selected. `jobs` are those that export it; none: Prometheus itself makes it."""

    name: str
    kind: Kind
    labels: frozenset[str]
    jobs: frozenset[str]

    @property
    def is_counted(self) -> bool:
        """Whether it only ever grows, so that only its increase means something."""
        return self.kind is Kind.COUNTER


def _named(name: str, kind: Kind, labels: frozenset[str], jobs: frozenset[str]) -> tuple[Series, ...]:
    if kind is not Kind.HISTOGRAM:
        return (Series(name, kind, labels, jobs),)
    return (
        Series(f"{name}_bucket", Kind.COUNTER, labels | {"le"}, jobs),
        Series(f"{name}_sum", Kind.COUNTER, labels, jobs),
        Series(f"{name}_count", Kind.COUNTER, labels, jobs),
    )


def _ours(metric: Metric) -> tuple[Series, ...]:
    return _named(metric.name, metric.kind, PLACED | set(metric.label_names), frozenset({SERVICES}))


@dataclass(frozen=True)
class Foreign:
    """Series of somebody else: the job that exports them, their kind, names and own labels."""

    job: str
    kind: Kind
    names: str
    labels: str = ""

    def series(self) -> Iterable[Series]:
        """All of them."""
        for name in self.names.split():
            labels = _PLACES.get(self.job, IN_PODS) | set(self.labels.split())
            yield from _named(name, self.kind, labels, frozenset({self.job}))


FOREIGN: Final = (
    # operator/trading_operator/metrics.py; the first ones under controller-runtime's and client-go's names
    Foreign(OPERATOR, Kind.COUNTER, "controller_runtime_reconcile_total", "controller result"),
    Foreign(OPERATOR, Kind.HISTOGRAM, "controller_runtime_reconcile_time_seconds", "controller"),
    Foreign(OPERATOR, Kind.COUNTER, "rest_client_requests_total", "code method"),
    Foreign(OPERATOR, Kind.GAUGE, "leader_election_master_status"),
    Foreign(OPERATOR, Kind.COUNTER, "workqueue_adds_total workqueue_retries_total", "name"),
    Foreign(OPERATOR, Kind.GAUGE, "workqueue_depth workqueue_longest_running_processor_seconds", "name"),
    Foreign(OPERATOR, Kind.HISTOGRAM, "workqueue_queue_duration_seconds workqueue_work_duration_seconds", "name"),
    Foreign(OPERATOR, Kind.GAUGE, "trading_operator_watch_last_event_age_seconds", "kind"),
    Foreign(OPERATOR, Kind.COUNTER, "trading_operator_relist_corrections_total", "kind"),
    Foreign(OPERATOR, Kind.GAUGE, "trading_monitoring_target_ready", "namespace name reason"),
    Foreign(OPERATOR, Kind.GAUGE, "trading_resource_condition", "kind namespace name type status reason"),
    # node-exporter
    Foreign(NODES, Kind.COUNTER, "node_cpu_seconds_total", "cpu mode"),
    Foreign(NODES, Kind.GAUGE, "node_load1 node_memory_MemAvailable_bytes node_memory_MemTotal_bytes"),
    Foreign(NODES, Kind.GAUGE, "node_filesystem_avail_bytes node_filesystem_size_bytes", "mountpoint fstype device"),
    Foreign(NODES, Kind.COUNTER, "node_network_receive_bytes_total node_network_transmit_bytes_total", "device"),
    # the kubelet's cAdvisor
    Foreign(CONTAINERS, Kind.COUNTER, "container_cpu_usage_seconds_total", "namespace pod container"),
    Foreign(
        CONTAINERS,
        Kind.GAUGE,
        "container_memory_working_set_bytes container_spec_memory_limit_bytes",
        "namespace pod container",
    ),
    # the monitoring stack of itself
    Foreign(PROMETHEUS, Kind.GAUGE, "prometheus_tsdb_head_series prometheus_config_last_reload_successful"),
    Foreign(PROMETHEUS, Kind.COUNTER, "prometheus_tsdb_head_samples_appended_total", "type"),
    Foreign(PROMETHEUS, Kind.COUNTER, "prometheus_rule_evaluation_failures_total", "rule_group"),
    Foreign(PROMETHEUS, Kind.COUNTER, "prometheus_notifications_dropped_total", "alertmanager"),
    Foreign(ALERTMANAGER, Kind.GAUGE, "alertmanager_config_last_reload_successful"),
    Foreign(ALERTMANAGER, Kind.COUNTER, "alertmanager_notifications_total", "integration"),
    Foreign(ALERTMANAGER, Kind.COUNTER, "alertmanager_notifications_failed_total", "integration reason"),
    Foreign(
        LOKI, Kind.COUNTER, "loki_distributor_bytes_received_total loki_distributor_lines_received_total", "tenant"
    ),
    Foreign(LOKI, Kind.COUNTER, "loki_discarded_samples_total", "tenant reason"),
    # the log agents: the OpenTelemetry Collector, or Promtail in its place
    Foreign(LOG_AGENT, Kind.COUNTER, "otelcol_exporter_sent_log_records_total", "exporter"),
    Foreign(LOG_AGENT, Kind.COUNTER, "promtail_sent_entries_total", "host"),
    # the API server
    Foreign(API_SERVER, Kind.COUNTER, "apiserver_request_total", "verb code resource"),
)

#: Exported by each Python process of ours (prometheus_client's ProcessCollector).
PROCESS: Final = (
    Series("process_start_time_seconds", Kind.GAUGE, PLACED, frozenset({SERVICES, OPERATOR})),
    Series("process_resident_memory_bytes", Kind.GAUGE, PLACED, frozenset({SERVICES, OPERATOR})),
    Series("process_cpu_seconds_total", Kind.COUNTER, PLACED, frozenset({SERVICES, OPERATOR})),
    Series("process_open_fds", Kind.GAUGE, PLACED, frozenset({SERVICES, OPERATOR})),
)

#: Labels of our alerts beside where they are: what they say, and whose they are.
OF_ALERTS: Final = frozenset({"alertname", "alertstate", "severity", "engine_namespace", "engine", "symbol", "name"})

#: Made by Prometheus: for each target of every job, and for each alert that is pending or fires.
OF_PROMETHEUS: Final = (
    Series("up", Kind.GAUGE, PLACED, frozenset(JOBS)),
    Series("scrape_duration_seconds", Kind.GAUGE, PLACED, frozenset(JOBS)),
    Series("scrape_samples_scraped", Kind.GAUGE, PLACED, frozenset(JOBS)),
    Series("ALERTS", Kind.GAUGE, PLACED | OF_ALERTS, frozenset()),
)


def _all() -> Iterable[Series]:
    for metric in CATALOGUE:
        yield from _ours(metric)
    for foreign in FOREIGN:
        yield from foreign.series()
    yield from (*PROCESS, *OF_PROMETHEUS)


#: Every name that a board or a rule may select.
KNOWN: Final[dict[str, Series]] = {series.name: series for series in _all()}
