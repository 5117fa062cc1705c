"""Features: one bar at a time, all at once and over a truncated history are the same; holes start anew."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import MINUTE_MS, a_candle
from tests.candle_walks import walk
from trading_engine.domain.candle import Candle
from trading_engine.domain.indicators import (
    FEATURES,
    HISTORY,
    WARM_UP,
    Indicators,
    batch,
    features_sha256,
)

prices = st.decimals(min_value="0.01", max_value="90000", places=2)
steps = st.integers(min_value=1, max_value=40).map(lambda n: n if n > 38 else 1)


@st.composite
def histories(draw: st.DrawFn) -> list[Candle]:
    """Any valid candles, a hole here and there, flat ones and ones without volume among them."""
    bars = draw(st.lists(st.tuples(prices, prices, prices, prices, steps), min_size=1, max_size=90))
    minute, candles = 0, []
    for one, two, three, four, step in bars:
        minute += step
        low, opened, closed, high = sorted((one, two, three, four))
        volume = Decimal(step - 1) + (one % 7)
        candles.append(Candle(minute * MINUTE_MS, opened, high, low, closed, volume))
    return candles


def incremental(candles: list[Candle]) -> np.ndarray:
    indicators = Indicators(MINUTE_MS)
    return np.array([indicators.update(candle) for candle in candles])


def same(left: np.ndarray, right: np.ndarray) -> bool:
    return np.array_equal(left, right, equal_nan=True)


@settings(max_examples=25, deadline=None)
@given(histories())
def test_bar_by_bar_equals_batch_when_candles_are_any(candles: list[Candle]) -> None:
    """Live and training see the same figures, to the bit, warm-up and holes included."""
    assert same(incremental(candles), batch(candles, MINUTE_MS))


@settings(max_examples=15, deadline=None)
@given(histories(), st.data())
def test_row_is_unchanged_when_the_future_is_cut_off(candles: list[Candle], data: st.DataObject) -> None:
    """No feature looks ahead: what comes later changes nothing."""
    length = data.draw(st.integers(min_value=1, max_value=len(candles)))
    assert same(batch(candles[:length], MINUTE_MS), batch(candles, MINUTE_MS)[:length])


def test_batch_equals_bar_by_bar_when_the_walk_is_long() -> None:
    """Nothing drifts apart over many bars."""
    candles = walk(1500)
    assert same(incremental(candles), batch(candles, MINUTE_MS))


def test_features_are_nan_until_warm_and_finite_from_then_on() -> None:
    """Warm-up is exactly WARM_UP candles."""
    rows = batch(walk(200), MINUTE_MS)
    finite = np.isfinite(rows).all(axis=1)
    assert finite.argmax() == WARM_UP - 1
    assert finite[WARM_UP - 1 :].all()


def test_everything_starts_anew_when_a_candle_is_missing() -> None:
    """After a hole the features are those of a history that begins there."""
    candles = walk(120)
    holed = candles[:60] + candles[61:]
    rows = incremental(holed)
    assert same(rows[60:], batch(candles[61:], MINUTE_MS))
    assert np.isnan(rows[60]).any()


def test_features_stay_the_same_when_all_prices_are_a_hundred_times_higher() -> None:
    """A model carries over price levels."""
    candles = walk(120)
    higher = [
        Candle(c.open_ms, c.open * 100, c.high * 100, c.low * 100, c.close * 100, c.volume * 100) for c in candles
    ]
    np.testing.assert_allclose(batch(candles, MINUTE_MS), batch(higher, MINUTE_MS), rtol=1e-7, atol=1e-9)


def test_a_restart_agrees_with_the_longer_history_when_fed_history_candles() -> None:
    """HISTORY candles are enough for the exponential memories to forget their start."""
    candles = walk(2000)
    np.testing.assert_allclose(
        batch(candles[-HISTORY:], MINUTE_MS)[-1], batch(candles, MINUTE_MS)[-1], rtol=1e-9, atol=1e-9
    )


def test_at_least_twenty_features_have_names_of_their_own() -> None:
    """The model knows features by name."""
    assert len(FEATURES) == len(set(FEATURES)) >= 20


def test_a_simple_feature_has_the_value_computed_by_hand() -> None:
    """return_1 is the return of the last candle; sma_20 the mean of 20 closes over the close, minus 1."""
    closes = [str(100 + minute) for minute in range(40)]
    rows = batch([a_candle(minute, close) for minute, close in enumerate(closes)], MINUTE_MS)
    assert rows[-1, FEATURES.index("return_1")] == pytest.approx(139 / 138 - 1)
    assert rows[-1, FEATURES.index("sma_20")] == pytest.approx(129.5 / 139 - 1)


def test_update_refuses_when_a_candle_does_not_come_later() -> None:
    """A candle out of order must not be mixed in silently."""
    indicators = Indicators(MINUTE_MS)
    indicators.update(a_candle(5))
    with pytest.raises(ValueError, match="300000 does not come after candle 300000"):
        indicators.update(a_candle(5))
    with pytest.raises(ValueError, match="does not come after"):
        batch([a_candle(5), a_candle(4)], MINUTE_MS)


def test_batch_is_empty_when_there_are_no_candles() -> None:
    """No candles, no rows, the columns still there."""
    assert batch([], MINUTE_MS).shape == (0, len(FEATURES))


def test_digest_changes_when_one_feature_does() -> None:
    """The journal tells rows apart."""
    row = np.arange(28.0)
    other = row.copy()
    other[3] += 1e-12
    assert features_sha256(row) == features_sha256(row.copy()) != features_sha256(other)
