"""Writes PromQL over known series: `select`, `rate`, `increase`, `quantile`, `mean`.

Called by boards and alert rules. An unknown metric is refused here; whatever else can be wrong with an expression
is what `check` looks for, in tests, so that the operator needs no parser to write a board.
"""

from __future__ import annotations

from typing import Final

from trading_dashboards.series import KNOWN

#: The window of a rate on a board: Grafana makes it at least four scrapes long.
WINDOW: Final = "$__rate_interval"
#: All of the time that a board shows; for totals.
SHOWN: Final = "$__range"
#: What identifies one worker of one engine; every aggregation keeps these, so a panel says whose figure it is.
WORKER: Final = ("namespace", "service")

_OPERATORS: Final = ("=~", "!~", "!=")


class BadQuery(ValueError):
    """An expression that would show nothing, or something wrong."""


def select(metric: str, **matchers: str) -> str:
    """A selector with the job that exports the metric: `up{job="x",service=~"a|b"}`.

    A matcher's value may begin with =~, != or !~; else it must be equal.

    Raises:
        BadQuery: nobody exports the metric, or several jobs do and none is named.
    """
    series = KNOWN.get(metric)
    if series is None:
        raise BadQuery(f"{metric}: nobody exports it")
    if series.jobs and "job" not in matchers:
        if len(series.jobs) > 1:
            raise BadQuery(f"{metric}: name its job, one of {sorted(series.jobs)}")
        matchers = {"job": next(iter(series.jobs)), **matchers}
    return f"{metric}{{{','.join(_matcher(label, value) for label, value in matchers.items())}}}"


def _matcher(label: str, value: str) -> str:
    operator = next((each for each in _OPERATORS if value.startswith(each)), "=")
    text = value.removeprefix(operator) if operator != "=" else value
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'{label}{operator}"{escaped}"'


def rate(metric: str, *by: str, window: str = WINDOW, **matchers: str) -> str:
    """Growth per second of a counter, summed per worker and the labels named."""
    return _summed("rate", metric, by, window, matchers)


def increase(metric: str, *by: str, window: str = WINDOW, **matchers: str) -> str:
    """Growth of a counter over the window, summed per worker and the labels named."""
    return _summed("increase", metric, by, window, matchers)


def quantile(share: float, metric: str, *by: str, window: str = WINDOW, **matchers: str) -> str:
    """A quantile of a histogram's observations in the window, per worker and the labels named."""
    return f"histogram_quantile({share}, {_summed('rate', f'{metric}_bucket', ('le', *by), window, matchers)})"


def mean(metric: str, *by: str, window: str = WINDOW, **matchers: str) -> str:
    """The mean of a histogram's observations in the window, per worker and the labels named."""
    of = (by, window, matchers)
    return f"{_summed('rate', f'{metric}_sum', *of)} / {_summed('rate', f'{metric}_count', *of)}"


def _summed(function: str, metric: str, by: tuple[str, ...], window: str, matchers: dict[str, str]) -> str:
    return f"sum by ({', '.join((*WORKER, *by))}) ({function}({select(metric, **matchers)}[{window}]))"
