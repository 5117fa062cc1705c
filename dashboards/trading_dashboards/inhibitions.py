"""Which alert keeps which others quiet: a cause is told, its symptoms are not. Alertmanager's rules are made of these.

An alert is quiet only while its cause fires for the same engine, and where `equal` names more labels, for the same
worker or symbol.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from trading_dashboards.alert_names import AlertName as Name
from trading_dashboards.alerts import ALERTS
from trading_dashboards.rules import ENGINE, ENGINE_NAMESPACE


@dataclass(frozen=True)
class Inhibition:
    """While one of `causes` fires, `symptoms` with the same engine and the same labels `also` are not told."""

    causes: tuple[Name, ...]
    symptoms: tuple[Name, ...]
    also: tuple[str, ...] = ()

    @property
    def equal(self) -> tuple[str, ...]:
        """Labels that must be the same on both."""
        return (ENGINE_NAMESPACE, ENGINE, *self.also)


_GONE: Final = (Name.WORKER_DOWN, Name.WORKER_NOT_SCRAPED)

INHIBITIONS: Final = (
    # What is said about a worker that is away.
    Inhibition(_GONE, tuple(alert.name for alert in ALERTS if alert.worker), also=("service",)),
    # The pipeline is as good as its weakest worker.
    Inhibition(_GONE, (Name.QUEUE_GROWING, Name.RECOMMENDATIONS_EXPIRING, Name.CYCLE_SLOW, Name.NO_TRADES)),
    # No candle, no signal; no signal, no trade.
    Inhibition((Name.MARKET_DATA_STALE,), (Name.NO_SIGNALS,), also=("symbol",)),
    Inhibition((Name.MARKET_DATA_STALE, Name.NO_SIGNALS, Name.MODEL_NOT_LOADED), (Name.NO_TRADES,)),
    # Without the model's verdict a recommendation is vetoed, and each waits for the deadline.
    Inhibition((Name.LLM_FAILING,), (Name.LLM_SLOW, Name.REJECTIONS_JUMP, Name.CYCLE_SLOW)),
    # What a halt is for.
    Inhibition((Name.TRADING_HALTED,), (Name.NO_TRADES, Name.REJECTIONS_JUMP)),
)
