"""May this recommendation be executed? RISK_CHECKS in order, the first refusal wins. Called by risk_management.

Each check is a small function of RiskInput that answers None (passed) or the figure and its limit.
An order is never shrunk to fit: what is refused is refused with a reason somebody can act on. A sell
lowers exposure, so limits that only bound exposure let it pass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from trading_engine.contract.config import RiskConfig, TradingState
from trading_engine.contract.messages import (
    Assessment,
    Recommendation,
    RiskDecision,
    RiskLevel,
    RiskReason,
    Side,
)
from trading_engine.domain.market import Quote

ZERO: Final = Decimal(0)
SCORE_STEP: Final = Decimal("0.0001")
#: Upper ends of low, medium and high; critical is at a limit or beyond.
LEVELS: Final = (
    (Decimal("0.33"), RiskLevel.LOW),
    (Decimal("0.66"), RiskLevel.MEDIUM),
    (Decimal(1), RiskLevel.HIGH),
)


@dataclass(frozen=True, slots=True)
class RiskInput:
    """All that risk looks at, gathered in one unit of work. Money in the symbol's quote currency."""

    recommendation: Recommendation
    limits: RiskConfig
    trading_state: TradingState
    now_ms: int
    quote: Quote | None
    position: Decimal  # base amount held
    committed: Decimal  # cost of approved buys of this symbol that have not ended, this one not counted
    orders_last_minute: int  # sent, or approved and still to be sent
    daily_pnl: Decimal  # below 0 is a loss
    unknown_orders: int  # orders of this symbol whose outcome nobody knows

    @property
    def buys(self) -> bool:
        """Whether exposure would rise."""
        return self.recommendation.side is Side.BUY

    @property
    def notional(self) -> Decimal:
        """What a buy asks to spend; 0 for a sell."""
        return self.recommendation.notional or ZERO

    @property
    def exposure(self) -> Decimal:
        """Value of the position at the ask if this buy and those under way were filled."""
        price = self.quote.ask if self.quote else self.recommendation.price
        return self.position * price + self.committed + self.notional

    @property
    def price_age_seconds(self) -> Decimal:
        """Age of the quote; one from the future is as wrong as an old one."""
        return Decimal(abs(self.now_ms - self.quote.timestamp_ms)) / 1000 if self.quote else ZERO


Check = Callable[[RiskInput], str | None]


def _trading_halted(risk: RiskInput) -> str | None:
    return "trading state is Halted" if risk.trading_state is TradingState.HALTED else None


def _trading_reducing(risk: RiskInput) -> str | None:
    reducing = risk.trading_state is TradingState.REDUCING
    return "trading state is Reducing: only sells pass" if reducing and risk.buys else None


def _price_missing(risk: RiskInput) -> str | None:
    return f"no bid and ask of {risk.recommendation.symbol}" if risk.quote is None else None


def _price_stale(risk: RiskInput) -> str | None:
    return _above("price age in seconds", risk.price_age_seconds, risk.limits.max_price_age_seconds)


def _price_invalid(risk: RiskInput) -> str | None:
    quote = risk.quote
    if quote is None or (quote.bid.is_finite() and quote.ask.is_finite() and 0 < quote.bid <= quote.ask):
        return None
    return f"bid {quote.bid} and ask {quote.ask}: both must be above 0, and the bid not above the ask"


def _order_notional(risk: RiskInput) -> str | None:
    return _above("order notional", risk.notional, risk.limits.max_order_notional) if risk.buys else None


def _position_notional(risk: RiskInput) -> str | None:
    return _above("position notional", risk.exposure, risk.limits.max_position_notional) if risk.buys else None


def _orders_per_minute(risk: RiskInput) -> str | None:
    return _above("orders per minute", risk.orders_last_minute + 1, risk.limits.max_orders_per_minute)


def _daily_loss(risk: RiskInput) -> str | None:
    # At the limit is enough: the next order can only be made of money that must not be lost any more.
    if risk.buys and -risk.daily_pnl >= risk.limits.max_daily_loss:
        return f"daily loss {-risk.daily_pnl} has reached {risk.limits.max_daily_loss}"
    return None


def _outcome_unknown(risk: RiskInput) -> str | None:
    return f"{risk.unknown_orders} orders with unknown outcome, allowed 0" if risk.unknown_orders else None


def _nothing_to_sell(risk: RiskInput) -> str | None:
    return f"position is {risk.position}" if not risk.buys and risk.position <= 0 else None


def _above(what: str, figure: Decimal | int, limit: Decimal | int) -> str | None:
    return f"{what} {Decimal(figure):f} is above {Decimal(limit):f}" if figure > limit else None


#: In the order of RiskReason; the first refusal wins.
RISK_CHECKS: Final[tuple[tuple[RiskReason, Check], ...]] = (
    (RiskReason.TRADING_HALTED, _trading_halted),
    (RiskReason.TRADING_REDUCING, _trading_reducing),
    (RiskReason.PRICE_MISSING, _price_missing),
    (RiskReason.PRICE_STALE, _price_stale),
    (RiskReason.PRICE_INVALID, _price_invalid),
    (RiskReason.ORDER_NOTIONAL, _order_notional),
    (RiskReason.POSITION_NOTIONAL, _position_notional),
    (RiskReason.ORDERS_PER_MINUTE, _orders_per_minute),
    (RiskReason.DAILY_LOSS, _daily_loss),
    (RiskReason.OUTCOME_UNKNOWN, _outcome_unknown),
    (RiskReason.NOTHING_TO_SELL, _nothing_to_sell),
)


def risk_score(risk: RiskInput) -> Decimal:
    """The largest utilisation of any limit that applies, four places; 1 is at a limit."""
    limits = risk.limits
    used = [
        risk.price_age_seconds / limits.max_price_age_seconds,
        Decimal(risk.orders_last_minute + 1) / limits.max_orders_per_minute,
    ]
    if risk.buys:
        used += [
            risk.notional / limits.max_order_notional,
            risk.exposure / limits.max_position_notional,
            -risk.daily_pnl / limits.max_daily_loss,
        ]
    return max(ZERO, *(share for share in used if share.is_finite())).quantize(SCORE_STEP)


def risk_level(score: Decimal) -> RiskLevel:
    """Band of a score."""
    return next((level for end, level in LEVELS if score < end), RiskLevel.CRITICAL)


def assess(risk: RiskInput) -> Assessment:
    """Risk's answer; where approved, with what may be executed: never more than was asked or is held."""
    score = risk_score(risk)
    reason, detail = _first_refusal(risk)
    asked = risk.recommendation
    approved = reason is RiskReason.NONE
    return Assessment(
        recommendation_id=asked.id,
        decision=RiskDecision.APPROVED if approved else RiskDecision.REFUSED,
        reason=reason,
        detail=detail[:500],
        risk_score=score,
        risk_level=risk_level(score),
        notional=asked.notional if approved and risk.buys else None,
        amount=min(asked.amount or ZERO, risk.position) if approved and not risk.buys else None,
    )


def _first_refusal(risk: RiskInput) -> tuple[RiskReason, str]:
    for reason, check in RISK_CHECKS:
        if (detail := check(risk)) is not None:
            return reason, detail
    return RiskReason.NONE, ""
