"""The order of a reconcile, over a cluster in memory: the red button first, whatever else fails."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.operator.engines import SETTINGS, echoed, objects
from trading_engine.contract.config import TradingState
from trading_engine.contract.messages import TradingStateReport
from trading_operator.api.v1alpha1 import TradingEngine
from trading_operator.cache import Ref, ref_of
from trading_operator.desired.labels import secret
from trading_operator.errors import ApiRefused, ClusterUnavailable
from trading_operator.events import EventRecorder
from trading_operator.executor_client import ExecutorAddress, ExecutorUnreachable, Timings
from trading_operator.kinds import TRADING_ENGINE, Kind, kind_of
from trading_operator.metrics import OperatorMetrics
from trading_operator.observed import Observed
from trading_operator.plan import Plan
from trading_operator.queue import WorkQueue, work
from trading_operator.reconcile import AT_REST, NOT_READY, SOON, Reconciler
from trading_operator.settings import Settings

REF = Ref(TRADING_ENGINE, "trading", "paper")
MARK = {"tradingengine.io/engine": "paper", "tradingengine.io/engine-namespace": "trading"}
OURS = {"app.kubernetes.io/managed-by": "trading-operator"} | MARK


def an_engine(**spec: Any) -> dict[str, Any]:
    metadata = {"name": "paper", "namespace": "trading", "uid": "u", "generation": 3, "resourceVersion": "7"}
    return {
        "apiVersion": "tradingengine.io/v1alpha1",
        "kind": "TradingEngine",
        "metadata": metadata,
        "spec": {"symbols": ["BTC/USD"]} | spec,
    }


def a_pod() -> dict[str, Any]:
    labels = MARK | {"app.kubernetes.io/component": "trade-executor"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "trading", "uid": "pod", "labels": labels},
        "status": {"phase": "Running", "podIP": "10.0.0.7"},
    }


def a_token() -> dict[str, Any]:
    made = secret("paper-token", "trading", {"token": "t"})
    return made | {"metadata": made["metadata"] | {"labels": OURS, "uid": "s", "resourceVersion": "1"}}


class MemoryCluster:
    """What `Reconciler` asks of a cluster, in the order it asked."""

    def __init__(self, engine: dict[str, Any] | None) -> None:
        self.engine = engine
        self.objects: list[Mapping[str, Any]] = [a_pod(), a_token()]
        self.story: list[str] = []
        self.statuses: list[Mapping[str, Any]] = []
        self.down = self.unreadable = False
        self.refused: tuple[str, ...] = ()
        self.declared: list[str] = []
        self.there = False
        self.observed: Observed | None = None
        self.targets: list[Mapping[str, Any]] = []

    def get(self, ref: Ref) -> Mapping[str, Any] | None:
        if ref.kind == TRADING_ENGINE:
            return self.engine
        return next((each for each in self.objects if ref_of(kind_of(each), each) == ref), None)

    def owned(self, _: tuple[str, str]) -> list[Mapping[str, Any]]:
        return self.objects

    def all(self, _: Kind) -> list[Mapping[str, Any]]:
        return self.targets

    async def gather(self, _: TradingEngine) -> Observed:
        self.story.append("gather")
        if self.unreadable:
            raise ApiRefused(403, "Forbidden", "secrets may not be read")
        return self.observed or Observed(objects=(a_token(),), pods=(a_pod(),))

    def refreshed(self, _: TradingEngine, before: Observed) -> Observed:
        self.story.append("look again")
        return before

    async def execute(self, plan: Plan, _: Observed) -> tuple[str, ...]:
        if self.down:
            raise ClusterUnavailable("down")
        if plan.names == ("ConfigMap paper-trading-state",):
            return self._declare(plan.apply[0])
        self.story.append("execute")
        assert plan or self.observed
        return self.refused

    def _declare(self, found: Mapping[str, Any]) -> tuple[str, ...]:
        if not self.refused:
            self.story.append("declare")
            self.declared.append(json.loads(found["data"]["declared.json"])["state"])
            self.objects = [*self.objects, *echoed((dict(found),))]
        return self.refused

    async def write_status(self, _: Kind, __: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
        self.story.append("status")
        self.statuses.append(status)
        return True

    async def post_event(self, _: Mapping[str, Any]) -> None:
        self.story.append("event")

    async def exists(self, _: Ref) -> bool:
        return self.there

    async def delete(self, manifest: Mapping[str, Any]) -> None:
        self.story.append(f"delete {manifest['kind']} {manifest['metadata']['name']}")

    def condition(self, type_: str) -> Mapping[str, Any]:
        return next(each for each in self.statuses[-1]["conditions"] if each["type"] == type_)


class Button:
    """An executor client that notes what it was told."""

    def __init__(self, cluster: MemoryCluster) -> None:
        self.cluster = cluster
        self.told: list[tuple[ExecutorAddress, TradingState]] = []
        self.silent = False

    async def ensure(self, address: ExecutorAddress, wanted: TradingState, why: str) -> TradingStateReport:
        self.cluster.story.append("button")
        self.told.append((address, wanted))
        if self.silent:
            raise ExecutorUnreachable("no route")
        return TradingStateReport(state=wanted, who="trading-operator", why=why, since_ms=1, orders_sent_since=0)


def bench(engine: dict[str, Any] | None) -> tuple[MemoryCluster, Button, Reconciler]:
    cluster = MemoryCluster(engine)
    button = Button(cluster)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    made = Reconciler(cluster, SETTINGS, button, EventRecorder("me"), lambda: now)  # type: ignore[arg-type]
    return cluster, button, made


async def test_button_comes_first_when_an_engine_is_reconciled() -> None:
    """Before anything is read or written."""
    cluster, button, reconciler = bench(an_engine(tradingState="Halted"))
    assert await reconciler.reconcile(REF) == NOT_READY
    assert cluster.story[:5] == ["button", "declare", "gather", "execute", "look again"]
    assert button.told == [(ExecutorAddress("10.0.0.7", "t", "pod/0"), TradingState.HALTED)]
    assert cluster.condition("Halted")["status"] == "True"


async def test_button_works_when_the_api_server_is_away() -> None:
    """What is at hand suffices."""
    cluster, button, reconciler = bench(an_engine(tradingState="Halted"))
    cluster.down = True
    with pytest.raises(ClusterUnavailable):
        await reconciler.reconcile(REF)
    assert [wanted for _, wanted in button.told] == [TradingState.HALTED]


async def test_button_works_when_the_spec_is_invalid() -> None:
    """A broken spec is a condition; a halt in it is obeyed."""
    cluster, button, reconciler = bench(an_engine(tradingState="Halted", symbols=["nonsense"]))
    await reconciler.reconcile(REF)
    assert [wanted for _, wanted in button.told] == [TradingState.HALTED]
    assert "gather" not in cluster.story
    assert cluster.declared == ["Halted"]
    assert cluster.condition("Ready")["reason"] == "InvalidSpec"


async def test_button_works_when_suspended_and_nothing_else_is_written() -> None:
    """Suspend leaves the world alone, not the executor, nor where one that starts looks."""
    cluster, button, reconciler = bench(an_engine(tradingState="Halted", suspend=True))
    await reconciler.reconcile(REF)
    assert [wanted for _, wanted in button.told] == [TradingState.HALTED]
    assert "execute" not in cluster.story
    assert cluster.declared == ["Halted"]
    assert cluster.condition("Suspended")["status"] == "True"
    assert cluster.condition("Halted")["status"] == "True"


async def test_button_works_when_the_engine_is_being_deleted() -> None:
    """And nothing is made again."""
    engine = an_engine(tradingState="Halted")
    engine["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    cluster, button, reconciler = bench(engine)
    assert await reconciler.reconcile(REF) is None
    assert cluster.story == ["button"]
    assert len(button.told) == 1


async def test_halted_is_not_true_when_the_executor_is_silent() -> None:
    """No word of the executor, no Halted; and it is asked again soon."""
    cluster, button, reconciler = bench(an_engine(tradingState="Halted"))
    button.silent = True
    assert await reconciler.reconcile(REF) == SOON
    assert cluster.declared == ["Halted"]
    assert cluster.condition("Halted")["status"] == "Unknown"
    assert "no route" in cluster.condition("Halted")["message"]


@pytest.mark.parametrize(
    "spec", [{}, {"suspend": True}, {"symbols": ["nonsense"]}], ids=["running", "suspended", "invalid"]
)
async def test_silent_executor_is_asked_again_soon_when_something_is_refused(spec: dict[str, Any]) -> None:
    """A quota may hold back an object for hours; a halt waits two seconds all the same."""
    cluster, button, reconciler = bench(an_engine(tradingState="Halted", **spec))
    button.silent, cluster.refused = True, ("exceeded quota",)
    assert await reconciler.reconcile(REF) == SOON


async def test_silent_executor_is_asked_again_soon_when_reading_is_refused() -> None:
    """Nor does it wait for rights that somebody took away."""
    cluster, button, reconciler = bench(an_engine(tradingState="Halted"))
    button.silent = cluster.unreadable = True
    assert await reconciler.reconcile(REF) == SOON


async def test_halted_is_not_true_when_no_executor_runs() -> None:
    """Its pod's events bring the next look; nothing is polled for it."""
    cluster, button, reconciler = bench(an_engine(tradingState="Halted"))
    cluster.objects = [a_token()]
    assert await reconciler.reconcile(REF) == NOT_READY
    assert button.told == []
    assert cluster.declared == ["Halted"]
    assert cluster.condition("Halted")["status"] == "Unknown"


