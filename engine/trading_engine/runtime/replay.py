"""`trading-engine replay`: the engine's own workers trade recorded candles on a simulated clock.

Each candle is stored when it closes, then signal_generator passes once, and while a recommendation is
open so do trade_orchestrator (which asks llm_validation, risk_management and trade_executor) and
trade_executor. Nothing here decides anything. Same candles, model and settings: the same orders, on
SQLite and on PostgreSQL.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import orjson
import structlog
from tqdm import tqdm

from trading_engine.adapters.candle_files import read_candles
from trading_engine.adapters.lightgbm_model import load_model
from trading_engine.adapters.sql_migrate import migrate
from trading_engine.contract.config import DatabaseConfig, EngineConfig, LlmConfig, Mode
from trading_engine.contract.messages import OrderState, SignalType
from trading_engine.contract.workers import WORKERS, WorkerName
from trading_engine.domain.candle import Candle
from trading_engine.domain.indicators import HISTORY
from trading_engine.domain.market import WORST_TAKER
from trading_engine.domain.orders import Fill
from trading_engine.domain.portfolio import equity_curve, max_drawdown
from trading_engine.errors import ConfigError, ModelInvalid
from trading_engine.ports import OrderRow, RecommendationRow, Store, StoredModel
from trading_engine.runtime.arguments import fee_rate, fraction, symbol, timeframe
from trading_engine.runtime.config_file import add_config_argument, read_config
from trading_engine.runtime.replay_shop import ReplayShop
from trading_engine.training.train import Task, candles_sha256, train

ENGINE: Final = "replay/local"
MEMORY: Final = DatabaseConfig(url="sqlite://")
RATIO_STEP: Final = Decimal("0.000001")


@dataclass(frozen=True)
class Replay:
    """What to replay: a model, candles to warm up on, and candles to trade."""

    config: EngineConfig
    model: StoredModel
    warm_up: Sequence[Candle]
    candles: Sequence[Candle]


@dataclass(frozen=True)
class Rows:
    """What a replay left in the store, and its signals by type."""

    recommendations: list[RecommendationRow]
    orders: list[OrderRow]
    fills: list[Fill]
    signals: dict[str, int]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `replay`."""
    parser.add_argument("--candles", type=Path, required=True, metavar="FILE", help="recorded candles, CSV or CSV.gz")
    parser.add_argument("--symbol", type=symbol, required=True, help="their market, as BTC/USD")
    parser.add_argument("--timeframe", type=timeframe, required=True, help="their length, as 1m")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--model", type=Path, metavar="FILE", help="model.txt, with card.json beside it")
    source.add_argument(
        "--train-fraction", type=fraction, default=0.5, metavar="SHARE",
        help="train on this first share of the candles and replay the rest (default 0.5)",
    )  # fmt: skip
    parser.add_argument(
        "--fee-rate", type=fee_rate, default=WORST_TAKER, metavar="R",
        help=f"taker fee as a fraction, per side (default {WORST_TAKER}, the worst published tier)",
    )  # fmt: skip
    parser.add_argument(
        "--store", metavar="URL",
        help="an empty database (default: in memory); its password from --config or PGPASSWORD",
    )  # fmt: skip
    add_config_argument(parser)
    parser.add_argument("--llm", action="store_true", help="ask the language model of the configuration as well")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Replay and print what came of it; 0.

    Raises:
        ConfigError: an argument, the candles or the model cannot be used.
    """
    quiet()
    report = asyncio.run(replay(_prepared(args)))
    sys.stdout.write(_json(report) if args.json else _text(report))
    return 0


async def replay(task: Replay) -> dict[str, Any]:
    """Trade the candles; the report, ready for JSON.

    Raises:
        ConfigError: the store is not empty.
    """
    if task.config.database != MEMORY:
        migrate(task.config.database)
    shop = ReplayShop(task.config)
    try:
        with shop.database.all_or_nothing():
            await shop.database.run(lambda store: _prepare_store(store, task))
            seconds = await _trade(shop, task)
            rows = await shop.database.run(lambda store: _rows(store, shop))
    finally:
        await shop.close()
    return _report(task, rows, seconds)


def _prepared(args: argparse.Namespace) -> Replay:
    candles = read_candles(args.candles)
    config = _config(args)
    if args.model:
        return Replay(config, _given_model(args.model), (), candles)
    cut = int(len(candles) * args.train_fraction)
    trained = train(candles[:cut], Task(args.symbol, args.timeframe, args.fee_rate))
    model = _stored(trained.text, trained.card.model_dump_json())
    return Replay(config, model, candles[max(0, cut - HISTORY) : cut], candles[cut:])


def _config(args: argparse.Namespace) -> EngineConfig:
    given = read_config(args.config)
    stored = given.database.model_copy(update={"url": args.store, "url_file": None})
    return given.model_copy(
        update={
            "engine": ENGINE,
            "mode": Mode.PAPER,
            "symbols": (args.symbol,),
            "timeframe": args.timeframe,
            "database": stored if args.store else MEMORY,
            "paper": given.paper.model_copy(update={"fee_rate": args.fee_rate}),
            "llm": given.llm if args.llm else LlmConfig(),
        }
    )


def _given_model(path: Path) -> StoredModel:
    try:
        return _stored(*_model_files(path))
    except ModelInvalid as error:
        raise ConfigError(f"--model {path}: {error}") from error


def _model_files(path: Path) -> tuple[str, str]:
    try:
        return path.read_text(), path.with_name("card.json").read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--model {path}: needs the model file and card.json beside it: {error}") from error


def _stored(text: str, card: str) -> StoredModel:
    model = load_model(text, card)
    # A replay is how one finds out whether a model is any good, so the gate does not apply; the report has its answer.
    return StoredModel(
        model.id, model.card.symbol, model.card.timeframe, text, card, 0, promoted=True, reason="chosen for replay"
    )


def _prepare_store(store: Store, task: Replay) -> None:
    symbol, timeframe = task.config.symbols[0], task.config.timeframe
    if store.last_candle_open_ms(symbol, timeframe) is not None or store.recommendations(limit=1):
        raise ConfigError("--store: holds candles or recommendations already; a replay needs an empty database")
    store.put_candles(symbol, timeframe, task.warm_up)
    model = task.model
    if (model.symbol, model.timeframe) != (symbol, timeframe):
        raise ConfigError(f"--model: is of {model.symbol} {model.timeframe}, not of {symbol} {timeframe}")
    store.put_model(model)


async def _trade(shop: ReplayShop, task: Replay) -> float:
    """Pass once over all candles; the seconds it took."""
    steps = {name: shop.face(name).loops for name in (worker.name for worker in WORKERS)}
    (generator,), (orchestrator,), (executor,) = (
        steps[name] for name in (WorkerName.SIGNAL_GENERATOR, WorkerName.TRADE_ORCHESTRATOR, WorkerName.TRADE_EXECUTOR)
    )
    await executor.step()  # recovery, without which nothing is executed
    recommended, still_open = 0, 0
    started = time.perf_counter()
    for candle in tqdm(task.candles, desc="replay", unit="bar", disable=not sys.stderr.isatty()):
        await _close(shop, candle)
        await generator.step()
        before, recommended = recommended, sum(_signals(shop, SignalType.BUY, SignalType.SELL).values())
        if recommended > before or still_open:
            await orchestrator.step()
            await executor.step()
            still_open = await shop.database.run(lambda store: store.count_open_recommendations())
    return time.perf_counter() - started


async def _close(shop: ReplayShop, candle: Candle) -> None:
    """The candle closes: time moves, and it is in the store and the price of the market."""
    symbol, timeframe = shop.config.symbols[0], shop.config.timeframe
    shop.clock.advance_to(candle.open_ms + timeframe.milliseconds)
    shop.market.newest = candle
    await shop.database.run(lambda store: store.put_candles(symbol, timeframe, [candle]))


def _signals(shop: ReplayShop, *types: SignalType) -> dict[str, int]:
    counts, symbol = shop.tallies[WorkerName.SIGNAL_GENERATOR].counts, shop.config.symbols[0]
    return {kind.value: counts["signals_generated_total", symbol, kind.value] for kind in types}


def _rows(store: Store, shop: ReplayShop) -> Rows:
    return Rows(
        recommendations=store.recommendations(limit=sys.maxsize),
        orders=store.orders_in(*OrderState),
        fills=store.fills(),
        signals=_signals(shop, *SignalType),
    )


def _report(task: Replay, rows: Rows, seconds: float) -> dict[str, Any]:
    length, opening = task.config.timeframe.milliseconds, task.config.paper.balance
    prices = [(candle.open_ms + length, candle.close) for candle in task.candles]
    curve = list(equity_curve(opening, prices, rows.fills))
    card = load_model(task.model.text, task.model.card).card
    return {
        "symbol": task.config.symbols[0],
        "timeframe": task.config.timeframe.value,
        "candles": len(task.candles),
        "first_open_ms": task.candles[0].open_ms,
        "last_open_ms": task.candles[-1].open_ms,
        "fee_rate": str(task.config.paper.fee_rate),
        "model": {"id": task.model.id, "threshold": str(card.threshold), "gate": card.gate.words},
        "signals": rows.signals,
        "recommendations": dict(sorted(Counter(row.status.value for row in rows.recommendations).items())),
        "orders": sum(row.sent_ms is not None for row in rows.orders),
        "orders_by_state": dict(sorted(Counter(row.state.value for row in rows.orders).items())),
        "fills": len(rows.fills),
        "fees": f"{sum((fill.fee for fill in rows.fills), Decimal(0)):f}",
        "pnl_net": f"{curve[-1] - opening:f}",
        "max_drawdown": f"{max_drawdown(curve).quantize(RATIO_STEP):f}",
        "bars_per_second": round(len(task.candles) / seconds, 1),
        "orders_sha256": orders_sha256(task, rows),
    }


def orders_sha256(task: Replay, rows: Rows) -> str:
    """Digest of what went in (candles, model, fee) and of every order and fill that came out, in order."""
    digest = hashlib.sha256()
    digest.update(f"{candles_sha256(task.warm_up)} {candles_sha256(task.candles)}\n".encode())
    digest.update(f"{task.model.id} {task.config.paper.fee_rate}\n".encode())
    for row in rows.orders:
        digest.update(f"{row.created_ms} {row.request} {row.execution.model_dump_json()}\n".encode())
    for fill in rows.fills:
        digest.update(f"{fill}\n".encode())
    return digest.hexdigest()


def quiet() -> None:
    """Of the workers' lines only warnings and errors, on standard error; for callers of `replay`, once per process."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger("warning"),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _json(report: dict[str, Any]) -> str:
    return orjson.dumps(report, option=orjson.OPT_INDENT_2).decode() + "\n"


def _text(report: dict[str, Any]) -> str:
    lines = {name: value for name, value in report.items() if not isinstance(value, dict)}
    parts = {
        name: ", ".join(f"{key} {count}" for key, count in value.items())
        for name, value in report.items()
        if isinstance(value, dict) and value
    }
    return "".join(f"{name:16} {value}\n" for name, value in {**lines, **parts}.items())
