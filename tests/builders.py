"""Valid values of the domain with sensible defaults, for tests; each takes the fields that matter to the test."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from trading_engine.contract.config import Timeframe
from trading_engine.contract.messages import (
    Assessment,
    Decision,
    Execution,
    OrderState,
    Recommendation,
    RiskDecision,
    RiskLevel,
    RiskReason,
    Side,
    SignalType,
    Validation,
    client_order_id,
    recommendation_id,
)
from trading_engine.domain.candle import Candle
from trading_engine.domain.orders import Fill, OrderRequest
from trading_engine.ports import OrderRow, SignalRow

ENGINE = "default/test"
MINUTE_MS = 60_000


def a_candle(minute: int = 0, close: str = "100.10", **fields: Any) -> Candle:
    """A flat candle that opens `minute` minutes after the epoch."""
    price = Decimal(close)
    values = {"open": price, "high": price, "low": price, "close": price, "volume": Decimal("1.50"), **fields}
    return Candle(open_ms=minute * MINUTE_MS, **values)


def a_signal(minute: int = 0, **fields: Any) -> SignalRow:
    """A buy signal of the candle that opens at `minute`."""
    values: dict[str, Any] = {
        "symbol": "BTC/USD",
        "timeframe": "1m",
        "candle_open_ms": minute * MINUTE_MS,
        "signal_type": SignalType.BUY,
        "confidence": Decimal("0.70"),
        "reason": "",
        "model_id": "0123456789abcdef",
        "features_sha256": "f" * 64,
        "created_ms": (minute + 1) * MINUTE_MS,
    }
    return SignalRow(**{**values, **fields})


def a_recommendation(minute: int = 0, *, engine: str = ENGINE, **fields: Any) -> Recommendation:
    """A wish to buy for 50 USD of BTC, born of the candle that opens at `minute`."""
    symbol = fields.get("symbol", "BTC/USD")
    open_ms = minute * MINUTE_MS
    values: dict[str, Any] = {
        "id": recommendation_id(engine, symbol, "1m", open_ms),
        "symbol": symbol,
        "timeframe": Timeframe.M1,
        "candle_open_ms": open_ms,
        "side": Side.BUY,
        "price": Decimal("100.10"),
        "confidence": Decimal("0.70"),
        "notional": Decimal("50.00"),
        "model_id": "0123456789abcdef",
        "created_ms": open_ms + MINUTE_MS,
        "expires_ms": open_ms + 4 * MINUTE_MS,
    }
    return Recommendation(**{**values, **fields})


def a_validation(recommendation: Recommendation, **fields: Any) -> Validation:
    """An approval."""
    values: dict[str, Any] = {
        "recommendation_id": recommendation.id,
        "decision": Decision.APPROVE,
        "confidence": Decimal("0.90"),
        "reason": "calm market",
        "model": "made-up",
        "seconds": 0.25,
    }
    return Validation(**{**values, **fields})


def an_assessment(recommendation: Recommendation, **fields: Any) -> Assessment:
    """An approval of all that was asked for."""
    values: dict[str, Any] = {
        "recommendation_id": recommendation.id,
        "decision": RiskDecision.APPROVED,
        "reason": RiskReason.NONE,
        "detail": "",
        "risk_score": Decimal("0.10"),
        "risk_level": RiskLevel.LOW,
        "notional": recommendation.notional,
        "amount": recommendation.amount,
    }
    return Assessment(**{**values, **fields})


def an_execution(recommendation: UUID, state: OrderState, **fields: Any) -> Execution:
    """What is known of the order of a recommendation."""
    return Execution(
        recommendation_id=recommendation, client_order_id=client_order_id(recommendation), state=state, **fields
    )


def an_intent(recommendation: Recommendation, **fields: Any) -> OrderRow:
    """The order of a recommendation, before the wire."""
    values: dict[str, Any] = {
        "recommendation_id": recommendation.id,
        "request": OrderRequest(
            client_order_id(recommendation.id),
            recommendation.symbol,
            recommendation.side,
            cost=recommendation.notional,
            amount=recommendation.amount,
        ),
        "venue": "paper",
        "state": OrderState.INTENT,
        "execution": an_execution(recommendation.id, OrderState.INTENT),
        "created_ms": recommendation.created_ms,
        "sent_ms": None,
        "updated_ms": recommendation.created_ms,
    }
    return OrderRow(**{**values, **fields})


def a_fill(trade_id: str = "1", **fields: Any) -> Fill:
    """A bought half of a coin."""
    values: dict[str, Any] = {
        "venue": "paper",
        "venue_order_id": "order-1",
        "trade_id": trade_id,
        "symbol": "BTC/USD",
        "side": Side.BUY,
        "price": Decimal("100.10"),
        "amount": Decimal("0.50000000"),
        "fee": Decimal("0.30"),
        "timestamp_ms": 2 * MINUTE_MS,
    }
    return Fill(**{**values, **fields})
