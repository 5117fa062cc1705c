"""The venue itself: orders in, fills out. Called by the routes; pure but for its own memory.

Market orders fill at once, whole, at bid or ask. Limit orders that cross do so too; the others rest and
fill at their limit as maker once the tape has touched it, looked at whenever anybody asks anything.
Fees are in quote currency; a buy by `quote_size` includes them, as Coinbase's does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from enum import StrEnum
from typing import Any, Final
from uuid import UUID, uuid5

from trading_engine.simulator.ledger import Ledger
from trading_engine.simulator.orders import CANCELLED, FILLED, OPEN, Fill, Order, Product, Refused, Ticket, ticket
from trading_engine.simulator.tape import Tape

_NAMESPACE: Final = UUID("8f7c0b52-0e0c-5d1b-9c3e-1d6f5f6f7a01")
_PRICED_IN_EIGHT: Final = Decimal("0.00000001")


class DuplicateRule(StrEnum):
    """What a repeated client order id does. Coinbase documents that the earlier order is returned."""

    NONE = "none"
    OPEN_ONLY = "open-only"
    FOREVER = "forever"


@dataclass(frozen=True, slots=True)
class Terms:
    """What trading costs and how duplicates are treated. Fees and spread are fractions."""

    taker: Decimal = Decimal("0.012")
    maker: Decimal = Decimal("0.006")
    spread: Decimal = Decimal("0.0002")
    duplicates: DuplicateRule = DuplicateRule.FOREVER


@dataclass(frozen=True, slots=True)
class Estimate:
    """What an order would do now. `size` base; `value` and `fee` quote; `rests`: it would not fill now."""

    size: Decimal
    price: Decimal
    fee: Decimal
    rests: bool

    @property
    def value(self) -> Decimal:
        """Quote amount, fee not included."""
        return self.size * self.price


class Venue:
    """Products, tapes, orders and one account."""

    def __init__(
        self,
        products: Mapping[str, Product],
        tapes: Mapping[str, Tape],
        ledger: Ledger,
        terms: Terms,
        now_ms: Callable[[], int],
    ) -> None:
        self.products, self.tapes, self.ledger, self.terms, self.now_ms = products, tapes, ledger, terms, now_ms
        self.orders: dict[str, Order] = {}
        self.posts: Counter[str] = Counter()
        self.looked_ms = now_ms()

    def quote(self, product_id: str) -> tuple[Decimal, Decimal]:
        """Best bid and ask now."""
        return self.tapes[product_id].quote(self.now_ms(), self.terms.spread)

    def place(self, body: Mapping[str, Any]) -> Order:
        """Take an order, or return the earlier one of the same client id as the duplicate rule says.

        Raises:
            Refused: with Coinbase's reason.
        """
        client_id = str(body.get("client_order_id") or "")
        if not client_id:
            raise Refused("INVALID_REQUEST", "UNKNOWN_PREVIEW_FAILURE_REASON", "client_order_id is required")
        self.posts[client_id] += 1
        earlier = self._earlier(client_id)
        if earlier is not None:
            return earlier
        product, wanted, estimate = self.check(body)
        order = self._accept(client_id, product, wanted, dict(body["order_configuration"]))
        if estimate.rests:
            self._rest(order, product, wanted)
        else:
            self._fill(order, product, estimate, "TAKER")
        return order

    def check(self, body: Mapping[str, Any]) -> tuple[Product, Ticket, Estimate]:
        """Everything that `place` checks, without placing (the preview).

        Raises:
            Refused: with Coinbase's reason.
        """
        product = self.products.get(str(body.get("product_id")))
        if product is None:
            raise Refused("INVALID_PRODUCT_ID", "PREVIEW_INVALID_PRODUCT_ID", "valid product_id is required")
        wanted = ticket(product, body.get("side"), body.get("order_configuration"))
        estimate = self._estimate(product, wanted)
        if wanted.post_only and not estimate.rests:
            raise Refused(
                "INVALID_LIMIT_PRICE_POST_ONLY", "PREVIEW_INVALID_LIMIT_PRICE_POST_ONLY", "the price would cross"
            )
        currency, needed = _needed(product, wanted, estimate)
        if not self.ledger.covers(currency, needed):
            raise Refused("INSUFFICIENT_FUND", "PREVIEW_INSUFFICIENT_FUND", "Insufficient balance in source account")
        return product, wanted, estimate

    def cancel(self, order_id: str) -> bool:
        """Cancel an open order; False when there is none of that id."""
        order = self.orders.get(order_id)
        if order is None or order.status != OPEN:
            return False
        self._release(order)
        order.status, order.reason = CANCELLED, "User requested cancel"
        return True

    def settle(self) -> bool:
        """Fill resting orders whose limit was touched since the last look; whether any did."""
        now, since = self.now_ms(), self.looked_ms
        self.looked_ms = now
        resting = [order for order in self.orders.values() if order.status == OPEN]
        filled = [self._touch(order, max(since, order.created_ms), now) for order in resting]
        return any(filled)

    def _touch(self, order: Order, since_ms: int, now_ms: int) -> bool:
        fields = order.configuration[order.kind]
        limit = Decimal(fields["limit_price"])
        low, high = self.tapes[order.product_id].touched(since_ms, now_ms)
        if limit < low if order.side == "BUY" else limit > high:
            return False
        size = Decimal(fields["base_size"])
        self._release(order)
        fee = _rounded(size * limit * self.terms.maker)
        self._fill(order, self.products[order.product_id], Estimate(size, limit, fee, rests=False), "MAKER")
        return True

    def _earlier(self, client_id: str) -> Order | None:
        if self.terms.duplicates is DuplicateRule.NONE:
            return None
        forever = self.terms.duplicates is DuplicateRule.FOREVER
        same = (order for order in self.orders.values() if order.client_order_id == client_id)
        return next((order for order in same if forever or order.status == OPEN), None)

    def _estimate(self, product: Product, wanted: Ticket) -> Estimate:
        bid, ask = self.quote(product.id)
        price = ask if wanted.side == "BUY" else bid
        limit = wanted.limit_price
        rests = limit is not None and (limit < ask if wanted.side == "BUY" else limit > bid)
        if rests and wanted.kind == "limit_limit_gtc":
            size = wanted.base_size or Decimal(0)
            return Estimate(size, limit or price, _rounded(size * (limit or price) * self.terms.maker), rests=True)
        if rests:
            return Estimate(Decimal(0), price, Decimal(0), rests=False)
        size = wanted.base_size or _affordable(product, wanted, price, self.terms.taker)
        return Estimate(size, price, _rounded(size * price * self.terms.taker), rests=False)

    def _accept(self, client_id: str, product: Product, wanted: Ticket, configuration: dict[str, Any]) -> Order:
        order_id = str(uuid5(_NAMESPACE, f"order|{client_id}|{len(self.orders)}"))
        order = Order(order_id, client_id, product.id, wanted.side, configuration, OPEN, self.now_ms())
        self.orders[order_id] = order
        return order

    def _rest(self, order: Order, product: Product, wanted: Ticket) -> None:
        size, limit = wanted.base_size or Decimal(0), wanted.limit_price or Decimal(0)
        order.held = size if wanted.side == "SELL" else _rounded(size * limit * (1 + self.terms.maker))
        self.ledger.hold(_held_currency(product, wanted.side), order.held)

    def _release(self, order: Order) -> None:
        self.ledger.hold(_held_currency(self.products[order.product_id], order.side), -order.held)
        order.held = Decimal(0)

    def _fill(self, order: Order, product: Product, estimate: Estimate, liquidity: str) -> None:
        if estimate.size == 0:
            order.status, order.reason = CANCELLED, "No liquidity at the limit price"
            return
        sign = 1 if order.side == "BUY" else -1
        self.ledger.add(product.base, sign * estimate.size)
        self.ledger.add(product.quote, -sign * estimate.value - estimate.fee)
        trade_id = str(uuid5(_NAMESPACE, f"trade|{order.order_id}|{len(order.fills)}"))
        fill = Fill(
            trade_id, order.order_id, product.id, order.side, estimate.price, estimate.size, estimate.fee, liquidity,
            self.now_ms(),
        )  # fmt: skip
        order.fills.append(fill)
        order.status = FILLED


def _needed(product: Product, wanted: Ticket, estimate: Estimate) -> tuple[str, Decimal]:
    if wanted.side == "SELL":
        return product.base, wanted.base_size or Decimal(0)
    return product.quote, wanted.quote_size or estimate.value + estimate.fee


def _held_currency(product: Product, side: str) -> str:
    return product.quote if side == "BUY" else product.base


def _affordable(product: Product, wanted: Ticket, price: Decimal, taker: Decimal) -> Decimal:
    """Base size that `quote_size`, fees included, buys: rounded down to the product's step."""
    spendable = (wanted.quote_size or Decimal(0)) / (1 + taker)
    return (spendable / price / product.base_increment).to_integral_value(ROUND_FLOOR) * product.base_increment


def _rounded(amount: Decimal) -> Decimal:
    return amount.quantize(_PRICED_IN_EIGHT)
