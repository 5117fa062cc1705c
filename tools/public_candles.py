"""Fetches the last day of Coinbase's public one-minute candles: `python -m tools.public_candles FOLDER BTC-USD...`.

Prints one file name a symbol; fails within seconds where the internet does not answer.
"""

from __future__ import annotations

import asyncio
import csv
import gzip
import sys
import time
from pathlib import Path

from trading_engine.adapters.ccxt_market_data import CcxtMarketData
from trading_engine.contract.config import ExchangeConfig, Timeframe
from trading_engine.domain.candle import Candle
from trading_engine.errors import EngineError

COUNT = 1440
FIRST_ANSWER_SECONDS = 10


async def fetch(folder: Path, products: list[str]) -> list[Path]:
    """One CSV file a product, as the simulated exchange reads them."""
    market_data = CcxtMarketData(ExchangeConfig())
    since_ms = int(time.time() * 1000) - COUNT * Timeframe.M1.milliseconds
    try:
        first = products[0].replace("-", "/")
        await asyncio.wait_for(market_data.fetch_quote(first), FIRST_ANSWER_SECONDS)
        return [await _one(market_data, folder, product, since_ms) for product in products]
    finally:
        await market_data.close()


async def _one(market_data: CcxtMarketData, folder: Path, product: str, since_ms: int) -> Path:
    candles = await market_data.fetch_candles(product.replace("-", "/"), Timeframe.M1, since_ms, COUNT)
    path = folder / f"coinbase_{product}_1m_trade.csv.gz"
    with gzip.open(path, "wt", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("timestamp_ms", "open", "high", "low", "close", "volume"))
        writer.writerows(_row(candle) for candle in candles)
    return path


def _row(candle: Candle) -> tuple[object, ...]:
    return candle.open_ms, candle.open, candle.high, candle.low, candle.close, candle.volume


def main() -> int:
    """0 with the files' names on standard output; 1 where nothing could be fetched."""
    try:
        files = asyncio.run(fetch(Path(sys.argv[1]), sys.argv[2:]))
    except (EngineError, TimeoutError) as error:
        print(f"no public candles: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print("\n".join(str(path) for path in files))
    return 0


if __name__ == "__main__":
    sys.exit(main())
