"""Every panel's queries, run by a real Prometheus over what the workers really export, have an answer that fits."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from tests.dashboards.history import STEP, Prometheus, service_of, write_blocks
from trading_dashboards.boards import BOARDS
from trading_dashboards.check import parsed, selectors
from trading_dashboards.execution import PanelQuery, panel_queries
from trading_dashboards.model import Board, Source
from trading_engine.contract.metrics import CATALOGUE
from trading_engine.contract.workers import BY_NAME, Worker

pytestmark = pytest.mark.slow

WHOLE = "paper"
#: The newest time of the history; blocks must not lie in the future.
END = int(time.time()) // STEP * STEP - 60
EXPORTER = {
    name: BY_NAME[metric.workers[0]].service
    for metric in CATALOGUE
    for name in (metric.name, *(f"{metric.name}_{part}" for part in ("bucket", "sum", "count")))
}


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """One that has an engine with all its workers, and for each worker an engine that has lost it."""
    folder = tmp_path_factory.mktemp("history")
    lost = {f"without-{worker.service}": worker.service for worker in BY_NAME.values()}
    write_blocks(folder, END, {WHOLE: "", **lost})
    made = Prometheus(folder)
    yield made
    made.stop()


def asked(board: Board, engine: str) -> list[PanelQuery]:
    """What the board asks Prometheus about one engine."""
    found = panel_queries(board, {"engine": engine}, interval=STEP, shown=300)
    return [each for each in found if each.source is Source.PROMETHEUS]


def workers_of(query: PanelQuery, engine: str) -> set[str]:
    """Services of the workers without whom a query has no answer."""
    names = {selector.name or "" for selector, _ in selectors(parsed(query.expr))}
    named = {each.service for each in BY_NAME.values() if query.service.startswith(f"{engine}-{each.service}")}
    return named | {EXPORTER[name] for name in names if name in EXPORTER}


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_every_query_has_a_sane_answer_of_its_service(prometheus: Prometheus, board: Board) -> None:
    """At least one series; each of the chosen engine's own worker, each value possible, none NaN."""
    for query in asked(board, WHOLE):
        series = prometheus.ask(query.expr, END)
        if not query.service:
            continue  # not exported by workers: that Prometheus takes the query is all that can be known here
        assert series, f"{query.title}: nothing for {query.expr}"
        for each in series:
            assert query.fits(each["metric"], float(each["value"][1])), f"{query.title}: {each}"


@pytest.mark.parametrize("worker", BY_NAME.values(), ids=lambda worker: worker.service)
def test_exactly_its_panels_are_empty_when_a_worker_stops(prometheus: Prometheus, worker: Worker) -> None:
    """No panel shows somebody else's figures or an old one, and no other panel goes blank with it."""
    engine = f"without-{worker.service}"
    for query in (query for board in BOARDS for query in asked(board, engine) if query.service not in ("", ".+")):
        empty = not prometheus.ask(query.expr, END)
        assert empty == (worker.service in workers_of(query, engine)), f"{query.title}: {query.expr}"


def test_services_show_who_is_missing_when_a_worker_stops(prometheus: Prometheus) -> None:
    """The system board lists who answers; a worker that is gone is not among them."""
    (services,) = (each for each in asked(BOARDS[1], WHOLE) if each.panel_id == 101)
    there = {each["metric"]["service"] for each in prometheus.ask(services.expr, END)}
    for worker in BY_NAME.values():
        assert service_of(worker, WHOLE) in there
        assert service_of(worker, f"without-{worker.service}") not in there


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_engines_to_choose_from_are_those_that_are_there(prometheus: Prometheus, board: Board) -> None:
    """The names of engines come out of the names of Services, as Grafana takes them out."""
    (engines,) = (each for each in board.variables if each["name"] == "engine")
    series = engines["definition"].removeprefix("label_values(").removesuffix(", service)").replace("$namespace", ".+")
    services = {each["metric"]["service"] for each in prometheus.ask(f"last_over_time({series}[20m])", END)}
    found = (re.fullmatch(engines["regex"].strip("/"), service) for service in services)
    names = {match[1] for match in found if match}
    assert names == {WHOLE, *(f"without-{worker.service}" for worker in BY_NAME.values())}


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_marks_are_where_something_happened(prometheus: Prometheus, board: Board) -> None:
    """Each process started once, in milliseconds of the wall clock; nobody was halted."""
    marks = {each["name"]: each.get("target", {}).get("expr", "") for each in board.annotations}
    filled = {name: expr.replace("$namespace", ".+").replace("$engine", WHOLE) for name, expr in marks.items()}
    starts = [float(each["value"][1]) for each in prometheus.ask(filled["Starts"], END)]
    assert len(starts) >= len(BY_NAME) - 1
    assert all(0 < time.time() - start / 1000 < 86400 * 30 for start in starts)
    assert prometheus.ask(filled["Halts"], END) == []
    assert prometheus.ask(filled["Halts"].replace('state!="Active"', 'state="Active"'), END)
