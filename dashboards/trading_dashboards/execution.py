"""The queries of a board as Grafana would send them, to be run against a real Prometheus and Loki.

Called by end-to-end tests and by whoever draws a board without Grafana: variables are filled in, and each query brings
what its answer has to be like (`PanelQuery.fits`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from trading_dashboards.classic import EVENT_STEP, RARE_STEP
from trading_dashboards.model import Board, Panel, Source

#: How often Prometheus scrapes, in seconds: our provisioned datasource says the same (`timeInterval`).
SCRAPE_SECONDS: Final = 15
_STEPS: Final = {EVENT_STEP: 60, RARE_STEP: 300}
_VARIABLE: Final = re.compile(r"\$(?:\{([a-zA-Z_]\w*)(?::\w+)?\}|([a-zA-Z_]\w*))")

Value = str | Sequence[str]


@dataclass(frozen=True)
class PanelQuery:
    """One query ready to run. `expr` has no variable left; times are in seconds.

    An answer fits when its values lie within `low` and `high` and its label `service` matches the regular expression
    `service` ("": it need not have one). `instant`: ask for one value, not for a range.
    """

    panel_id: int
    title: str
    source: Source
    expr: str
    low: float
    high: float
    service: str
    instant: bool
    step: int

    def fits(self, labels: Mapping[str, str], value: float) -> bool:
        """Whether one value of one series is as the panel promises; NaN never is."""
        named = not self.service or re.fullmatch(self.service, labels.get("service", "")) is not None
        return named and self.low <= value <= self.high


def panel_queries(
    board: Board, variables: Mapping[str, Value], interval: int = 30, shown: int = 3600
) -> list[PanelQuery]:
    """Every query of every panel, in order.

    `variables` are name -> value or values; one that is left out stands for all, an empty sequence too. `interval` is
    the step that Grafana would choose for the width of the panel, `shown` the length of the time range, in seconds.

    Raises:
        KeyError: a value for a variable that the board does not have.
    """
    if unknown := variables.keys() - {each["name"] for each in board.variables}:
        raise KeyError(f"{board.uid} has no variable {', '.join(sorted(unknown))}")
    filled = {each["name"]: _text(each, variables.get(each["name"])) for each in board.variables}
    return [made for panel in board.panels for made in _of_panel(panel, filled, interval, shown)]


def _text(variable: Mapping[str, Any], value: Value | None) -> str:
    """A value as Grafana writes it into a query: several, or one of a multiple choice, as a regular expression."""
    if isinstance(value, str) and not variable.get("multi"):
        return value
    if not value:
        return str(variable.get("allValue", ""))
    values = [re.escape(each).replace(r"\-", "-") for each in ([value] if isinstance(value, str) else value)]
    return values[0] if len(values) == 1 else f"({'|'.join(values)})"


def _of_panel(panel: Panel, filled: Mapping[str, str], interval: int, shown: int) -> Iterator[PanelQuery]:
    step = max(interval, _STEPS[RARE_STEP] if panel.rare else _STEPS[EVENT_STEP] if panel.events else 0)
    times = {
        "__rate_interval": f"{max(step + SCRAPE_SECONDS, 4 * SCRAPE_SECONDS)}s",
        "__auto": f"{step}s",
        "__range": f"{shown}s",
    }
    for query in panel.queries:
        yield PanelQuery(
            panel_id=panel.id,
            title=panel.title,
            source=panel.source,
            expr=_filled(query.expr, {**filled, **times}),
            low=panel.sane[0],
            high=panel.sane[1],
            service=_filled(query.service, filled),
            instant=query.instant,
            step=step,
        )


def _filled(text: str, values: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda found: values[found[1] or found[2]], text)
