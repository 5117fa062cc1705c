"""Predictions to signals, signals to recommendations."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import MINUTE_MS, a_candle
from trading_engine.contract.config import EngineConfig
from trading_engine.contract.messages import HoldReason, Side, SignalType, recommendation_id
from trading_engine.domain.signals import (
    Decided,
    Prediction,
    Signal,
    confidence_of,
    hold,
    is_held,
    possible,
    recommend,
    wanted,
)

HALF = Decimal("0.5")
CONFIG = EngineConfig(engine="default/test", expire_after_candles=3, order_notional=Decimal(50))


@pytest.mark.parametrize(
    ("prediction", "held", "signal_type", "reason"),
    [
        (Prediction(down=0.1, up=0.7), False, SignalType.BUY, ""),
        (Prediction(down=0.1, up=0.7), True, SignalType.HOLD, HoldReason.ALREADY_HELD),
        (Prediction(down=0.7, up=0.1), True, SignalType.SELL, ""),
        (Prediction(down=0.7, up=0.1), False, SignalType.HOLD, HoldReason.NOTHING_TO_SELL),
        (Prediction(down=0.3, up=0.49), False, SignalType.HOLD, HoldReason.BELOW_THRESHOLD),
        (Prediction(down=0.0, up=0.5), False, SignalType.BUY, ""),
        (Prediction(down=0.5, up=0.5), True, SignalType.SELL, ""),
    ],
)
def test_signal_is_the_likelier_direction_when_likely_enough(
    prediction: Prediction, held: bool, signal_type: SignalType, reason: str
) -> None:
    """Long or flat: buy only when flat, sell only when held, each with the reason where it holds."""
    signal = possible(wanted(prediction, HALF), held=held)
    assert (signal.signal_type, signal.reason) == (signal_type, reason)


@given(
    st.floats(min_value=0, max_value=1),
    st.floats(min_value=0, max_value=1),
    st.decimals(min_value=0, max_value=1, places=3),
    st.booleans(),
)
def test_no_trade_when_confidence_is_below_what_is_required(
    down: float, up: float, required: Decimal, held: bool
) -> None:
    """Whatever the prediction, a buy or sell has at least the required confidence, and a hold a reason."""
    signal = possible(wanted(Prediction(down, up), required), held=held)
    if signal.signal_type is SignalType.HOLD:
        assert signal.reason
    else:
        assert signal.confidence >= required


def test_confidence_is_refused_when_it_is_not_a_probability() -> None:
    """A broken model must not trade."""
    for broken in (float("nan"), -0.1, 1.1):
        with pytest.raises(ValueError, match="within 0 to 1"):
            confidence_of(broken)


def test_dust_is_not_held_when_worth_less_than_a_tenth_of_an_order() -> None:
    """What rounding leaves behind must not stop the engine from buying for good."""
    assert not is_held(Decimal("0.0499"), Decimal(100), Decimal(50))
    assert is_held(Decimal("0.05"), Decimal(100), Decimal(50))
    assert not is_held(Decimal(0), Decimal(100), Decimal(50))


def test_buy_asks_for_the_order_notional_when_recommended() -> None:
    """A buy spends quote currency and expires K candles after its candle closed."""
    signal = Signal(SignalType.BUY, Decimal("0.7"), "")
    wanted = recommend(CONFIG, Decided("BTC/USD", a_candle(10), signal, "m", Decimal(0)), 11 * MINUTE_MS + 5)
    assert wanted is not None
    assert (wanted.side, wanted.notional, wanted.amount) == (Side.BUY, Decimal(50), None)
    assert wanted.expires_ms == (10 + 1 + 3) * MINUTE_MS
    assert wanted.id == recommendation_id("default/test", "BTC/USD", "1m", 10 * MINUTE_MS)


def test_sell_asks_for_the_whole_position_when_recommended() -> None:
    """A sell closes."""
    signal = Signal(SignalType.SELL, Decimal("0.7"), "")
    wanted = recommend(CONFIG, Decided("BTC/USD", a_candle(10), signal, "m", Decimal("0.25")), 0)
    assert wanted is not None
    assert (wanted.side, wanted.notional, wanted.amount) == (Side.SELL, None, Decimal("0.25"))


def test_nothing_is_recommended_when_the_signal_is_hold() -> None:
    """Hold leads nowhere."""
    decided = Decided("BTC/USD", a_candle(10), hold(HoldReason.NO_MODEL), "", Decimal(0))
    assert recommend(CONFIG, decided, 0) is None
