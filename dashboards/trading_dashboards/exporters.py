"""Queries over what the workers of the engines chosen on a board export, each knowing whose answer it expects.

Boards say `GENERATOR.query(GENERATOR.increase("signals_generated_total", "signal_type"))` and get a `Query` with its
selector, its legend and the service label that the answer carries.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from trading_dashboards import promql
from trading_dashboards.model import Query
from trading_dashboards.promql import SHOWN, WINDOW
from trading_dashboards.series import SERVICES
from trading_dashboards.variables import NAMESPACE, SYMBOL
from trading_engine.contract import workers
from trading_engine.contract.metrics import SYMBOL as SYMBOL_LABEL
from trading_engine.contract.workers import Worker

#: What a collector's Service name ends in: a collector runs in a namespace of its own, so its name says whose it is.
_HASH: Final = "[0-9a-f]{8}"


@dataclass(frozen=True)
class Exporter:
    """One worker or collector of the engines chosen on the board; `home` are the namespaces of these engines."""

    worker: Worker
    home: str = "$namespace"

    @property
    def service(self) -> str:
        """Regular expression, with the board's variables, of its `service` label."""
        if self.worker in workers.COLLECTORS:
            return f"{self.home}-$engine-{self.worker.service}-{_HASH}"
        return f"$engine-{self.worker.service}"

    @property
    def place(self) -> dict[str, str]:
        """Label matchers of its series."""
        found = {} if self.worker in workers.COLLECTORS else {"namespace": NAMESPACE}
        return found | {"service": f"=~{self.service}"}

    def query(self, expr: str, legend: str = "", *, instant: bool = False) -> Query:
        """Any expression whose answer carries this worker's service label."""
        return Query(expr, f"{legend} {{{{service}}}}".strip(), self.service, instant)

    def select(self, metric: str, **matchers: str) -> str:
        """The selector alone."""
        return promql.select(metric, **self.place, **matchers)

    def gauge(self, metric: str, *by: str, reduce: str = "max", **matchers: str) -> str:
        """A gauge's value per worker and label: of the one pod that there is, or of two that take turns."""
        kept = ", ".join((*promql.WORKER, *by))
        return f"{reduce} by ({kept}) ({self.select(metric, **_chosen(by), **matchers)})"

    def rate(self, metric: str, *by: str, **matchers: str) -> str:
        """Growth per second."""
        return promql.rate(metric, *by, **self.place, **_chosen(by), **matchers)

    def increase(self, metric: str, *by: str, window: str = WINDOW, **matchers: str) -> str:
        """Growth within the window."""
        return promql.increase(metric, *by, window=window, **self.place, **_chosen(by), **matchers)

    def total(self, metric: str, *by: str, **matchers: str) -> str:
        """Growth over all the time that is shown."""
        return self.increase(metric, *by, window=SHOWN, **matchers)

    def mean_rate(self, metric: str, **matchers: str) -> str:
        """Growth per second, the mean of all the time that is shown."""
        return promql.rate(metric, window=SHOWN, **self.place, **matchers)

    def quantiles(self, metric: str, *shares: float, by: tuple[str, ...] = ()) -> tuple[Query, ...]:
        """One query for each quantile of a histogram."""
        named = " ".join(f"{{{{{label}}}}}" for label in by)
        return tuple(
            self.query(promql.quantile(share, metric, *by, **self.place), f"p{share * 100:g} {named}".strip())
            for share in shares
        )


def _chosen(by: tuple[str, ...]) -> dict[str, str]:
    """Only the symbols chosen on the board, where the answer is by symbol."""
    return {SYMBOL_LABEL: SYMBOL} if SYMBOL_LABEL in by else {}


GENERATOR: Final = Exporter(workers.SIGNAL_GENERATOR)
EXECUTOR: Final = Exporter(workers.TRADE_EXECUTOR)
ORCHESTRATOR: Final = Exporter(workers.TRADE_ORCHESTRATOR)
RISK: Final = Exporter(workers.RISK_MANAGEMENT)
LLM: Final = Exporter(workers.LLM_VALIDATION)
COLLECTOR: Final = Exporter(workers.EXCHANGE_DATA)
#: For a board of all namespaces, where the chosen ones may be the collectors' own.
COLLECTORS: Final = Exporter(workers.EXCHANGE_DATA, home=".+")
EXPORTERS: Final = (GENERATOR, EXECUTOR, ORCHESTRATOR, RISK, LLM, COLLECTOR)


def up() -> tuple[Query, ...]:
    """Whether each of the five workers answers its scrapes: a query for each, so that a missing one shows."""
    return tuple(
        each.query(each.gauge("up", job=SERVICES), instant=True) for each in EXPORTERS if each is not COLLECTOR
    )


def labelled(label: str) -> str:
    """A legend that shows a label's value."""
    return f"{{{{{label}}}}}"
