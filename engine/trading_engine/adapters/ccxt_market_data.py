"""Public market data of Coinbase (port `MarketData`), for the collector, the executor and the paper exchange.

Figures are Decimal from the venue's own text; ccxt's floats are never touched.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import structlog

from trading_engine.adapters.ccxt_client import CcxtClient
from trading_engine.contract.config import ExchangeConfig, Timeframe
from trading_engine.domain.candle import Candle, candle_from_text
from trading_engine.domain.market import Market, Quote
from trading_engine.errors import ExchangeUnavailable

#: Coinbase's names of candle lengths.
GRANULARITY: Final = {
    Timeframe.M1: "ONE_MINUTE",
    Timeframe.M5: "FIVE_MINUTE",
    Timeframe.M15: "FIFTEEN_MINUTE",
    Timeframe.M30: "THIRTY_MINUTE",
    Timeframe.H1: "ONE_HOUR",
    Timeframe.H2: "TWO_HOUR",
    Timeframe.H6: "SIX_HOUR",
    Timeframe.D1: "ONE_DAY",
}
PAGE: Final = 300  # candles a call, the most that ccxt found to be answered
MARKET_AGE_SECONDS: Final = 60.0  # flags such as cancel_only change while we run
#: Product flags of which each one, when true, forbids a market order.
FLAGS: Final = (
    "trading_disabled",
    "is_disabled",
    "cancel_only",
    "limit_only",
    "post_only",
    "auction_mode",
    "view_only",
)

log = structlog.get_logger()


def product_id(symbol: str) -> str:
    """`BTC/USD` as Coinbase writes it: `BTC-USD`."""
    return symbol.replace("/", "-")


def milliseconds(text: str) -> int:
    """Milliseconds since the epoch of an RFC 3339 time.

    Raises:
        ValueError: it is not one.
    """
    return round(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


class CcxtMarketData:
    """Candles, quotes and markets. One of these per process; it has one connection."""

    def __init__(self, config: ExchangeConfig, client: CcxtClient | None = None) -> None:
        self._client = client or CcxtClient(config.id, config.url)
        self._markets: dict[str, tuple[float, Market]] = {}

    async def fetch_candles(self, symbol: str, timeframe: str, since_ms: int, limit: int) -> list[Candle]:
        """Candles whose open lies in the `limit` candle lengths from `since_ms` on, oldest first.

        Raises:
            ExchangeUnavailable: no usable answer.
            ExchangeRefused: the exchange does not know the symbol.
        """
        length = Timeframe(timeframe).milliseconds
        first = -(-since_ms // length) * length
        end = first + limit * length
        found: list[Candle] = []
        for start in range(first, end, PAGE * length):
            found += await self._page(symbol, Timeframe(timeframe), start, min(end, start + PAGE * length))
        return found

    async def fetch_quote(self, symbol: str) -> Quote:
        """Best bid and ask of the order book.

        Raises:
            ExchangeUnavailable: no usable answer, or a side of the book is empty.
            ExchangeRefused: the exchange does not know the symbol.
        """
        endpoint = "v3PublicGetBrokerageMarketProductBook"
        answer = await self._client.read(endpoint, product_id=product_id(symbol), limit=1)
        try:
            book = answer["pricebook"]
            bid, ask = (Decimal(book[side][0]["price"]) for side in ("bids", "asks"))
            return Quote(symbol, bid, ask, milliseconds(book["time"]))
        except (LookupError, TypeError, ValueError, InvalidOperation) as error:
            raise ExchangeUnavailable(f"{endpoint} {symbol}: no bid and ask in {answer}") from error

    async def fetch_market(self, symbol: str) -> Market:
        """Increments, minimums and flags, at most a minute old.

        Raises:
            ExchangeUnavailable: no usable answer.
            ExchangeRefused: the exchange does not know the symbol.
        """
        asked, market = self._markets.get(symbol, (0.0, None))
        now = time.monotonic()
        if market is not None and now - asked < MARKET_AGE_SECONDS:
            return market
        endpoint = "v3PublicGetBrokerageMarketProductsProductId"
        answer = await self._client.read(endpoint, product_id=product_id(symbol))
        try:
            market = _market(symbol, answer)
        except (LookupError, TypeError, ValueError, InvalidOperation) as error:
            raise ExchangeUnavailable(f"{endpoint} {symbol}: not a product: {error!r}") from error
        self._markets[symbol] = now, market
        return market

    async def close(self) -> None:
        """Release connections."""
        await self._client.close()

    async def _page(self, symbol: str, timeframe: Timeframe, start_ms: int, end_ms: int) -> list[Candle]:
        answer = await self._client.read(
            "v3PublicGetBrokerageMarketProductsProductIdCandles",
            product_id=product_id(symbol),
            granularity=GRANULARITY[timeframe],
            start=str(start_ms // 1000),
            end=str(end_ms // 1000),
        )
        candles = _candles(symbol, answer.get("candles") or ())
        return sorted((c for c in candles if start_ms <= c.open_ms < end_ms), key=lambda candle: candle.open_ms)


def _candles(symbol: str, rows: Iterable[Mapping[str, Any]]) -> Iterable[Candle]:
    """The valid ones: a corrupt candle is a hole, not a reason to stop."""
    for row in rows:
        try:
            figures = row["open"], row["high"], row["low"], row["close"], row["volume"]
            yield candle_from_text(int(row["start"]) * 1000, figures)
        except (LookupError, TypeError, ValueError) as error:
            log.warning("corrupt candle dropped", symbol=symbol, candle=str(row), reason=str(error))


def _market(symbol: str, product: Mapping[str, Any]) -> Market:
    base, quote = symbol.split("/")
    return Market(
        symbol=symbol,
        base=base,
        quote=quote,
        base_increment=Decimal(product["base_increment"]),
        quote_increment=Decimal(product["quote_increment"]),
        price_increment=Decimal(product.get("price_increment") or product["quote_increment"]),
        base_min=Decimal(product["base_min_size"]),
        quote_min=Decimal(product["quote_min_size"]),
        flags=frozenset(flag for flag in FLAGS if product.get(flag) is True),
    )
