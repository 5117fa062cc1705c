"""Replay: deterministic on both stores, sensitive to its input, true to its rows. Recorded files: `tests/replay`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import structlog

from tests.candle_walks import csv_of, walk
from tests.postgres import PASSWORD, PostgresServer
from trading_engine.__main__ import main
from trading_engine.domain.candle import Candle

CANDLES = walk(500, pull=0.1)
TRAINED = 325
SHARE = ("--train-fraction", "0.65")

Run = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Replay sends the workers' warnings to the standard error of its process, which here is pytest's."""
    yield
    structlog.reset_defaults()


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
        assert main(["replay", *arguments, *(options if "--model" in options else (*SHARE, *options))]) == 0
        return json.loads(capsys.readouterr().out)

    return run


def same(report: dict[str, Any]) -> dict[str, Any]:
    """All but how fast it was."""
    return {name: value for name, value in report.items() if name != "bars_per_second"}


@pytest.fixture(scope="module")
def known() -> dict[str, Any]:
    """The first report of CANDLES, kept for tests to compare with."""
    return {}


@pytest.fixture
def report(replay: Run, known: dict[str, Any]) -> dict[str, Any]:
    """The report of CANDLES."""
    return known or known.update(replay(CANDLES)) or known


def test_report_is_the_same_when_replayed_twice(report: dict[str, Any], replay: Run) -> None:
    """The same candles make the same orders, and some of them."""
    assert same(replay(CANDLES)) == same(report)
    assert report["orders"] >= 5


@pytest.mark.postgres
def test_report_is_the_same_on_sqlite_and_postgresql(
    report: dict[str, Any],
    replay: Run,
    tmp_path: Path,
    postgres_server: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where rows are kept changes nothing."""
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    file = replay(CANDLES, "--store", f"sqlite:///{tmp_path / 'replay.db'}")
    server = replay(CANDLES, "--store", postgres_server.url(postgres_server.create_database()))
    assert same(report) == same(file) == same(server)


def test_hash_differs_when_one_candle_does(report: dict[str, Any], replay: Run) -> None:
    """Be it learnt from or traded."""
    hashes = {report["orders_sha256"]}
    for index in (100, 450):
        candle = CANDLES[index]
        changed = [*CANDLES[:index], replace(candle, volume=candle.volume + 1), *CANDLES[index + 1 :]]
        hashes.add(replay(changed)["orders_sha256"])
    assert len(hashes) == 3


def test_counts_add_up_and_money_is_accounted_for(report: dict[str, Any]) -> None:
    """Every candle has a signal, every buy and sell a recommendation that ended, every order a fill with its fee."""
    assert report["candles"] == sum(report["signals"].values()) == len(CANDLES) - TRAINED
    wishes = report["signals"]["buy"] + report["signals"]["sell"]
    assert sum(report["recommendations"].values()) == wishes == report["orders"] == report["fills"]
    assert report["recommendations"] == {"filled": wishes}
    assert Decimal(report["fees"]) == pytest.approx(Decimal(wishes) * 50 * Decimal("0.0005"), rel=Decimal("0.01"))
    assert 0 <= Decimal(report["max_drawdown"]) < 1


def test_higher_fees_earn_less_when_the_model_is_the_same(replay: Run, tmp_path: Path) -> None:
    """Fees are taken from the account, not only printed."""
    out = tmp_path / "model"
    (tmp_path / "train.csv").write_text(csv_of(CANDLES[:TRAINED]))
    arguments = ["--candles", str(tmp_path / "train.csv"), "--symbol", "BTC/USD", "--timeframe", "1m"]
    assert main(["train", *arguments, "--fee-rate", "0.0005", "--out", str(out)]) == 0
    model = ("--model", str(out / "model.txt"))
    cheap, dear = replay(CANDLES[TRAINED:], *model, fee="0.0005"), replay(CANDLES[TRAINED:], *model, fee="0.002")
    assert cheap["orders"] == dear["orders"] > 0
    assert Decimal(dear["pnl_net"]) < Decimal(cheap["pnl_net"])
    assert Decimal(dear["fees"]) > 3 * Decimal(cheap["fees"])


def test_worst_published_fee_is_taken_when_none_is_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody finds out about fees only in production."""
    path = tmp_path / "candles.csv"
    path.write_text(csv_of(CANDLES))
    assert main(["replay", "--candles", str(path), "--symbol", "BTC/USD", "--timeframe", "1m", "--json",
                 "--train-fraction", "0.9"]) == 0  # fmt: skip
    assert json.loads(capsys.readouterr().out)["fee_rate"] == "0.012"


def test_report_is_readable_when_json_is_not_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line a figure."""
    path = tmp_path / "candles.csv"
    path.write_text(csv_of(CANDLES))
    assert (
        main(["replay", "--candles", str(path), "--symbol", "BTC/USD", "--timeframe", "1m", "--train-fraction", "0.9"])
        == 0
    )
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("orders_sha256") for line in lines)


def test_store_is_refused_when_it_is_not_empty(replay: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The generator would read candles of the future."""
    store = ("--store", f"sqlite:///{tmp_path / 'replay.db'}")
    replay(CANDLES, *store, "--train-fraction", "0.9")
    path = tmp_path / "candles.csv"
    arguments = ["--candles", str(path), "--symbol", "BTC/USD", "--timeframe", "1m", *SHARE, *store]
    assert main(["replay", *arguments]) == 2
    assert "needs an empty database" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--model", "nowhere/model.txt"], "needs the model file and card.json beside it"),
        (["--train-fraction", "0.1"], "training needs at least 250"),
        (["--store", "mysql://x/y", *SHARE], "unknown database 'mysql'"),
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
