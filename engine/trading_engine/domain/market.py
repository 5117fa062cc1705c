"""What a venue says about a market: increments, flags, quotes and fees."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

#: Coinbase Advanced's worst published tier (1.2 % taker, 0.6 % maker in ccxt's product fixture).
WORST_TAKER = Decimal("0.012")
WORST_MAKER = Decimal("0.006")


@dataclass(frozen=True, slots=True)
class Market:
    """Increments and minimums as the venue writes them, and the flags that forbid trading."""

    symbol: str
    base: str
    quote: str
    base_increment: Decimal
    quote_increment: Decimal
    price_increment: Decimal
    base_min: Decimal
    quote_min: Decimal
    flags: frozenset[str] = field(default_factory=frozenset)  # trading_disabled, cancel_only, ...


@dataclass(frozen=True, slots=True)
class Quote:
    """Best bid and ask at a time."""

    symbol: str
    bid: Decimal
    ask: Decimal
    timestamp_ms: int

    @property
    def mid(self) -> Decimal:
        """Middle of bid and ask."""
        return (self.bid + self.ask) / 2


@dataclass(frozen=True, slots=True)
class FeeRates:
    """Fractions of the traded cost."""

    maker: Decimal = WORST_MAKER
    taker: Decimal = WORST_TAKER
