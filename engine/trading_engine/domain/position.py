"""What is held of a symbol and what it cost, folded from fills one by one.

Called by the store, which keeps the fold beside the fills, and by nobody else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from trading_engine.contract.messages import Side
from trading_engine.domain.orders import Fill

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Position:
    """Held base amount and its average cost per unit, fees included, from fills."""

    symbol: str
    amount: Decimal
    average_cost: Decimal
    realized_pnl: Decimal
    fees: Decimal


def flat(symbol: str) -> Position:
    """Nothing held, nothing earned."""
    return Position(symbol, ZERO, ZERO, ZERO, ZERO)


def after_fill(position: Position, fill: Fill) -> Position:
    """The position once `fill` is counted (weighted average cost; a fee makes a buy dearer, a sale poorer)."""
    if fill.side is Side.BUY:
        return _bought(position, fill)
    return _sold(position, fill)


def _bought(position: Position, fill: Fill) -> Position:
    amount = position.amount + fill.amount
    paid = position.amount * position.average_cost + fill.cost + fill.fee
    return replace(position, amount=amount, average_cost=paid / amount, fees=position.fees + fill.fee)


def _sold(position: Position, fill: Fill) -> Position:
    # What is sold beyond the position was never bought by this engine: it has no cost here, so it earns nothing here.
    ours = min(fill.amount, position.amount)
    earned = (fill.cost - fill.fee) * ours / fill.amount - position.average_cost * ours
    amount = position.amount - ours
    return replace(
        position,
        amount=amount,
        average_cost=position.average_cost if amount else ZERO,
        realized_pnl=position.realized_pnl + earned,
        fees=position.fees + fill.fee,
    )
