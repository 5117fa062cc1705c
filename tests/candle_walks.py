"""Seeded random walks of candles, where a test needs many and nobody's real ones."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import numpy as np

from tests.builders import MINUTE_MS
from trading_engine.domain.candle import Candle


def walk(length: int, seed: int = 1, *, pull: float = 0.0) -> list[Candle]:
    """Whole minutes around a price of 100; `pull` above 0 draws the price back to it, so that it can be foretold."""
    random = np.random.default_rng(seed)
    logs = np.zeros(length + 1)
    for index in range(1, length + 1):
        logs[index] = logs[index - 1] * (1 - pull) + random.normal(0, 0.002)
    candles = []
    for minute, (before, close) in enumerate(pairwise(100 * np.exp(logs))):
        opened, closed = Decimal(f"{before:.2f}"), Decimal(f"{close:.2f}")
        high = max(opened, closed) + Decimal(f"{abs(random.normal(0, 0.05)):.2f}")
        low = min(opened, closed) - Decimal(f"{abs(random.normal(0, 0.05)):.2f}")
        volume = Decimal(f"{random.exponential(3):.4f}")
        candles.append(Candle(minute * MINUTE_MS, opened, high, low, closed, volume))
    return candles


def csv_of(candles: list[Candle]) -> str:
    """The candles as a file that `train` and `replay` read."""
    lines = [f"{c.open_ms},{c.open},{c.high},{c.low},{c.close},{c.volume}" for c in candles]
    return "\n".join(["timestamp_ms,open,high,low,close,volume", *lines]) + "\n"