async def test_state_is_declared_once_when_it_stays() -> None:
    """Compared before it is written; an edit, or a hand in it, has it written again."""
    cluster, _, reconciler = bench(an_engine(tradingState="Halted", suspend=True))
    await reconciler.reconcile(REF)
    await reconciler.reconcile(REF)
    once = list(cluster.declared)
    cluster.objects[-1]["data"]["declared.json"] = "{}"
    await reconciler.reconcile(REF)
    cluster.engine = an_engine(tradingState="Active", suspend=True)
    cluster.objects = cluster.objects[:2]
    await reconciler.reconcile(REF)

    assert once == ["Halted"]
    assert cluster.declared == ["Halted", "Halted", "Active"]


@pytest.mark.parametrize("spec", [{"suspend": True}, {"symbols": ["nonsense"]}], ids=["suspended", "invalid"])
async def test_button_works_when_the_declaration_is_refused(spec: dict[str, Any]) -> None:
    """Neither stops the other; the refusal is raised, so that the next try waits its back-off."""
    cluster, button, reconciler = bench(an_engine(tradingState="Halted", **spec))
    cluster.refused = ("Forbidden: exceeded quota",)
    with pytest.raises(ApiRefused, match="exceeded quota"):
        await reconciler.reconcile(REF)
    assert [wanted for _, wanted in button.told] == [TradingState.HALTED]
    assert cluster.condition("Ready")["reason"] == ("ApplyRefused" if "suspend" in spec else "InvalidSpec")


