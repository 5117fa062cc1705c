"""Rounds of questions to a Prometheus that is a list: what is asked, what is remembered, who is woken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from tests.fakes_prometheus import JOB, NOW, FakePrometheus, Rounds, scraped, url
from trading_operator import evidence_rounds
from trading_operator.api.v1alpha1.monitoring_target import Freshness
from trading_operator.cache import Ref
from trading_operator.evidence_rounds import BATCH, Interest
from trading_operator.kinds import MONITORING_TARGET

A, B = (Ref(MONITORING_TARGET, "crypto-trading", name) for name in "ab")


@pytest.fixture
def prometheus() -> FakePrometheus:
    return FakePrometheus()


@pytest.fixture
def rounds(prometheus: FakePrometheus) -> Rounds:
    return Rounds(prometheus)


async def test_nothing_is_asked_when_nobody_waits(rounds: Rounds, prometheus: FakePrometheus) -> None:
    """The replica that does not lead, and a cluster without targets, cost Prometheus nothing."""
    assert await rounds.after(0) == []
    assert (prometheus.lists, rounds.evidence) == (0, None)


async def test_round_costs_the_same_for_many_targets(rounds: Rounds, prometheus: FakePrometheus) -> None:
    """One list and one query per kind of question, for one target as for a thousand that want the same."""
    for number in range(1000):
        interest = Interest(
            (url(number),), frozenset({"a_total", "moved"}), Freshness(metric="moved", max_age_seconds=9)
        )
        rounds.expect(Ref(MONITORING_TARGET, "n", str(number)), interest)
    await rounds.once()
    assert (prometheus.lists, len(prometheus.queries)) == (1, 2)
    assert prometheus.queries == [
        'max by (__name__, job, instance) ({__name__=~"moved"})',
        'count by (__name__, job, instance) ({__name__=~"a_total"})',
    ]


async def test_evidence_has_what_was_asked_for(rounds: Rounds, prometheus: FakePrometheus) -> None:
    """Scrapes by URL, metrics with where they are, the newest value of what has to move; nothing of others."""
    prometheus.listed = [scraped(1), scraped(2, "down", "EOF"), scraped(9)]
    prometheus.series = {"a_total": {1: 3.0}, "moved": {1: 5.0, 2: 7.0}}
    freshness = Freshness(metric="moved", max_age_seconds=60)
    rounds.expect(A, Interest((url(1), url(2), url(3)), frozenset({"a_total", "b_total", "moved"}), freshness))
    await rounds.once()
    found = rounds.evidence
    assert found
    assert {each: scrape.health for each, scrape in found.scrapes.items()} == {url(1): "up", url(2): "down"}
    assert found.missing_since == {url(3): NOW}
    assert found.asked == {"a_total", "b_total", "moved"}
    source = (JOB, "10.0.0.1:8080")
    assert (found.present["a_total"], found.present["b_total"]) == (frozenset({source}), frozenset())
    assert found.newest == {"moved": {source: 5.0, (JOB, "10.0.0.2:8080"): 7.0}}


async def test_endpoint_counts_as_scraped_whichever_job_does(rounds: Rounds, prometheus: FakePrometheus) -> None:
    """Where two jobs ask one URL, one that works counts."""
    prometheus.listed = [scraped(1, job="kubernetes-services-metrics"), scraped(1, "down", "HTTP status 401")]
    rounds.expect(A, Interest((url(1),)))
    await rounds.once()
    assert rounds.evidence
    assert rounds.evidence.scrapes[url(1)].source[0] == "kubernetes-services-metrics"


async def test_only_those_are_woken_for_whom_something_is_different(rounds: Rounds, prometheus: FakePrometheus) -> None:
    """All at the first round, nobody at rest, then the one whose endpoint failed."""
    prometheus.listed = [scraped(1), scraped(2)]
    rounds.expect(A, Interest((url(1),)))
    rounds.expect(B, Interest((url(2),)))
    assert await rounds.after(0) == [A, B]
    assert await rounds.after(10) == []
    prometheus.listed = [scraped(1), scraped(2, "down", "EOF")]
    assert await rounds.after(10) == [B]
    prometheus.listed = [scraped(1)]
    assert await rounds.after(10) == [B]
    assert await rounds.after(10) == []
    assert await rounds.after(10) == [B]  # the grace is over
    rounds.forget(B)
    prometheus.listed = []
    assert await rounds.after(10) == [A]


async def test_target_is_woken_when_its_metric_goes_or_freezes(rounds: Rounds, prometheus: FakePrometheus) -> None:
    """A metric that goes, and one that stops moving, each once."""
    prometheus.listed = [scraped(1)]
    prometheus.series = {"a_total": {1: 1.0}, "moved": {1: NOW.timestamp()}}
    freshness = Freshness(metric="moved", max_age_seconds=25)
    rounds.expect(A, Interest((url(1),), frozenset({"a_total", "moved"}), freshness))
    assert [await rounds.after(seconds) for seconds in (0, 10, 10)] == [[A], [], []]
    assert [await rounds.after(seconds) for seconds in (10, 10)] == [[A], []]
    del prometheus.series["a_total"]
    assert [await rounds.after(seconds) for seconds in (1, 1)] == [[A], []]


async def test_one_failed_round_is_no_news_and_two_are(rounds: Rounds, prometheus: FakePrometheus) -> None:
    """A Prometheus that restarts is not called unreachable at once; when it stays away everybody is told, once."""
    prometheus.listed = [scraped(1)]
    rounds.expect(A, Interest((url(1),)))
    await rounds.once()
    seen = rounds.evidence
    prometheus.fails = True
    assert await rounds.after(10) == []
    assert rounds.evidence is seen
    assert await rounds.after(10) == [A]
    assert rounds.evidence
    assert rounds.evidence.problem == "it is away"
    assert await rounds.after(10) == []
    prometheus.fails = False
    assert await rounds.after(10) == [A]
    assert rounds.evidence.problem == ""


async def test_prometheus_that_was_never_there_is_told_at_once(rounds: Rounds, prometheus: FakePrometheus) -> None:
    """There is nothing to hold on to."""
    prometheus.fails = True
    rounds.expect(A, Interest((url(1),)))
    assert await rounds.after(0) == [A]
    assert rounds.evidence
    assert rounds.evidence.problem


async def test_metric_with_too_many_series_hides_no_other(rounds: Rounds, prometheus: FakePrometheus) -> None:
    """What one tenant asks for cannot make the answer too large for the rest."""
    names = [f"m{number:04}" for number in range(2 * BATCH)]
    prometheus.series = {name: {1: 1.0} for name in names}
    prometheus.too_many = frozenset({names[3]})
    prometheus.listed = [scraped(1)]
    rounds.expect(A, Interest((url(1),), frozenset(names)))
    await rounds.once()
    assert rounds.evidence
    assert rounds.evidence.asked == frozenset(names) - {names[3]}
    assert len(prometheus.queries) < 20


@asynccontextmanager
async def running(rounds: Rounds, seconds: float) -> AsyncIterator[None]:
    task = asyncio.create_task(rounds.run(seconds))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(3):
        while not holds():  # noqa: ASYNC110  what is waited for sets no event
            await asyncio.sleep(0.005)


async def test_new_target_does_not_wait_a_whole_period(
    rounds: Rounds, prometheus: FakePrometheus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that comes, or wants to know more, is asked about soon; the same wish again asks nothing."""
    monkeypatch.setattr(evidence_rounds, "GATHERING", 0.01)
    async with running(rounds, 60):
        rounds.expect(A, Interest((url(1),)))
        await until(lambda: prometheus.lists == 1)
        rounds.expect(A, Interest((url(1),), frozenset({"a_total"})))
        await until(lambda: bool(rounds.evidence and "a_total" in rounds.evidence.asked))
        rounds.expect(A, Interest((url(1),), frozenset({"a_total"})))
        await asyncio.sleep(0.8)
        assert prometheus.lists == 2


async def test_rounds_come_again(rounds: Rounds, prometheus: FakePrometheus) -> None:
    """Without any news there is a round in each period."""
    rounds.expect(A, Interest((url(1),)))
    async with running(rounds, 0.02):
        await until(lambda: prometheus.lists > 3)
    assert len(rounds.seconds) >= 3
