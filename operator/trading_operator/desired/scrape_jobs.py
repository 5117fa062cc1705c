"""The scrape jobs of Prometheus's configuration, one function each. Pure; `desired.scrape` puts them together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from trading_operator.desired.labels import Object
from trading_operator.settings import Settings

ANNOTATED_JOB: Final = "kubernetes-services-metrics"
TARGETS_JOB: Final = "monitoring-targets"
#: A job without targets: Prometheus gives it back in `/api/v1/status/config`, which shows what it has loaded.
REVISION_JOB: Final = "configuration-revision"

_TOKEN: Final = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105  a path, not a value
_CLUSTER_CA: Final = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
#: Pods of the observability namespace by label `app.kubernetes.io/name`, and the port that serves their metrics.
_STACK_PORTS: Final = {"prometheus": 9090, "alertmanager": 9093, "loki": 3100, "grafana": 3000, "node-exporter": 9100}
#: Its port differs with the agent: the container names it `metrics`.
_LOG_AGENT: Final = "log-agent"
#: No endpoint may cost more than this, whoever runs it.
SAMPLE_LIMIT: Final = 20_000
_GUARDS: Final = {
    "sample_limit": SAMPLE_LIMIT,
    "label_limit": 64,
    "label_name_length_limit": 256,
    "label_value_length_limit": 2048,
    "body_size_limit": "16MB",
}
#: What is kept of components that export ten times as much.
_CADVISOR: Final = (
    "container_(cpu_usage_seconds_total|cpu_cfs_periods_total|cpu_cfs_throttled_periods_total"
    "|memory_working_set_bytes|network_(receive|transmit)_bytes_total|fs_(usage|limit)_bytes|oom_events_total"
    "|start_time_seconds|spec_memory_limit_bytes|spec_cpu_(quota|period))|machine_(cpu_cores|memory_bytes)"
)
_API_SERVER: Final = (
    "apiserver_(request_total|request_duration_seconds_(sum|count)|current_inflight_requests|storage_objects)"
    "|process_(cpu_seconds_total|resident_memory_bytes|start_time_seconds)"
)
_CONTROL_PLANE: Final = (
    "scheduler_(pending_pods|schedule_attempts_total)|workqueue_(depth|adds_total)|rest_client_requests_total"
    "|etcd_(server_has_leader|server_leader_changes_seen_total|mvcc_db_total_size_in_bytes)"
    "|etcd_disk_wal_fsync_duration_seconds_(sum|count)"
    "|process_(cpu_seconds_total|resident_memory_bytes|start_time_seconds)"
)


def annotated(namespaces: Iterable[str]) -> Object:
    """The job of annotated Services: every endpoint of each, not a random one behind the Service's address.

    `keepequal` leaves one target per pod, whose port is the pod's, as `prometheus.io/port` has to say.
    """
    service = "__meta_kubernetes_service_annotation_prometheus_io"
    return {
        "job_name": ANNOTATED_JOB,
        "kubernetes_sd_configs": [{"role": "endpointslice", "namespaces": {"names": list(namespaces)}}],
        **_GUARDS,
        "relabel_configs": [
            _keep([f"{service}_scrape"], "true"),
            {
                "action": "keepequal",
                "source_labels": [f"{service}_port"],
                "target_label": "__meta_kubernetes_endpointslice_port",
            },
            _label("__metrics_path__", f"{service}_path"),
            _label("service", "__meta_kubernetes_service_name"),
            *_of_pods(),
        ],
    }


def monitoring_targets(settings: Settings) -> Object:
    """MonitoringTargets: the operator says where they are and labels them."""
    url = f"http://trading-operator.{settings.pod_namespace}.svc:{settings.http_port}/targets"
    return {
        "job_name": TARGETS_JOB,
        "http_sd_configs": [{"url": url, "refresh_interval": "5s"}],
        **_GUARDS,
    }


def stack(settings: Settings) -> Object:
    """What observes, observed: each component's pods, the label `job` being its name."""
    name = "__meta_kubernetes_pod_label_app_kubernetes_io_name"
    ports = [f"{component};{port};.*" for component, port in _STACK_PORTS.items()]
    port = "__meta_kubernetes_pod_container_port"
    return {
        "job_name": "monitoring-stack",
        "kubernetes_sd_configs": [{"role": "pod", "namespaces": {"names": [settings.monitoring_namespace]}}],
        **_GUARDS,
        "relabel_configs": [
            _keep([name, f"{port}_number", f"{port}_name"], "|".join([*ports, f"{_LOG_AGENT};.*;metrics"])),
            _label("job", name),
            *_of_pods(),
        ],
    }


