"""What Prometheus asks for every few seconds: where the MonitoringTargets are. Both replicas answer, from their caches.

`health.py` serves it under /targets. The answer is made anew only where something that it is made of changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import orjson

from trading_operator.api.v1alpha1 import MonitoringTarget, TradingEngine
from trading_operator.api.v1alpha1.base import living
from trading_operator.cluster import Cluster
from trading_operator.desired.http_sd import http_sd
from trading_operator.desired.selection import open_namespaces
from trading_operator.desired.stack import allowed
from trading_operator.kinds import ENDPOINT_SLICE, MONITORING_TARGET, NAMESPACE, SERVICE, TRADING_ENGINE
from trading_operator.settings import Settings

_MADE_OF: Final = (MONITORING_TARGET, TRADING_ENGINE, NAMESPACE, SERVICE, ENDPOINT_SLICE)


class Discovery:
    """The answer. `listed` says whether the cache is complete: half of it would end half of the scrapes."""

    def __init__(self, cluster: Cluster, settings: Settings, listed: Callable[[], bool]) -> None:
        self._cluster = cluster
        self._settings = settings
        self._listed = listed
        self._answer: tuple[tuple[int, ...], bytes] | None = None

    def answer(self) -> bytes | None:
        """JSON as http_sd wants it, or None before everything was listed: Prometheus keeps what it knows then."""
        if not self._listed():
            return None
        changes = tuple(map(self._cluster.changes, _MADE_OF))
        if self._answer is None or self._answer[0] != changes:
            self._answer = changes, orjson.dumps(self._groups())
        return self._answer[1]

    def _groups(self) -> list[dict[str, object]]:
        world = self._cluster.world()
        engines, _ = living(self._cluster.all(TRADING_ENGINE), TradingEngine)
        targets, _ = living(self._cluster.all(MONITORING_TARGET), MonitoringTarget)
        annotated_in = allowed(engines, world, self._settings)
        return http_sd(targets, world, annotated_in, open_namespaces(world, self._settings))
