"""Boards as Grafana's Classic JSON (schemaVersion 41), which every Grafana from 11 on reads and 13 converts itself.

Called by `boards`. Layout is worked out here: panels flow from left to right, 24 columns wide.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

from trading_dashboards.colors import overrides
from trading_dashboards.model import LOKI_UID, Board, Drawing, Panel, Query, Row, Source
from trading_dashboards.variables import DATASOURCES

Json = dict[str, Any]

SCHEMA: Final = 41
REFRESH: Final = "30s"
TAG: Final = "trading"
WIDTH: Final = 24
#: What is rare is shown in steps of this length, so that a column or a quantile is made of more than one event.
RARE_STEP: Final = "5m"
EVENT_STEP: Final = "1m"
#: Unit of what comes in whole numbers.
COUNTED: Final = "short"
#: A placeholder of Grafana's in an address, which must stay as it is.
_ENCODED: Final = re.compile(r"%24%7B([\w.]+)%7D")
_REF_IDS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def rendered(board: Board) -> str:
    """The board as JSON text, the same for the same board."""
    return json.dumps(classic(board), indent=1, ensure_ascii=False) + "\n"


def classic(board: Board) -> Json:
    """The board as Grafana keeps it."""
    return {
        "uid": board.uid,
        "title": board.title,
        "description": board.description,
        "tags": [TAG],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": REFRESH,
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "utc",
        "fiscalYearStartMonth": 0,
        "links": [_other_boards()],
        "annotations": {"list": list(board.annotations)},
        "templating": {"list": list(board.variables)},
        "panels": list(_placed(board)),
    }


def _other_boards() -> Json:
    """A menu of all our boards, which keeps the time and the variables."""
    return {
        "title": "Trading",
        "type": "dashboards",
        "tags": [TAG],
        "asDropdown": True,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
        "icon": "external link",
        "tooltip": "",
        "url": "",
    }


def _placed(board: Board) -> Iterator[Json]:
    top = 0
    for row in board.rows:
        yield _row(row, top)
        left, top, tallest = 0, top + 1, 0
        for panel in row.panels:
            if left + panel.width > WIDTH:
                left, top, tallest = 0, top + tallest, 0
            yield _panel(panel) | {"gridPos": {"h": panel.height, "w": panel.width, "x": left, "y": top}}
            left, tallest = left + panel.width, max(tallest, panel.height)
        top += tallest


def _row(row: Row, top: int) -> Json:
    return {
        "id": row.id,
        "type": "row",
        "title": row.title,
        "collapsed": False,
        "gridPos": {"h": 1, "w": WIDTH, "x": 0, "y": top},
        "panels": [],
    }


def _panel(panel: Panel) -> Json:
    made: Json = {
        "id": panel.id,
        "type": panel.drawing.value,
        "title": panel.title,
        "description": panel.description,
        "datasource": DATASOURCES[panel.source],
        "targets": [_target(panel, query, ref) for query, ref in zip(panel.queries, _REF_IDS, strict=False)],
        "options": _OPTIONS[panel.drawing],
    }
    if panel.drawing is not Drawing.LOGS:
        made["fieldConfig"] = {"defaults": _field(panel), "overrides": overrides(panel)}
    if panel.rare or panel.events:
        made["interval"] = RARE_STEP if panel.rare else EVENT_STEP
    if panel.drawing is Drawing.TABLE:
        made["transformations"] = [_without_time()]
    return made


def _target(panel: Panel, query: Query, ref: str) -> Json:
    target: Json = {"refId": ref, "datasource": DATASOURCES[panel.source], "expr": query.expr, "editorMode": "code"}
    if query.legend:
        target["legendFormat"] = query.legend
    if panel.source is Source.LOKI:
        return target | {"queryType": "range"}
    target |= {"instant": query.instant, "range": not query.instant}
    return target | ({"format": "table"} if panel.drawing is Drawing.TABLE else {})


def _without_time() -> Json:
    """Tables show labels and one value; when it was taken is now, and who exported it is in the panel's text."""
    hidden = dict.fromkeys(("Time", "__name__", "job", "instance"), True)
    return {
        "id": "organize",
        "options": {"excludeByName": hidden, "indexByName": {}, "renameByName": {"Value": "how many"}},
    }


