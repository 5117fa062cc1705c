"""`ports.Exchange` for Paper: real prices, an account of our own.

Made by `runtime.wiring` and by replay. An order fills at once at the best bid or ask that the
market data shows, as an immediate-or-cancel market order would that never moves the price; fees
are the taker's. A buy's cost includes its fee, as on Coinbase. Orders and account are rows: an
executor that was killed finds its order by client id, and a repeated client id creates nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, TypeVar
from uuid import UUID

from sqlalchemy import Connection

from trading_engine.adapters.paper_books import PaperBooks, client_id, venue_order_id
from trading_engine.adapters.sql_database import SqlDatabase
from trading_engine.contract.config import EngineConfig
from trading_engine.contract.messages import OrderState, Side
from trading_engine.domain.market import FeeRates, Market, Quote
from trading_engine.domain.orders import Fill, OrderRequest, VenueOrder, round_down
from trading_engine.errors import (
    ExchangeRefused,
    ExchangeUnavailable,
    InsufficientFunds,
    InvalidOrder,
    OutcomeUnknown,
    StoreUnavailable,
)
from trading_engine.ports import Clock, MarketData

T = TypeVar("T")

VENUE: Final = "paper"
_ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class PaperTerms:
    """What the paper venue starts with: free amount per currency, share that fills, fees."""

    opening: Mapping[str, Decimal]
    fill_ratio: Decimal
    fees: FeeRates


def paper_terms(config: EngineConfig, fees: FeeRates) -> PaperTerms:
    """The terms of an engine: each quote currency of its symbols opens with the configured balance."""
    quotes = {symbol.split("/")[1] for symbol in config.symbols}
    return PaperTerms(dict.fromkeys(sorted(quotes), config.paper.balance), config.paper.fill_ratio, fees)


class PaperExchange:
    """A venue in our own database; `create_order` is as durable as the intent that came before it."""

    venue = VENUE

    def __init__(self, database: SqlDatabase, market_data: MarketData, clock: Clock, terms: PaperTerms) -> None:
        self._database = database
        self._market_data = market_data
        self._clock = clock
        self._terms = terms

    async def create_order(self, request: OrderRequest) -> str:
        """Fill a market order at the quote of now; returns the venue's order id.

        Raises:
            ExchangeRefused: the venue cannot price it.
            InvalidOrder: increments, minimums or flags forbid it.
            InsufficientFunds: the account cannot pay.
            OutcomeUnknown: the database did not answer: the order may or may not be in the books.
        """
        try:
            return await self._create(request)
        except StoreUnavailable as error:
            raise OutcomeUnknown(f"{VENUE}: order {request.client_order_id}: {error}") from error

    async def _create(self, request: OrderRequest) -> str:
        if known := await self._database.run_sql(lambda rows: self._books(rows).order(request.client_order_id)):
            return known.venue_order_id
        market, quote = await self._price(request.symbol)
        _check(request, market)
        order = self._filled(request, market, quote)
        await self._database.run_sql(lambda rows: self._settle(rows, request, market, order))
        return order.venue_order_id

    async def find_order(self, client_order_id: UUID, symbol: str, since_ms: int) -> VenueOrder | None:
        """The order with that client id, created at or after `since_ms`; None: there is none.

        Raises:
            ExchangeUnavailable: the database did not answer.
        """
        order = await self._read(lambda books: books.order(client_order_id))
        if order is None or order.symbol != symbol or order.created_ms < since_ms:
            return None
        return order

    async def fetch_order(self, venue_order_id: str, symbol: str) -> VenueOrder:
        """Current state of an order.

        Raises:
            ExchangeRefused: no such order.
            ExchangeUnavailable: the database did not answer.
        """
        client_order_id = client_id(venue_order_id)
        order = None if client_order_id is None else await self.find_order(client_order_id, symbol, 0)
        if order is None:
            raise ExchangeRefused(f"{VENUE}: no order {venue_order_id!r} of {symbol}")
        return order

    async def fetch_fills(self, venue_order_id: str, symbol: str) -> list[Fill]:
        """Its fills: one, or none when nothing filled.

        Raises:
            ExchangeRefused: no such order.
        """
        order = await self.fetch_order(venue_order_id, symbol)
        if order.average is None:
            return []
        side, price, amount = order.side, order.average, order.filled
        return [Fill(VENUE, venue_order_id, "1", symbol, side, price, amount, order.fee, order.created_ms)]

    async def cancel_order(self, venue_order_id: str, symbol: str) -> None:
        """Nothing is ever open here: to cancel a known order changes nothing.

        Raises:
            ExchangeRefused: no such order.
        """
        await self.fetch_order(venue_order_id, symbol)

    async def fetch_balances(self) -> dict[str, Decimal]:
        """Free amount per currency.

        Raises:
            ExchangeUnavailable: the database did not answer.
        """
        return self._free(await self._read(lambda books: books.changes()))

    async def fetch_fee_rates(self) -> FeeRates:
        """The rates it was given."""
        return self._terms.fees

    async def close(self) -> None:
        """Nothing to release: database and market data belong to who made them."""

    def _books(self, connection: Connection) -> PaperBooks:
        return PaperBooks(connection, self._database.engine)

    async def _read(self, query: Callable[[PaperBooks], T]) -> T:
        try:
            return await self._database.run_sql(lambda connection: query(self._books(connection)))
        except StoreUnavailable as error:
            raise ExchangeUnavailable(f"{VENUE}: {error}") from error

    def _free(self, changes: Mapping[str, Decimal]) -> dict[str, Decimal]:
        opening = self._terms.opening
        return {name: opening.get(name, _ZERO) + changes.get(name, _ZERO) for name in sorted({*opening, *changes})}

    async def _price(self, symbol: str) -> tuple[Market, Quote]:
        try:
            return await self._market_data.fetch_market(symbol), await self._market_data.fetch_quote(symbol)
        except ExchangeUnavailable as error:
            # Nothing was booked, so this is a refusal and not an unknown outcome.
            raise ExchangeRefused(f"{VENUE}: no price for {symbol}: {error}") from error

    def _filled(self, request: OrderRequest, market: Market, quote: Quote) -> VenueOrder:
        """The order as it ends: filled, or with its rest canceled."""
        taker, ratio = self._terms.fees.taker, self._terms.fill_ratio
        buys = request.side is Side.BUY
        price = quote.ask if buys else quote.bid
        asked = (request.cost or _ZERO) / ((1 + taker) * price) if buys else request.amount or _ZERO
        filled = round_down(asked * ratio, market.base_increment)
        return VenueOrder(
            venue_order_id=venue_order_id(request.client_order_id),
            client_order_id=str(request.client_order_id),
            symbol=request.symbol,
            side=request.side,
            state=OrderState.FILLED if ratio == 1 and filled > 0 else OrderState.CANCELED,
            filled=filled,
            average=price if filled > 0 else None,
            cost=filled * price,
            fee=filled * price * taker,
            created_ms=self._clock.now_ms(),
        )

    def _settle(self, connection: Connection, request: OrderRequest, market: Market, order: VenueOrder) -> None:
        """Book the order and what it changed, together or not at all."""
        books = self._books(connection)
        changes = books.lock_changes(market.base, market.quote)
        if not books.put_order(request.client_order_id, order):
            return  # another process sent the same order since we looked
        _check_funds(request, market, self._free(changes))
        sign = 1 if order.side is Side.BUY else -1
        books.keep_change(market.base, changes[market.base] + sign * order.filled)
        books.keep_change(market.quote, changes[market.quote] - sign * order.cost - order.fee)


def _check(request: OrderRequest, market: Market) -> None:
    """Refuse what the venue's rules forbid.

    Raises:
        InvalidOrder: the message names figure and rule.
    """
    if market.flags:
        raise InvalidOrder(f"{VENUE}: {market.symbol} does not trade now: {', '.join(sorted(market.flags))}")
    if request.side is Side.BUY:
        name, figure, step, minimum = "cost", request.cost, market.quote_increment, market.quote_min
    else:
        name, figure, step, minimum = "amount", request.amount, market.base_increment, market.base_min
    if figure is None:
        raise InvalidOrder(f"{VENUE}: a {request.side} of {market.symbol} needs its {name}")
    if figure <= 0 or figure < minimum:
        raise InvalidOrder(f"{VENUE}: {name} {figure} of {market.symbol} is below the minimum of {minimum}")
    if figure != round_down(figure, step):
        raise InvalidOrder(f"{VENUE}: {name} {figure} of {market.symbol} is not a multiple of {step}")


def _check_funds(request: OrderRequest, market: Market, free: Mapping[str, Decimal]) -> None:
    """Refuse what the account cannot pay, the part that would not fill included, as a venue's hold does.

    Raises:
        InsufficientFunds: the message names what is asked and what is free.
    """
    buys = request.side is Side.BUY
    asked, currency = (request.cost, market.quote) if buys else (request.amount, market.base)
    if (asked or _ZERO) > free[currency]:
        raise InsufficientFunds(f"{VENUE}: needs {asked} {currency}, {free[currency]} free")
