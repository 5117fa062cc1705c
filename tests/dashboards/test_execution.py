"""A board's queries with its variables filled in are what Grafana would send, and say what answer fits."""

from __future__ import annotations

import math

import pytest

from trading_dashboards.boards import BOARDS, BY_UID
from trading_dashboards.check import problems
from trading_dashboards.execution import PanelQuery, panel_queries
from trading_dashboards.model import Board, Source

ENGINE = BY_UID["crypto-trading-engine"]


def asked(panel: int, board: Board = ENGINE, **variables: str | list[str]) -> PanelQuery:
    """The first query of a panel."""
    return next(each for each in panel_queries(board, variables) if each.panel_id == panel)


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_no_variable_is_left_when_nothing_is_chosen(board: Board) -> None:
    """All of everything, and still each query is PromQL over what is exported."""
    made = panel_queries(board, {})
    assert {each.panel_id for each in made} == {panel.id for panel in board.panels}
    for each in made:
        assert "$" not in each.expr + each.service
        if each.source is Source.PROMETHEUS:
            assert problems(each.expr) == []


def test_one_engine_is_asked_for_when_it_is_chosen() -> None:
    """Service names are exact: engine `paper` is not `paper-two`."""
    made = asked(201, engine="paper", namespace="crypto-trading", symbol=["BTC/USD", "ETH/USD"])
    assert 'service=~"paper-signal-generator"' in made.expr
    assert 'namespace=~"crypto-trading"' in made.expr
    assert 'symbol=~"(BTC/USD|ETH/USD)"' in made.expr
    assert made.service == "paper-signal-generator"


def test_windows_follow_the_step_and_the_scrapes() -> None:
    """As Grafana reckons: a step and a scrape, at least four scrapes; events by the minute, rare ones by five."""
    assert "[60s]" in asked(203).expr
    assert "[75s]" in asked(201).expr
    assert "[315s]" in asked(301).expr
    assert "[3600s]" in asked(104).expr
    (wide,) = (each for each in panel_queries(ENGINE, {}, interval=900, shown=7200) if each.panel_id == 301)
    assert ("[915s]" in wide.expr, wide.step) == (True, 900)


def test_collectors_are_found_by_the_namespace_and_engine_in_their_name() -> None:
    """They run in a namespace of their own."""
    made = asked(106, BY_UID["crypto-trading-money"], engine=["a", "b"], namespace=["x"])
    assert made.service == "x-(a|b)-exchange-data-[0-9a-f]{8}"
    assert made.fits({"service": "x-a-exchange-data-0123abcd"}, 5)
    assert not made.fits({"service": "x-c-exchange-data-0123abcd"}, 5)


def test_characters_are_taken_literally_when_a_value_has_some() -> None:
    """A dot in a name is a dot."""
    assert 'namespace=~"a\\.b"' in asked(201, namespace=["a.b"]).expr


def test_search_is_filled_in_as_it_is() -> None:
    """It is the user's own regular expression."""
    assert asked(602, search="order (filled|denied)").expr.endswith("|~ `(?i)order (filled|denied)`")


def test_refused_when_the_board_has_no_such_variable() -> None:
    """A typo must not mean all."""
    with pytest.raises(KeyError, match="no variable symbols"):
        panel_queries(ENGINE, {"symbols": "BTC/USD"})


@pytest.mark.parametrize(
    ("value", "service", "fits"),
    [
        (0.5, "paper-signal-generator", True),
        (0.0, "paper-signal-generator", True),
        (1.5, "paper-signal-generator", False),
        (-0.1, "paper-signal-generator", False),
        (math.nan, "paper-signal-generator", False),
        (0.5, "paper-trade-executor", False),
    ],
)
def test_answer_fits_when_it_is_sane_and_of_the_service(value: float, service: str, fits: bool) -> None:
    """NaN is no answer, and another worker's answer is none either."""
    assert asked(203, engine="paper").fits({"service": service}, value) is fits
