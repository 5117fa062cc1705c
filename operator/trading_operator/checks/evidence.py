"""What Prometheus said in one round of questions: one look serves every MonitoringTarget. Pure.

`evidence_rounds.py` fills it, `checks/target.py` judges by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

#: Job and instance: what the series of one scraped endpoint have in common.
Source = tuple[str, str]

#: What was seen longer ago than this says nothing about now.
AGED: Final = timedelta(seconds=60)


@dataclass(frozen=True)
class Scrape:
    """One of Prometheus's targets: `health` is up, down or unknown (never scraped); `error` is the last scrape's."""

    source: Source
    health: str
    error: str = ""
    last: datetime | None = None


@dataclass(frozen=True)
class Evidence:
    """One round. `problem` says why Prometheus could not be asked; then nothing in here is recent.

    `scrapes` is by URL; `missing_since` says when a URL that somebody waits for was first not among them. `asked` are
    the metrics that were answered, `present` where each was found, `newest` the largest value of a metric there.
    """

    at: datetime
    problem: str = ""
    scrapes: Mapping[str, Scrape] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    missing_since: Mapping[str, datetime] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    asked: frozenset[str] = frozenset()
    present: Mapping[str, frozenset[Source]] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    newest: Mapping[str, Mapping[Source, float]] = field(default_factory=lambda: MappingProxyType({}), repr=False)

    def unusable(self, now: datetime) -> str:
        """Why nothing may be concluded from it, or ""."""
        if self.problem:
            return self.problem
        return f"Prometheus was last heard at {self.at:%Y-%m-%dT%H:%M:%SZ}" if now - self.at > AGED else ""
