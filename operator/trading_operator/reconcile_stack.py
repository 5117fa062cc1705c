"""The story of what all engines and targets share: one key in the queue, the observability namespace.

Desired from everything declared, checked by promtool and amtool, written, and then not believed: Prometheus and
Alertmanager themselves have to say that they have loaded this revision. Until then their pods are touched (so that the
kubelet does not take its minute) and they are asked to reload. `run.py` calls it; engines and targets read what came
of it in `cluster.stack_state`.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from trading_operator.api.v1alpha1 import MonitoringTarget, TradingEngine
from trading_operator.api.v1alpha1.base import living
from trading_operator.cache import Ref
from trading_operator.cluster import Cluster
from trading_operator.desired import logs, receivers, scrape
from trading_operator.desired.alerts import alerting, rule_files, rules_text
from trading_operator.desired.labels import CONFIG_HASH, Object
from trading_operator.desired.stack import (
    CHECKED,
    Declared,
    alertmanager_configuration_of,
    configuration_of,
    data_of,
    desired_stack,
)
from trading_operator.errors import (
    ApiRefused,
    PrometheusRefused,
    PrometheusUnavailable,
    PromtoolMissing,
)
from trading_operator.kinds import DAEMON_SET, GROUP, MONITORING_TARGET, TRADING_ENGINE
from trading_operator.observed import Observed, StackState
from trading_operator.ownership import is_ours
from trading_operator.plan import Plan, plan
from trading_operator.prometheus import Alertmanager, Prometheus
from trading_operator.promtool import Amtool, Promtool
from trading_operator.settings import Settings

logger = logging.getLogger(__name__)

TOO_MANY: Final = "its alert rules do not fit into the ConfigMap that all engines share"
TOUCHED: Final = f"{GROUP}/config-revision"
#: Seconds: between two questions to a Prometheus that is as it shall be; of silence about one that is not yet.
AT_REST: Final = 60.0
PATIENCE: Final = 15.0
#: Seconds until Prometheus is asked again: a fourth of the time that it has been wrong, within these.
SOONEST, LATEST = 1.0, 30.0
#: Seconds after which a Prometheus is left alone that does not forget what was taken away.
FORGETTING: Final = 120.0


@dataclass(frozen=True)
class Programs:
    """What is configured, and what checks the configurations first."""

    prometheus: Prometheus
    alertmanager: Alertmanager
    promtool: Promtool
    amtool: Amtool


class Patience:
    """How long something has been wrong."""

    def __init__(self) -> None:
        self._since: float | None = None

    def note(self, *, well: bool) -> None:
        """It is well now, or not."""
        if well:
            self._since = None
        elif self._since is None:
            self._since = time.monotonic()

    def seconds(self) -> float:
        """Seconds for which it has been wrong; 0 where it is well."""
        return 0.0 if self._since is None else time.monotonic() - self._since

    def again(self) -> float:
        """Seconds after which to look again."""
        return AT_REST if self._since is None else max(SOONEST, min(LATEST, self.seconds() / 4))


class StackReconciler:
    """Makes the shared objects so, and sees to it that Prometheus and Alertmanager load them."""

    def __init__(self, cluster: Cluster, settings: Settings, programs: Programs, on_change: Callable[[], None]) -> None:
        self._cluster = cluster
        self._settings = settings
        self._programs = programs
        self._on_change = on_change
        self._loading, self._telling = Patience(), Patience()
        self._forgetting = False

    async def reconcile(self, ref: Ref) -> float | None:
        """Make the shared objects so; the seconds after which to look again."""
        if ref.name != self._settings.monitoring_namespace:
            await self._leave(ref)
            return None
        engines, broken_engines = living(self._cluster.all(TRADING_ENGINE), TradingEngine)
        # Targets that an engine declares of itself are part of it, and go soon after it.
        others = (each for each in self._cluster.all(MONITORING_TARGET) if not is_ours(each))
        targets, broken_targets = living(others, MonitoringTarget)
        named = {(each.namespace, name) for each in alerting(engines) for name in receivers.receiver_secrets(each)}
        declared = Declared(engines, targets, await self._cluster.secret_values(named))
        desired = self._desired(declared)
        if desired:
            return await self._make(ref, declared, desired)
        broken = broken_engines or broken_targets
        # What cannot be read may be the one that all of it is for, and nothing is destroyed on the word of a cache.
        if broken or not (engines or targets or await self._nothing_declared(ref)):
            return AT_REST
        return await self._remove(ref)

    def _desired(self, declared: Declared) -> tuple[Object, ...]:
        return desired_stack(declared, self._cluster.world(), self._settings)

    async def _make(self, ref: Ref, declared: Declared, desired: tuple[Object, ...]) -> float:
        if self._forgetting:
            self._loading, self._telling, self._forgetting = Patience(), Patience(), False
        observed = self._observed(ref)
        planned, unchecked, refused = plan(desired, observed.objects), "", dict[tuple[str, str], str]()
        if _is_checked(planned):
            try:
                refused = await self._refused(declared)
            except PromtoolMissing as error:
                unchecked = str(error)
        if refused:
            desired = self._desired(dataclasses.replace(declared, quarantined=refused))
            planned = plan(desired, observed.objects)
        state = StackState(
            engines=frozenset(each.uid for each in alerting(declared.engines)),
            unchecked=unchecked,
            quarantined=self._quarantined(declared, refused),
        )
        state = await self._written(planned, desired, observed, state)
        await self._roll_log_agent(desired)
        again = self._tell(state)
        if state.refused:
            raise ApiRefused(0, "ApplyRefused", "; ".join(state.refused))
        return again

    async def _written(
        self, planned: Plan, desired: tuple[Object, ...], observed: Observed, state: StackState
    ) -> StackState:
        """Write what is sound, and see what becomes of it."""
        if _is_checked(planned) and not state.unchecked:
            state = await self._checked(state, desired)
        if state.unchecked or state.invalid:
            planned = _without_checked(planned)
        state = dataclasses.replace(state, refused=await self._cluster.execute(planned, observed))
        if state.unchecked or state.invalid or state.refused:
            return state
        return await self._loaded(state, desired)

    async def _refused(self, declared: Declared) -> dict[tuple[str, str], str]:
        """Engines whose rules or receivers a checker refuses by themselves, and its words: the others go on."""
        found = {}
        for engine in alerting(declared.engines):
            rules = await self._programs.promtool.problem_of_rules(rules_text(engine, self._settings))
            text = receivers.configuration_text([engine], declared.secrets)
            if problem := rules or await self._programs.amtool.problem_of_configuration(text):
                found[engine.namespace, engine.name] = problem
        return found

    def _quarantined(self, declared: Declared, refused: dict[tuple[str, str], str]) -> dict[str, str]:
        """What is left out, by name: what a checker refuses, what does not fit, receivers without their Secret."""
        engines = alerting(declared.engines)
        too_many = {(each.namespace, each.name) for each in rule_files(engines, self._settings).left_out}
        found = {}
        for engine in engines:
            name = engine.namespace, engine.name
            words = [refused.get(name, ""), TOO_MANY if name in too_many else ""]
            words += receivers.missing_secrets(engine, declared.secrets)
            if any(words):
                found["TradingEngine {}/{}".format(*name)] = "; ".join(filter(None, words))
        return found

    async def _leave(self, ref: Ref) -> None:
        """Take away what was shared in a namespace that the setting named before.

        Anybody may put the mark of such a stack on an object of his own, so it changes nothing but what is there.
        """
        observed = self._observed(ref)
        left = (each for each in observed.objects if each["metadata"].get("namespace", ref.name) == ref.name)
        if planned := plan((), left):
            logger.info("%s: observed elsewhere now: deleting %d shared objects", ref.name, len(planned.delete))
            await self._cluster.execute(planned, observed)

    async def _remove(self, ref: Ref) -> float | None:
        """Nothing is shared any more: take it away, and let Prometheus go back to its own configuration."""
        observed = self._observed(ref)
        planned = plan((), observed.objects)
        if planned:
            logger.info("%s: nothing is observed any more: deleting %d shared objects", ref.name, len(planned.delete))
            await self._cluster.execute(planned, observed)
            await self._roll_log_agent(())
            self._forgetting = True
        # What is said of engines is not said of none.
        self._cluster.stack_state = None
        return await self._forgotten() if self._forgetting else None

    async def _nothing_declared(self, ref: Ref) -> bool:
        return not self._observed(ref).objects or await self._cluster.nothing_declared()

    async def _forgotten(self) -> float | None:
        state = await self._loaded(StackState(), ())
        self._loading.note(well=state.loaded)
        self._telling.note(well=state.tells)
        if (state.loaded and state.tells) or self._loading.seconds() + self._telling.seconds() > FORGETTING:
            self._loading, self._telling, self._forgetting = Patience(), Patience(), False
            return None
        return min(self._loading.again(), self._telling.again())

    async def _checked(self, state: StackState, desired: tuple[Object, ...]) -> StackState:
        """Whether what is about to be written is sound as a whole."""
        try:
            prometheus = await self._programs.promtool.problem_of_configuration(configuration_of(desired))
            alertmanager = alertmanager_configuration_of(desired)
            return dataclasses.replace(
                state, invalid=prometheus or await self._programs.amtool.problem_of_configuration(alertmanager)
            )
        except PromtoolMissing as error:
            return dataclasses.replace(state, unchecked=str(error))

    async def _loaded(self, state: StackState, desired: tuple[Object, ...]) -> StackState:
        """Ask both what they have loaded, and make them load what is wanted."""
        programs, revision = self._programs, scrape.revision_of(configuration_of(desired))
        try:
            loaded = await self._made_to_load("prometheus", programs.prometheus, scrape.revision_of, revision)
            state = dataclasses.replace(state, loaded=loaded)
        except (PrometheusUnavailable, ApiRefused) as error:
            state = dataclasses.replace(state, unreachable=str(error))
        except PrometheusRefused as error:
            state = dataclasses.replace(state, invalid=str(error))
        revision = receivers.revision_of(alertmanager_configuration_of(desired))
        try:
            tells = await self._made_to_load("alertmanager", programs.alertmanager, receivers.revision_of, revision)
            return dataclasses.replace(state, tells=tells)
        except (PrometheusUnavailable, PrometheusRefused, ApiRefused) as error:
            return dataclasses.replace(state, untold=str(error))

    async def _made_to_load(
        self, name: str, program: Prometheus, revision_of: Callable[[str], str], wanted: str
    ) -> bool:
        """Whether it says that it has loaded a revision; where not, make it look and ask once more."""
        if revision_of(await program.status_config()) == wanted:
            return True
        pods = f"app.kubernetes.io/name={name}"
        await self._cluster.annotate_pods(self._settings.monitoring_namespace, pods, (TOUCHED, wanted))
        await program.reload()
        return revision_of(await program.status_config()) == wanted

    async def _roll_log_agent(self, desired: tuple[Object, ...]) -> None:
        """Start the agents anew where the file that they read has changed; who has others has no such DaemonSet."""
        shared = data_of(desired, logs.CONFIG_MAP)
        ref = Ref(DAEMON_SET, self._settings.monitoring_namespace, logs.DAEMON_SET)
        try:
            if await self._cluster.annotate_template(
                ref, CONFIG_HASH, lambda found: logs.agent_revision(found, shared, self._settings)
            ):
                logger.info("%s: its configuration has changed: its pods are started anew", ref)
        except ApiRefused as error:
            logger.warning("%s cannot be started anew: %s", ref, error)

    def _tell(self, state: StackState) -> float:
        """Let engines and targets know, where it is news; the seconds after which to look again."""
        before = self._cluster.stack_state
        self._loading.note(well=state.loaded)
        self._telling.note(well=state.tells)
        # A reload takes its seconds: said only where it takes longer.
        if before and not (state.tells or state.untold) and self._telling.seconds() < PATIENCE:
            state = dataclasses.replace(state, tells=before.tells, untold=before.untold)
        said = state.unchecked or state.invalid or state.refused or state.unreachable
        waits = not (state.loaded or said) and self._loading.seconds() < PATIENCE
        if not waits and state != before:
            self._cluster.stack_state = state
            self._on_change()
        return min(self._loading.again(), self._telling.again())

    def _observed(self, ref: Ref) -> Observed:
        return Observed(objects=tuple(each for each in self._cluster.owned(("", ref.name)) if is_ours(each)))


def _is_checked(planned: Plan) -> bool:
    return any(each["metadata"]["name"] in CHECKED for each in planned.apply)


def _without_checked(planned: Plan) -> Plan:
    """The plan without what Prometheus loads: the last good configuration stays."""
    return Plan(
        apply=tuple(each for each in planned.apply if each["metadata"]["name"] not in CHECKED),
        delete=tuple(each for each in planned.delete if each["metadata"]["name"] not in CHECKED),
    )
