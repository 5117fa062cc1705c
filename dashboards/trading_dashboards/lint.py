"""What is wrong with a dashboard's JSON: the rules of Grafana's own linter and best practice, and stricter ones.

Called by tests over every rendered board. It reads the JSON and not the `Board`, so it judges what Grafana will get.
Each rule is a function from the dashboard to complaints; `RULES` lists them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from trading_dashboards.check import problems, result_labels, variables_in, window_problems
from trading_dashboards.classic import REFRESH, SCHEMA, WIDTH
from trading_dashboards.log_panels import STREAM_LABELS
from trading_dashboards.promql import BadQuery
from trading_dashboards.series import SERVICES

Json = dict[str, Any]
Rule = Callable[[Json], Iterator[str]]

#: Grafana's ids of the units that we use; of one that it does not know it shows the id.
UNITS: Final = frozenset({"none", "short", "s", "bytes", "percentunit", "reqps", "ops", "cps", "cpm"})
LARGEST_BYTES: Final = 1024 * 1024
_LEGEND_LABEL: Final = re.compile(r"{{\s*(\w+)\s*}}")
_LINK_LABEL: Final = re.compile(r"\$\{__field\.labels\.(\w+)\}")
_STREAMS: Final = re.compile(r"\{([^{}]*)\}")
_STREAM_MATCHER: Final = re.compile(r'\s*(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"\s*')
_LABEL_VALUES: Final = re.compile(r"label_values\((.+),\s*(\w+)\)")


def complaints(dashboard: Json) -> list[str]:
    """Everything wrong with a dashboard, in words; nothing where it may be shipped."""
    return [f"{dashboard.get('uid')}: {complaint}" for rule in RULES for complaint in rule(dashboard)]


def panels_of(dashboard: Json) -> list[Json]:
    """Its panels; rows are none."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def _queries(dashboard: Json, source: str) -> Iterator[tuple[Json, Json]]:
    for panel in panels_of(dashboard):
        if (panel.get("datasource") or {}).get("type") == source:
            yield from ((panel, target) for target in panel.get("targets", ()))


def _is_identified(dashboard: Json) -> Iterator[str]:
    """Links name the uid; a dashboard that can be edited in Grafana loses the edit at the next start."""
    for field, wanted in (("schemaVersion", SCHEMA), ("refresh", REFRESH), ("editable", False)):
        if dashboard.get(field) != wanted:
            yield f"{field} is {dashboard.get(field)!r}, must be {wanted!r}"
    for field in ("uid", "title", "description"):
        if not dashboard.get(field):
            yield f"has no {field}"


def _numbers_are_unique(dashboard: Json) -> Iterator[str]:
    """Panel ids within the dashboard, refIds within a panel: two of one are one to Grafana."""
    ids = [panel.get("id") for panel in dashboard["panels"]]
    for number in {each for each in ids if not isinstance(each, int) or each < 1 or ids.count(each) > 1}:
        yield f"panel id {number} is missing, not a number from 1 up, or there twice"
    for panel in panels_of(dashboard):
        refs = [target.get("refId") for target in panel.get("targets", ())]
        if not all(refs) or len(set(refs)) < len(refs):
            yield f"{panel.get('title')}: refIds {refs} must be there and differ"


def _panels_do_not_overlap(dashboard: Json) -> Iterator[str]:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        grid = panel["gridPos"]
        cells = {
            (x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])
        }
        if cells & taken or grid["x"] + grid["w"] > WIDTH or not cells:
            yield f"{panel['title']}: lies on another panel or outside the board"
        taken |= cells


def _panels_are_described(dashboard: Json) -> Iterator[str]:
    for panel in panels_of(dashboard):
        name = panel.get("title") or f"panel {panel.get('id')}"
        for field in ("title", "description", "targets"):
            if not panel.get(field):
                yield f"{name}: has no {field}"
        unit = panel.get("fieldConfig", {}).get("defaults", {}).get("unit")
        if panel["type"] != "logs" and unit not in UNITS:
            yield f"{name}: has no unit ({unit}), must be one of {sorted(UNITS)}"


def _datasources_are_variables(dashboard: Json) -> Iterator[str]:
    """A uid that is written out works in one Grafana only."""
    known = {f"${{{each['name']}}}" for each in dashboard["templating"]["list"] if each["type"] == "datasource"}
    for panel in panels_of(dashboard):
        for what in (panel, *panel.get("targets", ())):
            uid = (what.get("datasource") or {}).get("uid")
            if uid not in known:
                yield f"{panel['title']}: datasource {uid} is none of the variables {sorted(known)}"


def _promql_is_right(dashboard: Json) -> Iterator[str]:
    for panel, target in _queries(dashboard, "prometheus"):
        for problem in (*problems(target["expr"]), *window_problems(target["expr"])):
            yield f"{panel['title']}: {problem}"


def _promql_is_narrowed(dashboard: Json) -> Iterator[str]:
    """What our Services export is shown for the engines or namespaces chosen, not for all."""
    chosen = {each["name"] for each in dashboard["templating"]["list"]} & {"engine", "namespace"}
    for panel, target in _queries(dashboard, "prometheus"):
        if f'job="{SERVICES}"' in target["expr"] and not chosen & variables_in(target["expr"]):
            yield f"{panel['title']}: shows every engine, whichever is chosen"


