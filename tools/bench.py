"""`make bench`: throughput and latency, each as a ratio to something measured in the same run on the same machine.

Absolute figures hold for one machine at one hour; the ratios carry. Nothing here asserts.
"""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import count
from pathlib import Path

import structlog

from tests.builders import ENGINE, a_recommendation, a_signal, an_intent
from tools import bench_targets
from trading_engine.adapters.lightgbm_model import load_model
from trading_engine.adapters.sql_database import SqlDatabase
from trading_engine.adapters.sql_migrate import migrate
from trading_engine.contract.config import DatabaseConfig, EngineConfig, PaperConfig, Timeframe
from trading_engine.contract.messages import Recommendation
from trading_engine.domain.candle import Candle
from trading_engine.domain.indicators import Indicators, batch
from trading_engine.ports import Store, StoredModel
from trading_engine.runtime.replay import ENGINE as REPLAY_ENGINE
from trading_engine.runtime.replay import MEMORY, Replay, quiet, replay
from trading_engine.training.train import Task, train

ROUNDS = 5
MINUTE_MS = Timeframe.M1.milliseconds
FEE_RATE = Decimal("0.0001")


def walk(length: int, seed: int = 7) -> list[Candle]:
    """A seeded random walk of one-minute candles, in cents."""
    random.seed(seed)
    made, cents = [], 1_000_000
    for minute in range(length):
        opened, cents = cents, max(1_000, cents + random.randint(-900, 900))
        high, low = max(opened, cents) + random.randint(0, 300), min(opened, cents) - random.randint(0, 300)
        o, h, low_, c = (Decimal(figure).scaleb(-2) for figure in (opened, high, low, cents))
        made.append(Candle(minute * MINUTE_MS, o, h, low_, c, Decimal(random.randint(1, 9))))
    return made


def floor_of_disk(folder: Path) -> float:
    """Microseconds to append 300 bytes and force them to the disk: the floor under anything durable."""
    with (folder / "floor").open("ab", buffering=0) as file:
        started = time.perf_counter()
        for _ in range(200):
            file.write(b"x" * 300)
            os.fdatasync(file.fileno())
        return (time.perf_counter() - started) / 200 * 1e6


def intents(database: SqlDatabase, minutes: count[int]) -> float:
    """Microseconds from an order intent to its committed row and event, one by one."""
    rows = [a_recommendation(next(minutes)) for _ in range(200)]

    def born(row: Recommendation) -> Callable[[Store], bool]:
        return lambda store: store.put_signal(a_signal(row.candle_open_ms // MINUTE_MS), row)

    def intended(row: Recommendation) -> Callable[[Store], bool]:
        return lambda store: store.put_intent(an_intent(row))

    async def put() -> float:
        for row in rows:
            await database.run(born(row))
        started = time.perf_counter()
        for row in rows:
            await database.run(intended(row))
        return (time.perf_counter() - started) / len(rows) * 1e6

    return asyncio.run(put())


def incremental(candles: Sequence[Candle]) -> float:
    """Microseconds to carry all features on by one candle."""
    indicators = Indicators(MINUTE_MS)
    started = time.perf_counter()
    for candle in candles:
        indicators.update(candle)
    return (time.perf_counter() - started) / len(candles) * 1e6


def whole(candles: Sequence[Candle]) -> float:
    """Microseconds a candle, all features over the whole series at once."""
    started = time.perf_counter()
    batch(candles, MINUTE_MS)
    return (time.perf_counter() - started) / len(candles) * 1e6


def pipeline(task: Replay) -> float:
    """Candles a second through signals, validation, risk and paper orders, event by event."""
    return float(asyncio.run(replay(task))["bars_per_second"])


def bare(candles: Sequence[Candle]) -> float:
    """Candles a second through a loop that compares two moving sums and does nothing else."""
    fast = slow = Decimal(0)
    started = time.perf_counter()
    for candle in candles:
        fast += (candle.close - fast) / 12
        slow += (candle.close - slow) / 26
    return len(candles) / (time.perf_counter() - started)


def show(name: str, unit: str, ours: Callable[[], float], beside: str, floor: Callable[[], float]) -> None:
    """One row: medians of both, taken in turn, and the ratio of each round with its spread."""
    rounds = [(ours(), floor()) for _ in range(ROUNDS)]
    ratios = sorted(a / b for a, b in rounds)
    middles = [statistics.median(column) for column in zip(*rounds, strict=True)]
    spread = f"{statistics.median(ratios):.3g} ({ratios[0]:.3g}-{ratios[-1]:.3g})"
    print(f"{name:36} {middles[0]:10.1f} {unit:7} {beside:32} {middles[1]:12.1f}   {spread}", flush=True)


def replay_task(candles: Sequence[Candle]) -> Replay:
    """The second half of the candles, with a model trained on the first."""
    cut = len(candles) // 2
    trained = train(candles[:cut], Task("BTC/USD", Timeframe.M1, FEE_RATE))
    card = trained.card.model_dump_json()
    model = load_model(trained.text, card)
    stored = StoredModel(model.id, "BTC/USD", Timeframe.M1, trained.text, card, 0, promoted=True, reason="bench")
    config = EngineConfig(
        engine=REPLAY_ENGINE, symbols=("BTC/USD",), database=MEMORY, paper=PaperConfig(fee_rate=FEE_RATE)
    )
    return Replay(config, stored, (), candles[cut:])


def main() -> int:
    """Print the table."""
    quiet()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    print(f"Python {platform.python_version()}, {os.cpu_count()} processors, "
          f"load before the start {os.getloadavg()[0]:.1f}, {ROUNDS} rounds, medians")  # fmt: skip
    print(f"{'ours':36} {'':10} {'unit':7} {'measured beside it':32} {'':12}   ratio (spread)")
    candles = walk(6000)
    with tempfile.TemporaryDirectory() as name:
        folder, minutes = Path(name), count()
        config = DatabaseConfig(url=f"sqlite:///{folder}/bench.db")
        migrate(config)
        database = SqlDatabase(config, ENGINE, inline=True)
        show("durable intent + event, SQLite", "us", lambda: intents(database, minutes), "append + fdatasync",
             lambda: floor_of_disk(folder))  # fmt: skip
    show("all features of one candle", "us", lambda: incremental(candles), "the same in batch", lambda: whole(candles))
    task = replay_task(candles)
    show("replay, the whole pipeline", "bars/s", lambda: pipeline(task), "bare loop of two averages",
         lambda: bare(task.candles))  # fmt: skip
    bench_targets.show()
    return 0


if __name__ == "__main__":
    sys.exit(main())
