"""The story of a TradingEngine: what its key in the queue leads to.

`run.py` gives the keys of engines to `Reconciler.reconcile`. It reads the world, never a difference, and
may run at any moment, any number of times. The red button comes before everything else: the executor that runs
is told, then the state is written where one that starts finds it.
"""

from __future__ import annotations

import dataclasses
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from trading_engine.contract.config import TradingState
from trading_engine.contract.messages import TradingStateReport
from trading_engine.contract.workers import TRADE_EXECUTOR
from trading_operator.api.v1alpha1 import MonitoringTarget, TradingEngine
from trading_operator.api.v1alpha1.base import living
from trading_operator.cache import Manifest, Ref
from trading_operator.checks import engine_status, invalid_status
from trading_operator.cluster import Cluster
from trading_operator.desired import Declaration, desired_objects, inputs_from, names, trading_state_object
from trading_operator.desired.inputs import plain
from trading_operator.desired.labels import COMPONENT
from trading_operator.errors import ApiRefused, InvalidResource
from trading_operator.events import EventRecorder
from trading_operator.executor_client import ExecutorAddress, ExecutorClient, ExecutorUnreachable
from trading_operator.kinds import MONITORING_TARGET, POD, SECRET
from trading_operator.observed import Observed
from trading_operator.ownership import is_ours
from trading_operator.plan import Plan, identity, plan
from trading_operator.reporting import Reporter
from trading_operator.settings import Settings

logger = logging.getLogger(__name__)

#: Seconds until the next look. No event tells what a person said to the executor, or changed in a Secret of his own.
SOON: Final = 2.0
NOT_READY: Final = 20.0
AT_REST: Final = 60.0


@dataclass(frozen=True)
class Trading:
    """What came of the red button; `silent` where an executor runs and does not answer."""

    report: TradingStateReport | None = None
    problem: str = ""
    silent: bool = False


