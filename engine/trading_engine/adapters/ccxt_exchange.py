"""Orders and account at Coinbase (port `Exchange`), for Live. Only the executor holds one.

A write is sent once. What the venue acknowledges is believed only where it echoes our client order id.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from decimal import Context, Decimal, InvalidOperation
from typing import Any, Final
from uuid import UUID

from trading_engine.adapters.ccxt_client import EXCHANGE, CcxtClient
from trading_engine.adapters.ccxt_errors import refusal
from trading_engine.adapters.ccxt_market_data import milliseconds, product_id
from trading_engine.contract.messages import OrderState, Side
from trading_engine.domain.market import FeeRates
from trading_engine.domain.orders import Fill, OrderRequest, VenueOrder
from trading_engine.errors import ExchangeUnavailable, InvalidOrder, OutcomeUnknown

PAGE: Final = 250
#: Digits of a size in base that the venue gives in quote: what a division leaves beyond them was never traded, and
#: would leave a grain behind when the position is sold.
_DIVIDED: Final = Context(prec=15)
_STATES: Final = {
    "PENDING": OrderState.ACCEPTED,
    "QUEUED": OrderState.ACCEPTED,
    "OPEN": OrderState.ACCEPTED,
    "CANCEL_QUEUED": OrderState.ACCEPTED,
    "EDIT_QUEUED": OrderState.ACCEPTED,
    "FILLED": OrderState.FILLED,
    "CANCELLED": OrderState.CANCELED,
    "EXPIRED": OrderState.EXPIRED,
    "FAILED": OrderState.REJECTED,
}
#: The same once something was traded: what is filled in part and fails was not rejected, its rest was canceled.
_PARTLY: Final = {OrderState.ACCEPTED: OrderState.PARTIAL, OrderState.REJECTED: OrderState.CANCELED}


class CcxtExchange:
    """The live account behind `client`."""

    def __init__(self, client: CcxtClient) -> None:
        self._client = client

    @property
    def venue(self) -> str:
        """Name of the venue in rows."""
        return EXCHANGE

    async def create_order(self, request: OrderRequest) -> str:
        """Send a market order once; returns the venue's order id.

        Raises:
            ExchangeRefused: the venue said no, finally.
            OutcomeUnknown: it may or may not have arrived, or the echoed id is not ours.
        """
        call, wanted = "v3PrivatePostBrokerageOrders", str(request.client_order_id)
        answer = await self._client.write(call, wire_order(request))
        if answer.get("success") is not True:
            raise refusal(call, answer)
        echo = answer.get("success_response")
        order_id, echoed = (
            (echo.get("order_id"), echo.get("client_order_id")) if isinstance(echo, dict) else (None, None)
        )
        if echoed != wanted or not isinstance(order_id, str) or not order_id:
            raise OutcomeUnknown(f"{call}: sent client_order_id {wanted}, the answer has {echoed} of order {order_id}")
        return order_id

    async def find_order(self, client_order_id: UUID, symbol: str, since_ms: int) -> VenueOrder | None:
        """The order with that client id among all created since; None when it is in none of the pages.

        Not filtered by product or status: alias books answer under another product id, and the filter `OPEN`
        hides orders that are still queued.

        Raises:
            ExchangeUnavailable: not all pages could be read; this is not "not found".
        """
        since = datetime.fromtimestamp(since_ms / 1000, UTC).isoformat().replace("+00:00", "Z")
        async for row in self._pages("v3PrivateGetBrokerageOrdersHistoricalBatch", "orders", start_date=since):
            if row.get("client_order_id") == str(client_order_id):
                return _order(row, symbol)
        return None

    async def fetch_order(self, venue_order_id: str, symbol: str) -> VenueOrder:
        """Current state of an order.

        Raises:
            ExchangeUnavailable: no usable answer.
            ExchangeRefused: the venue does not know it.
        """
        answer = await self._client.read("v3PrivateGetBrokerageOrdersHistoricalOrderId", order_id=venue_order_id)
        row = answer.get("order")
        if not isinstance(row, dict):
            raise ExchangeUnavailable(f"order {venue_order_id}: no order in {answer}")
        return _order(row, symbol)

    async def fetch_fills(self, venue_order_id: str, symbol: str) -> list[Fill]:
        """Its fills, oldest first.

        Raises:
            ExchangeUnavailable: no usable answer.
        """
        endpoint = "v3PrivateGetBrokerageOrdersHistoricalFills"
        fills = [
            _fill(row, symbol)
            async for row in self._pages(endpoint, "fills", order_ids=[venue_order_id])
            if row.get("order_id") == venue_order_id
        ]
        return sorted(fills, key=lambda fill: (fill.timestamp_ms, fill.trade_id))

    async def cancel_order(self, venue_order_id: str, symbol: str) -> None:
        """Ask to cancel.

        Raises:
            InvalidOrder: the venue will not cancel it: it is unknown there, or ended already.
            OutcomeUnknown: nobody can say whether it was asked.
        """
        call = "v3PrivatePostBrokerageOrdersBatchCancel"
        answer = await self._client.write(call, {"order_ids": [venue_order_id]})
        results = answer.get("results")
        result = results[0] if isinstance(results, list) and results and isinstance(results[0], dict) else {}
        if result.get("order_id") != venue_order_id or not isinstance(result.get("success"), bool):
            raise OutcomeUnknown(f"{call} {symbol} {venue_order_id}: no result in {answer}")
        if not result["success"]:
            raise InvalidOrder(f"{call} {symbol} {venue_order_id}: {result.get('failure_reason')}")

    async def fetch_balances(self) -> dict[str, Decimal]:
        """Free amount per currency.

        Raises:
            ExchangeUnavailable: no usable answer.
        """
        free: dict[str, Decimal] = {}
        async for row in self._pages("v3PrivateGetBrokerageAccounts", "accounts"):
            currency, amount = _balance(row)
            free[currency] = free.get(currency, Decimal(0)) + amount
        return free

    async def fetch_fee_rates(self) -> FeeRates:
        """The account's tier; the worst published tier where the answer names none.

        Raises:
            ExchangeUnavailable: no usable answer.
        """
        answer = await self._client.read("v3PrivateGetBrokerageTransactionSummary", product_type="SPOT")
        tier = answer.get("fee_tier")
        try:
            return FeeRates(maker=Decimal(tier["maker_fee_rate"]), taker=Decimal(tier["taker_fee_rate"]))  # type: ignore[index]  # judged right here
        except (LookupError, TypeError, InvalidOperation):
            return FeeRates()

    async def close(self) -> None:
        """Release connections."""
        await self._client.close()

    async def _pages(self, endpoint: str, key: str, **params: object) -> AsyncIterator[Mapping[str, Any]]:
        """All rows of a list in pages; a page that repeats its cursor is no answer."""
        cursor = ""
        while True:
            extra = {"cursor": cursor} if cursor else {}
            answer = await self._client.read(endpoint, limit=PAGE, **params, **extra)
            rows = answer.get(key)
            if not isinstance(rows, list):
                raise ExchangeUnavailable(f"{endpoint}: no {key} in {answer}")
            for row in rows:
                yield row
            following = str(answer.get("cursor") or "")
            if not following or answer.get("has_next") is False:
                return
            if following == cursor:
                raise ExchangeUnavailable(f"{endpoint}: cursor {cursor} leads to itself")
            cursor = following


def wire_order(request: OrderRequest) -> dict[str, object]:
    """The body of a market order: a buy spends `quote_size`, a sell gives `base_size`; plain digits.

    Raises:
        InvalidOrder: a buy without a cost, or a sell without an amount.
    """
    name, figure = ("quote_size", request.cost) if request.side is Side.BUY else ("base_size", request.amount)
    if figure is None:
        raise InvalidOrder(f"{request.client_order_id}: a {request.side} needs its {name}")
    return {
        "client_order_id": str(request.client_order_id),
        "product_id": product_id(request.symbol),
        "side": request.side.upper(),
        "order_configuration": {"market_market_ioc": {name: f"{figure:f}"}},
    }


def _order(row: Mapping[str, Any], symbol: str) -> VenueOrder:
    try:
        filled, state = _decimal(row["filled_size"]), _STATES[row["status"]]
        return VenueOrder(
            venue_order_id=row["order_id"],
            client_order_id=row["client_order_id"],
            symbol=symbol,
            side=Side(row["side"].lower()),
            state=_PARTLY.get(state, state) if filled > 0 else state,
            filled=filled,
            average=_decimal(row["average_filled_price"]) if filled else None,
            cost=_decimal(row["filled_value"]),
            fee=_decimal(row["total_fees"]),
            created_ms=milliseconds(row["created_time"]),
        )
    except (LookupError, AttributeError, TypeError, ValueError, InvalidOperation) as error:
        raise ExchangeUnavailable(f"order {row.get('order_id')}: not understood: {error!r}") from error


def _fill(row: Mapping[str, Any], symbol: str) -> Fill:
    try:
        price, size = Decimal(row["price"]), Decimal(row["size"])
        return Fill(
            venue=EXCHANGE,
            venue_order_id=row["order_id"],
            trade_id=row["trade_id"],
            symbol=symbol,
            side=Side(row["side"].lower()),
            price=price,
            amount=_DIVIDED.divide(size, price) if row.get("size_in_quote") is True else size,
            fee=_decimal(row["commission"]),
            timestamp_ms=milliseconds(row["trade_time"]),
        )
    except (LookupError, AttributeError, TypeError, ValueError, ArithmeticError) as error:
        raise ExchangeUnavailable(f"fill {row.get('trade_id')}: not understood: {error!r}") from error


def _balance(row: Mapping[str, Any]) -> tuple[str, Decimal]:
    try:
        return row["currency"], Decimal(row["available_balance"]["value"])
    except (LookupError, TypeError, InvalidOperation) as error:
        raise ExchangeUnavailable(f"account {row.get('uuid')}: not understood: {error!r}") from error


def _decimal(text: str) -> Decimal:
    """A figure; Coinbase writes an empty text for zero."""
    return Decimal(text or 0)
