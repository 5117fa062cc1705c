"""MonitoringTargets and the Services, EndpointSlices and Namespaces around them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from trading_operator.api.v1alpha1 import MonitoringTarget
from trading_operator.desired.labels import CONSENT
from trading_operator.desired.selection import World

Manifest = dict[str, Any]
NAMESPACE = "crypto-trading"


def a_target_manifest(name: str = "exporter", **spec: Any) -> Manifest:
    """A target of the Services labelled app=exporter, at their port http; None takes a field away."""
    fields = {"selector": {"matchLabels": {"app": "exporter"}}, "endpoints": [{"port": "http"}]} | spec
    return {
        "apiVersion": "tradingengine.io/v1alpha1",
        "kind": "MonitoringTarget",
        "metadata": {"name": name, "namespace": NAMESPACE, "uid": f"uid-{name}", "generation": 1},
        "spec": {key: value for key, value in fields.items() if value is not None},
    }


def a_target(name: str = "exporter", status: Mapping[str, Any] | None = None, **spec: Any) -> MonitoringTarget:
    """The same, parsed, with a status."""
    return MonitoringTarget.parse(a_target_manifest(name, **spec) | {"status": status or {}})


def a_service(
    name: str = "exporter", namespace: str = NAMESPACE, annotations: Mapping[str, str] | None = None
) -> Manifest:
    """A Service labelled app=exporter."""
    metadata = {"name": name, "namespace": namespace, "labels": {"app": "exporter"}, "annotations": annotations or {}}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata}


def an_endpoint(
    address: str = "10.0.0.1", pod: str = "pod-1", conditions: Mapping[str, bool] | None = None
) -> Manifest:
    """One element of an EndpointSlice."""
    return {
        "addresses": [address],
        "conditions": dict(conditions or {"ready": True, "serving": True, "terminating": False}),
        "nodeName": "node-1",
        "targetRef": {"kind": "Pod", "name": pod},
    }


def a_slice(
    *endpoints: Manifest,
    service: str = "exporter",
    namespace: str = NAMESPACE,
    ports: Mapping[str, int] | None = None,
) -> Manifest:
    """An EndpointSlice of a Service."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{service}-x",
            "namespace": namespace,
            "labels": {"kubernetes.io/service-name": service},
        },
        "ports": [{"name": name, "port": port} for name, port in (ports or {"http": 8080}).items()],
        "endpoints": list(endpoints),
    }


def a_world(
    services: Iterable[Manifest] | None = None,
    slices: Iterable[Manifest] | None = None,
    consenting: Mapping[str, str] | None = None,
) -> World:
    """One Service with one endpoint, unless told otherwise; Namespaces with the value of their consent."""
    namespaces = [
        {"metadata": {"name": name, "labels": {CONSENT: value}}} for name, value in (consenting or {}).items()
    ]
    return World.of(
        namespaces,
        [a_service()] if services is None else services,
        [a_slice(an_endpoint())] if slices is None else slices,
    )
