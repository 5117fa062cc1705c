"""The conditions of every resource as series, made from the cache at each scrape.

`run.py` registers it beside the operator's own metrics. Only the replica that leads shows them, so that nothing is
counted twice and no series is left of a resource that is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from trading_operator.cache import Manifest

READY = "trading_monitoring_target_ready"
CONDITION = "trading_resource_condition"


class ResourceMetrics(Collector):
    """`resources` gives the engines and targets as last seen; none on a replica that does not lead."""

    def __init__(self, resources: Callable[[], Iterable[Manifest]]) -> None:
        self._resources = resources

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Names without values: registering it needs no cache."""
        return self._families()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One series per condition, and one per target."""
        conditions, ready = self._families()
        for each in self._resources():
            metadata = each["metadata"]
            where = metadata["namespace"], metadata["name"]
            for condition in each.get("status", {}).get("conditions", ()):
                type_, status, reason = (condition[key] for key in ("type", "status", "reason"))
                conditions.add_metric((each["kind"], *where, type_, status, reason), 1)
                if type_ == "Ready" and each["kind"] == "MonitoringTarget":
                    ready.add_metric((*where, reason), int(status == "True"))
        yield conditions
        yield ready

    def _families(self) -> tuple[GaugeMetricFamily, GaugeMetricFamily]:
        labels = ("kind", "namespace", "name", "type", "status", "reason")
        return (
            GaugeMetricFamily(CONDITION, "1 for what a condition of a resource says now.", labels=labels),
            GaugeMetricFamily(
                READY, "1 where a MonitoringTarget is Ready, else 0.", labels=("namespace", "name", "reason")
            ),
        )
