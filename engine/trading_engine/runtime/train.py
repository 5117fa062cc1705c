"""`trading-engine train`: a model and its card from recorded or stored candles, or one per configured symbol.

With `--out` it writes `DIR/model.txt` and `DIR/card.json`. With `--config` (the Job in the cluster, see
`training_job`) it stores the models, where signal_generator finds the promoted ones.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Final

from trading_engine.adapters.candle_files import read_candles
from trading_engine.adapters.sql_database import SqlDatabase
from trading_engine.contract.config import DatabaseConfig, EngineConfig, Timeframe
from trading_engine.domain.candle import Candle
from trading_engine.domain.market import WORST_TAKER
from trading_engine.domain.model_card import ModelCard
from trading_engine.errors import ConfigError
from trading_engine.runtime import training_job
from trading_engine.runtime.arguments import fee_rate, symbol, timeframe
from trading_engine.training.train import Task, TrainedModel, train

MODEL_FILE: Final = "model.txt"
CARD_FILE: Final = "card.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `train`."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--candles", type=Path, metavar="FILE", help="recorded candles, CSV or CSV.gz")
    source.add_argument("--store", metavar="URL", help="database with the candles; its password from PGPASSWORD")
    source.add_argument("--config", type=Path, metavar="FILE", help="train every configured symbol without a model")
    parser.add_argument("--symbol", type=symbol, help="the market, as BTC/USD")
    parser.add_argument("--timeframe", type=timeframe, help="length of the candles, as 1m")
    parser.add_argument("--out", type=Path, metavar="DIR", help=f"where {MODEL_FILE} and {CARD_FILE} are written")
    parser.add_argument(
        "--fee-rate", type=fee_rate, metavar="R",
        help=f"taker fee as a fraction, per side (default: paper.fee_rate of the configuration, else {WORST_TAKER})",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Train; 0.

    Raises:
        ConfigError: an argument or the candles cannot be used.
        StoreUnavailable: the database did not answer.
    """
    if args.config:
        _refuse_given(args, "symbol", "timeframe", "out")
        return training_job.run(args.config, args.fee_rate)
    _require_given(args, "symbol", "timeframe", "out")
    candles = read_candles(args.candles) if args.candles else asyncio.run(_stored(args))
    rate = WORST_TAKER if args.fee_rate is None else args.fee_rate
    trained = train(candles, Task(args.symbol, args.timeframe, rate))
    _write(args.out, trained)
    sys.stdout.write(_summary(args.out, trained.card))
    return 0


def _require_given(args: argparse.Namespace, *names: str) -> None:
    missing = [f"--{name}" for name in names if getattr(args, name) is None]
    if missing:
        raise ConfigError(f"--candles and --store need {', '.join(missing)} as well")


def _refuse_given(args: argparse.Namespace, *names: str) -> None:
    given = [f"--{name}" for name in names if getattr(args, name) is not None]
    if given:
        raise ConfigError(f"{', '.join(given)}: not with --config, which names symbols and database itself")


async def _stored(args: argparse.Namespace) -> list[Candle]:
    database = SqlDatabase(DatabaseConfig(url=args.store), EngineConfig().engine, inline=True)
    wanted: Timeframe = args.timeframe
    try:
        candles = await database.run(lambda store: store.candles(args.symbol, wanted))
    finally:
        await database.close()
    if not candles:
        raise ConfigError(f"--store {args.store}: has no candles of {args.symbol} {wanted}")
    return candles


def _write(folder: Path, trained: TrainedModel) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MODEL_FILE).write_text(trained.text)
        (folder / CARD_FILE).write_text(trained.card.model_dump_json(indent=2) + "\n")
    except OSError as error:
        raise ConfigError(f"--out {folder}: cannot be written: {error.strerror}") from error


def _summary(folder: Path, card: ModelCard) -> str:
    return (
        f"{folder / MODEL_FILE}: {card.symbol} {card.timeframe} from {card.data.candles} candles, fee {card.fee_rate}\n"
        f"log loss {card.scores.log_loss} (base rate {card.base_rate_scores.log_loss}), threshold {card.threshold},"
        f" {card.trading.round_trips} round trips, net return {card.trading.net_return}\n"
        f"gate {card.gate.words}\n"
    )
