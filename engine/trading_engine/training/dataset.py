"""Candles to rows a model can learn from, and their split in time. Called by `training.train`.

A row is a candle with all features finite and a known outcome: the return of the close over the next
`horizon` candles. The last `horizon` candles have no outcome, and a window with a hole in it has none
either. Rows are labelled net of fees: up and down mean "by more than a round trip costs".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trading_engine.contract.config import Timeframe
from trading_engine.domain.candle import Candle
from trading_engine.domain.indicators import Floats, batch

#: Classes in the order of the model's outputs.
DOWN, FLAT, UP = range(3)
CLASSES: Final = ("down", "flat", "up")

#: Shares of the rows, in time: training, validation; the rest is the held-back test.
TRAINING_SHARE: Final = 0.6
VALIDATION_SHARE: Final = 0.2


@dataclass(frozen=True, slots=True)
class Dataset:
    """Rows in order of time: features (n, k), forward return (n,), label (n,), open time (n,), close (n,)."""

    features: Floats
    returns: Floats
    labels: NDArray[np.int64]
    open_ms: NDArray[np.int64]
    closes: Floats

    def __len__(self) -> int:
        return len(self.open_ms)

    def take(self, rows: NDArray[np.bool_]) -> Dataset:
        """The rows where `rows` is true."""
        return Dataset(
            self.features[rows], self.returns[rows], self.labels[rows], self.open_ms[rows], self.closes[rows]
        )


@dataclass(frozen=True, slots=True)
class Split:
    """Three datasets, each later than the one before, with a gap of the horizon between them."""

    training: Dataset
    validation: Dataset
    test: Dataset


def round_trip_cost(fee_rate: Decimal) -> float:
    """Rise that just pays a buy and a sell: r in (1 + r)(1 - fee) = 1 + fee."""
    return float((1 + fee_rate) / (1 - fee_rate) - 1)


def build_dataset(candles: Sequence[Candle], timeframe: Timeframe, horizon: int, cost: float) -> Dataset:
    """Rows of `candles` (oldest first) with their outcome `horizon` candles later.

    Raises:
        ValueError: candles are not in order of time.
    """
    features = batch(candles, timeframe.milliseconds)
    open_ms = np.array([candle.open_ms for candle in candles], dtype=np.int64)
    closes = np.array([float(candle.close) for candle in candles])
    returns = np.full(len(candles), np.nan)
    if len(candles) > horizon:
        whole = open_ms[horizon:] - open_ms[:-horizon] == horizon * timeframe.milliseconds
        returns[:-horizon] = np.where(whole, closes[horizon:] / closes[:-horizon] - 1, np.nan)
    labels = np.where(returns > cost, UP, np.where(returns < -cost, DOWN, FLAT))
    rows = Dataset(features, returns, labels, open_ms, closes)
    return rows.take(np.isfinite(returns) & np.isfinite(features).all(axis=1))


def split_in_time(rows: Dataset, purge_ms: int) -> Split:
    """Training, validation and test rows; none whose outcome reaches into a later part is kept.

    `purge_ms` is the horizon in time: a row within it before a boundary is dropped.
    """
    first = int(len(rows) * TRAINING_SHARE)
    second = int(len(rows) * (TRAINING_SHARE + VALIDATION_SHARE))
    at = np.arange(len(rows))
    ends = rows.open_ms + purge_ms
    return Split(
        rows.take((at < first) & (ends < rows.open_ms[first])),
        rows.take((at >= first) & (at < second) & (ends < rows.open_ms[second])),
        rows.take(at >= second),
    )
