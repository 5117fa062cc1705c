"""Each rule of the board linter finds the violation that is planted for it, and names the panel."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from trading_dashboards.boards import BY_UID
from trading_dashboards.classic import rendered
from trading_dashboards.lint import RULES, complaints, panels_of

Json = dict[str, Any]
GOOD: Json = json.loads(rendered(BY_UID["crypto-trading-engine"]))
JOB = 'job="kubernetes-services-metrics",service=~"$engine-x"'


def panel(board: Json, id: int) -> Json:
    """One panel."""
    return next(each for each in panels_of(board) if each["id"] == id)


def asks(id: int, expr: str, legend: str = "x") -> Callable[[Json], None]:
    """Plant a query."""
    return lambda board: panel(board, id)["targets"][0].update(expr=expr, legendFormat=legend)


def variable(board: Json, name: str) -> Json:
    """One template variable."""
    return next(each for each in board["templating"]["list"] if each["name"] == name)


VIOLATIONS: dict[str, tuple[Callable[[Json], object], str]] = {
    "other schema": (lambda board: board.update(schemaVersion=39), "schemaVersion is 39"),
    "no refresh": (lambda board: board.update(refresh=""), "refresh is ''"),
    "editable": (lambda board: board.update(editable=True), "editable is True"),
    "no uid": (lambda board: board.update(uid=""), "has no uid"),
    "id twice": (lambda board: panel(board, 201).update(id=202), "panel id 202"),
    "no id": (lambda board: panel(board, 201).pop("id"), "panel id None"),
    "id of a row": (lambda board: panel(board, 201).update(id=200), "panel id 200"),
    "refId twice": (lambda board: panel(board, 101)["targets"][1].update(refId="A"), "refIds"),
    "no refId": (lambda board: panel(board, 101)["targets"][1].pop("refId"), "refIds"),
    "overlap": (lambda board: panel(board, 202)["gridPos"].update(x=11), "lies on another panel"),
    "outside": (lambda board: panel(board, 202)["gridPos"].update(w=13), "outside the board"),
    "no title": (lambda board: panel(board, 201).update(title=""), "panel 201: has no title"),
    "no description": (lambda board: panel(board, 201).pop("description"), "has no description"),
    "no targets": (lambda board: panel(board, 201).update(targets=[]), "has no targets"),
    "no unit": (lambda board: panel(board, 201)["fieldConfig"]["defaults"].pop("unit"), "has no unit"),
    "unknown unit": (
        lambda board: panel(board, 201)["fieldConfig"]["defaults"].update(unit="seconds"),
        "has no unit (seconds)",
    ),
    "fixed datasource": (
        lambda board: panel(board, 201)["datasource"].update(uid="prometheus"),
        "datasource prometheus is none",
    ),
    "fixed datasource of a target": (
        lambda board: panel(board, 201)["targets"][0]["datasource"].update(uid="P1809F7CD0C75ACF3"),
        "datasource P1809F7CD0C75ACF3 is none",
    ),
    "datasource not declared": (lambda board: variable(board, "datasource").update(name="ds"), "is none"),
    "no PromQL": (asks(201, f"sum(rate(signals_generated_total{{{JOB}}}[$__rate_interval])"), "no PromQL"),
    "unknown metric": (asks(201, f"trade_profit{{{JOB}}}"), "trade_profit: nobody exports it"),
    "unknown label": (asks(201, f'model_load_status{{{JOB},symbol="BTC/USD"}}'), "has no label symbol"),
    "raw counter": (asks(201, f"sum(signals_generated_total{{{JOB}}})"), "only ever grows"),
    "fixed window": (asks(201, f"sum(rate(signals_generated_total{{{JOB}}}[5m]))"), "window [5m]"),
    "quantile without le": (
        asks(303, f"histogram_quantile(0.9, sum(rate(risk_scores_bucket{{{JOB}}}[$__rate_interval])))"),
        "summed over le",
    ),
    "zero for nothing": (asks(201, f"model_load_status{{{JOB}}} or vector(0)"), "vector() draws"),
    "no job": (asks(103, 'model_load_status{service=~"$engine-x"}'), "must be selected with a job"),
    "every engine": (
        asks(103, 'model_load_status{job="kubernetes-services-metrics"}'),
        "shows every engine, whichever is chosen",
    ),
    "no stream selector": (asks(602, "${search}"), "no stream selector"),
    "unknown stream label": (asks(602, '{pod=~".+"} |~ `${search}`'), "pod is no label of our log streams"),
    "half a stream matcher": (asks(602, '{namespace=~".+", service}'), "no matcher: service"),
    "open bracket": (asks(601, 'sum(rate({namespace=~".+"} [$__auto])'), "brackets do not match"),
    "open quote": (asks(602, '{namespace=~".+"} |~ `${search}'), "quotes do not match"),
    "undeclared variable": (asks(103, f'model_load_status{{{JOB},pod="$pod"}}'), "variable pod is not declared"),
    "unused variable": (
        lambda board: board["templating"]["list"].append({"name": "spare", "type": "custom"}),
        "variable spare is not used",
    ),
    "choice of nothing": (
        lambda board: variable(board, "symbol").update(definition="label_values(no_such_metric, symbol)"),
        "variable symbol: no_such_metric: nobody exports it",
    ),
    "choice of no label": (
        lambda board: variable(board, "engine").update(
            definition=variable(board, "engine")["definition"].replace(", service)", ", engine)")
        ),
        "variable engine: no label engine",
    ),
    "choice by another query": (
        lambda board: variable(board, "engine").update(definition="query_result(up)"),
        "asks no label_values",
    ),
    "stale choice": (lambda board: variable(board, "symbol").update(refresh=1), "is not asked again"),
    "no legend": (asks(103, GOOD["panels"][3]["targets"][0]["expr"], ""), "has no legend"),
    "legend of no label": (
        lambda board: panel(board, 103)["targets"][0].update(legendFormat="{{symbol}}"),
        "label symbol is not in the answer",
    ),
    "link by no label": (
        lambda board: panel(board, 103)["fieldConfig"]["defaults"]["links"][0].update(
            url="/explore?x=${__field.labels.container}"
        ),
        "label container is not in the answer",
    ),
    "no link to logs": (
        lambda board: panel(board, 103)["fieldConfig"]["defaults"].update(links=[]),
        "no link to the log lines",
    ),
    "wrong annotation": (
        lambda board: board["annotations"]["list"][1]["target"].update(expr="changes(kube_deployment_created[5m])"),
        "annotation Starts: kube_deployment_created: nobody exports it",
    ),
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_found_when_planted(name: str) -> None:
    """The good board has no complaint; the same board with one violation has this one."""
    plant, complaint = VIOLATIONS[name]
    board = copy.deepcopy(GOOD)
    plant(board)

    assert any(complaint in found for found in complaints(board)), complaints(board)


def test_every_rule_has_a_planted_violation() -> None:
    """A rule that nothing can break is no rule."""
    broken = set()
    for plant, _ in VIOLATIONS.values():
        board = copy.deepcopy(GOOD)
        plant(board)
        broken |= {rule.__name__ for rule in RULES if list(rule(board))}
    assert broken == {rule.__name__ for rule in RULES}
