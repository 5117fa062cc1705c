"""Public market data through ccxt: against the simulated exchange, and against answers that are wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from tests.fakes_coinbase import NOW_MS, SetClock, our_client, scripted, simulated, steady, venue
from trading_engine.adapters.ccxt_market_data import CcxtMarketData, milliseconds
from trading_engine.contract.config import ExchangeConfig
from trading_engine.errors import ExchangeRefused, ExchangeUnavailable
from trading_engine.simulator.exchange import Exchange

MINUTE_MS = 60_000
CONFIG = ExchangeConfig()


@pytest.fixture
async def market_data() -> AsyncIterator[CcxtMarketData]:
    """Six hours of history, at half past a minute."""
    served = venue(steady(480), clock=SetClock(NOW_MS + 30_000))
    async with simulated(Exchange(served, NOW_MS // MINUTE_MS)) as url, our_client(url) as client:
        yield CcxtMarketData(CONFIG, client)


async def test_candles_when_more_than_a_page(market_data: CcxtMarketData) -> None:
    """Two pages join without a gap or a repeat, oldest first; the last one is still forming."""
    since = NOW_MS - 359 * MINUTE_MS
    candles = await market_data.fetch_candles("BTC/USD", "1m", since, 360)
    assert [candle.open_ms for candle in candles] == [since + i * MINUTE_MS for i in range(360)]
    closed = candles[-2]
    assert (closed.open, closed.high, closed.low, closed.close) == (459, 460, 459, 460)
    assert candles[-1].close == Decimal("460.5")


async def test_exact_window_when_limited(market_data: CcxtMarketData) -> None:
    """The window starts at the first whole candle and has `limit` lengths, no more."""
    candles = await market_data.fetch_candles("BTC/USD", "5m", NOW_MS - 50 * MINUTE_MS - 1, 3)
    assert [NOW_MS - candle.open_ms for candle in candles] == [minutes * MINUTE_MS for minutes in (50, 45, 40)]


async def test_exact_text_when_figures_are_long() -> None:
    """More digits than a float holds survive."""
    long = "12345.12345678901234567"
    row = {"start": "60", "open": long, "high": long, "low": long, "close": long, "volume": "0.00000000000000000001"}
    async with scripted((200, {"candles": [row]})) as (_, client):
        (candle,) = await CcxtMarketData(CONFIG, client).fetch_candles("BTC/USD", "1m", 60_000, 1)
    assert (candle.close, candle.volume) == (Decimal(long), Decimal("0.00000000000000000001"))


async def test_corrupt_candle_dropped_when_one_is_among_others() -> None:
    """A row that is no candle is left out; its neighbours stay, in order."""
    good = {"open": "2", "high": "3", "low": "1", "close": "2", "volume": "0"}
    rows: list[dict[str, Any]] = [
        {**good, "start": "180"},
        {**good, "start": "120", "low": "NaN"},
        {**good, "start": "60", "high": "1"},
        {"start": "0"},
        {**good, "start": "0"},
    ]
    async with scripted((200, {"candles": rows})) as (_, client):
        candles = await CcxtMarketData(CONFIG, client).fetch_candles("BTC/USD", "1m", 0, 10)
    assert [candle.open_ms for candle in candles] == [0, 180_000]


async def test_quote_when_the_book_is_served(market_data: CcxtMarketData) -> None:
    """Bid and ask around the price, at the venue's time."""
    quote = await market_data.fetch_quote("BTC/USD")
    assert quote.bid < Decimal("460.5") < quote.ask
    assert quote.timestamp_ms == NOW_MS + 30_000


async def test_market_when_asked_twice(market_data: CcxtMarketData) -> None:
    """Increments are Decimals of the venue's text; the second answer comes from memory."""
    market = await market_data.fetch_market("BTC/USD")
    assert (market.base, market.quote, market.flags) == ("BTC", "USD", frozenset())
    assert (market.base_increment, market.quote_increment) == (Decimal("0.00000001"), Decimal("0.01"))
    assert (market.price_increment, market.base_min, market.quote_min) == (Decimal("0.01"), Decimal("0.00000001"), 1)
    assert await market_data.fetch_market("BTC/USD") is market


async def test_refused_when_the_symbol_is_unknown(market_data: CcxtMarketData) -> None:
    """An unknown symbol is final for candles, quote and market alike."""
    for call in (
        market_data.fetch_candles("DOGE/USD", "1m", NOW_MS, 1),
        market_data.fetch_quote("DOGE/USD"),
        market_data.fetch_market("DOGE/USD"),
    ):
        with pytest.raises(ExchangeRefused, match="DOGE-USD"):
            await call


@pytest.mark.parametrize(
    "answer",
    [None, (500, {"error": "internal_server_error"}), (429, {"error": "x"}), (200, "<html/>"), (200, {"pricebook": {}}),
     (200, {"pricebook": {"bids": [], "asks": [], "time": "2026-01-01T00:00:00Z"}})],
    ids=str,
)  # fmt: skip
async def test_quote_unavailable_when_the_answer_has_none(answer: Any) -> None:
    """Half a book, or none, is no price."""
    async with scripted(answer) as (_, client):
        with pytest.raises(ExchangeUnavailable):
            await CcxtMarketData(CONFIG, client).fetch_quote("BTC/USD")


async def test_flags_when_the_product_is_restricted() -> None:
    """Each flag that forbids a market order is named; `new` and `watched` are none of them."""
    product = {
        "base_increment": "1", "quote_increment": "0.00001", "base_min_size": "26.7187147229469674",
        "quote_min_size": "1", "cancel_only": True, "view_only": True, "new": True, "watched": True,
    }  # fmt: skip
    async with scripted((200, product)) as (_, client):
        market = await CcxtMarketData(CONFIG, client).fetch_market("TONE/USD")
    assert market.flags == {"cancel_only", "view_only"}
    assert market.base_min == Decimal("26.7187147229469674")
    assert market.price_increment == Decimal("0.00001")


async def test_market_unavailable_when_a_step_is_missing() -> None:
    """A product without increments cannot be traded, and says so."""
    async with scripted((200, {"product_id": "BTC-USD"})) as (_, client):
        with pytest.raises(ExchangeUnavailable, match="not a product"):
            await CcxtMarketData(CONFIG, client).fetch_market("BTC/USD")


@pytest.mark.parametrize(
    "text", ["2023-01-18T01:37:38Z", "2023-01-18T01:37:38.000000000Z", "2023-01-18T02:37:38+01:00"]
)
def test_milliseconds_when_written_differently(text: str) -> None:
    """Whole seconds, nanoseconds and offsets all mean the same moment."""
    assert milliseconds(text) == 1_674_005_858_000
