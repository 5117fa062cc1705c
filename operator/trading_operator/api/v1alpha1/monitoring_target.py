"""MonitoringTarget: anything else that shall be observed. Its status says what Prometheus really sees."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from trading_operator.api.v1alpha1.base import ApiModel, Conditions, NamespaceName, Resource, rule, rules

MAX_LABEL_KEY = 317
MAX_ERRORS = 10

SELECTOR_OR_ANNOTATIONS = "exactly one of selector and annotations is required"
SELECTOR_NEEDS_ENDPOINTS = "endpoints are required with selector, and belong to nothing else"

LabelValue = Annotated[str, StringConstraints(max_length=63, pattern=r"^([A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?)?$")]
PortName = Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
MetricName = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$")]


class Scheme(StrEnum):
    """How an endpoint is asked."""

    HTTP = "HTTP"
    HTTPS = "HTTPS"


class Annotations(StrEnum):
    """What is done with the annotations that Services carry."""

    IMPORT = "Import"


class ServiceSelector(ApiModel):
    """Which Services."""

    match_labels: Annotated[
        dict[str, LabelValue],
        Field(
            min_length=1,
            max_length=16,
            json_schema_extra=rules(
                rule(
                    f"self.all(key, key.size() <= {MAX_LABEL_KEY})",
                    f"selector.matchLabels: a key must be at most {MAX_LABEL_KEY} characters",
                )
            ),
        ),
    ]
    """Labels that a Service must carry, all of them."""


class Endpoint(ApiModel):
    """One port of the Services that serves metrics."""

    port: PortName
    """Name of the Service's port, or the number that its pods listen on."""
    path: Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^/[-._~/A-Za-z0-9]*$")] = "/metrics"
    """Path of the metrics."""
    scheme: Scheme = Scheme.HTTP
    """HTTP or HTTPS. The certificate must be one that Prometheus trusts."""


class Freshness(ApiModel):
    """A frozen exporter answers scrapes happily: this metric says when it last did its work."""

    metric: MetricName
    """A metric whose value is a Unix time in seconds, as `_timestamp_seconds` metrics have. Of an endpoint its newest
    series counts, of several endpoints the oldest."""
    max_age_seconds: Annotated[int, Field(ge=5, le=604800)]
    """Age of that time above which the target is Stale."""


class MonitoringTargetSpec(ApiModel):
    """What shall be observed."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule("has(self.selector) != has(self.annotations)", SELECTOR_OR_ANNOTATIONS),
            rule("has(self.selector) == has(self.endpoints)", SELECTOR_NEEDS_ENDPOINTS),
        )
    )

    namespaces: Annotated[
        tuple[NamespaceName, ...], Field(max_length=32, json_schema_extra={"x-kubernetes-list-type": "set"})
    ] = ()
    """Namespaces of the Services; the target's own when empty. Another namespace must consent, by the label
    tradingengine.io/scrape: "true", or by the operator's settings."""
    selector: ServiceSelector | None = None
    """Which Services."""
    annotations: Annotations | None = None
    """Import: the Services that carry prometheus.io/scrape: "true" with prometheus.io/port and path, in place of
    selector and endpoints."""
    endpoints: (
        Annotated[
            tuple[Endpoint, ...],
            Field(
                min_length=1,
                max_length=16,
                json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port"]},
            ),
        ]
        | None
    ) = None
    """Ports that serve metrics. Required with selector."""
    expected_metrics: Annotated[
        tuple[MetricName, ...], Field(max_length=64, json_schema_extra={"x-kubernetes-list-type": "set"})
    ] = ()
    """Metrics that must be there for the target to be Ready, each from at least one endpoint."""
    freshness: Freshness | None = None
    """How old the newest work of an endpoint may be; absent: nothing is asked."""

    @model_validator(mode="after")
    def _one_way_to_select(self) -> Self:
        """Holds here too: in `render`, and for what was stored before it was a rule."""
        if (self.selector is None) == (self.annotations is None):
            raise ValueError(SELECTOR_OR_ANNOTATIONS)
        if (self.selector is None) != (self.endpoints is None):
            raise ValueError(SELECTOR_NEEDS_ENDPOINTS)
        return self


class TargetCounts(ApiModel):
    """How many endpoints."""

    matched: Annotated[int, Field(ge=0)] = 0
    """Ready endpoints behind the selected Services."""
    up: Annotated[int, Field(ge=0)] | None = None
    """Those of them whose last scrape by Prometheus succeeded; absent while nothing recent is known."""


class ScrapeErrors(ApiModel):
    """Endpoints whose last scrape failed in the same way."""

    reason: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z]+$")]
    """ConnectionRefused, Timeout, HttpStatus, BadExposition, SampleLimit or ScrapeFailed."""
    message: Annotated[str, StringConstraints(max_length=1024)]
    """What Prometheus says of them."""
    count: Annotated[int, Field(ge=1)]
    """How many."""
    example: Annotated[str, StringConstraints(max_length=512)] = ""
    """The URL of one of them."""


class MonitoringTargetStatus(ApiModel):
    """What is seen of the target."""

    observed_generation: Annotated[int, Field(ge=0)] = 0
    """Generation of the spec that this status was computed for."""
    conditions: Conditions = ()
    """Ready, and the chain it depends on: ServicesFound, EndpointsReady, Discovered, Scraped, SeriesPresent, Fresh."""
    targets: TargetCounts | None = None
    """Counts of endpoints; absent until they are known."""
    last_scrape: datetime | None = None
    """Newest successful scrape when evidence was last written; absent until one is known."""
    errors: Annotated[
        tuple[ScrapeErrors, ...],
        Field(
            max_length=MAX_ERRORS,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["message"]},
        ),
    ] = ()
    """Failing scrapes, grouped."""
    evidence_time: datetime | None = None
    """When Prometheus was last asked, as of the last write: on a change, and every 5 minutes while it answers. One that
    is older than 10 minutes means that nobody looks any more."""


class MonitoringTarget(Resource):
    """Services that Prometheus shall scrape, with a status that says what it really sees."""

    api_version: Literal["tradingengine.io/v1alpha1"] = "tradingengine.io/v1alpha1"
    kind: Literal["MonitoringTarget"] = "MonitoringTarget"
    spec: MonitoringTargetSpec
    status: MonitoringTargetStatus = MonitoringTargetStatus()
