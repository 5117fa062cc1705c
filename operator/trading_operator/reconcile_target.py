"""The story of a MonitoringTarget: what it selects, what Prometheus sees of it, and a status that says so.

`run.py` gives it the keys of targets. Nothing is made for a target alone: Prometheus asks the operator what to scrape
(`discovery.py`). So reconcile only looks, tells `evidence_rounds.py` what to look for, and judges.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from trading_operator.api.v1alpha1 import MonitoringTarget
from trading_operator.cache import Manifest, Ref
from trading_operator.checks import Seen, expected_metrics, invalid_target_status, target_status
from trading_operator.cluster import Cluster
from trading_operator.desired.selection import Selection, open_namespaces, select
from trading_operator.errors import InvalidResource
from trading_operator.events import EventRecorder
from trading_operator.evidence_rounds import EvidenceRounds, Interest
from trading_operator.reporting import Reporter
from trading_operator.settings import Settings
from trading_operator.target_index import TargetIndex

#: Seconds until the next look, where no event and no round of evidence comes before.
AT_REST: Final = 60.0
UNSURE: Final = 5.0


class TargetReconciler:
    """Says of each target what Prometheus really sees."""

    def __init__(
        self,
        cluster: Cluster,
        settings: Settings,
        evidence: tuple[EvidenceRounds, TargetIndex],
        events: EventRecorder,
        now: Callable[[], datetime],
    ) -> None:
        self._cluster = cluster
        self._settings = settings
        self._rounds, self._index = evidence
        # The links say no more than Ready does, and six times.
        self._reporter = Reporter(cluster, events, frozenset({"Ready"}))
        self._now = now

    async def reconcile(self, ref: Ref) -> float | None:
        """Look at one target; the seconds after which to look again, None where it is gone."""
        manifest = self._cluster.get(ref)
        if manifest is None or "deletionTimestamp" in manifest["metadata"]:
            self._forget(ref)
            return None
        try:
            target = MonitoringTarget.parse(manifest)
        except InvalidResource as error:
            self._forget(ref)
            await self._reporter.report(ref, manifest, invalid_target_status(manifest, error, self._now()).to_dict())
            return AT_REST
        return await self._judge(ref, manifest, target)

    async def _judge(self, ref: Ref, manifest: Manifest, target: MonitoringTarget) -> float:
        world = self._cluster.world()
        selection = select(target, world, open_namespaces(world, self._settings))
        self._index.put(ref, target, selection)
        self._rounds.expect(ref, _interest(target, selection))
        if self._rounds.evidence is None:
            # A start of ours is no news about the target: what its status says stands until the first round.
            return UNSURE
        seen = Seen(selection, self._rounds.evidence, self._quarantined(ref))
        ready = await self._reporter.report(ref, manifest, target_status(target, seen, self._now()).to_dict())
        return AT_REST if ready else UNSURE

    def _forget(self, ref: Ref) -> None:
        self._index.forget(ref)
        self._rounds.forget(ref)

    def _quarantined(self, ref: Ref) -> str:
        state = self._cluster.stack_state
        return state.quarantined.get(str(ref), "") if state else ""


def _interest(target: MonitoringTarget, selection: Selection) -> Interest:
    urls = tuple(each.url for each in selection.ready)
    return Interest(urls, frozenset(expected_metrics(target)), target.spec.freshness)
