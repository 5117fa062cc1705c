"""Engines, targets and namespaces -> what Prometheus scrapes and may read. Pure; `desired.stack` calls it.

The whole configuration of Prometheus is ours: one ConfigMap that replaces the base configuration of `manifests/`.
It names namespaces and nothing that a tenant writes; MonitoringTargets come to Prometheus over HTTP
(`discovery.py`), so none of them can spoil it and no reload is needed where they change.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import yaml

from trading_operator.api.v1alpha1 import TradingEngine
from trading_operator.api.v1alpha1.observability import Scrape
from trading_operator.desired import scrape_jobs
from trading_operator.desired.labels import Object, digest_of
from trading_operator.desired.selection import PORT, SCRAPE, World
from trading_operator.settings import Settings

CONFIG_MAP: Final = "trading-prometheus"
CONFIG_KEY: Final = "prometheus.yml"
RULES_CONFIG_MAP: Final = "trading-prometheus-rules"
ROLE: Final = "trading-operator-prometheus"
ACCOUNT: Final = "prometheus"

_RULE_FILES: Final = "/etc/prometheus/rules/*.yaml"
_ALERTMANAGER: Final = "alertmanager:9093"


def allowed_namespaces(
    engines: Iterable[TradingEngine], consenting: Iterable[str], settings: Settings
) -> tuple[str, ...]:
    """Namespaces whose annotated Services are scraped: by setting, by consent, and those of scraped engines.

    An engine adds its own namespace and no other: whoever may declare one there may speak for it. Its collectors'
    namespace is the administrator's choice; the operator itself has a job of its own.
    """
    fixed = (*settings.scrape_namespaces.split(","), settings.collectors_namespace)
    own = (each.namespace for each in engines if each.spec.observability.scrape is Scrape.ANNOTATIONS)
    return tuple(sorted({*fixed, *consenting, *own} - {"", settings.pod_namespace}))


def unscraped(world: World, namespace: str) -> tuple[str, ...]:
    """Services of a namespace that ask by annotation to be scraped and cannot be, in words.

    One without endpoints is none of them: its pods may still start.
    """
    asking = (each for each in world.services_in(namespace) if _annotations(each).get(SCRAPE) == "true")
    problems = ((each["metadata"]["name"], _annotation_problem(each, world)) for each in asking)
    return tuple(f"Service {namespace}/{name}: {problem}" for name, problem in problems if problem)


def _annotation_problem(service: Mapping[str, Any], world: World) -> str:
    wanted = _annotations(service).get(PORT)
    if not wanted:
        return f"it has no annotation {PORT}"
    filled = (each for each in world.slices_of(service) if each.get("endpoints"))
    known = sorted({port["port"] for each in filled for port in each.get("ports") or () if port.get("port")})
    if not known or wanted in map(str, known):
        return ""
    return f"{PORT} is {wanted:.40}, and the ports of its pods are {', '.join(map(str, known))}"


def _annotations(manifest: Mapping[str, Any]) -> Mapping[str, str]:
    return manifest["metadata"].get("annotations") or {}


def prometheus_configuration(namespaces: Iterable[str], settings: Settings, rules: str = "") -> Object:
    """Prometheus's configuration with its revision; `rules` is a digest of the rule files that go with it."""
    found: Object = {
        "global": {
            "scrape_interval": f"{settings.scrape_seconds}s",
            "scrape_timeout": f"{min(10, settings.scrape_seconds)}s",
            "evaluation_interval": "15s",
        },
        "rule_files": [_RULE_FILES],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [_ALERTMANAGER]}]}]},
        "scrape_configs": [
            scrape_jobs.annotated(namespaces),
            scrape_jobs.monitoring_targets(settings),
            scrape_jobs.stack(settings),
            scrape_jobs.operator(settings),
            *scrape_jobs.cluster(),
        ],
    }
    found["scrape_configs"].append(scrape_jobs.revision(digest_of([found, rules])))
    return found


def configuration_text(configuration: Object) -> str:
    """The configuration as the ConfigMap holds it."""
    return yaml.safe_dump(configuration, sort_keys=False, width=1_000)


def revision_of(text: str) -> str:
    """The revision that a configuration carries (ours, or what Prometheus says it has loaded); "" for another's."""
    found = re.search(
        rf"job_name: {scrape_jobs.REVISION_JOB}\n(?:.*\n)*?\s+revision: [\"']?([0-9a-f]{{16}})[\"']?\s*$", text, re.M
    )
    return found.group(1) if found else ""


def scrape_objects(configuration: Object, settings: Settings) -> list[Object]:
    """What lets Prometheus read, then what it reads: ClusterRole, its binding, ConfigMap."""
    subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": settings.monitoring_namespace}
    group = "rbac.authorization.k8s.io"
    role_ref = {"apiGroup": group, "kind": "ClusterRole", "name": ROLE}
    return [
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": ROLE},
            "rules": prometheus_rules(),
        },
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": ROLE},
            "roleRef": role_ref,
            "subjects": [subject],
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": CONFIG_MAP, "namespace": settings.monitoring_namespace},
            "data": {CONFIG_KEY: configuration_text(configuration)},
        },
    ]


def prometheus_rules() -> list[Object]:
    """What Prometheus may read: what discovery watches, and the metrics of kubelets and the control plane."""
    read = ["get", "list", "watch"]
    return [
        *({"apiGroups": [""], "resources": [each], "verbs": read} for each in ("services", "pods", "nodes")),
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": read},
        {"apiGroups": [""], "resources": ["nodes/metrics"], "verbs": ["get"]},
        {"nonResourceURLs": ["/metrics"], "verbs": ["get"]},
    ]
