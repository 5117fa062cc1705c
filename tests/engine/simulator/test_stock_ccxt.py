"""Stock ccxt against the simulated exchange, with only the URL changed and a made-up key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import ccxt
import pytest

from tests.fakes_coinbase import exchange, made_up_keys, simulated, stock_ccxt

SYMBOLS = ("BTC/USD", "ETH/USD", "LTC/USD", "SOL/USD")
CLIENT_ID = "5f0c2f6a-6a5e-5b0e-8f5e-000000000001"


@pytest.fixture
async def client() -> AsyncIterator[Any]:
    served = exchange("--synthetic", *SYMBOLS, "--fee-rate", "0.001", "--balance", "USD=10000", "BTC=1")
    async with simulated(served) as url, stock_ccxt(url, made_up_keys()) as ccxt_client:
        yield ccxt_client


async def test_markets_when_loaded(client: Any) -> None:
    """Ccxt finds the four markets, their increments and the account's fees."""
    markets = await client.load_markets()
    assert sorted(markets) == sorted(SYMBOLS)
    market = markets["BTC/USD"]
    assert (market["precision"]["amount"], market["precision"]["price"]) == (1e-08, 0.01)
    assert (market["taker"], market["maker"], market["limits"]["cost"]["min"]) == (0.001, 0.0005, 1.0)
    assert {"BTC", "ETH", "LTC", "SOL", "USD"} <= client.currencies.keys()


async def test_labelled_synthetic_when_made_up(client: Any) -> None:
    """Made-up candles are named so in the product itself."""
    markets = await client.load_markets()
    assert markets["SOL/USD"]["info"]["display_name"] == "SOL-USD (synthetic)"


async def test_candles_when_any_timeframe(client: Any) -> None:
    """Candles of each length are served on its grid, without a gap, the newest forming now."""
    for timeframe in ("1m", "5m", "15m", "30m", "1h", "2h", "6h", "1d"):
        candles = await client.fetch_ohlcv("BTC/USD", timeframe, limit=300)
        step = client.parse_timeframe(timeframe) * 1000
        opens = [candle[0] for candle in candles]
        assert opens == list(range(opens[0], opens[0] + step * len(opens), step))
        assert opens[0] % step == 0
        assert opens[-1] <= client.milliseconds() < opens[-1] + step
        assert 3 <= len(candles) <= 300


async def test_account_when_stock_methods(client: Any) -> None:
    """Balances in both versions of the API, the fee tier and the time."""
    v2, v3 = await client.fetch_balance(), await client.fetch_balance({"v3": True})
    assert v2["total"] == v3["total"] == {"BTC": 1.0, "ETH": 0.0, "LTC": 0.0, "SOL": 0.0, "USD": 10000.0}
    assert (await client.fetch_trading_fees())["ETH/USD"]["taker"] == 0.001
    assert abs(await client.fetch_time() - client.milliseconds()) < 2000


async def test_quotes_when_ticker_book_and_bids_asks(client: Any) -> None:
    """Ticker, book and best bid and ask agree on a spread around the last price."""
    ticker = await client.fetch_ticker("BTC/USD")
    book = await client.fetch_order_book("BTC/USD", 3)
    best = (await client.fetch_bids_asks(["BTC/USD"]))["BTC/USD"]
    assert ticker["bid"] < ticker["last"] < ticker["ask"]
    assert len(book["bids"]) == len(book["asks"]) == 3
    assert book["bids"][0][0] < book["asks"][0][0]
    assert best["bid"] < best["ask"]
    assert len(await client.fetch_trades("BTC/USD", limit=5)) == 5


async def test_order_fills_and_balance_when_market_buy(client: Any) -> None:
    """A market buy by cost fills at once; order, fill and balance tell the same story to the last digit."""
    params = {"cost": 50, "client_order_id": CLIENT_ID}
    created = await client.create_order("BTC/USD", "market", "buy", 1, None, params)
    order = await client.fetch_order(created["id"], "BTC/USD")
    (fill,) = await client.fetch_my_trades("BTC/USD")
    assert (order["status"], order["clientOrderId"]) == ("closed", CLIENT_ID)
    assert (fill["order"], fill["amount"], fill["price"]) == (created["id"], order["filled"], order["average"])
    spent = Decimal(order["info"]["total_value_after_fees"])
    assert Decimal("49.999") < spent <= 50
    accounts = {row["currency"]: row for row in (await client.fetch_balance({"v3": True}))["info"]["accounts"]}
    assert Decimal(accounts["USD"]["available_balance"]["value"]) == 10_000 - spent
    assert Decimal(accounts["BTC"]["available_balance"]["value"]) == 1 + Decimal(order["info"]["filled_size"])


async def test_resting_order_when_placed_and_cancelled(client: Any) -> None:
    """A limit order below the market rests, holds its money, and gives it back when cancelled."""
    created = await client.create_order("BTC/USD", "limit", "buy", 0.001, 1000)
    (resting,) = await client.fetch_open_orders("BTC/USD")
    held = (await client.fetch_balance({"v3": True}))["USD"]["used"]
    await client.cancel_order(created["id"])
    assert (resting["id"], held) == (created["id"], 1.0005)
    assert (await client.fetch_order(created["id"]))["status"] == "canceled"
    assert (await client.fetch_balance({"v3": True}))["USD"]["used"] == 0
    with pytest.raises(ccxt.BadRequest):
        await client.cancel_order(created["id"])


async def test_insufficient_funds_when_selling_more_than_held(client: Any) -> None:
    """The refusal has Coinbase's body, so ccxt raises its own class for it."""
    with pytest.raises(ccxt.InsufficientFunds, match="PREVIEW_INSUFFICIENT_FUND"):
        await client.create_order("BTC/USD", "market", "sell", 5)


async def test_orders_listed_when_in_pages(client: Any) -> None:
    """Three orders come back newest first, by `since`, over pages of two."""
    since = client.milliseconds() - 1000
    ids = [(await client.create_order("BTC/USD", "market", "sell", 0.001 * n))["id"] for n in (1, 2, 3)]
    first = await client.fetch_orders("BTC/USD", since, 2)
    cursor = first[0]["info"].get("cursor") or first[-1]["info"].get("cursor")
    rest = await client.fetch_orders("BTC/USD", since, 2, {"cursor": cursor})
    assert {order["id"] for order in first + rest} == set(ids)
    assert len(first) == 2


async def test_refused_when_no_key_or_a_stale_token(client: Any) -> None:
    """Private endpoints without a bearer, or with an old one, are a 401 as Coinbase sends it."""
    client.seconds = lambda: 1
    with pytest.raises(ccxt.AuthenticationError, match="Unauthorized"):
        await client.v3PrivateGetBrokerageAccounts()


async def test_recorded_candles_when_real_files(market_dir: Path) -> None:
    """The four recorded markets are served; their last minutes before now are the file's, to the last digit."""
    files = [
        str(market_dir / f"coinbase_{name}_1m_trade.csv.gz") for name in ("BTC-USD", "ETH-USD", "LTC-USD", "BTC-EUR")
    ]
    served = exchange("--candles", *files)
    async with simulated(served) as url, stock_ccxt(url) as client:
        assert len(await client.load_markets()) == 4
        tape = served.venue.tapes["BTC-USD"]
        candles = await client.fetch_ohlcv("BTC/USD", "1m", limit=100)
        for open_ms, *prices, _volume in candles[:-1]:
            bar = tape.bar(open_ms // 60_000)
            assert bar is not None
            assert [Decimal(str(price)) for price in prices] == [bar.open, bar.high, bar.low, bar.close]
        assert not served.venue.products["BTC-USD"].synthetic
