"""Every board passes every rule, shows what it has to show, and is served under the address that people know."""

from __future__ import annotations

import json
import re

import pytest

from trading_dashboards.boards import BOARDS, BY_UID, clashes
from trading_dashboards.check import parsed, selectors
from trading_dashboards.classic import classic, rendered
from trading_dashboards.colors import MEANING
from trading_dashboards.lint import LARGEST_BYTES, complaints, panels_of
from trading_dashboards.model import Board, Source
from trading_dashboards.variables import LEVELS
from trading_engine.contract.metrics import CATALOGUE

#: Every word that any metric has for a label.
ALL_WORDS = {
    label: {word for metric in CATALOGUE for name, words in metric.labels if name == label for word in words}
    for label in {name for metric in CATALOGUE for name in metric.label_names}
} | {"level": set(LEVELS)}

each_board = pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)


def drawn(board: Board) -> dict[str, object]:
    """What Grafana reads."""
    read: dict[str, object] = json.loads(rendered(board))
    return read


def shown(board: Board) -> set[str]:
    """Catalogue names of the metrics that a board's panels query."""
    expressions = [q.expr for panel in board.panels if panel.source is Source.PROMETHEUS for q in panel.queries]
    names = {selector.name or "" for text in expressions for selector, _ in selectors(parsed(text))}
    return names | {re.sub("_(bucket|sum|count)$", "", name) for name in names}


@each_board
def test_no_complaint_about_a_board_as_rendered(board: Board) -> None:
    """All rules of the linter."""
    assert complaints(drawn(board)) == []


def test_uid_and_title_belong_to_one_board_each() -> None:
    """Grafana refuses to provision two of one uid, and mixes up two of one title."""
    assert clashes(drawn(board) for board in BOARDS) == []
    twice = [*(classic(board) for board in BOARDS), {"uid": "other", "title": BOARDS[0].title}]
    assert clashes(twice) == ["title 'Crypto Trading Engine' is used 2 times"]
    assert clashes([{"uid": "a", "title": "x"}, {"uid": "a", "title": "y"}]) == ["uid 'a' is used 2 times"]


@each_board
def test_board_fits_a_config_map(board: Board) -> None:
    """A ConfigMap holds 1 MiB; a board shares it with nothing else, and grows."""
    assert len(rendered(board).encode()) < LARGEST_BYTES / 4


def test_addresses_are_those_that_people_know() -> None:
    """A uid never changes: it is in bookmarks, runbooks and the documents."""
    assert set(BY_UID) == {"crypto-trading-engine", "unified-crypto-system", "crypto-trading-money"}


def test_engine_board_has_26_panels_in_its_six_rows() -> None:
    """Rows are entries of `panels` too and are not counted."""
    board = drawn(BY_UID["crypto-trading-engine"])
    assert len(panels_of(board)) == 26
    assert [panel["title"] for panel in board["panels"] if panel["type"] == "row"] == [
        "System Overview",
        "Signal Generation",
        "Trade Execution",
        "LLM Validation",
        "Pipeline Flow",
        "Logs",
    ]


def test_system_board_has_its_six_rows() -> None:
    """As the architecture names them."""
    assert [row.title for row in BY_UID["unified-crypto-system"].rows] == [
        "Cross-System Health",
        "Data Collection",
        "Trading Engine",
        "Infrastructure",
        "Alerts & Anomalies",
        "Unified Logs",
    ]


def test_every_metric_of_the_catalogue_is_on_a_board() -> None:
    """What is exported is shown somewhere, the 23 names that users know first of all."""
    everywhere = set().union(*(shown(board) for board in BOARDS))
    assert {metric.name for metric in CATALOGUE} <= everywhere


def test_names_that_users_know_are_on_the_engine_board() -> None:
    """All but two, which the money board shows beside what they are about."""
    seeds = {metric.name for metric in CATALOGUE if not metric.name.startswith("trading_")}
    elsewhere = {"risk_assessment_time_seconds", "rejected_trades_by_risk_total"}
    assert len(seeds) == 23
    assert seeds - shown(BY_UID["crypto-trading-engine"]) == elsewhere
    assert elsewhere <= shown(BY_UID["crypto-trading-money"])


@each_board
def test_panel_ids_belong_to_their_row(board: Board) -> None:
    """Ids are chosen, so a panel that is put in between changes no address."""
    for row in board.rows:
        assert row.id % 100 == 0
        assert all(row.id < panel.id < row.id + 100 for panel in row.panels)


@each_board
def test_rendering_is_the_same_twice(board: Board) -> None:
    """Nothing in it depends on order of sets, time or chance."""
    assert rendered(board) == rendered(board)
    assert all(len(panel.queries) <= 26 for panel in board.panels)


def test_figures_link_to_the_lines_of_the_same_service_and_time() -> None:
    """The link keeps Grafana's placeholders and names the provisioned datasource, which Explore needs."""
    panel = next(panel for panel in panels_of(drawn(BY_UID["crypto-trading-engine"])) if panel["id"] == 301)
    (link,) = panel["fieldConfig"]["defaults"]["links"]
    assert link["title"] == "Logs of ${__field.labels.service}"
    for part in ("${__field.labels.service}", "${__field.labels.namespace}", "${__from}", "${__to}", "%22loki%22"):
        assert part in link["url"]
    assert " " not in link["url"]


def test_marks_for_rollouts_and_halts_are_on_every_board() -> None:
    """A step in a curve is explained by what happened then."""
    for board in BOARDS:
        marks = {each["name"]: each for each in drawn(board)["annotations"]["list"]}
        assert {"Starts", "Halts", "Alerts"} <= set(marks)
        assert marks["Starts"]["useValueForTime"] == "on"
        assert "process_start_time_seconds" in marks["Starts"]["target"]["expr"]
        assert 'state!="Active"' in marks["Halts"]["target"]["expr"]


@pytest.mark.parametrize("uid", ["crypto-trading-engine", "unified-crypto-system"])
def test_log_viewer_narrows_by_level_service_and_search(uid: str) -> None:
    """All three, on the lines and on their volume."""
    panels = [panel for panel in BY_UID[uid].panels if panel.source is Source.LOKI]
    assert len(panels) == 2
    for panel in panels:
        for variable in ("$namespace", "$service", "$level", "${search}"):
            assert variable in panel.queries[0].expr


def test_words_have_the_colour_that_they_have_everywhere() -> None:
    """Red is bad: a rejected order, an error in the log. Each word is one that the catalogue has."""
    board = drawn(BY_UID["crypto-trading-engine"])
    colors = {
        panel["id"]: {
            each["properties"][0]["value"]["fixedColor"]: re.compile(each["matcher"]["options"].strip("/"))
            for each in panel["fieldConfig"]["overrides"]
        }
        for panel in panels_of(board)
        if panel["type"] != "logs"
    }
    assert colors[301]["red"].search("BTC/USD rejected paper-trade-executor")
    assert not colors[301]["red"].search("BTC/USD filled rejected-trade-executor")
    assert colors[601]["red"].search("error paper-trade-executor")
    assert colors[203] == {}
    for label in MEANING.keys() & ALL_WORDS.keys():
        assert {word for words in MEANING[label].values() for word in words} <= ALL_WORDS[label]
