"""Arguments of `simulate-exchange`, and the program itself."""

from __future__ import annotations

import gzip
import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from decimal import Decimal
from pathlib import Path

import pytest

from tests.fakes_coinbase import exchange
from trading_engine.errors import ConfigError
from trading_engine.simulator import command
from trading_engine.simulator.bars import product_and_path

HEADER = "timestamp_ms,open,high,low,close,volume\n"
ROWS = "".join(f"{i * 60_000},{100 + i},{101 + i},{100 + i}.000,{101 + i},1.5\n" for i in range(10))


@pytest.fixture
def candles(tmp_path: Path) -> Path:
    path = tmp_path / "coinbase_BTC-USD_1m_trade.csv.gz"
    path.write_bytes(gzip.compress((HEADER + ROWS).encode()))
    return path


def test_symbol_when_told_by_name_or_by_hand() -> None:
    """The product comes from the file's name, or stands before it."""
    assert product_and_path("x/coinbase_BTC-USD_1m_trade.csv.gz") == (
        "BTC-USD",
        Path("x/coinbase_BTC-USD_1m_trade.csv.gz"),
    )
    assert product_and_path("ETH-EUR.csv") == ("ETH-EUR", Path("ETH-EUR.csv"))
    assert product_and_path("BTC/USD=perp.csv") == ("BTC-USD", Path("perp.csv"))
    with pytest.raises(ConfigError, match=r"BTC/USD=perp\.csv"):
        product_and_path("perp.csv")


def test_exchange_when_recorded_and_synthetic(candles: Path) -> None:
    """Recorded and made-up products side by side, each saying which it is."""
    served = exchange(
        "--candles", str(candles), "--synthetic", "SOL/USD", "--fee-rate", "0.002", "--history-share", "0.5"
    )
    assert {name: item.synthetic for name, item in served.venue.products.items()} == {"BTC-USD": False, "SOL-USD": True}
    assert (served.venue.terms.taker, served.venue.terms.maker) == (Decimal("0.002"), Decimal("0.001"))
    assert served.venue.ledger.free == {"BTC": 0, "SOL": 0, "USD": 10_000}
    status = json.loads(json.dumps(served.status()))
    assert status["products"]["BTC-USD"] == {"source": "recorded", "candles": 10, "minutes_until_it_turns": 5}
    assert status["products"]["SOL-USD"]["source"] == "synthetic"


@pytest.mark.parametrize("listed", [("ETH/USD", "SOL/USD"), ("ETH/USD,SOL/USD",)])
def test_synthetic_symbols_when_listed_either_way(listed: tuple[str, ...]) -> None:
    """With spaces or with commas."""
    assert sorted(exchange("--synthetic", *listed).venue.products) == ["ETH-USD", "SOL-USD"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "header"),
        ("time,open\n", "header"),
        (HEADER, "at least two"),
        (HEADER + "0,1,1,1,1,1\n60000,1,1,1,x,1\n", ":3:"),
        (HEADER + "0,1,1,1,1,1\n60000,1,1,1\n", ":3:"),
        (HEADER + "0,1,1,1,1,1\n60000,1,2,3,4,1\n", "enclose"),
        (HEADER + "0,1,1,1,1,1\n60000,NaN,NaN,NaN,NaN,1\n", ":3:"),
        (HEADER + "0,1,1,1,1,1\n3600000,1,1,1,1,1\n", "one minute apart"),
        (HEADER + "0,1,1,1,1,1\n0,1,1,1,1,1\n", "one minute apart"),
    ],
)
def test_config_error_when_a_file_is_wrong(tmp_path: Path, text: str, says: str) -> None:
    """The message names the file, the line where there is one, and what is allowed."""
    path = tmp_path / "BTC-USD.csv"
    path.write_text(text)
    with pytest.raises(ConfigError, match=says) as caught:
        exchange("--candles", str(path))
    assert "BTC-USD.csv" in str(caught.value)


def test_config_error_when_arguments_contradict(candles: Path, tmp_path: Path) -> None:
    """Nothing to serve, the same product twice, a missing file, a strange symbol, a foreign state file."""
    foreign = tmp_path / "state.json"
    foreign.write_text("[]")
    for arguments in (
        (),
        ("--candles", str(candles), str(candles)),
        ("--candles", str(candles), "--synthetic", "BTC/USD"),
        ("--candles", "BTC/USD=nowhere.csv"),
        ("--synthetic", "BITCOIN"),
        ("--synthetic", "BTC/USD", "--state", str(foreign)),
    ):
        with pytest.raises(ConfigError):
            exchange(*arguments)


def test_speed_refused_when_on_the_wall_clock() -> None:
    """Faster than 1x only where the clients take the time from this server."""
    with pytest.raises(ConfigError, match="--simulated-clock"):
        command.clock(60, simulated=False)
    with pytest.raises(ConfigError, match="above 0"):
        command.clock(0, simulated=True)
    fast = command.clock(1000, simulated=True)
    before = fast()
    time.sleep(0.02)
    assert fast() - before >= 20_000


def test_serves_and_stops_when_run_as_a_program(candles: Path, tmp_path: Path) -> None:
    """The process listens, answers, keeps its state, and ends with 0 on SIGTERM; a restart continues the same tape."""
    state = tmp_path / "state.json"
    first, second = (_run_once(candles, state) for _ in range(2))
    assert first == second


PROGRAM = """
import argparse, sys
from trading_engine.simulator import command
parser = argparse.ArgumentParser()
command.add_arguments(parser)
sys.exit(command.run(parser.parse_args()))
"""


def _run_once(candles: Path, state: Path) -> dict[str, object]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = ["--candles", str(candles), "--port", str(port), "--state", str(state)]
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, *arguments], stderr=subprocess.PIPE, text=True)
    try:
        status = _status(port, process)
    finally:
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "recorded candles" in log
    status.pop("now_ms")
    return status


def _status(port: int, process: subprocess.Popen[str]) -> dict[str, object]:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/simulator/status", timeout=2) as answer:
                status: dict[str, object] = json.load(answer)
                return status
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"no answer; exit status {process.poll()}")
