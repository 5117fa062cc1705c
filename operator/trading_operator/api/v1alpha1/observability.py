"""How an engine is observed: scraping, alerts, who is told, and which agent ships its logs."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from trading_dashboards.alert_names import AlertName, Severity
from trading_dashboards.alerts import ALERTS
from trading_operator.api.v1alpha1.base import ApiModel, SecretRef, Url, rule, rules

MAX_RECEIVERS = 16

#: A number above 0. Nine digits of seconds are thirty years: a rule with more would be refused by Prometheus.
Threshold = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=13, pattern=r"^(0\.0{0,2}[1-9][0-9]{0,2}|[1-9][0-9]{0,8}(\.[0-9]{1,3})?)$"
    ),
]
#: A name that becomes part of a file's name and of a receiver's.
ReceiverName = Annotated[
    str, StringConstraints(min_length=1, max_length=40, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
]
#: No braces: Alertmanager would take them for a template.
MailAddress = Annotated[
    str, StringConstraints(min_length=3, max_length=254, pattern=r"^[-+._A-Za-z0-9]+@[-.A-Za-z0-9]+$")
]

WITH_THRESHOLD: Final = tuple(alert.name.value for alert in ALERTS if alert.threshold is not None)
THRESHOLD_IS_FOR_SOME = "alerts.threshold is only for alerts that have one: docs/reference/alerts.md lists them"
ONE_URL = "receivers.webhook needs exactly one of url and urlSecretRef"
ONE_WAY = "receivers needs exactly one of webhook, slack and email"


class Scrape(StrEnum):
    """How Prometheus finds the workers."""

    ANNOTATIONS = "Annotations"
    SERVICE_MONITOR = "ServiceMonitor"
    DISABLED = "Disabled"


class LogAgent(StrEnum):
    """Which agent ships the logs of the engine's pods to Loki."""

    OPEN_TELEMETRY_COLLECTOR = "OpenTelemetryCollector"
    PROMTAIL = "Promtail"
    DISABLED = "Disabled"


class AlertSpec(ApiModel):
    """One alert, other than it is by default."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                f"!has(self.threshold) || self.name in [{', '.join(map(repr, WITH_THRESHOLD))}]", THRESHOLD_IS_FOR_SOME
            )
        )
    )

    name: AlertName
    """Which alert."""
    enabled: bool | None = None
    """Whether it may fire; as docs/reference/alerts.md says when absent."""
    threshold: Threshold | None = None
    """The number that it fires at, in the alert's own unit: docs/reference/alerts.md."""
    severity: Severity | None = None
    """How soon a person has to look: Critical, Warning, Info."""
    for_seconds: Annotated[int, Field(ge=0, le=86400)] | None = None
    """For how long it must be so before the alert fires."""


class WebhookReceiver(ApiModel):
    """Alertmanager POSTs its JSON there."""

    model_config = ConfigDict(json_schema_extra=rules(rule("has(self.url) != has(self.urlSecretRef)", ONE_URL)))

    url: Url | None = None
    """URL without anything secret in it. A Service in the cluster is written with `.svc`."""
    url_secret_ref: SecretRef | None = None
    """Secret with the key `url`, where the URL is itself a secret."""
    token_secret_ref: SecretRef | None = None
    """Secret with the key `token`, sent as bearer token."""

    @model_validator(mode="after")
    def _has_one_url(self) -> Self:
        if (self.url is None) == (self.url_secret_ref is None):
            raise ValueError(ONE_URL)
        return self


class SlackReceiver(ApiModel):
    """An incoming webhook of Slack, or of what speaks its protocol."""

    url_secret_ref: SecretRef
    """Secret with the key `url`: the webhook's URL."""
    channel: (
        Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=r"^[#@]?[-._a-zA-Z0-9]+$")] | None
    ) = None
    """Channel or user; the webhook's own when absent."""


class EmailReceiver(ApiModel):
    """Mail over SMTP with STARTTLS."""

    to: MailAddress
    """Who gets it."""
    from_: MailAddress = Field(alias="from")
    """Who it is from."""
    server: Annotated[
        str,
        StringConstraints(
            min_length=3, max_length=260, pattern=r"^[A-Za-z0-9]([-.A-Za-z0-9]*[A-Za-z0-9])?:[0-9]{1,5}$"
        ),
    ]
    """SMTP server as host:port."""
    username: Annotated[str, StringConstraints(min_length=1, max_length=254, pattern=r"^[-+._@A-Za-z0-9]+$")] | None = (
        None
    )
    """Who logs in; nobody when absent."""
    password_secret_ref: SecretRef | None = None
    """Secret with the key `password`."""


class ReceiverSpec(ApiModel):
    """Somebody who is told of this engine's alerts."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule("[has(self.webhook), has(self.slack), has(self.email)].filter(it, it).size() == 1", ONE_WAY)
        )
    )

    name: ReceiverName
    """Name of the receiver, unique in this engine."""
    minimum_severity: Severity = Severity.WARNING
    """Alerts below it are not sent."""
    watchdog: bool = False
    """True: gets the Watchdog alone, every minute, so that a dead man's switch notices when alerts stop arriving.
    False: gets everything but the Watchdog."""
    webhook: WebhookReceiver | None = None
    """Tell a URL."""
    slack: SlackReceiver | None = None
    """Tell a Slack channel."""
    email: EmailReceiver | None = None
    """Send mail."""

    @model_validator(mode="after")
    def _has_one_way(self) -> Self:
        if sum(way is not None for way in (self.webhook, self.slack, self.email)) != 1:
            raise ValueError(ONE_WAY)
        return self


class LogsSpec(ApiModel):
    """How log lines get to Loki."""

    agent: LogAgent = LogAgent.OPEN_TELEMETRY_COLLECTOR
    """OpenTelemetryCollector, Promtail (its end of life was 2026-03-02; a condition says so) or Disabled. Only an agent
    that runs on the nodes ships anything."""


class OwnTargets(StrEnum):
    """Whether the engine declares what of it is to be observed."""

    ENABLED = "Enabled"
    DISABLED = "Disabled"


class ObservabilitySpec(ApiModel):
    """How the engine is observed."""

    scrape: Scrape = Scrape.ANNOTATIONS
    """Annotations: the Services carry prometheus.io/scrape, port and path. ServiceMonitor: a ServiceMonitor and a
    PrometheusRule for prometheus-operator instead, whose kinds the cluster must have. Disabled: neither, no
    NetworkPolicy lets Prometheus in, and there are no alerts."""
    targets: OwnTargets = OwnTargets.ENABLED
    """Enabled: there is a MonitoringTarget for each worker and collector, unless one of your own in this namespace
    selects its Service. Disabled: there is none. The database exports no metrics, so it has none."""
    alerts: Annotated[
        tuple[AlertSpec, ...],
        Field(
            max_length=len(AlertName),
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = ()
    """Alerts that shall be other than by default."""
    receivers: Annotated[
        tuple[ReceiverSpec, ...],
        Field(
            max_length=MAX_RECEIVERS,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = ()
    """Who is told of this engine's alerts."""
    logs: LogsSpec = LogsSpec()
    """How log lines get to Loki."""