def operator(settings: Settings) -> Object:
    """Both replicas of the operator. Its series speak of resources in other namespaces: their labels are kept."""
    name = "__meta_kubernetes_pod_label_app_kubernetes_io_name"
    return {
        "job_name": "trading-operator",
        "honor_labels": True,
        "kubernetes_sd_configs": [{"role": "pod", "namespaces": {"names": [settings.pod_namespace]}}],
        "relabel_configs": [
            _keep([name, "__meta_kubernetes_pod_container_port_name"], "trading-operator;http"),
            *_of_pods(),
        ],
    }


def cluster() -> list[Object]:
    """Containers, API server and the control plane."""
    return [_cadvisor_job(), _api_server_job(), *_control_plane_jobs()]


def _cadvisor_job() -> Object:
    """Processor, memory, network and disk of every container, from each node's kubelet."""
    return {
        "job_name": "kubelet-cadvisor",
        "kubernetes_sd_configs": [{"role": "node"}],
        "metrics_path": "/metrics/cadvisor",
        # Its samples carry times of their own; a pod that ended would not go stale.
        "honor_timestamps": False,
        **_authenticated(),
        "relabel_configs": [_label("node", "__meta_kubernetes_node_name")],
        "metric_relabel_configs": [_keep(["__name__"], _CADVISOR)],
    }


def _api_server_job() -> Object:
    return {
        "job_name": "kube-apiserver",
        "kubernetes_sd_configs": [{"role": "endpointslice", "namespaces": {"names": ["default"]}}],
        **_authenticated(),
        "tls_config": {"ca_file": _CLUSTER_CA, "server_name": "kubernetes"},
        "relabel_configs": [
            _keep(["__meta_kubernetes_service_name", "__meta_kubernetes_endpointslice_port_name"], "kubernetes;https")
        ],
        "metric_relabel_configs": [_keep(["__name__"], _API_SERVER)],
    }


def _control_plane_jobs() -> list[Object]:
    """Components that run as pods beside the API server; none of them where the control plane is a provider's.

    kubeadm binds their metrics to loopback unless told otherwise: `up` is 0 then, which is the truth.
    """
    return [
        _control_plane_job("kube-scheduler", 10259, _authenticated()),
        _control_plane_job("kube-controller-manager", 10257, _authenticated()),
        _control_plane_job("etcd", 2381, {}),
    ]


def _control_plane_job(component: str, port: int, access: Mapping[str, Any]) -> Object:
    selector = [{"role": "pod", "label": f"component={component}"}]
    return {
        "job_name": component,
        "kubernetes_sd_configs": [
            {"role": "pod", "namespaces": {"names": ["kube-system"]}, "selectors": selector},
        ],
        **access,
        "relabel_configs": [
            # A pod with several ports is several targets; with one address they are one.
            {
                "source_labels": ["__meta_kubernetes_pod_ip"],
                "regex": "(.*:.*)",
                "target_label": "__address__",
                "replacement": f"[$1]:{port}",
            },
            {
                "source_labels": ["__meta_kubernetes_pod_ip"],
                "regex": "([^:]+)",
                "target_label": "__address__",
                "replacement": f"$1:{port}",
            },
            _label("node", "__meta_kubernetes_pod_node_name"),
        ],
        "metric_relabel_configs": [_keep(["__name__"], _CONTROL_PLANE)],
    }


def _authenticated() -> Object:
    """HTTPS with the pod's token. A kubelet's certificate is signed by itself in most clusters."""
    return {
        "scheme": "https",
        "authorization": {"credentials_file": _TOKEN},
        "tls_config": {"insecure_skip_verify": True},
    }


def revision(digest: str) -> Object:
    """No target, and the digest of the whole configuration as a label."""
    return {"job_name": REVISION_JOB, "static_configs": [{"targets": [], "labels": {"revision": digest}}]}


def _keep(source_labels: list[str], regex: str) -> Object:
    return {"action": "keep", "source_labels": source_labels, "regex": regex}


def _label(label: str, source: str) -> Object:
    """Copy a label that is there."""
    return {"source_labels": [source], "regex": "(.+)", "target_label": label}


def _of_pods() -> list[Object]:
    """Labels that say where a pod is; pods that ended are no targets."""
    return [
        {"action": "drop", "source_labels": ["__meta_kubernetes_pod_phase"], "regex": "Succeeded|Failed"},
        _label("namespace", "__meta_kubernetes_namespace"),
        _label("pod", "__meta_kubernetes_pod_name"),
        _label("node", "__meta_kubernetes_pod_node_name"),
    ]
