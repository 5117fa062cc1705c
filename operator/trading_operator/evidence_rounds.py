"""One round of questions to Prometheus every few seconds, for all MonitoringTargets together.

`reconcile_target.py` says what a target waits for and reads the newest `Evidence`; `run.py` runs the rounds. A round is
one list of targets and one query for each kind of question, however many targets there are, and wakes those for
which something is different. Without a target nothing is asked.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from trading_operator.api.v1alpha1.monitoring_target import Freshness
from trading_operator.cache import Ref
from trading_operator.checks.evidence import Evidence, Scrape, Source
from trading_operator.checks.target import DISCOVERY_GRACE
from trading_operator.errors import PrometheusRefused, PrometheusUnavailable
from trading_operator.prometheus import Prometheus, Sample, ScrapedTarget

logger = logging.getLogger(__name__)

#: Names of metrics in one query.
BATCH: Final = 200
#: Of the seconds between two rounds, those that a new target waits so that others may join it.
GATHERING: Final = 0.2
#: Rounds that fail before what was seen is called unknown: Prometheus may restart, or be slow once.
PATIENCE: Final = 2

PRESENT: Final = "count by (__name__, job, instance) ({{__name__=~{}}})"
NEWEST: Final = "max by (__name__, job, instance) ({{__name__=~{}}})"


@dataclass(frozen=True)
class Interest:
    """What one target waits for: its endpoints' URLs, its metrics, and the one that has to move."""

    urls: tuple[str, ...]
    metrics: frozenset[str] = frozenset()
    freshness: Freshness | None = None

    def view(self, evidence: Evidence) -> Hashable:
        """What of a round concerns it: equal as long as nothing is different for this target."""
        if evidence.problem:
            return "unknown"
        return tuple(self._scrape(url, evidence) for url in self.urls), self._series(evidence), self._stale(evidence)

    def _scrape(self, url: str, evidence: Evidence) -> Hashable:
        found = evidence.scrapes.get(url)
        if found is not None:
            return found.health, found.error
        since = evidence.missing_since.get(url)
        return since is not None and evidence.at - since >= DISCOVERY_GRACE

    def _series(self, evidence: Evidence) -> Hashable:
        sources = self._sources(evidence)
        return tuple(
            (metric in evidence.asked, sources.isdisjoint(evidence.present.get(metric, ()))) for metric in self.metrics
        )

    def _stale(self, evidence: Evidence) -> Hashable:
        if self.freshness is None:
            return None
        found, sources = evidence.newest.get(self.freshness.metric, {}), self._sources(evidence)
        oldest = evidence.at.timestamp() - self.freshness.max_age_seconds
        return frozenset(source for source in sources if source in found and not found[source] >= oldest)

    def _sources(self, evidence: Evidence) -> set[Source]:
        return {found.source for url in self.urls if (found := evidence.scrapes.get(url))}


