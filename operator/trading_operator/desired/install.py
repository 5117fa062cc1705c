"""The operator's own installation: RBAC with only the verbs used, settings, Deployment, Service. Pure.

`tools/generate.py` writes it to `manifests/operator.yaml`. Verbs by use: watches list and watch; a
server-side apply that makes an object needs patch and create; what is not known is read by name first, so that
nothing of somebody else is taken over and no Secret made twice; a claim is never deleted by the operator. In the
observability namespace it touches Prometheus's pods, so that the kubelet brings them a new configuration at once.
"""

from __future__ import annotations

from typing import Any, Final

from trading_operator.desired.labels import OPERATOR, Object
from trading_operator.desired.logs import DAEMON_SET as LOG_AGENT
from trading_operator.desired.scrape import ROLE, prometheus_rules
from trading_operator.kinds import (
    CHILDREN,
    CLUSTER_SCOPED,
    DAEMON_SET,
    EVENT,
    LEASE,
    MONITORING_TARGET,
    NAMESPACE,
    OPTIONAL,
    PARENTS,
    POD,
    TRADING_ENGINE,
    Kind,
)
from trading_operator.settings import Settings

_RBAC: Final = "rbac.authorization.k8s.io"
_LABELS: Final = {"app.kubernetes.io/name": OPERATOR}
_SETTINGS: Final = "trading-operator-settings"
_UID: Final = 65532
_NEVER_DELETED: Final = frozenset({"persistentvolumeclaims"})


def installation(settings: Settings) -> tuple[Object, ...]:
    """Everything but the namespaces and the kinds themselves."""
    namespace = settings.pod_namespace
    return (
        _object("v1", "ServiceAccount", namespace=namespace),
        _object(f"{_RBAC}/v1", "ClusterRole", rules=cluster_rules()),
        _object(f"{_RBAC}/v1", "ClusterRoleBinding", **_binding("ClusterRole", namespace)),
        _object(f"{_RBAC}/v1", "Role", namespace=namespace, rules=[_rule(LEASE, "create"), _own_lease(settings)]),
        _object(f"{_RBAC}/v1", "RoleBinding", namespace=namespace, **_binding("Role", namespace)),
        _object(
            f"{_RBAC}/v1", "Role", namespace=settings.monitoring_namespace, rules=[_rule(POD, "patch"), _log_agent()]
        ),
        _object(f"{_RBAC}/v1", "RoleBinding", namespace=settings.monitoring_namespace, **_binding("Role", namespace)),
        _settings(settings),
        _service(settings),
        _deployment(settings),
        _disruption_budget(namespace),
    )


def cluster_rules() -> list[Object]:
    """What the operator may do in any namespace."""
    # An engine's own MonitoringTargets are children of it.
    parents = [
        _rule(TRADING_ENGINE, "get", "list", "watch"),
        _rule(MONITORING_TARGET, *_child_verbs(MONITORING_TARGET)),
    ]
    statuses = [_rule(kind, "patch", suffix="/status") for kind in PARENTS]
    children = [_rule(kind, *_child_verbs(kind)) for kind in CHILDREN]
    watched = [_rule(kind, "list", "watch") for kind in (POD, NAMESPACE, *CLUSTER_SCOPED)]
    optional = [_rule(kind, "get", "list", "create", "patch", "delete") for kind in OPTIONAL]
    # Nobody may grant what he does not hold: the last are Prometheus's rights.
    return [
        *parents,
        *statuses,
        *children,
        *optional,
        *watched,
        *_shared_rules(),
        _rule(EVENT, "create"),
        *prometheus_rules(),
    ]


def _shared_rules() -> list[Object]:
    """The one ClusterRole, and its binding, that the engines share."""
    verbs = ("get", "create", "patch", "delete")
    return [_rule(kind, *verbs) | {"resourceNames": [ROLE]} for kind in CLUSTER_SCOPED]


