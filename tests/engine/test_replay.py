"""Replay: deterministic on both stores, sensitive to its input, true to its rows, and on every real file."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.candle_walks import csv_of, walk
from tests.postgres import PASSWORD, PostgresServer
from trading_engine.__main__ import main
from trading_engine.domain.candle import Candle

CANDLES = walk(1200, pull=0.1)

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def replay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Replays candles through the command line and returns its JSON."""

    def run(candles: list[Candle] | Path, *options: str, fee: str = "0.0005", symbol: str = "BTC/USD") -> Any:
        path = candles
        if not isinstance(path, Path):
            path = tmp_path / "candles.csv"
            path.write_text(csv_of(candles))
        capsys.readouterr()
        arguments = ["--candles", str(path), "--symbol", symbol, "--timeframe", "1m", "--fee-rate", fee, "--json"]
        assert main(["replay", *arguments, *options]) == 0
        return json.loads(capsys.readouterr().out)

    return run


def same(report: dict[str, Any]) -> dict[str, Any]:
    """All but how fast it was."""
    return {name: value for name, value in report.items() if name != "bars_per_second"}


def test_report_is_the_same_when_replayed_twice(replay: Run) -> None:
    """The same candles make the same orders, and some of them."""
    first = replay(CANDLES)
    assert same(replay(CANDLES)) == same(first)
    assert first["orders"] >= 5


@pytest.mark.postgres
def test_report_is_the_same_on_sqlite_and_postgresql(
    replay: Run, tmp_path: Path, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where rows are kept changes nothing."""
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    memory = replay(CANDLES)
    file = replay(CANDLES, "--store", f"sqlite:///{tmp_path / 'replay.db'}")
    server = replay(CANDLES, "--store", postgres_server.url(postgres_server.create_database()))
    assert same(memory) == same(file) == same(server)


def test_hash_differs_when_one_candle_does(replay: Run) -> None:
    """Be it learnt from, warmed up on or traded."""
    hashes = {replay(CANDLES)["orders_sha256"]}
    for index in (100, 590, 900):
        candle = CANDLES[index]
        changed = [*CANDLES[:index], replace(candle, volume=candle.volume + 1), *CANDLES[index + 1 :]]
        hashes.add(replay(changed)["orders_sha256"])
    assert len(hashes) == 4


def test_counts_add_up_and_money_is_accounted_for(replay: Run) -> None:
    """Every candle has a signal, every buy and sell a recommendation that ended, every order a fill with its fee."""
    report = replay(CANDLES)
    assert report["candles"] == sum(report["signals"].values()) == 600
    wishes = report["signals"]["buy"] + report["signals"]["sell"]
    assert sum(report["recommendations"].values()) == wishes == report["orders"] == report["fills"]
    assert report["recommendations"] == {"filled": wishes}
    assert Decimal(report["fees"]) == pytest.approx(Decimal(wishes) * 50 * Decimal("0.0005"), rel=Decimal("0.01"))
    assert 0 <= Decimal(report["max_drawdown"]) < 1


def test_higher_fees_earn_less_when_the_model_is_the_same(replay: Run, tmp_path: Path) -> None:
    """Fees are taken from the account, not only printed."""
    out = tmp_path / "model"
    (tmp_path / "train.csv").write_text(csv_of(CANDLES[:600]))
    arguments = ["--candles", str(tmp_path / "train.csv"), "--symbol", "BTC/USD", "--timeframe", "1m"]
    assert main(["train", *arguments, "--fee-rate", "0.0005", "--out", str(out)]) == 0
    model = ("--model", str(out / "model.txt"))
    cheap, dear = replay(CANDLES[600:], *model, fee="0.0005"), replay(CANDLES[600:], *model, fee="0.002")
    assert cheap["orders"] == dear["orders"] > 0
    assert Decimal(dear["pnl_net"]) < Decimal(cheap["pnl_net"])
    assert Decimal(dear["fees"]) > 3 * Decimal(cheap["fees"])


def test_worst_published_fee_is_taken_when_none_is_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody finds out about fees only in production."""
    path = tmp_path / "candles.csv"
    path.write_text(csv_of(CANDLES[:700]))
    assert main(["replay", "--candles", str(path), "--symbol", "BTC/USD", "--timeframe", "1m", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["fee_rate"] == "0.012"


def test_report_is_readable_when_json_is_not_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line a figure."""
    path = tmp_path / "candles.csv"
    path.write_text(csv_of(CANDLES[:700]))
    assert main(["replay", "--candles", str(path), "--symbol", "BTC/USD", "--timeframe", "1m"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("orders_sha256") for line in lines)


def test_store_is_refused_when_it_is_not_empty(replay: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The generator would read candles of the future."""
    store = ("--store", f"sqlite:///{tmp_path / 'replay.db'}")
    replay(CANDLES[:700], *store)
    path = tmp_path / "candles.csv"
    arguments = ["--candles", str(path), "--symbol", "BTC/USD", "--timeframe", "1m", *store]
    assert main(["replay", *arguments]) == 2
    assert "needs an empty database" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--model", "nowhere/model.txt"], "needs the model file and card.json beside it"),
        (["--train-fraction", "0.1"], "training needs at least 250"),
        (["--store", "mysql://x/y"], "unknown database 'mysql'"),
    ],
)
def test_status_is_2_and_the_mistake_named_when_an_option_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    """One line on standard error, nothing on standard output."""
    path = tmp_path / "candles.csv"
    path.write_text(csv_of(CANDLES))
    assert main(["replay", "--candles", str(path), "--symbol", "BTC/USD", "--timeframe", "1m", *options]) == 2
    out, err = capsys.readouterr()
    assert words in err
    assert out == ""


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--symbol", "BTCUSD"], "BTC/USD, got 'BTCUSD'"),
        (["--timeframe", "3m"], "must be one of 1m, 5m"),
        (["--fee-rate", "60"], "at least 0 and below 1"),
        (["--fee-rate", "NaN"], "at least 0 and below 1"),
        (["--train-fraction", "1"], "above 0 and below 1"),
        (["--model", "m", "--train-fraction", "0.2"], "not allowed with"),
    ],
)
def test_argument_is_refused_when_it_is_no_such_thing(
    capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    """Value and what is allowed."""
    given = {"--candles": "f", "--symbol": "BTC/USD", "--timeframe": "1m"}
    given.update(zip(options[::2], options[1::2], strict=True))
    with pytest.raises(SystemExit) as ended:
        main(["replay", *[word for pair in given.items() for word in pair]])
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


def test_real_candles_make_at_least_twenty_orders(replay: Run, market_dir: Path) -> None:
    """BTC-USD at a fee of 0.1 %."""
    report = replay(market_dir / "coinbase_BTC-USD_1m_trade.csv.gz", fee="0.001")
    assert report["orders"] >= 20


@pytest.mark.parametrize("market", ["BTC-EUR", "ETH-USD", "LTC-USD"])
def test_real_candles_give_the_same_orders_twice(replay: Run, market_dir: Path, market: str) -> None:
    """Holes and all, without an exception."""
    path, symbol = market_dir / f"coinbase_{market}_1m_trade.csv.gz", market.replace("-", "/")
    first = replay(path, fee="0.001", symbol=symbol)
    assert same(replay(path, fee="0.001", symbol=symbol)) == same(first)
