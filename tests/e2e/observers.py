"""Prometheus and Loki of the cluster, asked as Grafana asks them, through the API server's proxy."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from tools.kubectl import Kubectl
from tools.monitoring import NAMESPACE
from trading_dashboards.execution import PanelQuery
from trading_dashboards.model import Source

PORTS = {"prometheus": 9090, "loki": 3100, "alertmanager": 9093}
#: Where each serves its query API.
ROOTS = {Source.PROMETHEUS: ("prometheus", "api/v1"), Source.LOKI: ("loki", "loki/api/v1")}


@dataclass(frozen=True)
class Point:
    """One value of one series or, of a log query, one line counted as 1."""

    labels: dict[str, str]
    value: float


@dataclass(frozen=True)
class Observers:
    """What observes the cluster."""

    kubectl: Kubectl

    def ask(self, service: str, path: str, **query: object) -> Any:
        """The decoded answer to a GET."""
        proxy = f"/api/v1/namespaces/{NAMESPACE}/services/{service}:{PORTS[service]}/proxy"
        return json.loads(self.kubectl.raw(f"{proxy}/{path}?{urlencode(query)}"))

    def value(self, expr: str) -> list[Point]:
        """Newest value of each series in Prometheus."""
        found = self.ask("prometheus", "api/v1/query", query=expr)["data"]["result"]
        return [Point(each["metric"], float(each["value"][1])) for each in found]

    def lines(self, expr: str, seconds: int = 3600) -> list[dict[str, str]]:
        """Labels of each log line that Loki has for a query, structured metadata among them."""
        window = {"start": int((time.time() - seconds) * 1e9), "limit": 5000}
        found = self.ask("loki", "loki/api/v1/query_range", query=expr, **window)["data"]["result"]
        return [each["stream"] for each in found for _ in each["values"]]

    def points(self, query: PanelQuery, shown: int) -> list[Point]:
        """Everything a panel would draw over the last `shown` seconds, NaN left out."""
        service, root = ROOTS[query.source]
        now = time.time()
        if query.instant:
            found = self.ask(service, f"{root}/query", query=query.expr)["data"]
        else:
            window = {"start": int(now - shown), "end": int(now), "step": query.step}
            found = self.ask(service, f"{root}/query_range", query=query.expr, **window)["data"]
        return [point for point in _points(found) if not math.isnan(point.value)]


def _points(data: dict[str, Any]) -> Iterator[Point]:
    for series in data["result"]:
        labels = series.get("metric") or series.get("stream") or {}
        for _, value in series.get("values") or [series["value"]]:
            yield Point(labels, 1.0 if data["resultType"] == "streams" else float(value))
