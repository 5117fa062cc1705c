"""Panels over log lines in Loki, narrowed by the board's variables namespace, service, level and search.

Loki's labels are namespace, service, container and level; `service` is the same name as on the worker's metrics.
"""

from __future__ import annotations

from typing import Final

from trading_dashboards.model import Drawing, Panel, Query, Source

#: Labels of our log streams; everything else is in the line or its structured metadata.
STREAM_LABELS: Final = ("namespace", "service", "container", "level")
#: An empty search matches every line.
_SEARCH: Final = "|~ `(?i)${search}`"


def _streams(service: str, level: str = "$level") -> str:
    """Lines of the services chosen, among those that belong on the board at all."""
    return f'{{namespace=~"$namespace", service=~"$service", service=~"{service}", level=~"{level}"}}'


def volume(id: int, title: str, service: str, level: str = "$level") -> Panel:
    """Lines a second by level and service."""
    counted = f"sum by (namespace, service, level) (rate({_streams(service, level)} {_SEARCH} [$__auto]))"
    return Panel(
        id,
        title,
        "Log lines per second. None at all from a running worker means that shipping has stopped.",
        "cps",
        (Query(counted, "{{level}} {{service}}", service),),
        width=24,
        height=5,
        source=Source.LOKI,
    )


def lines(id: int, title: str, service: str) -> Panel:
    """The lines, newest first."""
    return Panel(
        id,
        title,
        "JSON lines. Search for a recommendation's id to see it pass through all five workers.",
        "none",
        (Query(f"{_streams(service)} {_SEARCH}", "", service),),
        Drawing.LOGS,
        width=24,
        height=12,
        source=Source.LOKI,
    )
