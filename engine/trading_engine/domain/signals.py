"""A model's prediction to a signal, and a signal to a recommendation. Called by signal_generator.

Spot, long or flat: buy when flat and the rise is likely enough, sell all when held and the fall
is likely enough, else hold with a reason. What "likely enough" means was measured net of fees when
the model was trained (`Model.threshold`) and may be raised by `config.model.minimum_confidence`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from trading_engine.contract.config import EngineConfig
from trading_engine.contract.messages import (
    HoldReason,
    Recommendation,
    Side,
    SignalType,
    recommendation_id,
)
from trading_engine.domain.candle import Candle

CONFIDENCE_STEP: Final = Decimal("0.000001")

#: A position worth less than this share of an order neither blocks a buy nor is worth a sell: what
#: rounding to the venue's increments leaves behind must not stop the engine for good.
DUST: Final = Decimal("0.1")


@dataclass(frozen=True, slots=True)
class Prediction:
    """P(price moves down / up by more than the round-trip cost within the horizon); each 0 to 1."""

    down: float
    up: float


@dataclass(frozen=True, slots=True)
class Signal:
    """What to do about one closed candle. `reason` is a HoldReason where the type is hold, else ''."""

    signal_type: SignalType
    confidence: Decimal
    reason: str


@dataclass(frozen=True, slots=True)
class Decided:
    """A signal with all a recommendation needs besides the configuration."""

    symbol: str
    candle: Candle
    signal: Signal
    model_id: str
    position: Decimal


def hold(reason: HoldReason, confidence: Decimal = Decimal(0)) -> Signal:
    """A signal to do nothing, and why."""
    return Signal(SignalType.HOLD, confidence, reason.value)


def confidence_of(probability: float) -> Decimal:
    """A probability as Decimal with six places, as rows keep it.

    Raises:
        ValueError: it is not within 0 to 1 (NaN included).
    """
    if not 0.0 <= probability <= 1.0:
        raise ValueError(f"probability must be within 0 to 1, got {probability}")
    return Decimal(repr(probability)).quantize(CONFIDENCE_STEP)


def is_held(position: Decimal, price: Decimal, order_notional: Decimal) -> bool:
    """Whether a position counts as one; dust does not."""
    return position * price >= DUST * order_notional


def wanted(prediction: Prediction, required: Decimal) -> Signal:
    """Signal of a prediction, whatever is held; a confidence equal to `required` is enough.

    `required` is the larger of the model's threshold and the configured minimum. The likelier
    direction speaks; on a tie, flat is safer than long, so the fall does.
    """
    confidence = confidence_of(max(prediction.up, prediction.down))
    if confidence < required:
        return hold(HoldReason.BELOW_THRESHOLD, confidence)
    return Signal(SignalType.BUY if prediction.up > prediction.down else SignalType.SELL, confidence, "")


def possible(signal: Signal, *, held: bool) -> Signal:
    """The signal where it can be followed: buys need no position, sells need one; else hold."""
    if signal.signal_type is SignalType.BUY and held:
        return hold(HoldReason.ALREADY_HELD, signal.confidence)
    if signal.signal_type is SignalType.SELL and not held:
        return hold(HoldReason.NOTHING_TO_SELL, signal.confidence)
    return signal


def recommend(config: EngineConfig, decided: Decided, now_ms: int) -> Recommendation | None:
    """The recommendation of a buy or sell signal; None for hold.

    It expires `expire_after_candles` candles after its candle closed.
    """
    signal, candle = decided.signal, decided.candle
    if signal.signal_type is SignalType.HOLD:
        return None
    side = Side(signal.signal_type.value)
    length = config.timeframe.milliseconds
    return Recommendation(
        id=recommendation_id(config.engine, decided.symbol, config.timeframe.value, candle.open_ms),
        symbol=decided.symbol,
        timeframe=config.timeframe,
        candle_open_ms=candle.open_ms,
        side=side,
        price=candle.close,
        confidence=signal.confidence,
        notional=config.order_notional if side is Side.BUY else None,
        amount=decided.position if side is Side.SELL else None,
        model_id=decided.model_id,
        created_ms=now_ms,
        expires_ms=candle.open_ms + (1 + config.expire_after_candles) * length,
    )
