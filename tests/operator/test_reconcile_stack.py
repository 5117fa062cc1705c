"""The story of what engines share, over a cluster and a Prometheus in memory: what is believed, what is said."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from tests.operator.engines import SETTINGS, echoed, engine
from trading_operator import reconcile_stack
from trading_operator.cache import Ref
from trading_operator.desired.scrape import revision_of
from trading_operator.desired.selection import World
from trading_operator.desired.stack import alertmanager_configuration_of, configuration_of
from trading_operator.errors import ApiRefused, PrometheusRefused, PrometheusUnavailable, PromtoolMissing
from trading_operator.kinds import NAMESPACE, TRADING_ENGINE, Kind
from trading_operator.observed import Observed, StackState
from trading_operator.plan import Plan
from trading_operator.reconcile_stack import AT_REST, LATEST, PATIENCE, SOONEST, Programs, StackReconciler

MADE_FOR = frozenset({engine().uid})
KEY = Ref(NAMESPACE, "", "monitoring")
Manifest = Mapping[str, Any]


def a_state(**found: Any) -> StackState:
    """A state of what was made for one engine."""
    return StackState(**({"engines": MADE_FOR} | found))


class PassingAmtool:
    """Finds nothing wrong."""

    async def problem_of_configuration(self, _: str) -> str:
        return ""


class PlayedAlertmanager:
    """Loads what is held, as soon as it is asked to."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.loaded = bench, ""
        self.failing: Exception | None = None

    async def status_config(self) -> str:
        if self.failing:
            raise self.failing
        return self.loaded

    async def reload(self) -> None:
        self.loaded = alertmanager_configuration_of([dict(each) for each in self.bench.held])


