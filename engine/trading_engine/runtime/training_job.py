"""`trading-engine train --config`: a model for each configured symbol that has no promoted one. Called by `train`.

Runs as a Job beside the collector, so it waits for the schema and for the history: it trains once a
symbol's candles are enough and no longer pour in. What it did is its last line of output and its termination
message, which the operator shows in the condition ModelReady.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

import structlog

from trading_engine.adapters.sql_database import SqlDatabase
from trading_engine.contract.config import EngineConfig, Promotion
from trading_engine.contract.messages import TrainingReport
from trading_engine.domain.candle import Candle
from trading_engine.domain.market import WORST_TAKER
from trading_engine.errors import ConfigError, StoreUnavailable
from trading_engine.ports import StoredModel
from trading_engine.runtime import logs
from trading_engine.runtime.clock import WallClock
from trading_engine.runtime.config_file import read_config
from trading_engine.training.train import Task, TrainedModel, train

#: Mounted into every container by the kubelet; elsewhere it does not exist.
TERMINATION_LOG: Final = Path("/dev/termination-log")
#: How long to wait for schema and history before the Job is left to start again.
PATIENCE_SECONDS: Final = 600.0
#: Candles count as no longer pouring in when this long brought at most one.
PAUSE_SECONDS: Final = 5.0
#: A reason in the report is cut here: all of them share 4096 bytes.
REASON_LENGTH: Final = 150

log = structlog.get_logger()


def run(path: Path, fee_rate: Decimal | None) -> int:
    """Train what has no model; 0 when every symbol was decided, be it refused.

    Raises:
        ConfigError: the configuration is wrong, or a symbol has too few candles.
        StoreUnavailable: the database did not answer in time.
    """
    config = read_config(path)
    logs.configure(config.engine, config.log_levels)
    report = asyncio.run(train_all(config, fee_rate, patience=PATIENCE_SECONDS, pause=PAUSE_SECONDS)).model_dump_json()
    if TERMINATION_LOG.exists():
        TERMINATION_LOG.write_text(report)
    sys.stdout.write(report + "\n")
    return 0


async def train_all(config: EngineConfig, fee_rate: Decimal | None, *, patience: float, pause: float) -> TrainingReport:
    """Train and store a model for each symbol without a promoted one.

    `fee_rate` is the taker fraction per side; None: the configured paper rate, else the worst tier.

    Raises:
        ConfigError: a symbol has too few candles after `patience` seconds.
        StoreUnavailable: the database did not answer within `patience` seconds.
    """
    rate = next(each for each in (fee_rate, config.paper.fee_rate, WORST_TAKER) if each is not None)
    database = SqlDatabase(config.database, config.engine, inline=True)
    deadline = time.monotonic() + patience
    promoted, refused = [], {}
    try:
        for symbol in config.symbols:
            reason = await _one(config, database, Task(symbol, config.timeframe, rate), (deadline, pause))
            if reason is None:
                promoted.append(symbol)
            else:
                refused[symbol] = reason[:REASON_LENGTH]
    finally:
        await database.close()
    return TrainingReport(promoted=tuple(promoted), refused=refused)


async def _one(config: EngineConfig, database: SqlDatabase, task: Task, wait: tuple[float, float]) -> str | None:
    """Why the symbol has no promoted model now, or None."""
    candles: Sequence[Candle] = ()
    while True:
        before = len(candles)
        try:
            if await database.run(lambda store: store.promoted_model(task.symbol, task.timeframe)):
                return None
            candles = await database.run(lambda store: store.candles(task.symbol, task.timeframe))
            if candles and len(candles) - before <= 1:
                return await _store(config, database, train(candles, task))
        except (ConfigError, StoreUnavailable) as error:
            if time.monotonic() >= wait[0]:
                raise
            log.info("waiting", symbol=task.symbol, reason=str(error))
        if not candles and time.monotonic() >= wait[0]:
            raise ConfigError(f"{task.symbol} {task.timeframe}: no candles are stored")
        await asyncio.sleep(wait[1])


async def _store(config: EngineConfig, database: SqlDatabase, trained: TrainedModel) -> str | None:
    card = trained.card
    promoted = card.gate.passed or config.model.promotion is Promotion.FIRST
    reason = f"promotion is {config.model.promotion}; gate {card.gate.words}"
    model = StoredModel(
        id=trained.id,
        symbol=card.symbol,
        timeframe=card.timeframe,
        text=trained.text,
        card=card.model_dump_json(),
        created_ms=WallClock().now_ms(),
        promoted=promoted,
        reason=reason,
    )
    await database.run(lambda store: store.put_model(model))
    log.info("model trained", symbol=card.symbol, model_id=trained.id, promoted=promoted, reason=reason)
    return None if promoted else f"gate {card.gate.words}"
