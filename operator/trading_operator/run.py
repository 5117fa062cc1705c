"""`trading-operator run`: everything started in order, everything stopped in order.

The cache is filled first, then the watches start, and only the holder of the lease works on the queue.
Whatever ends by itself ends the process: a supervisor that starts it again is simpler than half of it.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import signal
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import aiohttp

from trading_operator import health, watchers
from trading_operator.cache import Cache, Manifest, Ref
from trading_operator.cluster import Cluster
from trading_operator.connection import Connection, Limits, connect
from trading_operator.discovery import Discovery
from trading_operator.errors import ApiRefused, ClusterUnavailable, LeadershipLost
from trading_operator.events import EventRecorder
from trading_operator.evidence_rounds import EvidenceRounds
from trading_operator.executor_client import ExecutorClient
from trading_operator.handlers import Handlers
from trading_operator.kinds import MONITORING_TARGET, NAMESPACE, PARENTS, TRADING_ENGINE
from trading_operator.leader import Leader, Timings
from trading_operator.lease import ClusterLease
from trading_operator.metrics import OperatorMetrics
from trading_operator.ownership import owner_of
from trading_operator.prometheus import Alertmanager, Prometheus
from trading_operator.promtool import Amtool, Promtool
from trading_operator.queue import Backoff, WorkQueue, work
from trading_operator.reconcile import Reconciler
from trading_operator.reconcile_stack import Programs, StackReconciler
from trading_operator.reconcile_target import TargetReconciler
from trading_operator.relist import Relist
from trading_operator.resource_metrics import ResourceMetrics
from trading_operator.settings import Settings
from trading_operator.target_index import TargetIndex

logger = logging.getLogger(__name__)

#: An outage ends by itself, soon tried again; a refusal and a bug stay until somebody acts, and an event tells.
OUTAGE: Final = Backoff(base=0.2, cap=5)
REFUSED: Final = Backoff(base=2, cap=300)
BUG: Final = Backoff(base=1, cap=60)
#: Seconds: deadline of one reconcile, patience at the end.
RECONCILE_DEADLINE: Final = 60.0
GRACE: Final = 5.0


@dataclass(frozen=True)
class Parts:
    """The pieces that the running half is made of."""

    settings: Settings
    metrics: OperatorMetrics
    handlers: Handlers
    queue: WorkQueue[Ref]
    leader: Leader
    relist: Relist
    reconciler: Reconciler
    stack: StackReconciler
    targets: TargetReconciler
    evidence: EvidenceRounds
    discovery: Discovery


async def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT; anything else that ends it is raised."""
    metrics = OperatorMetrics("tradingengine")
    user_agent = f"trading-operator/{settings.pod_name}"
    async with (
        connect(user_agent, Limits(timeout=min(5.0, settings.lease_seconds / 3)), metrics.requested) as connection,
        # Nothing an executor sends is unpacked: a small answer stays small.
        aiohttp.ClientSession(auto_decompress=False) as http,
    ):
        parts = _assemble(settings, metrics, connection, http)
        async with health.serving(
            settings.http_port,
            metrics.registry,
            lambda: unhealthy(parts),
            lambda: unready(parts),
            parts.discovery.answer,
        ) as port:
            logger.info("serving /healthz, /readyz, /metrics and /targets on port %d", port)
            await _run(parts, connection)


def unhealthy(parts: Parts) -> str:
    """Why a restart would help, or ""."""
    stuck = parts.queue.oldest_seconds() if parts.leader.leads() else 0
    if stuck > 2 * RECONCILE_DEADLINE:
        return f"the queue has not moved for {stuck:.0f} s"
    age = time.monotonic() - parts.relist.tried_at
    if age > 2 * parts.settings.relist_seconds + 60:
        return f"nothing was listed for {age:.0f} s"
    return ""


def unready(parts: Parts) -> str:
    """Why this replica could not take over now, or ""."""
    return "" if parts.relist.complete.is_set() else "the cluster has not been listed yet"


def _assemble(
    settings: Settings, metrics: OperatorMetrics, connection: Connection, http: aiohttp.ClientSession
) -> Parts:
    cache = Cache(owner_of)
    # The red button waits for no target, however many there are.
    queue: WorkQueue[Ref] = WorkQueue(metrics.queue, lambda ref: ref.kind == TRADING_ENGINE)
    metrics.queue.follow(queue.unfinished_seconds)
    index = TargetIndex()
    handlers = Handlers(cache, queue.add, metrics.watched, settings.monitoring_namespace, index)
    identity = f"{settings.pod_name}_{secrets.token_hex(4)}"
    lease = ClusterLease(connection, settings.pod_namespace, settings.lease_name)
    leader = Leader(lease, identity, Timings.of(settings.lease_seconds))
    connection.guard = leader.require
    relist = Relist(connection, cache, handlers.deliveries, handlers.changed, metrics.corrected)
    events = EventRecorder(settings.pod_name)
    cluster, executor = Cluster(connection, cache, settings.collectors_namespace), ExecutorClient(http)
    executor.guard = leader.require
    reconciler = Reconciler(cluster, settings, executor, events, _now)
    prometheus, alertmanager = Prometheus(http, settings.prometheus), Alertmanager(http, settings.alertmanager)
    programs = Programs(prometheus, alertmanager, Promtool(settings.promtool), Amtool(settings.amtool))
    stack = StackReconciler(cluster, settings, programs, handlers.wake_resources)
    evidence = EvidenceRounds(prometheus, queue.add, _now, metrics.asked)
    targets = TargetReconciler(cluster, settings, (evidence, index), events, _now)
    metrics.registry.register(ResourceMetrics(lambda: _resources(cache) if leader.leads() else ()))
    discovery = Discovery(cluster, settings, relist.complete.is_set)
    return Parts(settings, metrics, handlers, queue, leader, relist, reconciler, stack, targets, evidence, discovery)


