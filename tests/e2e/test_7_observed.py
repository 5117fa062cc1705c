"""An applied engine is observed: scraped, its boards filled, its logs found. Nothing here changes anything.

The operator is at rest meanwhile, and the next file asks the audit log whether it was.
"""

from __future__ import annotations

import time

import pytest

from tests.e2e.engine import COLLECTORS, Engine
from tests.e2e.observers import Observers, Point
from tools.demo import unobserved
from tools.kubectl import Kubectl, until
from trading_dashboards.boards import BOARDS
from trading_dashboards.execution import PanelQuery, panel_queries
from trading_dashboards.model import Board
from trading_dashboards.series import SERVICES
from trading_engine.contract.workers import WORKERS

pytestmark = pytest.mark.usefixtures("rest_began")

#: Seconds that a panel shows in these tests.
SHOWN = 1800


@pytest.fixture(scope="module")
def observers(kubectl: Kubectl) -> Observers:
    """Prometheus and Loki of this cluster."""
    return Observers(kubectl)


def test_every_worker_is_scraped_when_an_engine_runs(paper: Engine, observers: Observers) -> None:
    """Five workers and the collector, one target each, all up."""

    def up() -> list[Point]:
        found = observers.value(f'up{{job="{SERVICES}", namespace=~"{paper.namespace}|{COLLECTORS}"}}')
        return [point for point in found if paper.name in point.labels["service"]]

    until("six targets are up", lambda: len(up()) == 6 and all(point.value == 1 for point in up()), 120)
    named = {point.labels["service"] for point in up()}

    assert {f"{paper.name}-{worker.service}" for worker in WORKERS} <= named
    assert all(point.labels["pod"] and point.labels["node"] for point in up())


def test_targets_of_the_engine_are_ready_when_it_runs(paper: Engine) -> None:
    """What the engine declares of itself is what Prometheus really sees."""
    assert paper.kubectl.list("monitoringtargets", paper.namespace), "the engine declares no MonitoringTarget"
    until("all targets are Ready", lambda: not unobserved(paper.kubectl), 120)
    print("\n" + paper.kubectl("get", "monitoringtargets", "-A"))


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_every_panel_is_filled_when_an_engine_trades(board: Board, paper: Engine, observers: Observers) -> None:
    """Each query has a value that is no NaN, of the worker it is about, in the range that can be true."""
    asked = panel_queries(board, {"namespace": [paper.namespace, COLLECTORS], "engine": paper.name}, shown=SHOWN)
    problems = {query.title: problem for query in asked if (problem := _problem(query, observers))}

    print(f"\n{board.uid}: {len(asked)} queries, {len(asked) - len(problems)} with a sane answer")
    assert not problems, "\n".join(f"{title}: {problem}" for title, problem in problems.items())


def _problem(query: PanelQuery, observers: Observers) -> str:
    """Why a panel would show nothing or nonsense; "" where it would not."""
    points = observers.points(query, SHOWN)
    insane = [point for point in points if not query.fits(point.labels, point.value)]
    print(f"  {query.panel_id:4} {query.title[:44]:44} {len(points):6} values  {query.source.value}")
    if not points:
        return f"nothing for {query.expr}"
    return f"{len(insane)} of {len(points)} do not fit, among them {insane[0]}" if insane else ""


def test_one_id_is_in_the_logs_of_all_five_when_an_order_is_filled(paper: Engine, observers: Observers) -> None:
    """Loki finds a recommendation's way through the engine by its id alone."""
    wanted = next(row["id"] for row in paper.recommendations() if row["status"] == "filled")
    started = time.monotonic()

    def speaking() -> set[str]:
        found = observers.lines(f'{{namespace="{paper.namespace}"}} |= `{wanted}`')
        return {line["service"] for line in found}

    expected = {f"{paper.name}-{worker.service}" for worker in WORKERS}
    until(f"{wanted} in Loki from all five", lambda: expected <= speaking(), 60)
    print(f"found in Loki after {time.monotonic() - started:.1f} s")
