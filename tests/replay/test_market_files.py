"""Every recorded file of one-minute trades: no exception, the same orders each time and on both stores (minutes)."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from tests.postgres import PASSWORD, PostgresServer
from trading_engine.__main__ import main

#: File, symbol, and the share that is trained on: what is left of a long file is short, to save time.
FILES = [
    ("coinbase_BTC-USD_1m_trade.csv.gz", "BTC/USD", 0.5),
    ("coinbase_BTC-EUR_1m_trade.csv.gz", "BTC/EUR", 0.5),
    ("coinbase_ETH-USD_1m_trade.csv.gz", "ETH/USD", 0.5),
    ("coinbase_LTC-USD_1m_trade.csv.gz", "LTC/USD", 0.5),
    ("btc-perp_1m_trade.csv.gz", "BTC/USD", 0.8),
]
FEWEST_ORDERS = {"coinbase_BTC-USD_1m_trade.csv.gz": 20}


pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Replay sends the workers' warnings to the standard error of its process, which here is pytest's."""
    yield
    structlog.reset_defaults()


def test_every_recorded_file_is_replayed(market_dir: Path) -> None:
    """A new file must not be forgotten."""
    assert {name for name, _, _ in FILES} == {path.name for path in market_dir.glob("*_1m_trade.csv.gz")}


def halves(recorded: Path, share: float, folder: Path) -> tuple[Path, Path]:
    """The first share of the candles, and the others, each in a file of its own."""
    header, *rows = gzip.decompress(recorded.read_bytes()).decode().splitlines()
    cut = int(len(rows) * share)
    past, future = folder / "past.csv", folder / "future.csv"
    past.write_text("\n".join((header, *rows[:cut])))
    future.write_text("\n".join((header, *rows[cut:])))
    return past, future


def replayed(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """The report of `trading-engine replay`, but for its speed, which is printed."""
    assert main(["replay", *arguments, "--json"]) == 0
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    with capsys.disabled():
        speed, symbol = report.pop("bars_per_second"), report["symbol"]
        print(f"\n{symbol}: {report['candles']} candles, {report['orders']} orders, {speed} bars/s", end="")
    return report


@pytest.mark.postgres
@pytest.mark.parametrize(("name", "symbol", "share"), FILES)
def test_orders_are_the_same_twice_and_on_both_stores(
    name: str,
    symbol: str,
    share: float,
    market_dir: Path,
    tmp_path: Path,
    postgres_server: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Holes, quiet years and all; trained once, on what came before."""
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    past, future = halves(market_dir / name, share, tmp_path)
    market = ("--symbol", symbol, "--timeframe", "1m", "--fee-rate", "0.001")
    assert main(["train", "--candles", str(past), *market, "--out", str(tmp_path)]) == 0
    capsys.readouterr()
    arguments = ("--candles", str(future), *market, "--model", str(tmp_path / "model.txt"))
    server = postgres_server.url(postgres_server.create_database())
    report = replayed(capsys, *arguments)
    assert report == replayed(capsys, *arguments)
    assert report == replayed(capsys, *arguments, "--store", server)
    assert report["orders"] >= FEWEST_ORDERS.get(name, 1)


def test_orders_are_the_same_when_trained_and_replayed_twice(
    market_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The model is as reproducible as what is made of it."""
    name, symbol, share = FILES[1]  # the shortest
    arguments = ("--candles", str(market_dir / name), "--symbol", symbol, "--timeframe", "1m",
                 "--fee-rate", "0.001", "--train-fraction", str(share))  # fmt: skip
    report = replayed(capsys, *arguments)
    assert report == replayed(capsys, *arguments)
    assert report["orders"] > 0
