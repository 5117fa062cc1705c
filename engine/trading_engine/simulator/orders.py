"""Orders and fills as the venue keeps them, and the rules an order must keep.

Called by `venue`. The words (statuses, failure reasons) are Coinbase's.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final

OPEN: Final = "OPEN"
FILLED: Final = "FILLED"
CANCELLED: Final = "CANCELLED"

#: Order configurations served: name -> time in force.
TIME_IN_FORCE: Final = {
    "market_market_ioc": "IMMEDIATE_OR_CANCEL",
    "limit_limit_gtc": "GOOD_UNTIL_CANCELLED",
    "sor_limit_ioc": "IMMEDIATE_OR_CANCEL",
    "limit_limit_fok": "FILL_OR_KILL",
}


class Refused(Exception):
    """An order the venue does not take: Coinbase's `error`, `preview_failure_reason` and message."""

    def __init__(self, error: str, preview: str, message: str) -> None:
        super().__init__(message)
        self.error, self.preview, self.message = error, preview, message


@dataclass(frozen=True, slots=True)
class Product:
    """What may be traded and in which steps."""

    id: str
    base: str
    quote: str
    increment: Decimal
    synthetic: bool
    base_increment: Decimal = Decimal("0.00000001")
    base_min: Decimal = Decimal("0.00000001")
    base_max: Decimal = Decimal(1_000_000)
    quote_min: Decimal = Decimal(1)
    quote_max: Decimal = Decimal(150_000_000)

    @property
    def quote_increment(self) -> Decimal:
        """Coinbase gives the quote's own step, never finer than the price's."""
        return max(self.increment, Decimal("0.01"))


@dataclass(frozen=True, slots=True)
class Ticket:
    """A validated order: exactly one of `base_size` and `quote_size`."""

    kind: str
    side: str
    base_size: Decimal | None = None
    quote_size: Decimal | None = None
    limit_price: Decimal | None = None
    post_only: bool = False


@dataclass(slots=True)
class Fill:
    """One execution."""

    trade_id: str
    order_id: str
    product_id: str
    side: str
    price: Decimal
    size: Decimal
    commission: Decimal
    liquidity: str
    at_ms: int


@dataclass(slots=True)
class Order:
    """One order, from its arrival to its end."""

    order_id: str
    client_order_id: str
    product_id: str
    side: str
    configuration: dict[str, dict[str, Any]]
    status: str
    created_ms: int
    fills: list[Fill] = field(default_factory=list)
    held: Decimal = Decimal(0)
    reason: str = ""

    @property
    def kind(self) -> str:
        """Name of its configuration."""
        return next(iter(self.configuration))

    @property
    def filled_size(self) -> Decimal:
        """Base amount executed."""
        return sum((fill.size for fill in self.fills), Decimal(0))

    @property
    def filled_value(self) -> Decimal:
        """Quote amount executed, fees not included."""
        return sum((fill.size * fill.price for fill in self.fills), Decimal(0))

    @property
    def fees(self) -> Decimal:
        """Commission so far."""
        return sum((fill.commission for fill in self.fills), Decimal(0))

    def to_json(self) -> dict[str, Any]:
        """For the state file; Decimals become strings there."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Order:
        """From the state file."""
        fills = [
            Fill(**{**fill, **{key: Decimal(fill[key]) for key in ("price", "size", "commission")}})
            for fill in data["fills"]
        ]
        return cls(**{**data, "fills": fills, "held": Decimal(data["held"])})


def ticket(product: Product, side: object, configuration: object) -> Ticket:
    """Check an order against the product.

    Raises:
        Refused: with Coinbase's reason.
    """
    if side not in ("BUY", "SELL"):
        raise Refused("INVALID_SIDE", "PREVIEW_INVALID_SIDE", f"side must be BUY or SELL, got {side}")
    kind, fields = _only_entry(configuration)
    if kind not in TIME_IN_FORCE:
        raise Refused(
            "UNSUPPORTED_ORDER_CONFIGURATION", "PREVIEW_INVALID_ORDER_CONFIG", "order configuration is not supported"
        )
    base, quote = _figure(fields, "base_size"), _figure(fields, "quote_size")
    limit = _figure(fields, "limit_price")
    if (base is None) == (quote is None) or (limit is None) != (kind == "market_market_ioc"):
        raise Refused("INVALID_REQUEST", "PREVIEW_INVALID_ORDER_CONFIG", f"{kind} lacks a size or a price")
    if base is not None:
        _require_base(product, base)
    if quote is not None:
        _require_quote(product, kind, str(side), quote)
    if limit is not None and limit % product.increment:
        raise Refused("INVALID_PRICE_PRECISION", "PREVIEW_INVALID_PRICE_PRECISION", "Too many decimals in order price")
    return Ticket(kind, str(side), base, quote, limit, bool(fields.get("post_only")))


def _only_entry(configuration: object) -> tuple[str, dict[str, Any]]:
    if isinstance(configuration, dict) and len(configuration) == 1:
        ((kind, fields),) = configuration.items()
        if isinstance(fields, dict):
            return kind, fields
    return "", {}


def _figure(fields: dict[str, Any], name: str) -> Decimal | None:
    text = fields.get(name)
    if text is None:
        return None
    try:
        figure = Decimal(text)
    except (InvalidOperation, TypeError, ValueError):
        figure = Decimal("NaN")
    if not isinstance(text, str) or not figure.is_finite() or figure <= 0:
        raise Refused("INVALID_REQUEST", "PREVIEW_INVALID_ORDER_CONFIG", f"{name} is not a positive decimal string")
    return figure


def _require_base(product: Product, size: Decimal) -> None:
    if size % product.base_increment:
        raise Refused("INVALID_SIZE_PRECISION", "PREVIEW_INVALID_SIZE_PRECISION", "Too many decimals in order amount")
    if size < product.base_min:
        raise Refused(
            "UNKNOWN_FAILURE_REASON", "PREVIEW_INVALID_BASE_SIZE_TOO_SMALL", f"minimum base size is {product.base_min}"
        )
    if size > product.base_max:
        raise Refused(
            "UNKNOWN_FAILURE_REASON", "PREVIEW_INVALID_BASE_SIZE_TOO_LARGE", f"maximum base size is {product.base_max}"
        )


def _require_quote(product: Product, kind: str, side: str, size: Decimal) -> None:
    if kind != "market_market_ioc" or side != "BUY":
        raise Refused("UNSUPPORTED_ORDER_CONFIGURATION", "PREVIEW_INVALID_ORDER_CONFIG", "quote_size: market buy only")
    if size % product.quote_increment:
        raise Refused(
            "INVALID_SIZE_PRECISION", "PREVIEW_INVALID_QUOTE_SIZE_PRECISION", "Too many decimals in quote size"
        )
    if size < product.quote_min:
        raise Refused(
            "UNKNOWN_FAILURE_REASON", "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL", f"minimum size is {product.quote_min}"
        )
    if size > product.quote_max:
        raise Refused(
            "UNKNOWN_FAILURE_REASON", "PREVIEW_INVALID_QUOTE_SIZE_TOO_LARGE", f"maximum size is {product.quote_max}"
        )
