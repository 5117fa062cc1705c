"""A status that was computed -> the status of an object, and Events for what changed in it.

The reconcilers of both kinds call it last. Nothing is written where nothing differs.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from trading_operator.cache import Manifest, Ref
from trading_operator.cluster import Cluster
from trading_operator.errors import ApiRefused
from trading_operator.events import EventRecorder

logger = logging.getLogger(__name__)


class Reporter:
    """Writes statuses and tells of transitions."""

    def __init__(self, cluster: Cluster, events: EventRecorder, told: frozenset[str] = frozenset()) -> None:
        """`told` are the conditions of which Events tell; all of them where it is empty."""
        self._cluster = cluster
        self._events = events
        self._told = told

    async def report(self, ref: Ref, manifest: Manifest, status: dict[str, Any]) -> bool:
        """Write a status where it differs from the known one; whether Ready is True in it."""
        before = manifest.get("status", {})
        if await self._cluster.write_status(ref.kind, manifest, status):
            await self._tell(manifest, before, status)
        return is_true(status, "Ready")

    async def _tell(self, manifest: Manifest, before: Manifest, after: Manifest) -> None:
        for event in self._events.transitions(manifest, self._part(before), self._part(after)):
            try:
                await self._cluster.post_event(event)
            except ApiRefused as error:
                logger.warning("an Event was refused: %s", error)

    def _part(self, status: Manifest) -> Manifest:
        conditions = status.get("conditions", ())
        return {"conditions": [each for each in conditions if not self._told or each["type"] in self._told]}


def is_true(status: Mapping[str, Any], condition: str) -> bool:
    """Whether a condition is True in a status."""
    return any(each["type"] == condition and each["status"] == "True" for each in status.get("conditions", ()))