async def test_state_is_declared_when_what_comes_after_cannot_be_read() -> None:
    """A Secret that may not be read fails the gathering, after the red button's two steps."""
    cluster, button, reconciler = bench(an_engine(tradingState="Halted"))
    cluster.unreadable = True
    with pytest.raises(ApiRefused):
        await reconciler.reconcile(REF)
    assert [wanted for _, wanted in button.told] == [TradingState.HALTED]
    assert cluster.declared == ["Halted"]


async def test_refusal_is_shown_and_raised_when_the_api_server_says_no() -> None:
    """The status tells it, the raise makes the next try wait its back-off."""
    cluster, _, reconciler = bench(an_engine())
    cluster.refused = ("Forbidden: exceeded quota",)
    with pytest.raises(ApiRefused, match="exceeded quota"):
        await reconciler.reconcile(REF)
    assert cluster.condition("Ready")["reason"] == "ApplyRefused"
    assert "exceeded quota" in cluster.condition("Ready")["message"]


@pytest.mark.parametrize("there", [False, True], ids=["gone", "there after all"])
async def test_leftovers_elsewhere_are_swept_only_when_the_engine_is_gone_for_sure(there: bool) -> None:
    """Nothing is destroyed on the word of a cache; what has an ownerReference is the garbage collector's.

    What was orphaned on purpose (`kubectl delete --cascade=orphan`) is the user's.
    """
    cluster, _, reconciler = bench(None)
    cluster.there = there
    away = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "away", "namespace": "crypto-collectors", "labels": OURS},
    }
    home = a_token() | {"metadata": a_token()["metadata"] | {"ownerReferences": [{"uid": "u"}]}}
    cluster.objects = [away, home, a_pod(), a_token()]
    await reconciler.reconcile(REF)
    assert cluster.story == ([] if there else ["delete ConfigMap away"])


