"""May this order be sent to this venue, and in which figures? Called by trade_executor right before an intent.

A refusal here is *denied*, by us: nothing was sent. Whether trading is halted is not asked here, since
that can change until the very moment of sending.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from trading_engine.contract.messages import DenyReason, ExecutionRequest, Side, client_order_id
from trading_engine.domain.market import FeeRates, Market
from trading_engine.domain.orders import BelowMinimum, OrderRequest, quantize

ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Account:
    """What the venue says of the market and of the money, and whether an older order blocks the symbol."""

    market: Market
    balances: dict[str, Decimal]
    fees: FeeRates
    blocked_by: str  # client order id of an order whose outcome nobody knows, or ''


@dataclass(frozen=True, slots=True)
class Denial:
    """Why the order is not sent."""

    reason: DenyReason
    detail: str


def order_of(request: ExecutionRequest) -> OrderRequest:
    """The order that an approved recommendation asks for, in the figures that risk allowed."""
    wanted, allowed = request.recommendation, request.assessment
    return OrderRequest(client_order_id(wanted.id), wanted.symbol, wanted.side, allowed.notional, allowed.amount)


def checked(order: OrderRequest, account: Account) -> OrderRequest | Denial:
    """The order in the venue's increments, or why it is denied."""
    if account.blocked_by:
        return Denial(DenyReason.SYMBOL_BLOCKED, f"the outcome of order {account.blocked_by} is not known yet")
    if account.market.flags:
        return Denial(DenyReason.MARKET_UNAVAILABLE, ", ".join(sorted(account.market.flags)))
    quantized = quantize(order, account.market)
    if isinstance(quantized, BelowMinimum):
        return Denial(DenyReason.BELOW_MINIMUM, quantized.detail)
    return _affordable(quantized, account) or quantized


def _affordable(order: OrderRequest, account: Account) -> Denial | None:
    market = account.market
    buys = order.side is Side.BUY
    currency = market.quote if buys else market.base
    needed = (order.cost or ZERO) * (1 + account.fees.taker) if buys else order.amount or ZERO
    free = account.balances.get(currency, ZERO)
    if needed <= free:
        return None
    return Denial(DenyReason.INSUFFICIENT_BALANCE, f"needs {needed:f} {currency}, free are {free:f}")
