"""Conditions as series, as a scrape reads them."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry, generate_latest

from trading_operator.resource_metrics import ResourceMetrics


def resource(kind: str, name: str, **conditions: tuple[str, str]) -> dict[str, Any]:
    """A resource with conditions: type -> (status, reason)."""
    found = [{"type": each, "status": status, "reason": why} for each, (status, why) in conditions.items()]
    return {"kind": kind, "metadata": {"namespace": "n", "name": name}, "status": {"conditions": found}}


def lines(*resources: dict[str, Any]) -> set[str]:
    registry = CollectorRegistry()
    registry.register(ResourceMetrics(lambda: resources))
    return {line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")}


def test_each_condition_is_a_series_and_each_target_says_whether_it_is_ready() -> None:
    """One line per condition; Unknown is not ready."""
    found = lines(
        resource("MonitoringTarget", "good", Ready=("True", "AllUp"), Scraped=("True", "Holds")),
        resource("MonitoringTarget", "unsure", Ready=("Unknown", "PrometheusUnreachable")),
        resource("TradingEngine", "first", Ready=("False", "Progressing")),
        resource("MonitoringTarget", "new"),
    )
    condition = 'trading_resource_condition{{kind="{}",name="{}",namespace="n",reason="{}",status="{}",type="{}"}} 1.0'
    assert found == {
        condition.format("MonitoringTarget", "good", "AllUp", "True", "Ready"),
        condition.format("MonitoringTarget", "good", "Holds", "True", "Scraped"),
        condition.format("MonitoringTarget", "unsure", "PrometheusUnreachable", "Unknown", "Ready"),
        condition.format("TradingEngine", "first", "Progressing", "False", "Ready"),
        'trading_monitoring_target_ready{name="good",namespace="n",reason="AllUp"} 1.0',
        'trading_monitoring_target_ready{name="unsure",namespace="n",reason="PrometheusUnreachable"} 0.0',
    }


def test_nothing_is_shown_when_there_are_no_resources() -> None:
    """As on a replica that does not lead."""
    assert lines() == set()
