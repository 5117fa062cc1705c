"""The story of what all engines and targets share: one key in the queue, the observability namespace.

Desired from everything declared, checked by promtool, written, and then not believed: Prometheus itself has to say
that it has loaded this revision. Until then its pod is touched (so that the kubelet does not take its minute) and
it is asked to reload. `run.py` calls it; engines and targets read what came of it in `cluster.stack_state`.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable
from typing import Final

from trading_operator.api.v1alpha1 import MonitoringTarget, TradingEngine
from trading_operator.api.v1alpha1.base import living
from trading_operator.cache import Ref
from trading_operator.cluster import Cluster
from trading_operator.desired.labels import Object
from trading_operator.desired.scrape import revision_of
from trading_operator.desired.stack import CHECKED, configuration_of, desired_stack
from trading_operator.errors import (
    ApiRefused,
    PrometheusRefused,
    PrometheusUnavailable,
    PromtoolMissing,
)
from trading_operator.kinds import GROUP, MONITORING_TARGET, TRADING_ENGINE
from trading_operator.observed import Observed, StackState
from trading_operator.ownership import is_ours
from trading_operator.plan import Plan, plan
from trading_operator.prometheus import Prometheus
from trading_operator.promtool import Promtool
from trading_operator.settings import Settings

logger = logging.getLogger(__name__)

PROMETHEUS_PODS: Final = "app.kubernetes.io/name=prometheus"
TOUCHED: Final = f"{GROUP}/config-revision"
#: Seconds: between two questions to a Prometheus that is as it shall be; of silence about one that is not yet.
AT_REST: Final = 60.0
PATIENCE: Final = 15.0
#: Seconds until Prometheus is asked again: a fourth of the time that it has been wrong, within these.
SOONEST, LATEST = 1.0, 30.0
#: Seconds after which a Prometheus is left alone that does not forget what was taken away.
FORGETTING: Final = 120.0


class StackReconciler:
    """Makes the shared objects so, and sees to it that Prometheus loads them."""

    def __init__(
        self,
        cluster: Cluster,
        settings: Settings,
        prometheus: Prometheus,
        promtool: Promtool,
        on_change: Callable[[], None],
    ) -> None:
        self._cluster = cluster
        self._settings = settings
        self._prometheus = prometheus
        self._promtool = promtool
        self._on_change = on_change
        self._wrong_since: float | None = None

    async def reconcile(self, ref: Ref) -> float | None:
        """Make the shared objects so; the seconds after which to look again."""
        if ref.name != self._settings.monitoring_namespace:
            return await self._remove(ref)
        engines, broken_engines = living(self._cluster.all(TRADING_ENGINE), TradingEngine)
        # Targets that an engine declares of itself are part of it, and go soon after it.
        declared = (each for each in self._cluster.all(MONITORING_TARGET) if not is_ours(each))
        targets, broken_targets = living(declared, MonitoringTarget)
        desired = desired_stack(engines, targets, self._cluster.world(), self._settings)
        broken = broken_engines or broken_targets
        if desired:
            return await self._make(ref, desired)
        # What cannot be read may be the one that all of it is for, and nothing is destroyed on the word of a cache.
        if broken or not (engines or targets or await self._nothing_declared(ref)):
            return AT_REST
        return await self._remove(ref)

    async def _make(self, ref: Ref, desired: tuple[Object, ...]) -> float:
        observed = self._observed(ref)
        planned = plan(desired, observed.objects)
        state = await self._checked(planned, desired)
        if state.invalid or state.unchecked:
            planned = _without_checked(planned)
        refused = await self._cluster.execute(planned, observed)
        state = dataclasses.replace(state, refused=refused)
        if not (refused or state.invalid or state.unchecked):
            state = await self._loaded(state, revision_of(configuration_of(desired)))
        again = self._tell(state)
        if refused:
            raise ApiRefused(0, "ApplyRefused", "; ".join(refused))
        return again

    async def _remove(self, ref: Ref) -> float | None:
        """Nothing is shared any more: take it away, and let Prometheus go back to its own configuration."""
        observed = self._observed(ref)
        planned = plan((), observed.objects)
        if planned:
            logger.info("%s: nothing is observed any more: deleting %d shared objects", ref.name, len(planned.delete))
            await self._cluster.execute(planned, observed)
        if self._cluster.stack_state is None and not planned:
            return None
        return await self._forgotten()

    async def _nothing_declared(self, ref: Ref) -> bool:
        return not self._observed(ref).objects or await self._cluster.nothing_declared()

    async def _forgotten(self) -> float | None:
        state = await self._loaded(StackState(), "")
        again = self._tell(state)
        if state.loaded or self._wrong_for() > FORGETTING:
            self._cluster.stack_state, self._wrong_since = None, None
            return None
        return again

    async def _checked(self, planned: Plan, desired: tuple[Object, ...]) -> StackState:
        """Whether what is about to be written is sound."""
        if not any(each["metadata"]["name"] in CHECKED for each in planned.apply):
            return StackState()
        try:
            return StackState(invalid=await self._promtool.problem_of_configuration(configuration_of(desired)))
        except PromtoolMissing as error:
            return StackState(unchecked=str(error))

    async def _loaded(self, state: StackState, revision: str) -> StackState:
        """Ask Prometheus what it has loaded; where that is another revision, make it look and ask once more."""
        try:
            if revision_of(await self._prometheus.status_config()) != revision:
                await self._cluster.annotate_pods(
                    self._settings.monitoring_namespace, PROMETHEUS_PODS, (TOUCHED, revision)
                )
                await self._prometheus.reload()
                loaded = revision_of(await self._prometheus.status_config())
                return dataclasses.replace(state, loaded=loaded == revision)
        except PrometheusUnavailable as error:
            return dataclasses.replace(state, unreachable=str(error))
        except PrometheusRefused as error:
            return dataclasses.replace(state, invalid=str(error))
        return dataclasses.replace(state, loaded=True)

    def _tell(self, state: StackState) -> float:
        """Let engines and targets know, where it is news; the seconds after which to look again."""
        if state.loaded:
            self._wrong_since = None
        elif self._wrong_since is None:
            self._wrong_since = time.monotonic()
        # A reload takes its seconds: said only where it takes longer.
        waits = state == StackState(quarantined=state.quarantined) and self._wrong_for() < PATIENCE
        if not waits and state != self._cluster.stack_state:
            self._cluster.stack_state = state
            self._on_change()
        return AT_REST if state.loaded else max(SOONEST, min(LATEST, self._wrong_for() / 4))

    def _wrong_for(self) -> float:
        return 0.0 if self._wrong_since is None else time.monotonic() - self._wrong_since

    def _observed(self, ref: Ref) -> Observed:
        return Observed(objects=tuple(each for each in self._cluster.owned(("", ref.name)) if is_ours(each)))


def _without_checked(planned: Plan) -> Plan:
    """The plan without what Prometheus loads: the last good configuration stays."""
    return Plan(
        apply=tuple(each for each in planned.apply if each["metadata"]["name"] not in CHECKED),
        delete=tuple(each for each in planned.delete if each["metadata"]["name"] not in CHECKED),
    )