def _child_verbs(kind: Kind) -> tuple[str, ...]:
    delete = () if kind.plural in _NEVER_DELETED else ("delete",)
    return ("get", "list", "watch", "create", "patch", *delete)


def _log_agent() -> Object:
    return _rule(DAEMON_SET, "get", "patch") | {"resourceNames": [LOG_AGENT]}


def _own_lease(settings: Settings) -> Object:
    return _rule(LEASE, "get", "update") | {"resourceNames": [settings.lease_name]}


def _rule(kind: Kind, *verbs: str, suffix: str = "") -> Object:
    return {"apiGroups": [kind.group], "resources": [kind.plural + suffix], "verbs": list(verbs)}


def _object(api_version: str, kind: str, *, name: str = OPERATOR, namespace: str = "", **fields: Any) -> Object:
    metadata: Object = {"name": name} | ({"namespace": namespace} if namespace else {}) | {"labels": _LABELS}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}


def _binding(kind: str, namespace: str) -> Object:
    return {
        "roleRef": {"apiGroup": _RBAC, "kind": kind, "name": OPERATOR},
        "subjects": [{"kind": "ServiceAccount", "name": OPERATOR, "namespace": namespace}],
    }


def _settings(settings: Settings) -> Object:
    """Images by name: kustomize's `images:` changes them here as it does in containers."""
    data = {"ENGINE_IMAGE": settings.engine_image, "POSTGRES_IMAGE": settings.postgres_image}
    return _object("v1", "ConfigMap", name=_SETTINGS, namespace=settings.pod_namespace, data=data)


def _service(settings: Settings) -> Object:
    found = _object("v1", "Service", namespace=settings.pod_namespace)
    found["metadata"]["annotations"] = {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(settings.http_port),
        "prometheus.io/path": "/metrics",
    }
    port = {"name": "http", "port": settings.http_port, "targetPort": "http", "protocol": "TCP"}
    return found | {"spec": {"selector": _LABELS, "ports": [port]}}


def _deployment(settings: Settings) -> Object:
    spec = {
        "replicas": 2,
        "selector": {"matchLabels": _LABELS},
        "template": {"metadata": {"labels": _LABELS}, "spec": _pod(settings)},
    }
    return _object("apps/v1", "Deployment", namespace=settings.pod_namespace, spec=spec)


def _pod(settings: Settings) -> Object:
    return {
        "serviceAccountName": OPERATOR,
        "terminationGracePeriodSeconds": 30,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _UID,
            "runAsGroup": _UID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(settings)],
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "16Mi"}}],
    }


def _container(settings: Settings) -> Object:
    return {
        "name": OPERATOR,
        "image": OPERATOR,
        "imagePullPolicy": settings.image_pull_policy,
        "command": [OPERATOR, "run"],
        "envFrom": [{"configMapRef": {"name": _SETTINGS}}],
        "env": [_from_pod("POD_NAME", "metadata.name"), _from_pod("POD_NAMESPACE", "metadata.namespace")],
        "ports": [{"name": "http", "containerPort": settings.http_port, "protocol": "TCP"}],
        "startupProbe": _probe("/healthz", periodSeconds=2, failureThreshold=60),
        "livenessProbe": _probe("/healthz", periodSeconds=10, failureThreshold=3),
        "readinessProbe": _probe("/readyz", periodSeconds=5, failureThreshold=2),
        "resources": {"requests": {"cpu": "25m", "memory": "96Mi"}, "limits": {"cpu": "1", "memory": "256Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108  the container's own
    }


def _from_pod(name: str, path: str) -> Object:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def _probe(path: str, **numbers: int) -> Object:
    return {"httpGet": {"path": path, "port": "http"}, "timeoutSeconds": 5, **numbers}


def _disruption_budget(namespace: str) -> Object:
    """A drain takes one replica at a time, so the other one leads meanwhile."""
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": _LABELS}}
    return _object("policy/v1", "PodDisruptionBudget", namespace=namespace, spec=spec)
