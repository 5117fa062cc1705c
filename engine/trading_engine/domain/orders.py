"""Orders: what is asked of a venue, what it answers, and which state may follow which."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from uuid import UUID

from trading_engine.contract.messages import OrderState, Side

#: Which state may follow which. Terminal states have no successor.
TRANSITIONS: Final[dict[OrderState, frozenset[OrderState]]] = {
    OrderState.INTENT: frozenset({OrderState.DENIED, OrderState.SUBMITTING}),
    OrderState.SUBMITTING: frozenset({OrderState.UNKNOWN, OrderState.ACCEPTED, OrderState.REJECTED}),
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