class Reconciler:
    """Turns what people declared into what is, and says how far that is."""

    def __init__(
        self,
        cluster: Cluster,
        settings: Settings,
        executor: ExecutorClient,
        events: EventRecorder,
        now: Callable[[], datetime],
    ) -> None:
        self._cluster = cluster
        self._settings = settings
        self._executor = executor
        self._reporter = Reporter(cluster, events)
        self._now = now

    async def reconcile(self, ref: Ref) -> float | None:
        """Make one engine so; the seconds after which to look again, None where events suffice."""
        manifest = self._cluster.get(ref)
        if manifest is None:
            await self._sweep(ref)
            return None
        return await self._reconcile_engine(ref, manifest)

    async def _reconcile_engine(self, ref: Ref, manifest: Manifest) -> float | None:
        trading = await self._press_red_button(ref, manifest)
        if "deletionTimestamp" in manifest["metadata"]:
            return None
        try:
            again = await self._make(ref, manifest, trading)
        except ApiRefused as error:
            if not trading.silent:
                raise
            # What is refused may wait minutes; an executor that has not heard its state may not.
            logger.warning("%s: %s", ref, error)
        return SOON if trading.silent else again

    async def _make(self, ref: Ref, manifest: Manifest, trading: Trading) -> float:
        """Everything but the red button; ApiRefused where something of it was refused."""
        undeclared = await self._declare_trading_state(ref, manifest)
        try:
            engine = TradingEngine.parse(manifest)
        except InvalidResource as error:
            again = await self._report(ref, manifest, invalid_status(manifest, error, self._now()).to_dict())
            _raise(undeclared)
            return again
        observed = await self._cluster.gather(engine)
        planned = self._plan(engine, observed)
        refused = undeclared if engine.spec.suspend else await self._cluster.execute(planned, observed)
        observed = dataclasses.replace(
            self._cluster.refreshed(engine, observed),
            trading=trading.report,
            trading_problem=trading.problem,
            refused=refused,
            held_back=planned.names if engine.spec.suspend else (),
        )
        status = engine_status(engine, observed, self._now()).to_dict()
        again = await self._report(ref, manifest, status)
        _raise(refused)
        return again

    def _plan(self, engine: TradingEngine, observed: Observed) -> Plan:
        inputs = inputs_from(engine, observed.objects, observed.user_secrets, secrets.token_urlsafe)
        inputs = dataclasses.replace(inputs, targets=self._people_s_targets(engine))
        desired = desired_objects(engine, self._settings, inputs)
        found = observed.objects if engine.spec.suspend else (*observed.objects, *observed.strays)
        return plan(desired, found)

    def _people_s_targets(self, engine: TradingEngine) -> tuple[MonitoringTarget, ...]:
        declared = (each for each in self._cluster.all(MONITORING_TARGET) if not is_ours(each))
        beside = (each for each in declared if each["metadata"]["namespace"] == engine.namespace)
        return tuple(living(beside, MonitoringTarget)[0])

    async def _press_red_button(self, ref: Ref, manifest: Manifest) -> Trading:
        """Tell the executor its state from what is at hand: neither the API server nor a valid spec is needed."""
        wanted = _trading_state(manifest)
        if wanted is None:
            return Trading(problem=f"spec.tradingState is none of {', '.join(TradingState)}")
        address = self._executor_address(ref)
        if address is None:
            return Trading(problem="no trade executor runs")
        try:
            why = f"spec.tradingState, generation {manifest['metadata'].get('generation', 0)}"
            return Trading(await self._executor.ensure(address, wanted, why))
        except ExecutorUnreachable as error:
            return Trading(problem=str(error), silent=True)

    async def _declare_trading_state(self, ref: Ref, manifest: Manifest) -> tuple[str, ...]:
        """Write the state where an executor that starts reads it, also while suspended; what was refused, in words."""
        state = _trading_state(manifest)
        if state is None:
            return ()
        wanted = trading_state_object(Declaration(ref.namespace, ref.name, manifest["metadata"]["uid"], state))
        owned = self._cluster.owned((ref.namespace, ref.name))
        found = tuple(each for each in owned if is_ours(each) and identity(each) == identity(wanted))
        planned = plan((wanted,), found)
        return await self._cluster.execute(planned, Observed(objects=found)) if planned else ()

    def _executor_address(self, ref: Ref) -> ExecutorAddress | None:
        # Anybody may put an engine's mark on an object of his own: what carries it elsewhere is not asked and not told.
        pods = [each for each in self._cluster.owned((ref.namespace, ref.name)) if _is_running_executor(each, ref)]
        holder = self._cluster.get(Ref(SECRET, ref.namespace, names.token_secret(ref)))
        token = plain(holder).get(names.TOKEN_KEY) if holder else None
        if not token or not pods:
            return None
        newest = max(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")))
        return ExecutorAddress(newest["status"]["podIP"], token, _incarnation(newest))

    async def _report(self, ref: Ref, manifest: Manifest, status: dict[str, Any]) -> float:
        return AT_REST if await self._reporter.report(ref, manifest, status) else NOT_READY

    async def _sweep(self, ref: Ref) -> None:
        """Delete what a deleted engine left outside its namespace.

        What is inside has ownerReferences, or lost them because somebody asked the API server to orphan it.
        """
        owned = self._cluster.owned((ref.namespace, ref.name))
        left = plan((), (each for each in owned if _is_left_elsewhere(each, ref))).delete
        # Nothing is destroyed on the word of a cache.
        if not left or await self._cluster.exists(ref):
            return
        logger.info("%s is gone: deleting %d objects it left elsewhere", ref, len(left))
        for each in left:
            await self._cluster.delete(each)


def _trading_state(manifest: Manifest) -> TradingState | None:
    """What the spec declares, whether or not the rest of it is valid; None where it is no state."""
    wanted = manifest.get("spec", {}).get("tradingState", TradingState.ACTIVE)
    return TradingState(wanted) if wanted in list(TradingState) else None


def _raise(refused: tuple[str, ...]) -> None:
    """What was refused is shown in the status; raised as well, the next try waits its back-off."""
    if refused:
        raise ApiRefused(0, "ApplyRefused", "; ".join(refused))


def _is_left_elsewhere(manifest: Manifest, ref: Ref) -> bool:
    metadata = manifest["metadata"]
    foreign = metadata["namespace"] != ref.namespace and not metadata.get("ownerReferences")
    return foreign and manifest["kind"] != POD.name


def _is_running_executor(manifest: Manifest, ref: Ref) -> bool:
    metadata, status = manifest["metadata"], manifest.get("status", {})
    if manifest["kind"] != POD.name or metadata["namespace"] != ref.namespace or "deletionTimestamp" in metadata:
        return False
    component = metadata["labels"].get(COMPONENT)
    return component == TRADE_EXECUTOR.service and status.get("phase") == "Running" and bool(status.get("podIP"))


def _incarnation(pod: Manifest) -> str:
    restarts = sum(each.get("restartCount", 0) for each in pod["status"].get("containerStatuses", ()))
    return f"{pod['metadata']['uid']}/{restarts}"
