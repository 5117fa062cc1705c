"""Rows, labels and the split in time: nothing of the future leaks into an earlier part."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from tests.builders import MINUTE_MS, a_candle
from tests.candle_walks import walk
from trading_engine.contract.config import Timeframe
from trading_engine.domain.indicators import WARM_UP
from trading_engine.training.dataset import DOWN, FLAT, UP, build_dataset, round_trip_cost, split_in_time

HORIZON = 5


def test_cost_is_the_rise_that_pays_both_fees() -> None:
    """Bought for 100.1 with fee, sold at the break-even price, nothing is left and nothing is lost."""
    cost = round_trip_cost(Decimal("0.001"))
    assert 100 * (1 + cost) * (1 - 0.001) == pytest.approx(100 * (1 + 0.001))


def test_label_is_the_direction_net_of_fees_when_the_close_moves() -> None:
    """Closes rise by 1 % a minute: over 5 minutes that is up at 2 % cost and flat at 6 %."""
    candles = [a_candle(minute, str(round(100 * 1.01**minute, 6))) for minute in range(60)]
    assert set(build_dataset(candles, Timeframe.M1, HORIZON, 0.02).labels) == {UP}
    assert set(build_dataset(candles, Timeframe.M1, HORIZON, 0.06).labels) == {FLAT}
    falling = [a_candle(minute, str(round(100 * 0.99**minute, 6))) for minute in range(60)]
    assert set(build_dataset(falling, Timeframe.M1, HORIZON, 0.02).labels) == {DOWN}


def test_rows_are_those_with_features_and_an_outcome() -> None:
    """Warm-up at the front and the horizon at the end are left out."""
    rows = build_dataset(walk(100), Timeframe.M1, HORIZON, 0.001)
    assert len(rows) == 100 - (WARM_UP - 1) - HORIZON
    assert rows.open_ms[0] == (WARM_UP - 1) * MINUTE_MS
    assert rows.open_ms[-1] == (100 - 1 - HORIZON) * MINUTE_MS
    assert np.isfinite(rows.features).all()


def test_no_row_looks_over_a_hole() -> None:
    """Neither its features nor its outcome."""
    candles = walk(200)
    holed = candles[:100] + candles[103:]
    rows = build_dataset(holed, Timeframe.M1, HORIZON, 0.001)
    minutes = set(rows.open_ms // MINUTE_MS)
    assert not minutes & set(range(100 - HORIZON, 103 + WARM_UP - 1))
    assert {100 - HORIZON - 1, 103 + WARM_UP - 1} <= minutes


def test_outcome_is_the_return_to_the_close_that_many_candles_later() -> None:
    """By hand for one row."""
    candles = walk(100)
    rows = build_dataset(candles, Timeframe.M1, HORIZON, 0.001)
    minute = int(rows.open_ms[10]) // MINUTE_MS
    expected = float(candles[minute + HORIZON].close / candles[minute].close) - 1
    assert rows.returns[10] == pytest.approx(expected)


def test_no_outcome_reaches_into_a_later_part_when_split() -> None:
    """Training, gap, validation, gap, test."""
    split = split_in_time(build_dataset(walk(400), Timeframe.M1, HORIZON, 0.001), HORIZON * MINUTE_MS)
    for earlier, later in ((split.training, split.validation), (split.validation, split.test)):
        assert len(earlier) > 0
        assert earlier.open_ms[-1] + HORIZON * MINUTE_MS < later.open_ms[0]


def test_dataset_is_empty_when_there_are_fewer_candles_than_the_horizon() -> None:
    """Too little is nothing, not an error."""
    assert len(build_dataset(walk(3), Timeframe.M1, HORIZON, 0.001)) == 0
