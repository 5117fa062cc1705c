"""Orders: what is asked of a venue, what it answers, and which state may follow which."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from typing import Final
from uuid import UUID

from trading_engine.contract.messages import OrderState, Side
from trading_engine.domain.market import Market

#: Digits that a division of the largest amount by the smallest increment needs, with room to spare.
_EXACT: Final = 60

#: Which state may follow which. Terminal states have no successor.
TRANSITIONS: Final[dict[OrderState, frozenset[OrderState]]] = {
    OrderState.INTENT: frozenset({OrderState.DENIED, OrderState.SUBMITTING}),
    # denied: the red button was pressed between the commit and the wire, and this process knows that it did not send
    OrderState.SUBMITTING: frozenset({OrderState.DENIED, OrderState.UNKNOWN, OrderState.ACCEPTED, OrderState.REJECTED}),
    OrderState.UNKNOWN: frozenset({OrderState.ACCEPTED, OrderState.REJECTED}),
    OrderState.ACCEPTED: frozenset(
        {OrderState.PARTIAL, OrderState.FILLED, OrderState.CANCELED, OrderState.EXPIRED, OrderState.REJECTED}
    ),
    OrderState.PARTIAL: frozenset({OrderState.FILLED, OrderState.CANCELED, OrderState.EXPIRED}),
    OrderState.DENIED: frozenset(),
    OrderState.REJECTED: frozenset(),
    OrderState.FILLED: frozenset(),
    OrderState.CANCELED: frozenset(),
    OrderState.EXPIRED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """A market order for a venue. A buy spends `cost` (quote), a sell gives `amount` (base)."""

    client_order_id: UUID
    symbol: str
    side: Side
    cost: Decimal | None = None
    amount: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution at the venue; (venue, venue_order_id, trade_id) is its key."""

    venue: str
    venue_order_id: str
    trade_id: str
    symbol: str
    side: Side
    price: Decimal
    amount: Decimal
    fee: Decimal
    timestamp_ms: int

    @property
    def cost(self) -> Decimal:
        """Price times amount, in quote currency, fee not included."""
        return self.price * self.amount


@dataclass(frozen=True, slots=True)
class VenueOrder:
    """An order as the venue knows it."""

    venue_order_id: str
    client_order_id: str
    symbol: str
    side: Side
    state: OrderState
    filled: Decimal
    average: Decimal | None
    cost: Decimal
    fee: Decimal
    created_ms: int


@dataclass(frozen=True, slots=True)
class BelowMinimum:
    """An order too small for the venue, as a value: the figure after rounding and what is needed."""

    figure: Decimal
    minimum: Decimal
    currency: str

    @property
    def detail(self) -> str:
        """The figure and the minimum, for people."""
        return f"{self.figure:f} {self.currency} is below the minimum of {self.minimum:f} {self.currency}"


def round_down(figure: Decimal, increment: Decimal) -> Decimal:
    """The largest multiple of `increment` that is not above `figure`, exact.

    Raises:
        ValueError: the increment is not above 0, or the figure is not finite or below 0.
    """
    if not (increment.is_finite() and increment > 0):
        raise ValueError(f"increment must be above 0, got {increment}")
    if not figure.is_finite() or figure < 0:
        raise ValueError(f"figure must be finite and not below 0, got {figure}")
    with localcontext(prec=_EXACT):
        return (figure // increment) * increment


def quantize(request: OrderRequest, market: Market) -> OrderRequest | BelowMinimum:
    """The request in the venue's increments, rounded down: never more is spent or sold than was asked.

    A buy's cost goes by `quote_increment` and `quote_min`, a sell's amount by `base_increment` and `base_min`.

    Raises:
        ValueError: a buy without a cost, a sell without an amount, or a figure that is no amount.
    """
    buys = request.side is Side.BUY
    asked = request.cost if buys else request.amount
    if asked is None:
        raise ValueError(f"{request.symbol}: a {request.side} needs {'a cost' if buys else 'an amount'}")
    increment, minimum, currency = (
        (market.quote_increment, market.quote_min, market.quote)
        if buys
        else (market.base_increment, market.base_min, market.base)
    )
    figure = round_down(asked, increment)
    if figure <= 0 or figure < minimum:
        return BelowMinimum(figure, max(minimum, increment), currency)
    return replace(request, cost=figure) if buys else replace(request, amount=figure)


def may_follow(before: OrderState, after: OrderState) -> bool:
    """Whether an order may move from `before` to `after`."""
    return after in TRANSITIONS[before]


def is_terminal(state: OrderState) -> bool:
    """Whether an order in this state never changes again."""
    return not TRANSITIONS[state]
