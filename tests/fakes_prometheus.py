"""A Prometheus that is a list, and rounds of questions to it with a clock that tests move."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from trading_operator.cache import Ref
from trading_operator.errors import PrometheusRefused, PrometheusUnavailable
from trading_operator.evidence_rounds import EvidenceRounds
from trading_operator.prometheus import Sample, ScrapedTarget

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
JOB = "monitoring-targets"


def url(number: int) -> str:
    return f"http://10.0.0.{number}:8080/metrics"


def scraped(number: int, health: str = "up", error: str = "", job: str = JOB, at: datetime = NOW) -> ScrapedTarget:
    return ScrapedTarget(url(number), {"job": job, "instance": f"10.0.0.{number}:8080"}, health, error, at)


@dataclass
class FakePrometheus:
    """Targets and metrics (name -> numbers of the endpoints and values) as a test sets them."""

    listed: list[ScrapedTarget] = field(default_factory=list)
    series: dict[str, dict[int, float]] = field(default_factory=dict)
    fails: bool = False
    too_many: frozenset[str] = frozenset()
    queries: list[str] = field(default_factory=list)
    lists: int = 0

    async def targets(self) -> tuple[ScrapedTarget, ...]:
        self.lists += 1
        if self.fails:
            raise PrometheusUnavailable("it is away")
        return tuple(self.listed)

    async def query(self, promql: str) -> tuple[Sample, ...]:
        self.queries.append(promql)
        (pattern,) = re.findall(r'__name__=~"([^"]*)"', promql)
        names = pattern.split("|")
        if self.too_many.intersection(names):
            raise PrometheusRefused(413, "too large")
        return tuple(
            Sample({"__name__": name, "job": JOB, "instance": f"10.0.0.{number}:8080"}, value)
            for name in names
            for number, value in self.series.get(name, {}).items()
        )


class Rounds(EvidenceRounds):
    """With a clock that tests move and a list of who was woken."""

    def __init__(self, prometheus: FakePrometheus) -> None:
        self.now = NOW
        self.woken: list[Ref] = []
        self.seconds: list[float] = []
        super().__init__(prometheus, self.woken.append, lambda: self.now, self.seconds.append)  # type: ignore[arg-type]  # a fake

    async def after(self, seconds: float) -> list[Ref]:
        """A round some seconds later; who it woke."""
        self.now += timedelta(seconds=seconds)
        self.woken.clear()
        await self.once()
        return list(self.woken)
