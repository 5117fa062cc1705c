"""docs/reference/metrics.md: every metric that workers export, and where it is drawn. `tools.generate` writes it."""

from __future__ import annotations

import re

from trading_dashboards.boards import BOARDS
from trading_dashboards.model import Board
from trading_dashboards.series import FOREIGN
from trading_engine.contract.metrics import CATALOGUE, SYMBOL, Metric
from trading_engine.contract.workers import BY_NAME, Worker

_HEAD = """# Metrics

Generated from `engine/trading_engine/contract/metrics.py` by `make generate`.

Every worker and collector serves these at `/metrics` on its own port. Prometheus adds `job`, `namespace`, `service`,
`pod`, `node` and `instance`. What counts is there from the start, at 0, for every symbol and word; a gauge by label is
there once it is known, and a time of 0 is never.
"""
_PANELS = """
Panels are named by board and number, as in `/d/<board>?viewPanel=<number>`:

"""
_TABLE = """
| metric | kind | labels | what it says | panels |
| --- | --- | --- | --- | --- |
"""
_FOREIGN = """
## Of others

What boards and alert rules ask of others, and the job of Prometheus that has it.

| job | series |
| --- | --- |
"""


def reference() -> str:
    """The page, as Markdown."""
    boards = "\n".join(f"- `{board.uid}`: {board.title}. {board.description}" for board in BOARDS)
    workers = "".join(map(_worker, BY_NAME.values()))
    return f"{_HEAD}{_PANELS}{boards}\n{workers}{_others()}"


def _worker(worker: Worker) -> str:
    rows = "".join(_row(metric) for metric in CATALOGUE if worker.name in metric.workers)
    return f"\n## {worker.service} ({worker.port})\n{_TABLE}{rows}"


def _row(metric: Metric) -> str:
    labels = "<br>".join(f"`{name}`: {_words(name, values)}" for name, values in metric.labels)
    drawn = ", ".join(shown for board in BOARDS for shown in _shown(board, metric))
    return f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help} | {drawn} |\n"


def _words(label: str, values: tuple[str, ...]) -> str:
    return "what is traded" if label == SYMBOL else ", ".join(values)


def _shown(board: Board, metric: Metric) -> list[str]:
    selected = re.compile(rf"\b{metric.name}(_bucket|_sum|_count)?{{")
    return [
        f"{board.uid} {panel.id}"
        for panel in board.panels
        if any(selected.search(query.expr) for query in panel.queries)
    ]


def _others() -> str:
    return _FOREIGN + "".join(_job(job) for job in dict.fromkeys(foreign.job for foreign in FOREIGN))


def _job(job: str) -> str:
    names = (name for foreign in FOREIGN if foreign.job == job for name in foreign.names.split())
    return f"| {job} | {', '.join(f'`{name}`' for name in names)} |\n"