class EvidenceRounds:
    """Asks, remembers the last round, and wakes targets for which it is another one than before."""

    def __init__(
        self,
        prometheus: Prometheus,
        wake: Callable[[Ref], None],
        now: Callable[[], datetime],
        on_round: Callable[[float], None],
    ) -> None:
        self.evidence: Evidence | None = None
        self._prometheus = prometheus
        self._wake = wake
        self._now = now
        self._on_round = on_round
        self._interests: dict[Ref, Interest] = {}
        self._news = asyncio.Event()
        self._failures = 0

    def expect(self, ref: Ref, interest: Interest) -> None:
        """A target waits for this from now on; what nobody asked about yet is asked soon."""
        known = self._interests.get(ref)
        self._interests[ref] = interest
        if known is None or not interest.metrics <= known.metrics:
            self._news.set()

    def forget(self, ref: Ref) -> None:
        """A target is gone."""
        self._interests.pop(ref, None)

    async def run(self, seconds: float) -> None:
        """A round every `seconds`, and soon after a target came or wants to know more."""
        while True:
            self._news.clear()
            await self.once()
            try:
                async with asyncio.timeout(seconds):
                    await self._news.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(seconds * GATHERING)

    async def once(self) -> None:
        """One round; nothing where no target waits."""
        if not self._interests:
            self.evidence, self._failures = None, 0
            return
        began = time.monotonic()
        try:
            evidence = await self._look()
            self._failures = 0
        except (PrometheusUnavailable, PrometheusRefused) as error:
            self._failures += 1
            if self._failures == 1:
                logger.warning("Prometheus: %s", error)
            if self._failures < PATIENCE and self.evidence is not None:
                return
            evidence = Evidence(self._now(), problem=str(error))
        self._on_round(time.monotonic() - began)
        self._settle(evidence)

    def _settle(self, evidence: Evidence) -> None:
        before, self.evidence = self.evidence, evidence
        for ref, interest in self._interests.items():
            if before is None or interest.view(before) != interest.view(evidence):
                self._wake(ref)

    async def _look(self) -> Evidence:
        # Series of a scrape are stored a moment after it is reported: asked for first they might not be there yet.
        listed, at = await self._prometheus.targets(), self._now()
        interests = list(self._interests.values())
        fresh = {each.freshness.metric for each in interests if each.freshness}
        metrics = {metric for each in interests for metric in each.metrics}
        newest = await self._ask(NEWEST, sorted(fresh))
        present = await self._ask(PRESENT, sorted(metrics - fresh))
        present |= {metric: found for metric, found in newest.items() if metric in metrics}
        scrapes = _by_url(listed, {url for each in interests for url in each.urls})
        return Evidence(
            at=at,
            scrapes=scrapes,
            missing_since=self._missing(interests, scrapes, at),
            asked=frozenset(present),
            present={metric: frozenset(found) for metric, found in present.items()},
            newest=newest,
        )

    def _missing(
        self, interests: Iterable[Interest], scrapes: Mapping[str, Scrape], at: datetime
    ) -> dict[str, datetime]:
        before = self.evidence.missing_since if self.evidence else {}
        return {url: before.get(url, at) for each in interests for url in each.urls if url not in scrapes}

    async def _ask(self, question: str, names: Sequence[str]) -> dict[str, dict[Source, float]]:
        """Metric -> where it is and its value; without those about which Prometheus would not answer."""
        found: dict[str, dict[Source, float]] = {}
        for start in range(0, len(names), BATCH):
            found |= await self._ask_batch(question, names[start : start + BATCH])
        return found

    async def _ask_batch(self, question: str, names: Sequence[str]) -> dict[str, dict[Source, float]]:
        # The API server holds each to the characters of a metric's name: none of them means anything in a pattern.
        pattern = '"' + "|".join(names) + '"'
        try:
            return _by_metric(names, await self._prometheus.query(question.format(pattern)))
        except PrometheusRefused as error:
            if len(names) == 1:
                logger.warning("Prometheus does not answer about %s: %s", names[0], error)
                return {}
        # One metric with very many series must not hide the others.
        half = len(names) // 2
        return await self._ask_batch(question, names[:half]) | await self._ask_batch(question, names[half:])


def _by_metric(names: Iterable[str], samples: Iterable[Sample]) -> dict[str, dict[Source, float]]:
    found: dict[str, dict[Source, float]] = {name: {} for name in names}
    sources: dict[Source, Source] = {}  # each held once, however many metrics it has
    for sample in samples:
        source = sample.labels.get("job", ""), sample.labels.get("instance", "")
        found[sample.labels["__name__"]][sources.setdefault(source, source)] = sample.value
    return found


def _by_url(listed: Iterable[ScrapedTarget], wanted: set[str]) -> dict[str, Scrape]:
    """The targets that somebody waits for. Where two jobs scrape one URL, one that works counts."""
    found: defaultdict[str, list[Scrape]] = defaultdict(list)
    for each in listed:
        if each.url in wanted:
            source = each.labels.get("job", ""), each.labels.get("instance", "")
            found[each.url].append(Scrape(source, each.health, each.error, each.last_scrape))
    return {url: max(scrapes, key=lambda scrape: scrape.health == "up") for url, scrapes in found.items()}
