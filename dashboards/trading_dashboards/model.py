"""What a board is made of: queries in panels in rows, and what each panel promises about its answer.

Boards are written with these; `classic` turns them into Grafana's JSON, `execution` into queries that a test can run.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import Any, Final

#: uids of the datasources as we provision them; boards choose theirs by variable, links to Explore cannot.
PROMETHEUS_UID: Final = "prometheus"
LOKI_UID: Final = "loki"


class Source(StrEnum):
    """Who answers a query; as Grafana calls the type of a datasource."""

    PROMETHEUS = "prometheus"
    LOKI = "loki"


class Drawing(StrEnum):
    """How a panel is drawn; as Grafana calls its type."""

    LINES = "timeseries"
    FIGURE = "stat"
    BARS = "bargauge"
    TABLE = "table"
    LOGS = "logs"


@dataclass(frozen=True)
class Query:
    """One query. `service` is the regular expression that its answer's label of that name matches; "": it has none.

    `instant`: only the newest value counts. Variables ($engine) are allowed in both.
    """

    expr: str
    legend: str = ""
    service: str = ""
    instant: bool = False


@dataclass(frozen=True)
class Word:
    """A value shown as a word in a colour."""

    value: str
    text: str
    color: str


@dataclass(frozen=True)
class Panel:
    """One panel. `id` is chosen once and never changed: links name it.

    `sane` are the least and greatest value that can be true. `steps` are thresholds, from (least value, colour) up.
    `events`: it shows things that happen now and then, as columns. `rare`: so seldom that five minutes are one column.
    """

    id: int
    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    drawing: Drawing = Drawing.LINES
    width: int = 8
    height: int = 7
    sane: tuple[float, float] = (0, inf)
    steps: tuple[tuple[float, str], ...] = ()
    words: tuple[Word, ...] = ()
    events: bool = False
    rare: bool = False
    source: Source = Source.PROMETHEUS


@dataclass(frozen=True)
class Row:
    """A titled row of panels. Its panels' ids begin with its own."""

    id: int
    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Board:
    """One dashboard. `uid` is part of its address: /d/<uid>."""

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
    variables: tuple[dict[str, Any], ...]
    annotations: tuple[dict[str, Any], ...]

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All panels; rows are none."""
        return tuple(panel for row in self.rows for panel in row.panels)
