"""`trading-engine train`: to files, from a file or a store, and as the Job that fills the store with models."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from tests.builders import ENGINE
from tests.candle_walks import csv_of, walk
from trading_engine.__main__ import main
from trading_engine.adapters.lightgbm_model import load_model
from trading_engine.adapters.sql_database import SqlDatabase
from trading_engine.adapters.sql_migrate import migrate
from trading_engine.contract.config import DatabaseConfig, EngineConfig, ModelConfig, PaperConfig, Promotion, Timeframe
from trading_engine.domain.candle import Candle
from trading_engine.errors import ConfigError, StoreUnavailable
from trading_engine.ports import StoredModel
from trading_engine.runtime import training_job

CANDLES = walk(1200, pull=0.1)
QUIET = walk(500, seed=2)


@pytest.fixture
def store(tmp_path: Path) -> DatabaseConfig:
    """A migrated file."""
    config = DatabaseConfig(url=f"sqlite:///{tmp_path / 'engine.db'}")
    migrate(config)
    return config


async def put(store: DatabaseConfig, candles: Sequence[Candle], symbol: str = "BTC/USD") -> None:
    database = SqlDatabase(store, ENGINE)
    await database.run(lambda rows: rows.put_candles(symbol, "1m", candles))
    await database.close()


async def promoted(store: DatabaseConfig, symbol: str = "BTC/USD") -> StoredModel | None:
    database = SqlDatabase(store, ENGINE)
    found = await database.run(lambda rows: rows.promoted_model(symbol, "1m"))
    await database.close()
    return found


def a_config(store: DatabaseConfig, promotion: Promotion = Promotion.GATE, *symbols: str) -> EngineConfig:
    return EngineConfig(
        engine=ENGINE,
        symbols=symbols or ("BTC/USD",),
        timeframe=Timeframe.M1,
        database=store,
        model=ModelConfig(promotion=promotion),
        paper=PaperConfig(fee_rate=Decimal("0.0005")),
    )


def test_model_and_card_are_written_the_same_from_file_and_store(
    tmp_path: Path, store: DatabaseConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both load, and where candles come from changes nothing."""
    path = tmp_path / "candles.csv"
    path.write_text(csv_of(QUIET))
    asyncio.run(put(store, QUIET))
    common = ["--symbol", "BTC/USD", "--timeframe", "1m", "--fee-rate", "0.0005"]
    assert main(["train", "--candles", str(path), *common, "--out", str(tmp_path / "a")]) == 0
    assert "gate not passed" in capsys.readouterr().out
    assert main(["train", "--store", store.url, *common, "--out", str(tmp_path / "b")]) == 0
    for name in ("model.txt", "card.json"):
        assert (tmp_path / "a" / name).read_text() == (tmp_path / "b" / name).read_text()
    load_model((tmp_path / "a" / "model.txt").read_text(), (tmp_path / "a" / "card.json").read_text())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--candles", "f"], "need --symbol, --timeframe, --out"),
        (
            ["--store", "sqlite://", "--symbol", "BTC/USD", "--timeframe", "1m", "--out", "o"],
            "has no candles of BTC/USD",
        ),
        (["--config", "c.json", "--out", "o"], "--out: not with --config"),
        (["--config", "nowhere.json"], "nowhere.json: cannot be read"),
    ],
)
def test_status_is_2_and_the_mistake_named_when_arguments_do_not_fit(
    options: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line on standard error."""
    assert main(["train", *options]) == 2
    assert words in capsys.readouterr().err


async def test_model_is_promoted_when_it_passes_the_gate(store: DatabaseConfig) -> None:
    """The generator finds it, with the reason beside it; the fee is the configured paper rate."""
    await put(store, CANDLES)
    report = await training_job.train_all(a_config(store), None, patience=0, pause=0)
    assert (report.promoted, report.refused) == (("BTC/USD",), {})
    found = await promoted(store)
    assert found is not None
    assert "gate passed" in found.reason
    assert json.loads(found.card)["fee_rate"] == "0.0005"


async def test_model_is_kept_and_not_promoted_when_the_gate_refuses(store: DatabaseConfig) -> None:
    """None promoted means hold, and the report says why."""
    await put(store, QUIET)
    report = await training_job.train_all(a_config(store), None, patience=0, pause=0)
    assert report.promoted == ()
    assert report.refused["BTC/USD"].startswith("gate not passed: ")
    assert await promoted(store) is None


async def test_first_model_is_promoted_when_promotion_is_first(store: DatabaseConfig) -> None:
    """Whatever the gate says, and it is said."""
    await put(store, QUIET)
    report = await training_job.train_all(a_config(store, Promotion.FIRST), None, patience=0, pause=0)
    assert report.promoted == ("BTC/USD",)
    found = await promoted(store)
    assert found is not None
    assert "promotion is First; gate not passed" in found.reason


async def test_nothing_is_trained_when_a_model_is_promoted(store: DatabaseConfig) -> None:
    """A repeated Job ends at once."""
    await put(store, QUIET)
    config = a_config(store, Promotion.FIRST)
    await training_job.train_all(config, None, patience=0, pause=0)
    before = await promoted(store)
    await put(store, [candle for candle in walk(600, seed=2) if candle.open_ms > QUIET[-1].open_ms])
    assert (await training_job.train_all(config, None, patience=0, pause=0)).promoted == ("BTC/USD",)
    assert await promoted(store) == before


async def test_training_waits_when_history_is_still_pouring_in(store: DatabaseConfig) -> None:
    """What is trained on is the whole history, not its first page."""

    async def pour() -> None:
        for start in range(0, 500, 100):
            await put(store, QUIET[start : start + 100])
            await asyncio.sleep(0.02)

    pouring = asyncio.create_task(pour())
    report = await training_job.train_all(a_config(store, Promotion.FIRST), None, patience=60, pause=0.5)
    await pouring
    assert report.promoted == ("BTC/USD",)
    found = await promoted(store)
    assert found is not None
    assert json.loads(found.card)["data"]["candles"] == 500


async def test_job_fails_with_the_reason_when_patience_ends(store: DatabaseConfig, tmp_path: Path) -> None:
    """No candles, too few, or no schema: each says what is missing, and the Job starts again later."""
    with pytest.raises(ConfigError, match="BTC/USD 1m: no candles are stored"):
        await training_job.train_all(a_config(store), None, patience=0, pause=0)
    await put(store, QUIET[:100])
    with pytest.raises(ConfigError, match="training needs at least 250"):
        await training_job.train_all(a_config(store), None, patience=0, pause=0)
    bare = DatabaseConfig(url=f"sqlite:///{tmp_path / 'bare.db'}")
    with pytest.raises(StoreUnavailable, match="schema at revision none"):
        await training_job.train_all(a_config(bare), None, patience=0, pause=0)


def test_report_is_the_last_line_and_the_termination_message(
    store: DatabaseConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The operator reads it from the pod's status."""
    asyncio.run(put(store, QUIET))
    file, termination = tmp_path / "config.json", tmp_path / "termination-log"
    file.write_text(a_config(store, Promotion.FIRST).model_dump_json())
    termination.touch()
    monkeypatch.setattr(training_job, "TERMINATION_LOG", termination)
    monkeypatch.setattr(training_job, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(training_job.logs, "configure", lambda *_: None)  # process-wide
    assert main(["train", "--config", str(file)]) == 0
    report = {"promoted": ["BTC/USD"], "refused": {}}
    assert json.loads(termination.read_text()) == report
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == report