def _field(panel: Panel) -> Json:
    field: Json = {
        "unit": panel.unit,
        "color": {"mode": "thresholds" if panel.steps else "palette-classic"},
        "custom": _drawn(panel) if panel.drawing is Drawing.LINES else {},
        "links": _logs_links(panel),
        "mappings": _mappings(panel),
        "thresholds": {"mode": "absolute", "steps": _steps(panel)},
    }
    if panel.unit == COUNTED:
        field["decimals"] = 0  # Prometheus extrapolates: one event may be 1.07
    if panel.drawing is Drawing.LINES:
        field["color"] = {"mode": "palette-classic"}
        if panel.sane[0] == 0:
            field["min"] = 0
    return field


def _steps(panel: Panel) -> list[Json]:
    """Grafana wants the first step without a value: everything below the second."""
    first, *others = panel.steps or ((0.0, "green"),)
    return [{"color": first[1], "value": None}, *({"color": color, "value": least} for least, color in others)]


def _mappings(panel: Panel) -> list[Json]:
    if not panel.words:
        return []
    options = {
        word.value: {"text": word.text, "color": word.color, "index": index} for index, word in enumerate(panel.words)
    }
    return [{"type": "value", "options": options}]


def _drawn(panel: Panel) -> Json:
    columns = panel.events or panel.rare
    return {
        "drawStyle": "bars" if panel.events else "line",
        "lineWidth": 1,
        "fillOpacity": 60 if panel.events else 8,
        "showPoints": "always" if columns and not panel.events else "never",
        "spanNulls": panel.rare and not panel.events,
        "stacking": {"mode": "normal" if panel.events else "none", "group": "A"},
        "thresholdsStyle": {"mode": "dashed" if len(panel.steps) > 1 else "off"},
    }


def _logs_links(panel: Panel) -> list[Json]:
    """From a figure to the log lines of whoever exported it, over the same time."""
    if panel.source is Source.LOKI or not all(query.service for query in panel.queries):
        return []
    streams = '{namespace="${__field.labels.namespace}", service="${__field.labels.service}"}'
    return [{"title": "Logs of ${__field.labels.service}", "url": explore(streams), "targetBlank": True}]


def explore(streams: str) -> str:
    """Address of Grafana's Explore with these log streams; Grafana fills in what stands in ${}."""
    query = {"refId": "A", "expr": streams, "datasource": {"type": "loki", "uid": LOKI_UID}}
    pane = {"datasource": LOKI_UID, "queries": [query], "range": {"from": "${__from}", "to": "${__to}"}}
    text = json.dumps({"logs": pane}, separators=(",", ":"))
    return "/explore?schemaVersion=1&panes=" + _ENCODED.sub(r"${\1}", quote(text))


_REDUCED: Final = {"calcs": ["lastNotNull"], "fields": "", "values": False}
_OPTIONS: Final[dict[Drawing, Json]] = {
    Drawing.LINES: {
        "legend": {"displayMode": "table", "placement": "bottom", "showLegend": True, "calcs": ["lastNotNull", "max"]},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    Drawing.FIGURE: {
        "reduceOptions": _REDUCED,
        "colorMode": "value",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "textMode": "value_and_name",
    },
    Drawing.BARS: {
        "reduceOptions": _REDUCED,
        "displayMode": "basic",
        "orientation": "horizontal",
        "showUnfilled": True,
        "valueMode": "color",
    },
    Drawing.TABLE: {"showHeader": True, "cellHeight": "sm"},
    Drawing.LOGS: {
        "showTime": True,
        "wrapLogMessage": True,
        "prettifyLogMessage": False,
        "enableLogDetails": True,
        "dedupStrategy": "none",
        "sortOrder": "Descending",
    },
}