async def test_token_and_button_stay_in_the_namespace_when_somebody_elsewhere_wears_the_mark() -> None:
    """A newer pod and another token in a namespace of somebody else: neither is asked, told or believed."""
    cluster, button, reconciler = bench(an_engine(tradingState="Halted"))
    pod, token = a_pod(), a_token()
    elsewhere = {"namespace": "a-tenant", "creationTimestamp": "2030-01-01T00:00:00Z"}
    stranger = pod | {"metadata": pod["metadata"] | elsewhere, "status": {"phase": "Running", "podIP": "10.6.6.6"}}
    bait = token | {"metadata": token["metadata"] | elsewhere, "data": {"token": "ZXZpbA=="}}
    cluster.objects = [bait, stranger, *cluster.objects]
    await reconciler.reconcile(REF)
    assert button.told == [(ExecutorAddress("10.0.0.7", "t", "pod/0"), TradingState.HALTED)]
    cluster.objects = [bait, stranger, token]
    await reconciler.reconcile(REF)
    assert len(button.told) == 1
    assert cluster.condition("Halted")["status"] == "Unknown"


async def test_engine_at_rest_is_looked_at_again_when_a_minute_has_passed() -> None:
    """No event tells that a person halted at the executor, or gave his own Secret another value."""
    cluster, button, reconciler = bench(an_engine())
    of = TradingEngine.parse(an_engine())
    ready = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1}
    cluster.observed = Observed(objects=tuple(each | {"status": ready} for each in echoed(objects(of))))
    assert await reconciler.reconcile(REF) == AT_REST
    assert cluster.condition("Ready")["status"] == "True"
    assert len(button.told) == 1


async def test_halt_waits_two_seconds_at_most_when_32_executors_are_out_of_reach() -> None:
    """Each dead one holds a worker of the queue for its connect timeout; here a second is 50 ms."""
    queue: WorkQueue[int] = WorkQueue(OperatorMetrics("x").queue)
    turn = asyncio.Event()

    async def handle(key: int) -> None:
        if key == 32:
            turn.set()
        await asyncio.sleep(Timings().connect / 20)

    for key in range(33):
        queue.add(key)
    started = asyncio.get_running_loop().time()
    workers = [asyncio.create_task(work(queue, handle)) for _ in range(Settings().workers)]
    await asyncio.wait_for(turn.wait(), 5)
    assert asyncio.get_running_loop().time() - started < 5 * 2 / 20  # five-fold room; one after the other takes 1.65
    for each in workers:
        each.cancel()
    await asyncio.gather(*workers, return_exceptions=True)


def test_polling_is_rare_when_nothing_is_urgent() -> None:
    """The figures that decide how often an engine at rest is looked at."""
    assert SOON < NOT_READY < AT_REST