class Bench:
    """Cluster, Prometheus, promtool and clock in one; `loads` says what a reload does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.declared = [engine().to_dict()]
        self.held: list[Manifest] = []
        self.stack_state: StackState | None = None
        self.loaded, self.loads, self.problem = "", True, ""
        self.failing: Exception | None = None
        self.refused: tuple[str, ...] = ()
        self.empty = False
        self.touched: list[str] = []
        self.told = 0
        self.now = 0.0
        self.plans: list[Plan] = []
        monkeypatch.setattr(reconcile_stack, "time", SimpleNamespace(monotonic=lambda: self.now))
        self.alertmanager = PlayedAlertmanager(self)
        programs = Programs(self, self.alertmanager, self, PassingAmtool())  # type: ignore[arg-type]
        self.stack = StackReconciler(self, SETTINGS, programs, self._tell)  # type: ignore[arg-type]

    def _tell(self) -> None:
        self.told += 1

    def all(self, kind: Kind) -> list[Manifest]:
        return list(self.declared) if kind == TRADING_ENGINE else []

    def world(self) -> World:
        return World.of((), (), ())

    def owned(self, _: tuple[str, str]) -> list[Manifest]:
        return self.held

    async def secret_values(self, _: object) -> dict[tuple[str, str], dict[str, str]]:
        return {}

    async def nothing_declared(self) -> bool:
        return self.empty

    async def execute(self, plan: Plan, _: Observed) -> tuple[str, ...]:
        if plan:
            self.plans.append(plan)
        gone = {each["metadata"]["name"] for each in (*plan.delete, *plan.apply)}
        self.held = [each for each in self.held if each["metadata"]["name"] not in gone] + echoed(plan.apply)
        return self.refused

    async def annotate_template(self, *_: object) -> bool:
        return False

    async def annotate_pods(self, _: str, __: str, annotation: tuple[str, str]) -> int:
        self.touched.append(annotation[1])
        return 1

    async def status_config(self) -> str:
        if self.failing:
            raise self.failing
        return self.loaded

    async def reload(self) -> None:
        if self.loads:
            self.loaded = configuration_of([dict(each) for each in self.held])

    async def problem_of_rules(self, _: str) -> str:
        return ""

    async def problem_of_configuration(self, _: str) -> str:
        if self.problem == "missing":
            raise PromtoolMissing("not there")
        return self.problem

    async def look(self) -> float | None:
        return await self.stack.reconcile(KEY)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


async def test_nothing_more_is_done_when_prometheus_has_loaded_the_revision(bench: Bench) -> None:
    """Written once, both programs touched and reloaded once; then only asked."""
    assert await bench.look() == AT_REST
    assert bench.stack_state == a_state(loaded=True, tells=True)
    assert bench.touched[0] == revision_of(bench.loaded)
    assert await bench.look() == AT_REST
    assert (len(bench.plans), len(bench.touched), bench.told) == (1, 2, 1)


async def test_nothing_is_said_when_a_reload_takes_its_seconds(bench: Bench) -> None:
    """Asked again and again, more slowly in time; said once, after 15 s; and once that it is well."""
    bench.loads = False
    assert await bench.look() == SOONEST
    assert (bench.stack_state, bench.told) == (None, 0)
    bench.now = PATIENCE - 1
    assert SOONEST < (await bench.look() or 0) < LATEST
    assert bench.told == 0
    bench.now = PATIENCE + 200
    assert await bench.look() == LATEST
    assert (bench.stack_state, bench.told) == (a_state(tells=True), 1)
    bench.loads = True
    assert await bench.look() == AT_REST
    assert (bench.stack_state, bench.told) == (a_state(loaded=True, tells=True), 2)


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (PrometheusUnavailable("no route"), a_state(unreachable="no route", tells=True)),
        (PrometheusRefused(500, "bad config"), a_state(invalid="bad config", tells=True)),
    ],
)
async def test_words_are_kept_when_prometheus_fails(bench: Bench, error: Exception, state: StackState) -> None:
    """Said once, not at every look."""
    bench.failing = error
    for _ in range(3):
        await bench.look()
    assert (bench.stack_state, bench.told) == (state, 1)


@pytest.mark.parametrize(
    ("problem", "state"),
    [("bad", a_state(invalid="bad", tells=True)), ("missing", a_state(unchecked="not there", tells=True))],
)
async def test_last_good_configuration_stays_when_the_next_does_not_pass(
    bench: Bench, problem: str, state: StackState
) -> None:
    """The rights are written, the configuration is not; nothing is asked of Prometheus about it."""
    await bench.look()
    before = configuration_of([dict(each) for each in bench.held])
    bench.problem = problem
    bench.declared = [engine(namespace="another").to_dict()]
    await bench.look()
    assert configuration_of([dict(each) for each in bench.held]) == before
    assert bench.stack_state == dataclasses.replace(state, engines=frozenset({engine(namespace="another").uid}))


async def test_alertmanager_is_told_of_apart_when_it_does_not_answer(bench: Bench) -> None:
    """Prometheus scrapes all the same."""
    bench.alertmanager.failing = PrometheusUnavailable("no route")
    for _ in range(3):
        await bench.look()
    assert (bench.stack_state, bench.told) == (a_state(loaded=True, untold="no route"), 1)


async def test_all_is_taken_away_when_the_last_engine_goes(bench: Bench) -> None:
    """Prometheus is made to read its own configuration; then nobody looks any more."""
    await bench.look()
    bench.declared, bench.empty = [], True
    assert await bench.look() is None
    assert (bench.held, bench.loaded, bench.touched[-1], bench.stack_state) == ([], "", "", None)
    assert await bench.look() is None


async def test_nothing_is_taken_away_when_only_the_cache_says_so(bench: Bench) -> None:
    """The API server knows an engine; or there is one that cannot be read."""
    await bench.look()
    before = bench.held
    bench.declared = []
    assert await bench.look() == AT_REST
    bench.declared, bench.empty = [{"metadata": {"name": "x", "namespace": "y"}, "spec": {"symbols": 1}}], True
    assert await bench.look() == AT_REST
    assert bench.held == before


async def test_all_is_taken_away_when_nobody_wants_to_be_observed(bench: Bench) -> None:
    """The engine stays."""
    await bench.look()
    bench.declared = [engine(observability={"scrape": "Disabled"}).to_dict()]
    await bench.look()
    assert bench.held == []


async def test_refusal_is_raised_when_it_has_been_told(bench: Bench) -> None:
    """So that the next try waits its back-off."""
    bench.refused = ("no",)
    with pytest.raises(ApiRefused):
        await bench.look()
    assert bench.stack_state == a_state(refused=("no",))


async def test_what_another_setting_left_goes_when_its_key_comes(bench: Bench) -> None:
    """The observability namespace was another one."""
    await bench.look()
    for each in bench.held:
        if "namespace" in each["metadata"]:
            each["metadata"]["namespace"] = "former"
    await bench.stack.reconcile(Ref(NAMESPACE, "", "former"))
    assert bench.held == []


async def test_nothing_changes_when_somebody_else_puts_the_mark_of_a_stack_on_his_own(bench: Bench) -> None:
    """What is known of the real one stays known, nothing is loaded anew, and his object is his."""
    await bench.look()
    shared, known, touched = list(bench.held), bench.stack_state, list(bench.touched)
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": shared[0]["metadata"] | {"namespace": "theirs"}}
    bench.held = [theirs]
    assert await bench.stack.reconcile(Ref(NAMESPACE, "", "made-up")) is None
    assert (bench.held, bench.stack_state, bench.touched) == ([theirs], known, touched)
