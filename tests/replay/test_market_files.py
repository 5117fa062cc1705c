"""Every recorded file of one-minute trades: no exception, the same orders twice and on both stores (minutes)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from tests.postgres import PASSWORD, PostgresServer
from trading_engine.__main__ import main

#: File, symbol, and the share that is trained on: the rest of a long file is cut short to save time.
FILES = [
    ("coinbase_BTC-USD_1m_trade.csv.gz", "BTC/USD", "0.5"),
    ("coinbase_BTC-EUR_1m_trade.csv.gz", "BTC/EUR", "0.5"),
    ("coinbase_ETH-USD_1m_trade.csv.gz", "ETH/USD", "0.5"),
    ("coinbase_LTC-USD_1m_trade.csv.gz", "LTC/USD", "0.5"),
    ("btc-perp_1m_trade.csv.gz", "BTC/USD", "0.8"),
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


@pytest.mark.postgres
@pytest.mark.parametrize(("name", "symbol", "share"), FILES)
def test_orders_are_the_same_twice_and_on_both_stores(
    name: str,
    symbol: str,
    share: str,
    market_dir: Path,
    postgres_server: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Holes, quiet years and all."""
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    arguments = ["--candles", str(market_dir / name), "--symbol", symbol, "--timeframe", "1m",
                 "--train-fraction", share, "--fee-rate", "0.001", "--json"]  # fmt: skip
    stores = [[], [], ["--store", postgres_server.url(postgres_server.create_database())]]
    reports: list[dict[str, Any]] = []
    for store in stores:
        assert main(["replay", *arguments, *store]) == 0
        report = json.loads(capsys.readouterr().out)
        speed = report.pop("bars_per_second")
        reports.append(report)
        with capsys.disabled():
            print(f"\n{name}: {report['candles']} candles, {report['orders']} orders, {speed} bars/s", end="")
    assert reports[0] == reports[1] == reports[2]
    assert reports[0]["orders"] >= FEWEST_ORDERS.get(name, 1)
