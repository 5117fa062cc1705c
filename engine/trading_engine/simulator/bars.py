"""One-minute bars for the tape: read from a CSV, or made by a seeded generator.

Called by `command`. A file is `timestamp_ms,open,high,low,close,volume` with a header, gzipped or
not; bars a minute apart, holes allowed.
"""

from __future__ import annotations

import csv
import gzip
import random
import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from pathlib import Path
from typing import Final

from trading_engine.errors import ConfigError

MINUTE_MS: Final = 60_000
COLUMNS: Final = ("timestamp_ms", "open", "high", "low", "close", "volume")
#: Where a synthetic walk starts; any other base starts at 100.
SYNTHETIC_START: Final = {"BTC": 60_000, "ETH": 3_000, "SOL": 150, "LTC": 80}
_FILE_NAME = re.compile(r"(?:^|_)(?P<product>[A-Z0-9]{1,15}-[A-Z0-9]{1,15})(?:_|\.)")
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Bar:
    """One minute: `minute` since the epoch, prices in quote currency, volume in base currency."""

    minute: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal

    def mirrored(self) -> Bar:
        """The same minute played backwards."""
        return Bar(self.minute, self.close, self.high, self.low, self.open, self.volume)


def product_and_path(argument: str) -> tuple[str, Path]:
    """`BTC/USD=FILE`, or a FILE named like `coinbase_BTC-USD_1m_trade.csv.gz`, as (`BTC-USD`, path).

    Raises:
        ConfigError: the symbol cannot be told from the name.
    """
    symbol, separator, path = argument.partition("=")
    if separator:
        return symbol.replace("/", "-"), Path(path)
    match = _FILE_NAME.search(Path(argument).name)
    if match is None:
        raise ConfigError(f"--candles {argument}: no symbol in the file's name; write BTC/USD={argument}")
    return match["product"], Path(argument)


def read_bars(path: Path) -> list[Bar]:
    """All bars of a file, oldest first.

    Raises:
        ConfigError: the file cannot be read, is not such a CSV, or is not in one-minute steps.
    """
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ConfigError(f"--candles {path}: cannot be read: {error}") from error
    header, *rows = csv.reader(text.splitlines() or [""])
    if tuple(header) != COLUMNS:
        raise ConfigError(f"--candles {path}: the header must be {','.join(COLUMNS)}, got {','.join(header)!r}")
    bars = sorted(_bars(path, rows), key=lambda bar: bar.minute)
    _require_minutes(path, bars)
    return bars


def _bars(path: Path, rows: Iterable[list[str]]) -> Iterable[Bar]:
    for line, row in enumerate(rows, start=2):
        try:
            open_ms, *figures = row
            bar = Bar(int(open_ms) // MINUTE_MS, *(Decimal(figure) for figure in figures))
            sound = 0 < bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high and bar.volume >= 0
        except (ValueError, TypeError, InvalidOperation) as error:  # comparing NaN is an InvalidOperation
            raise ConfigError(f"--candles {path}:{line}: {row} are not a time and five numbers") from error
        if not sound:
            raise ConfigError(f"--candles {path}:{line}: high and low must enclose open and close, got {row}")
        yield bar


def _require_minutes(path: Path, bars: list[Bar]) -> None:
    if len(bars) < 2:
        raise ConfigError(f"--candles {path}: needs at least two candles, has {len(bars)}")
    step = min(after.minute - before.minute for before, after in pairwise(bars))
    if step != 1:
        raise ConfigError(f"--candles {path}: candles must be one minute apart and unique, the step is {step} min")


def synthetic_bars(product: str, seed: int, count: int) -> list[Bar]:
    """A seeded random walk of `count` minutes, the same for the same product and seed."""
    chance = random.Random(f"{product}|{seed}")  # a simulation
    price = float(SYNTHETIC_START.get(product.partition("-")[0], 100))
    bars = []
    drift = 0.0
    for minute in range(count):
        drift = 0.97 * drift + chance.gauss(0, 0.00012)  # trends of half an hour, so a model has something to find
        prices = [price]
        for _ in range(4):
            prices.append(prices[-1] * (1 + drift / 4 + chance.gauss(0, 0.0004)))
        price = prices[-1]
        low, high = _cents(min(prices)), _cents(max(prices))
        volume = Decimal(round(chance.expovariate(0.2), 4))
        bars.append(Bar(minute, _cents(prices[0]), high, low, _cents(price), volume.quantize(Decimal("0.0001"))))
    return bars


def _cents(price: float) -> Decimal:
    return max(_CENT, Decimal(price).quantize(_CENT))
