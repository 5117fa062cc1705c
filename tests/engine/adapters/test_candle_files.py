"""Recorded candles: read as they are, and every mistake named with file, line and value."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tests.candle_walks import csv_of, walk
from trading_engine.adapters.candle_files import HEADER, read_candles
from trading_engine.errors import ConfigError


@pytest.mark.parametrize("name", ["candles.csv", "candles.csv.gz"])
def test_candles_come_back_when_written(tmp_path: Path, name: str) -> None:
    """Plain or compressed, to the last digit."""
    path, candles = tmp_path / name, walk(20)
    data = csv_of(candles).encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    assert read_candles(path) == candles


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("", "has no candles"),
        (HEADER, "has no candles"),
        ("time,open", "line 1: the header must be 'timestamp_ms,open,high,low,close,volume', got 'time,open'"),
        (f"{HEADER}\n1,2,3", "line 2: needs 6 columns"),
        (f"{HEADER}\n-1,1,1,1,1,1", "line 2: timestamp_ms must be whole milliseconds since the epoch, got '-1'"),
        (f"{HEADER}\n1.5,1,1,1,1,1", "got '1.5'"),
        (f"{HEADER}\n1,1,1,1,x,1", "line 2: candle 1: .*'x'.* are not all numbers"),
        (f"{HEADER}\n1,1,1,1,NaN,1", "line 2: candle 1: figures must be finite"),
        (f"{HEADER}\n1,1,1,1,0,1", "line 2: candle 1: prices must be above 0"),
        (f"{HEADER}\n1,5,4,1,2,1", "line 2: candle 1: high and low must enclose"),
        (f"{HEADER}\n2,1,1,1,1,1\n2,1,1,1,1,1", "line 3: timestamp_ms must rise, got 2 after 2"),
    ],
)
def test_error_names_line_and_value_when_the_file_is_wrong(tmp_path: Path, lines: str, words: str) -> None:
    """Corrupt data is worse than no data."""
    path = tmp_path / "candles.csv"
    path.write_text(lines)
    with pytest.raises(ConfigError, match=words) as raised:
        read_candles(path)
    assert str(path) in str(raised.value)


def test_error_names_the_file_when_it_cannot_be_read(tmp_path: Path) -> None:
    """Missing, not gzip, or not text."""
    (tmp_path / "a.csv.gz").write_bytes(b"not gzip")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe")
    for name in ("missing.csv", "a.csv.gz", "b.csv"):
        with pytest.raises(ConfigError, match=name):
            read_candles(tmp_path / name)
