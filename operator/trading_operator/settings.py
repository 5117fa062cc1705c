"""What the operator is told by its Deployment, from environment variables. Read once, in `__main__`.

Everything else takes a `Settings` as an argument, so builders stay pure.
"""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

#: Names of namespaces, separated by commas; none is allowed.
_NAMESPACES: Final = r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(,[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*)?$"

#: Labels as `key=value`, separated by commas; none is allowed.
_LABELS: Final = r"^([-._/A-Za-z0-9]{1,253}=[-._A-Za-z0-9]{0,63}(,[-._/A-Za-z0-9]{1,253}=[-._A-Za-z0-9]{0,63})*)?$"


class Settings(BaseSettings):
    """Names are upper case in the environment: ENGINE_IMAGE, POSTGRES_IMAGE, POD_NAME ..."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    engine_image: str = Field(default="trading-engine", min_length=1)
    """Image of the workers, collectors and Jobs, where a TradingEngine names none."""
    postgres_image: str = Field(default="postgres:15", min_length=1)
    """Image of the PostgreSQL that the operator runs."""
    image_pull_policy: Literal["IfNotPresent", "Always", "Never"] = "IfNotPresent"
    """How the kubelet gets these images."""
    collectors_namespace: str = "crypto-collectors"
    """Where collectors run. Never a tenant's choice."""
    monitoring_namespace: str = "monitoring"
    """Where Prometheus runs: the only namespace that may read the workers' metrics."""
    prometheus_url: str = ""
    """Base URL of the Prometheus that scrapes; empty: the Service `prometheus` of the monitoring namespace."""
    alertmanager_url: str = ""
    """Base URL of the Alertmanager that tells; empty: the Service `alertmanager` of the monitoring namespace."""
    amtool: str = "amtool"
    """The program that checks a configuration of Alertmanager before it is written."""
    promtool: str = "promtool"
    """The program that checks a configuration of Prometheus before it is written."""
    scrape_namespaces: str = Field(default="crypto-collectors,crypto-monitoring,crypto-trading", pattern=_NAMESPACES)
    """Namespaces, separated by commas, whose annotated Services are scraped; a namespace's label adds others."""
    monitor_labels: str = Field(default="", pattern=_LABELS)
    """Labels of ServiceMonitors and PrometheusRules, as `key=value,...`: those that a Prometheus selects by."""
    scrape_seconds: int = Field(default=15, ge=1, le=120)
    """Seconds between two scrapes of an endpoint."""
    evidence_seconds: float = Field(default=10, ge=1)
    """Seconds between two looks at what Prometheus sees."""
    runbooks: str = Field(default="docs/runbooks", min_length=1, max_length=512, pattern=r"^[-._~:/A-Za-z0-9]+$")
    """Folder or URL that has the alerts' runbooks; `<AlertName>.md` is appended for the annotation runbook_url."""
    pod_namespace: str = "trading-operator-system"
    """Where the operator itself runs; holds the Lease."""
    pod_name: str = "trading-operator"
    """Who this replica is, in the Lease and in Events."""
    lease_name: str = "trading-operator"
    """Name of the Lease; only its holder writes."""
    lease_seconds: float = Field(default=15, ge=3)
    """How long the Lease outlives its holder's last renewal; the holder gives up after two thirds of it."""
    workers: int = Field(default=16, ge=1, le=64)
    """Resources that are worked on at the same time; mostly they wait for answers."""
    relist_seconds: float = Field(default=300, gt=0)
    """Seconds between two lists of everything, which correct what the watches missed."""
    deaf_seconds: float = Field(default=30, gt=0)
    """How long a watch may owe what a list has shown, before the process ends."""
    http_port: int = Field(default=8080, ge=0, le=65535)
    """Port of /healthz, /readyz and /metrics; 0 picks a free one."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Lowest level that is logged."""

    @property
    def prometheus(self) -> str:
        """Base URL of the Prometheus that scrapes."""
        return self.prometheus_url or f"http://prometheus.{self.monitoring_namespace}.svc:9090"

    @property
    def alertmanager(self) -> str:
        """Base URL of the Alertmanager that tells."""
        return self.alertmanager_url or f"http://alertmanager.{self.monitoring_namespace}.svc:9093"
