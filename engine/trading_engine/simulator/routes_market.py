"""Market data: products, candles, ticker, book, time, currencies. Called by `exchange`; reads the clock only."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from trading_engine.simulator import wire
from trading_engine.simulator.message import Answer, Request, Wrong
from trading_engine.simulator.orders import Product
from trading_engine.simulator.venue import Venue
from trading_engine.simulator.wire import figure, moment

GRANULARITY: Final = {
    "ONE_MINUTE": 60,
    "FIVE_MINUTE": 300,
    "FIFTEEN_MINUTE": 900,
    "THIRTY_MINUTE": 1800,
    "ONE_HOUR": 3600,
    "TWO_HOUR": 7200,
    "SIX_HOUR": 21600,
    "ONE_DAY": 86400,
}
MOST_CANDLES: Final = 350
MOST_LEVELS: Final = 50
_DAY_MS: Final = 86_400_000


def products(venue: Venue, request: Request) -> Answer:
    """All products, or those of `product_ids`; there are no futures here."""
    wanted = request.several("product_ids")
    spot = request.one("product_type", "SPOT") in ("SPOT", "UNKNOWN_PRODUCT_TYPE")
    listed = [_product(venue, item) for item in venue.products.values() if spot and (not wanted or item.id in wanted)]
    start, limit = request.number("offset", 0), request.number("limit", len(listed))
    page = listed[start : start + limit]
    return Answer({"products": page, "num_products": len(page), "pagination": None})


def product(venue: Venue, _: Request, product_id: str) -> Answer:
    """One product."""
    return Answer(_product(venue, _known(venue, product_id)))


def candles(venue: Venue, request: Request, product_id: str) -> Answer:
    """Candles of `granularity` whose start lies in [start, end], newest first, at most 350."""
    item = _known(venue, product_id)
    name = request.one("granularity")
    seconds = GRANULARITY.get(name)
    if seconds is None:
        raise Wrong(400, "INVALID_ARGUMENT", f"granularity must be one of {', '.join(GRANULARITY)}, got {name!r}")
    now = venue.now_ms()
    start, end = request.number("start", now // 1000 - 300 * seconds), request.number("end", now // 1000)
    if (end - start) / seconds > MOST_CANDLES:
        raise Wrong(400, "INVALID_ARGUMENT", f"number of candles requested should be less than {MOST_CANDLES}")
    found = venue.tapes[item.id].candles(seconds, start, end, now)
    limit = min(MOST_CANDLES, request.number("limit", MOST_CANDLES))
    rows = [
        {
            "start": str(c.start), "low": figure(c.low), "high": figure(c.high), "open": figure(c.open),
            "close": figure(c.close), "volume": figure(c.volume),
        }
        for c in found[:limit]
    ]  # fmt: skip
    return Answer({"candles": rows})


def ticker(venue: Venue, request: Request, product_id: str) -> Answer:
    """The last trades, one a second, and best bid and ask."""
    item = _known(venue, product_id)
    now, tape = venue.now_ms(), venue.tapes[item.id]
    bid, ask = venue.quote(item.id)
    trades = [
        {
            "trade_id": str(at_ms // 1000), "product_id": item.id, "price": figure(tape.price(at_ms)),
            "size": "0.001", "time": moment(at_ms), "side": "BUY" if at_ms // 1000 % 2 else "SELL", "bid": "",
            "ask": "", "exchange": "coinbase",
        }
        for at_ms in range(now, now - 1000 * min(1000, request.number("limit", 100)), -1000)
    ]  # fmt: skip
    return Answer({"trades": trades, "best_bid": figure(bid), "best_ask": figure(ask)})


def product_book(venue: Venue, request: Request) -> Answer:
    """Levels around the price, one increment apart."""
    item = _known(venue, request.one("product_id"))
    book = _book(venue, item, min(MOST_LEVELS, request.number("limit", 10)))
    bid, ask = venue.quote(item.id)
    spread = ask - bid
    return Answer(
        {
            "pricebook": book, "last": figure(venue.tapes[item.id].price(venue.now_ms())),
            "mid_market": figure((bid + ask) / 2), "spread_absolute": figure(spread),
            "spread_bps": figure((spread / ask * 10_000).quantize(Decimal("0.000000000001"))),
        }
    )  # fmt: skip


def best_bid_ask(venue: Venue, request: Request) -> Answer:
    """The first level of each product asked for."""
    wanted = request.several("product_ids") or venue.products.keys()
    return Answer({"pricebooks": [_book(venue, _known(venue, name), 1) for name in sorted(wanted)]})


def brokerage_time(venue: Venue, _: Request) -> Answer:
    """The venue's clock."""
    now = venue.now_ms()
    return Answer({"iso": moment(now), "epochSeconds": str(now // 1000), "epochMillis": str(now)})


def v2_time(venue: Venue, _: Request) -> Answer:
    """The same, in the older form."""
    now = venue.now_ms()
    return Answer({"data": {"iso": moment(now), "epoch": now // 1000}})


def v2_currencies(venue: Venue, _: Request) -> Answer:
    """Fiat currencies."""
    names = sorted(_currencies(venue) & wire.FIAT.keys())
    return Answer({"data": [{"id": name, "name": wire.FIAT[name], "min_size": "0.01"} for name in names]})


def v2_currencies_crypto(venue: Venue, _: Request) -> Answer:
    """All others."""
    names = sorted(_currencies(venue) - wire.FIAT.keys())
    return Answer({"data": [wire.asset(name, index) for index, name in enumerate(names)]})


def v2_exchange_rates(venue: Venue, request: Request) -> Answer:
    """Units of each currency that one unit of `currency` (USD) buys, where a product says so."""
    currency = request.one("currency", "USD")
    rates = {currency: "1"}
    for item in venue.products.values():
        if item.quote == currency:
            price = venue.tapes[item.id].price(venue.now_ms())
            rates[item.base] = figure((1 / price).quantize(Decimal("0.0000000000000001")))
    return Answer({"data": {"currency": currency, "rates": rates}})


def _currencies(venue: Venue) -> set[str]:
    return {name for item in venue.products.values() for name in (item.base, item.quote)}


def _known(venue: Venue, product_id: str) -> Product:
    item = venue.products.get(product_id)
    if item is None:
        raise Wrong(404, "NOT_FOUND", f"ProductID {product_id!r} could not be found; valid product_id is required")
    return item


def _product(venue: Venue, item: Product) -> wire.Json:
    now, tape = venue.now_ms(), venue.tapes[item.id]
    day = tape.candles(3600, (now - _DAY_MS) // 1000, now // 1000, now)
    volume = sum((candle.volume for candle in day), Decimal(0))
    return wire.product(item, tape.price(now), (tape.price(now - _DAY_MS), volume), venue.quote(item.id))


def _book(venue: Venue, item: Product, levels: int) -> wire.Json:
    bid, ask = venue.quote(item.id)
    step = item.increment
    sizes = [figure(Decimal(level + 1) / 10) for level in range(levels)]
    bids = [{"price": figure(bid - step * level), "size": size} for level, size in enumerate(sizes)]
    asks = [{"price": figure(ask + step * level), "size": size} for level, size in enumerate(sizes)]
    return {"product_id": item.id, "bids": bids, "asks": asks, "time": moment(venue.now_ms())}
