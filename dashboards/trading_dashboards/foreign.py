"""PromQL over series of programs that are not ours; they know no service, so what to group by is always said."""

from __future__ import annotations

from trading_dashboards.promql import WINDOW, select


def rate(metric: str, *by: str, **matchers: str) -> str:
    """Growth per second of a counter, summed by these labels."""
    return _summed("rate", metric, by, matchers)


def increase(metric: str, *by: str, **matchers: str) -> str:
    """Growth of a counter within the window, summed by these labels."""
    return _summed("increase", metric, by, matchers)


def quantile(share: float, metric: str, *by: str, **matchers: str) -> str:
    """A quantile of a histogram's observations within the window, by these labels."""
    return f"histogram_quantile({share}, {_summed('rate', f'{metric}_bucket', ('le', *by), matchers)})"


def _summed(function: str, metric: str, by: tuple[str, ...], matchers: dict[str, str]) -> str:
    return f"sum by ({', '.join(by)}) ({function}({select(metric, **matchers)}[{WINDOW}]))"
