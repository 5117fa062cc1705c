"""What Prometheus asks for every few seconds: where the MonitoringTargets are. Both replicas answer, from their caches.

`health.py` serves it under /targets. The answer is made anew only where something that it is made of changed.
"""

from __future__ import annotations

import time
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

#: How long an answer stands at least, as a multiple of what it took: however many targets, a tenth of a processor.
_REST: Final = 9.0
_MADE_OF: Final = (MONITORING_TARGET, TRADING_ENGINE, NAMESPACE, SERVICE, ENDPOINT_SLICE)


class Discovery:
    """The answer. `listed` says whether the cache is complete: half of it would end half of the scrapes."""

    def __init__(self, cluster: Cluster, settings: Settings, listed: Callable[[], bool]) -> None:
        self._cluster = cluster
        self._settings = settings
        self._listed = listed
        self._answer = b""
        self._made_of: tuple[int, ...] = ()
        self._next_at = 0.0

    def answer(self) -> bytes | None:
        """JSON as http_sd wants it, or None before everything was listed: Prometheus keeps what it knows then."""
        if not self._listed():
            return None
        changes, began = tuple(map(self._cluster.changes, _MADE_OF)), time.monotonic()
        if self._made_of != changes and began >= self._next_at:
            self._answer, self._made_of = orjson.dumps(self._groups()), changes
            ended = time.monotonic()
            self._next_at = ended + _REST * (ended - began)
        return self._answer

    def _groups(self) -> list[dict[str, object]]:
        world = self._cluster.world()
        engines, _ = living(self._cluster.all(TRADING_ENGINE), TradingEngine)
        targets, _ = living(self._cluster.all(MONITORING_TARGET), MonitoringTarget)
        annotated_in = allowed(engines, world, self._settings)
        return http_sd(targets, world, annotated_in, open_namespaces(world, self._settings))