def _resources(cache: Cache) -> list[Manifest]:
    return [each for kind in PARENTS for each in cache.all(kind)]


async def _run(parts: Parts, connection: Connection) -> None:
    stop = asyncio.Event()
    _stop_on_signals(stop)
    leader = _task("leader", parts.leader.run())
    others = [
        _task("stop", stop.wait()),
        _task("relist", parts.relist.run(parts.settings.relist_seconds, parts.settings.deaf_seconds)),
        _task("greeter", _greet(parts)),
        _task("sweeper", _sweep_regularly(parts)),
        _task("evidence", parts.evidence.run(parts.settings.evidence_seconds)),
        *(_task(f"worker {number}", _worker(parts)) for number in range(parts.settings.workers)),
    ]
    try:
        await _until_listed(parts, [leader, *others])
        if not stop.is_set():
            others += await watchers.spawn(connection.configuration, parts.handlers.on_event)
            _stop_on_signals(stop)  # kopf has taken the signals for itself
            await _first_to_end([leader, *others])
    finally:
        parts.queue.close()
        await _end(others)
        # Only now can nothing of ours write any more, nor take the lease again.
        await _end([leader])
        await parts.leader.release()
        asyncio.get_running_loop().set_exception_handler(at_the_end)


def at_the_end(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Exception handler of a loop that ends: says everything but one thing.

    A watch of kopf that is cancelled while it hands out an event leaves two nested generators to the loop, which
    closes both at once, and the outer one complains that the inner one is closed already.
    """
    if "asyncgen" not in context:
        loop.default_exception_handler(context)


def _stop_on_signals(stop: asyncio.Event) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)


async def _worker(parts: Parts) -> None:
    # A cache that is half full shows objects as missing.
    await parts.relist.complete.wait()
    await parts.leader.elected.wait()
    await work(parts.queue, lambda ref: _handle(parts, ref))


async def _handle(parts: Parts, ref: Ref) -> None:
    """Reconcile one key; decide when it comes back."""
    started, result = time.monotonic(), "error"
    try:
        async with asyncio.timeout(RECONCILE_DEADLINE):
            again = await _reconciler(parts, ref).reconcile(ref)
        parts.queue.forget(ref)
        if again is not None:
            # Spread, so that a restart does not bring all of them back together for ever.
            parts.queue.add_after(ref, again * random.uniform(0.8, 1.0))
        result = "success" if again is None else "requeue_after"
    except LeadershipLost:
        raise
    except ClusterUnavailable as error:
        _come_back(parts, ref, OUTAGE, str(error))
    except (ApiRefused, TimeoutError) as error:
        _come_back(parts, ref, REFUSED, str(error) or "took too long")
    except Exception:
        logger.exception("%s: a bug; again in %.1f s", ref, parts.queue.retry(ref, BUG))
    finally:
        parts.metrics.reconciled(result, time.monotonic() - started)


def _reconciler(parts: Parts, ref: Ref) -> Reconciler | StackReconciler | TargetReconciler:
    if ref.kind == NAMESPACE:
        return parts.stack
    return parts.targets if ref.kind == MONITORING_TARGET else parts.reconciler


def _come_back(parts: Parts, ref: Ref, backoff: Backoff, why: str) -> None:
    logger.warning("%s: %s; again in %.1f s", ref, why, parts.queue.retry(ref, backoff))


async def _greet(parts: Parts) -> None:
    """Once leading, look at everything; then stay."""
    await parts.leader.elected.wait()
    parts.metrics.leading(True)
    await parts.relist.complete.wait()
    parts.handlers.wake_all()
    await asyncio.Event().wait()


async def _sweep_regularly(parts: Parts) -> None:
    while True:
        await asyncio.sleep(parts.settings.relist_seconds)
        parts.handlers.wake_orphans()


async def _until_listed(parts: Parts, crew: list[asyncio.Task[Any]]) -> None:
    listed = _task("first list", parts.relist.complete.wait())
    try:
        await _first_to_end([listed, *crew])
    finally:
        listed.cancel()


async def _first_to_end(tasks: list[asyncio.Task[Any]]) -> None:
    """Wait for the first to end; its exception, if it has one, is raised."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


async def _end(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=GRACE)


def _task(name: str, work_: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    return asyncio.create_task(work_, name=name)


def _now() -> datetime:
    return datetime.now(UTC)
