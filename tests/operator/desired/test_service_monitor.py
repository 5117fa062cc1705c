"""What is written for prometheus-operator: it finds every Service of the engine and no other, under our labels."""

from __future__ import annotations

from tests.operator.engines import SETTINGS, by_name, engine, inputs, objects
from trading_operator.desired import Object, desired_objects
from trading_operator.desired.service_monitor import monitor_objects
from trading_operator.settings import Settings

MONITORED = engine(observability={"scrape": "ServiceMonitor"})


def chosen(monitor: Object, found: tuple[Object, ...]) -> set[str]:
    """Names of the Services that a ServiceMonitor selects."""
    selector, places = monitor["spec"]["selector"], monitor["spec"]["namespaceSelector"]["matchNames"]
    (expression,) = selector["matchExpressions"]
    return {
        each["metadata"]["name"]
        for each in found
        if each["kind"] == "Service"
        and each["metadata"]["namespace"] in places
        and selector["matchLabels"].items() <= each["metadata"]["labels"].items()
        and each["metadata"]["labels"].get(expression["key"]) in expression["values"]
    }


def test_every_worker_and_collector_is_selected_when_written() -> None:
    """Six Services, not the database, none of another engine; their port is named as they name it."""
    found = (*objects(MONITORED), *objects(engine("other", observability={"scrape": "ServiceMonitor"})))
    monitor = by_name(found)["ServiceMonitor", "paper-engine"]
    names = chosen(monitor, found)
    assert len(names) == 6
    assert not any("postgresql" in name or "other" in name for name in names)
    ports = [each["spec"]["ports"] for each in found if each["kind"] == "Service" and each["metadata"]["name"] in names]
    (endpoint,) = monitor["spec"]["endpoints"]
    assert all(endpoint["port"] in {port["name"] for port in each} for each in ports)


def test_labels_are_those_of_our_own_job_when_written() -> None:
    """Boards and rules select by them."""
    (endpoint,) = monitor_objects(MONITORED, SETTINGS)[0]["spec"]["endpoints"]
    relabelings = {each["targetLabel"]: each for each in endpoint["relabelings"]}
    assert relabelings["job"]["replacement"] == "kubernetes-services-metrics"
    assert relabelings["node"]["sourceLabels"] == ["__meta_kubernetes_pod_node_name"]


def test_settings_add_labels_when_a_prometheus_selects_by_them() -> None:
    """Ours stay."""
    settings: Settings = SETTINGS.model_copy(update={"monitor_labels": "release=prometheus,team="})
    for each in monitor_objects(MONITORED, settings):
        labels = each["metadata"]["labels"]
        assert (labels["release"], labels["team"]) == ("prometheus", "")
        assert labels["app.kubernetes.io/managed-by"] == "trading-operator"


def test_services_ask_for_nothing_when_a_monitor_does() -> None:
    """Nothing is scraped twice; the NetworkPolicies still let Prometheus in. Otherwise there is no monitor."""
    found = objects(MONITORED)
    services = [each for each in found if each["kind"] == "Service"]
    assert not any("prometheus.io/scrape" in each["metadata"]["annotations"] for each in services)
    policies = by_name(found)["NetworkPolicy", "paper-signal-generator"]
    assert "monitoring" in str(policies["spec"]["ingress"])
    for scrape in ("Annotations", "Disabled"):
        other = engine(observability={"scrape": scrape})
        kinds = {each["kind"] for each in desired_objects(other, SETTINGS, inputs(other))}
        assert not kinds & {"ServiceMonitor", "PrometheusRule"}
