"""Recorded candles from a CSV file, plain or `.gz`. Called by `trading-engine train` and `replay`.

Columns: `timestamp_ms,open,high,low,close,volume`; the timestamp is the open time, rows rise in time.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from trading_engine.domain.candle import Candle, candle_from_text
from trading_engine.errors import ConfigError

HEADER: Final = "timestamp_ms,open,high,low,close,volume"


def read_candles(path: Path) -> list[Candle]:
    """All candles of a file, oldest first.

    Raises:
        ConfigError: the file cannot be read, or a line is not a valid, later candle; it names file, line and value.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            candles = list(_candles(path, file))
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as candles: {error}") from error
    if not candles:
        raise ConfigError(f"{path}: has no candles")
    return candles


def _candles(path: Path, lines: Iterable[str]) -> Iterator[Candle]:
    newest = -1
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if number == 1:
            if text != HEADER:
                raise ConfigError(f"{path} line 1: the header must be {HEADER!r}, got {text[:80]!r}")
            continue
        candle = _candle(f"{path} line {number}", text)
        if candle.open_ms <= newest:
            raise ConfigError(f"{path} line {number}: timestamp_ms must rise, got {candle.open_ms} after {newest}")
        newest = candle.open_ms
        yield candle


def _candle(where: str, text: str) -> Candle:
    open_ms, *fields = text.split(",")
    if len(fields) != 5:
        raise ConfigError(f"{where}: needs 6 columns ({HEADER}), got {text[:80]!r}")
    if not (open_ms.isascii() and open_ms.isdigit()):
        raise ConfigError(f"{where}: timestamp_ms must be whole milliseconds since the epoch, got {open_ms!r}")
    o, h, low, c, v = fields
    try:
        return candle_from_text(int(open_ms), (o, h, low, c, v))
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error
