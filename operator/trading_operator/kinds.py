"""The kinds this operator touches: where the API server serves them and how they are watched. One fact, one place.

`connection` builds paths from it, `watchers` streams from it, `cache` keys from it, the RBAC of
`manifests/` rules from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

GROUP: Final = "tradingengine.io"
VERSION: Final = "v1alpha1"

#: Namespace and name of the engine that an object belongs to; "" and the observability namespace for what all share.
Owner = tuple[str, str]


@dataclass(frozen=True, order=True)
class Kind:
    """One kind. `group` is "" for the core; `ours` says that all objects of it count, not only labelled ones."""

    group: str
    version: str
    name: str
    plural: str
    ours: bool = False

    @property
    def api_version(self) -> str:
        """`apps/v1`, `v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None = None, name: str | None = None) -> str:
        """The URL path of an object, or of the collection in one or all namespaces."""
        root = f"/apis/{self.api_version}" if self.group else f"/api/{self.version}"
        scope = f"/namespaces/{namespace}" if namespace else ""
        return f"{root}{scope}/{self.plural}" + (f"/{name}" if name else "")


TRADING_ENGINE: Final = Kind(GROUP, VERSION, "TradingEngine", "tradingengines", ours=True)
MONITORING_TARGET: Final = Kind(GROUP, VERSION, "MonitoringTarget", "monitoringtargets", ours=True)
POD: Final = Kind("", "v1", "Pod", "pods")
SECRET: Final = Kind("", "v1", "Secret", "secrets")
SERVICE: Final = Kind("", "v1", "Service", "services")
NAMESPACE: Final = Kind("", "v1", "Namespace", "namespaces")
ENDPOINT_SLICE: Final = Kind("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices")
CONFIG_MAP: Final = Kind("", "v1", "ConfigMap", "configmaps")
CLUSTER_ROLE: Final = Kind("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles")
CLUSTER_ROLE_BINDING: Final = Kind("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings")
#: The log agent, which the manifests make: only its pods' annotation is changed.
DAEMON_SET: Final = Kind("apps", "v1", "DaemonSet", "daemonsets")
LEASE: Final = Kind("coordination.k8s.io", "v1", "Lease", "leases")
EVENT: Final = Kind("events.k8s.io", "v1", "Event", "events")

SERVICE_MONITOR: Final = Kind("monitoring.coreos.com", "v1", "ServiceMonitor", "servicemonitors")
PROMETHEUS_RULE: Final = Kind("monitoring.coreos.com", "v1", "PrometheusRule", "prometheusrules")

CHILDREN: Final = (
    CONFIG_MAP,
    Kind("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
    SECRET,
    SERVICE,
    Kind("", "v1", "ServiceAccount", "serviceaccounts"),
    Kind("apps", "v1", "Deployment", "deployments"),
    Kind("apps", "v1", "StatefulSet", "statefulsets"),
    Kind("batch", "v1", "Job", "jobs"),
    Kind("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"),
)
#: What Prometheus may read; the engines share one of each.
CLUSTER_SCOPED: Final = (CLUSTER_ROLE, CLUSTER_ROLE_BINDING)
PARENTS: Final = (TRADING_ENGINE, MONITORING_TARGET)
#: Watched everywhere, whoever made them: what there is to scrape, and where it is allowed.
SURROUNDINGS: Final = (SERVICE, ENDPOINT_SLICE, NAMESPACE)
WATCHED: Final = (*PARENTS, *CHILDREN, *CLUSTER_SCOPED, POD, ENDPOINT_SLICE, NAMESPACE)
#: prometheus-operator's, where the cluster has them. Not watched: a list every few minutes has to do.
OPTIONAL: Final = (SERVICE_MONITOR, PROMETHEUS_RULE)
BY_NAME: Final = {kind.name: kind for kind in (*WATCHED, *OPTIONAL)}


def kind_of(manifest: Mapping[str, Any]) -> Kind:
    """The kind of an object; KeyError for one that this operator never touches."""
    kind = BY_NAME[manifest["kind"]]
    if kind.api_version != manifest["apiVersion"]:
        raise KeyError(f"{manifest['apiVersion']} {manifest['kind']}")
    return kind
