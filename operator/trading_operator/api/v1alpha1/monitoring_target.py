"""MonitoringTarget: anything else that shall be observed. Its status says what Prometheus really sees."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from trading_operator.api.v1alpha1.base import ApiModel, Conditions, NamespaceName, Resource, rule, rules

MAX_LABEL_KEY = 317

LabelValue = Annotated[str, StringConstraints(max_length=63, pattern=r"^([A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?)?$")]
PortName = Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
MetricName = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$")]


class Scheme(StrEnum):
    """How an endpoint is asked."""

    HTTP = "HTTP"
    HTTPS = "HTTPS"


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
    """Name of the Service's port."""
    path: Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^/[-._~/A-Za-z0-9]*$")] = "/metrics"
    """Path of the metrics."""
    scheme: Scheme = Scheme.HTTP
    """HTTP or HTTPS."""


class MonitoringTargetSpec(ApiModel):
    """What shall be observed."""

    namespaces: Annotated[
        tuple[NamespaceName, ...], Field(max_length=32, json_schema_extra={"x-kubernetes-list-type": "set"})
    ] = ()
    """Namespaces of the Services; the target's own when empty. Another namespace must consent by a label."""
    selector: ServiceSelector
    """Which Services."""
    endpoints: Annotated[
        tuple[Endpoint, ...],
        Field(
            min_length=1,
            max_length=16,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port"]},
        ),
    ]
    """Ports that serve metrics."""
    expected_metrics: Annotated[
        tuple[MetricName, ...], Field(max_length=64, json_schema_extra={"x-kubernetes-list-type": "set"})
    ] = ()
    """Metrics that must be there for the target to be Ready."""


class TargetCounts(ApiModel):
    """How many endpoints."""

    matched: Annotated[int, Field(ge=0)] = 0
    """Endpoints behind the selected Services."""
    up: Annotated[int, Field(ge=0)] = 0
    """Endpoints that Prometheus scraped successfully."""


class MonitoringTargetStatus(ApiModel):
    """What is seen of the target."""

    observed_generation: Annotated[int, Field(ge=0)] = 0
    """Generation of the spec that this status was computed for."""
    conditions: Conditions = ()
    """Ready, and why."""
    targets: TargetCounts | None = None
    """Counts of endpoints; absent until they are known."""
    last_scrape: datetime | None = None
    """Newest successful scrape; absent until one is known."""


class MonitoringTarget(Resource):
    """Services that Prometheus shall scrape, with a status that says what it really sees."""

    api_version: Literal["tradingengine.io/v1alpha1"] = "tradingengine.io/v1alpha1"
    kind: Literal["MonitoringTarget"] = "MonitoringTarget"
    spec: MonitoringTargetSpec
    status: MonitoringTargetStatus = MonitoringTargetStatus()
