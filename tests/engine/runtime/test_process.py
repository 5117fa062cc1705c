"""The whole engine as a process against a simulated exchange: trades, ends when asked, survives being killed."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.builders import a_recommendation, a_signal
from trading_engine.adapters.sql_database import SqlDatabase
from trading_engine.adapters.sql_migrate import migrate
from trading_engine.contract.config import DatabaseConfig
from trading_engine.contract.messages import TERMINAL, OrderState, RecommendationStatus, client_order_id
from trading_engine.contract.workers import BY_NAME, WorkerName
from trading_engine.domain.orders import Fill
from trading_engine.ports import OrderRow, RecommendationRow, Store

ENGINE = "default/killed"
SYMBOLS = ("BTC/USD", "ETH/USD", "SOL/USD", "LTC/USD")
#: Loaded machines start a process slowly.
START_SECONDS = 90
KILLS = 2
#: Candles that become wishes before each kill, of every symbol: more than a moment can end.
EACH = 3

pytestmark = pytest.mark.slow


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [found.getsockname()[1] for found in sockets]
    for found in sockets:
        found.close()
    return ports


def start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "trading_engine", *arguments]
    with (folder / f"{arguments[0]}.log").open("ab") as log:
        return subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)


def lines(folder: Path) -> list[dict[str, Any]]:
    """Log lines of the engine; the last one of a killed process may be cut."""
    found = []
    for line in (folder / "run.log").read_text().splitlines():
        with suppress(json.JSONDecodeError):
            found.append(json.loads(line))
    return found


def wait_for(what: str, done: Any, seconds: float = START_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.1)


def answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


class Engine:
    """One process with everything, its ports, its folder and its store."""

    def __init__(self, folder: Path, exchange: str) -> None:
        self.folder = folder
        self.database = DatabaseConfig(url=f"sqlite:///{folder}/engine.db")
        ports = dict(zip(BY_NAME, free_ports(len(BY_NAME)), strict=True))
        self.urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
        config = {
            "engine": ENGINE,
            "symbols": SYMBOLS,
            "exchange": {"url": exchange},
            "database": {"url": self.database.url},
            "calls": {"urls": self.urls},
            "expire_after_candles": 30,
            "risk": {"max_orders_per_minute": 1000, "max_position_notional": "100000"},
        }
        (folder / "config.json").write_text(json.dumps(config))
        migrate(self.database)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> subprocess.Popen[bytes]:
        self.process = start(self.folder, "run", "--config", "config.json")
        return self.process

    def ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "run.log").read_text()[-2000:]
        return answers(self.urls[WorkerName.TRADE_EXECUTOR] + "/readyz")

    async def read(self, work: Any) -> Any:
        database = SqlDatabase(self.database, ENGINE, inline=True)
        try:
            return await database.run(work)
        finally:
            await database.close()

    async def all_ended(self) -> None:
        """Wait until no recommendation is open: in another process, so nothing but asking tells."""
        async with asyncio.timeout(START_SECONDS):
            while await self.read(lambda store: store.count_open_recommendations()):  # noqa: ASYNC110
                await asyncio.sleep(0.2)

    async def recommend(self, first: int, count: int) -> None:
        """So many wishes to buy, as signal_generator would have put them."""
        now = int(time.time() * 1000)
        times = {"created_ms": now, "expires_ms": now + 1_800_000}

        def put(store: Store) -> None:
            for minute in range(first, first + count):
                for symbol in SYMBOLS:
                    fields = {"symbol": symbol, "notional": Decimal(10), **times}
                    wanted = a_recommendation(minute, engine=ENGINE, **fields)
                    assert store.put_signal(a_signal(minute, symbol=symbol), wanted)

        await self.read(put)


@dataclass(frozen=True)
class Story:
    """What is left of an engine that was killed again and again, then asked to end: rows, lines, and how it ended."""

    interrupted: int
    rows: list[RecommendationRow]
    orders: list[OrderRow]
    fills: list[Fill]
    lines: list[dict[str, Any]]
    status: int
    seconds: float


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Told once: each start of the engine costs seconds."""
    folder = tmp_path_factory.mktemp("killed")
    (port,) = free_ports(1)
    exchange = start(folder, "simulate-exchange", "--synthetic", *SYMBOLS, "--port", str(port))
    engine = Engine(folder, f"http://127.0.0.1:{port}")
    try:
        wait_for("simulated exchange", lambda: answers(f"http://127.0.0.1:{port}/v2/time"))
        yield asyncio.run(told(engine))
    finally:
        for process in filter(None, (engine.process, exchange)):
            process.kill()
            process.wait()


async def told(engine: Engine) -> Story:
    """SIGKILL while orders are under way, at random moments; then a last process ends them all and gets SIGTERM."""
    moments = random.Random(7)
    for kill in range(KILLS):
        await engine.recommend(first=EACH * kill, count=EACH)
        process = engine.start()
        wait_for("ready", engine.ready)
        await asyncio.sleep(moments.uniform(0, 1.5))
        process.kill()
        process.wait()
    interrupted = await engine.read(lambda store: store.count_open_recommendations())
    await engine.recommend(first=EACH * KILLS, count=1)
    process = engine.start()
    wait_for("ready", engine.ready)
    await engine.all_ended()
    started = time.monotonic()
    process.send_signal(signal.SIGTERM)
    status = process.wait(timeout=30)
    return Story(
        interrupted=interrupted,
        rows=await engine.read(lambda store: store.recommendations(limit=1000)),
        orders=await engine.read(lambda store: store.orders_in(*OrderState)),
        fills=await engine.read(lambda store: store.fills()),
        lines=lines(engine.folder),
        status=status,
        seconds=time.monotonic() - started,
    )


def test_nothing_stuck_or_doubled_when_killed_at_random_moments(story: Story) -> None:
    """Each wish ends with one order, filled once."""
    filled = sum(row.status is RecommendationStatus.FILLED for row in story.rows)

    assert len(story.rows) == (KILLS * EACH + 1) * len(SYMBOLS)
    assert {row.status for row in story.rows} <= TERMINAL
    assert len(story.orders) == len({row.recommendation_id for row in story.orders}) == len(story.fills)
    assert all(row.request.client_order_id == client_order_id(row.recommendation_id) for row in story.orders)
    assert filled == len(story.fills) > 0
    assert story.interrupted > 0, "nothing was under way when it was killed: the test shows nothing"


def test_one_id_through_the_pipeline_when_an_order_is_filled(story: Story) -> None:
    """A filled order's id is in the lines of every worker that touched it."""
    newest = next(row for row in story.rows if row.status is RecommendationStatus.FILLED)
    wanted = str(newest.recommendation.id)

    services = {line.get("service") for line in story.lines if line.get("recommendation_id") == wanted}

    assert services == {"trade_orchestrator", "llm_validation", "risk_management", "trade_executor"}


def test_exit_0_in_time_when_asked_to_end(story: Story) -> None:
    """SIGTERM ends all workers within 10 s, and nothing of the whole story was an error."""
    assert (story.status, story.seconds < 10) == (0, True)
    assert {line["level"] for line in story.lines} <= {"info", "warning", "debug"}
    assert story.lines[-1]["event"] == "stopped"
