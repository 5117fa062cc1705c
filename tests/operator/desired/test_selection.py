"""Which endpoints a MonitoringTarget selects, and what is said where it selects none."""

from __future__ import annotations

from typing import Any

import pytest

from tests.operator.targets import a_service, a_slice, a_target, a_world, an_endpoint
from trading_operator.desired.selection import Endpoint, annotated_port, select

ALLOWED = frozenset({"crypto-collectors"})


def test_selects_every_ready_endpoint_at_the_named_port() -> None:
    """A target per pod and named port; the Service's other ports are not touched."""
    slice_ = a_slice(an_endpoint("10.0.0.1", "a-1"), an_endpoint("10.0.0.2", "a-2"), ports={"http": 8080, "admin": 81})
    found = select(a_target(), a_world(slices=[slice_]), ALLOWED)
    assert [each.url for each in found.endpoints] == ["http://10.0.0.1:8080/metrics", "http://10.0.0.2:8080/metrics"]
    assert (found.endpoints[0].pod, found.endpoints[0].node) == ("a-1", "node-1")
    assert (found.services, found.gaps, found.unconsented) == (("crypto-trading/exporter",), (), ())


def test_port_may_be_a_number() -> None:
    """A Service with one port need not have named it."""
    target = a_target(endpoints=[{"port": "8080"}])
    found = select(target, a_world(slices=[a_slice(an_endpoint(), ports={"": 8080})]), ALLOWED)
    assert [each.instance for each in found.endpoints] == ["10.0.0.1:8080"]


def test_unready_is_kept_and_terminating_is_not() -> None:
    """Who starts is scraped without being judged; who ends is left in peace."""
    endpoints = (
        an_endpoint("10.0.0.1"),
        an_endpoint("10.0.0.2", conditions={"ready": False, "serving": False}),
        an_endpoint("10.0.0.3", conditions={"ready": False, "serving": True, "terminating": True}),
    )
    found = select(a_target(), a_world(slices=[a_slice(*endpoints)]), ALLOWED)
    assert [(each.address, each.ready) for each in found.endpoints] == [("10.0.0.1", True), ("10.0.0.2", False)]
    assert [each.address for each in found.ready] == ["10.0.0.1"]


def test_labels_must_all_fit() -> None:
    """A typo in the selector selects nothing at all."""
    target = a_target(selector={"matchLabels": {"app": "exporter", "tier": "x"}})
    assert select(target, a_world(), ALLOWED).services == ()


@pytest.mark.parametrize(
    ("slices", "words"),
    [
        ([], "no endpoints"),
        ([a_slice(an_endpoint(), ports={"web": 8080})], "no endpoint has port http; there are web (8080)"),
        ([a_slice(an_endpoint(conditions={"ready": False}))], "no endpoint is ready"),
    ],
)
def test_service_without_endpoint_is_a_gap(slices: list[dict[str, Any]], words: str) -> None:
    """Each way to have none says which it is, and what there is instead."""
    assert select(a_target(), a_world(slices=slices), ALLOWED).gaps == (f"Service crypto-trading/exporter: {words}",)


def test_port_that_no_service_has_is_a_gap() -> None:
    """One of two ports is found: the other one is named."""
    target = a_target(endpoints=[{"port": "http"}, {"port": "metrcs"}])
    assert select(target, a_world(), ALLOWED).gaps == ("port metrcs: no selected Service has it",)


def test_other_namespace_needs_consent() -> None:
    """Without consent nothing of a namespace is selected, and it is named; the rest is."""
    other = [a_service(namespace="secret"), a_service()]
    slices = [a_slice(an_endpoint("10.9.9.9"), namespace="secret"), a_slice(an_endpoint())]
    target = a_target(namespaces=["secret", "crypto-trading"])
    found = select(target, a_world(services=other, slices=slices), ALLOWED)
    assert (found.unconsented, [each.address for each in found.endpoints]) == (("secret",), ["10.0.0.1"])
    consented = select(target, a_world(services=other, slices=slices), ALLOWED | {"secret"})
    assert [each.address for each in consented.endpoints] == ["10.0.0.1", "10.9.9.9"]


def test_consent_is_the_label_with_the_value_true() -> None:
    """Neither another value nor a Namespace that nobody has seen consents."""
    world = a_world(consenting={"yes": "true", "no": "false"})
    assert [world.consents(name) for name in ("yes", "no", "unknown")] == [True, False, False]


def test_import_takes_what_annotations_say() -> None:
    """Port and path are the annotations'; the Service without a port is a gap, the one without annotation is none."""
    annotations = {"prometheus.io/scrape": "true", "prometheus.io/port": "8080", "prometheus.io/path": "/m"}
    services = [
        a_service("a", annotations=annotations),
        a_service("b", annotations={"prometheus.io/scrape": "true"}),
        a_service("c"),
    ]
    slices = [a_slice(an_endpoint(f"10.0.0.{at}"), service=name) for at, name in enumerate("abc")]
    target = a_target(selector=None, endpoints=None, annotations="Import")
    found = select(target, a_world(services=services, slices=slices), ALLOWED)
    assert [each.url for each in found.endpoints] == ["http://10.0.0.0:8080/m"]
    assert found.gaps == ("Service crypto-trading/b: it has no annotation prometheus.io/port",)


def test_annotations_are_read_as_prometheus_reads_them() -> None:
    """Only "true" asks; the path has a default."""
    asked = a_service(annotations={"prometheus.io/scrape": "true", "prometheus.io/port": "81"})
    found = annotated_port(asked)
    assert found
    assert (found.port, found.path, found.scheme) == ("81", "/metrics", "http")
    assert annotated_port(a_service(annotations={"prometheus.io/scrape": "yes", "prometheus.io/port": "81"})) is None


@pytest.mark.parametrize(
    ("address", "path", "url"),
    [
        ("fd00::1", "/metrics", "http://[fd00::1]:80/metrics"),
        ("10.0.0.1", "metrics", "http://10.0.0.1:80/metrics"),
        ("10.0.0.1", "/a?b=c#d", "http://10.0.0.1:80/a%3Fb=c%23d"),
        ("10.0.0.1", "/a b&c+(d)'e'", "http://10.0.0.1:80/a%20b&c+%28d%29%27e%27"),
    ],
)
def test_url_is_written_as_prometheus_writes_it(address: str, path: str, url: str) -> None:
    """Targets are found by it, so an unusual path must not make them invisible (compared with Prometheus 2.53)."""
    assert Endpoint("http", address, 80, path, "n", "s").url == url