def _logql_is_right(dashboard: Json) -> Iterator[str]:
    for panel, target in _queries(dashboard, "loki"):
        for problem in _logql_problems(target["expr"]):
            yield f"{panel['title']}: {problem}"


def _logql_problems(expr: str) -> Iterator[str]:
    plain = re.sub(r"\$\{(\w+)\}", r"$\1", expr)
    streams = _STREAMS.search(plain)
    if streams is None:
        yield "no stream selector"
        return
    for text in streams[1].split(","):
        matcher = _STREAM_MATCHER.fullmatch(text)
        if matcher is None:
            yield f"no matcher: {text.strip()}"
        elif matcher[1] not in STREAM_LABELS:
            yield f"{matcher[1]} is no label of our log streams: {STREAM_LABELS}"
    if any(plain.count(opening) != plain.count(closing) for opening, closing in ("()", "[]", "{}")):
        yield "brackets do not match"
    if plain.count("`") % 2 or plain.count('"') % 2:
        yield "quotes do not match"


def _variables_are_declared_and_used(dashboard: Json) -> Iterator[str]:
    declared = {each["name"] for each in dashboard["templating"]["list"]}
    used = set().union(*(variables_in(text) for text in _texts(dashboard)))
    for name in used - declared:
        yield f"variable {name} is not declared"
    for name in declared - used:
        yield f"variable {name} is not used"


def _texts(dashboard: Json) -> Iterator[str]:
    """Wherever a variable may stand: queries, datasources, other variables, annotations."""
    for panel in panels_of(dashboard):
        for target in panel.get("targets", ()):
            yield target.get("expr", "")
            yield (target.get("datasource") or {}).get("uid") or ""
    yield from (_annotated(each) for each in dashboard["annotations"]["list"])
    yield from (variable.get("definition", "") for variable in dashboard["templating"]["list"])


def _choices_are_asked_anew(dashboard: Json) -> Iterator[str]:
    """A choice is among the values of a label that exists, and is asked again when the time shown changes."""
    for variable in dashboard["templating"]["list"]:
        if variable["type"] != "query":
            continue
        found = _LABEL_VALUES.fullmatch(variable.get("definition", ""))
        if found is None:
            yield f"variable {variable['name']}: asks no label_values(series, label)"
            continue
        wrong = problems(f"absent({found[1]})")  # asked whether it is there, a counter is as good as a gauge
        yield from (f"variable {variable['name']}: {problem}" for problem in wrong)
        if not wrong and found[2] not in result_labels(found[1]):
            yield f"variable {variable['name']}: no label {found[2]}"
        if variable.get("refresh") != 2:
            yield f"variable {variable['name']}: is not asked again when the time changes (refresh 2)"


def _labels_shown_are_there(dashboard: Json) -> Iterator[str]:
    """Legends and links name labels that the answer carries; several series have a legend at all."""
    for panel, target in _queries(dashboard, "prometheus"):
        try:
            there = result_labels(target["expr"])
        except (BadQuery, KeyError):
            continue  # _promql_is_right says so
        legend = target.get("legendFormat", "")
        if not legend:
            yield f"{panel['title']}: has no legend"
        links = panel.get("fieldConfig", {}).get("defaults", {}).get("links", ())
        linked = {label for link in links for label in _LINK_LABEL.findall(link["url"] + link["title"])}
        for label in ({*_LEGEND_LABEL.findall(legend)} | linked) - there:
            yield f"{panel['title']}: label {label} is not in the answer: {sorted(there)}"


def _figures_link_to_logs(dashboard: Json) -> Iterator[str]:
    """From every figure of a service to the lines it logged then."""
    for panel, target in _queries(dashboard, "prometheus"):
        links = panel.get("fieldConfig", {}).get("defaults", {}).get("links", ())
        try:
            named = "service" in result_labels(target["expr"])
        except (BadQuery, KeyError):
            continue  # _promql_is_right says so
        if named and panel["type"] != "table" and not any("/explore?" in link["url"] for link in links):
            yield f"{panel['title']}: no link to the log lines of the service"


def _annotations_are_right(dashboard: Json) -> Iterator[str]:
    for annotation in dashboard["annotations"]["list"]:
        if annotation.get("builtIn"):
            continue
        for problem in problems(_annotated(annotation)):
            yield f"annotation {annotation['name']}: {problem}"


def _annotated(annotation: Json) -> str:
    expr: str = annotation.get("target", {}).get("expr", "")
    return expr


RULES: Final[tuple[Rule, ...]] = (
    _is_identified,
    _numbers_are_unique,
    _panels_do_not_overlap,
    _panels_are_described,
    _datasources_are_variables,
    _promql_is_right,
    _promql_is_narrowed,
    _logql_is_right,
    _variables_are_declared_and_used,
    _choices_are_asked_anew,
    _labels_shown_are_there,
    _figures_link_to_logs,
    _annotations_are_right,
)
