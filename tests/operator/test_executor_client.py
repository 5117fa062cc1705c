"""The red button's wire against a real HTTP server that plays the executor."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web

from trading_engine.contract.config import TradingState
from trading_engine.contract.messages import TRADING_STATE_PATH, TradingStateChange, TradingStateReport
from trading_engine.contract.workers import TRADE_EXECUTOR
from trading_operator import executor_client
from trading_operator.executor_client import WHO, ExecutorAddress, ExecutorClient, ExecutorUnreachable


@dataclass
class Executor:
    """A scripted executor: what it obeys, whether its reads fail, and what it was asked."""

    state: TradingState = TradingState.ACTIVE
    who: str = "default"
    reads_fail: bool = False
    asked: list[str] = field(default_factory=list)

    def report(self) -> TradingStateReport:
        return TradingStateReport(state=self.state, who=self.who, why="", since_ms=1, orders_sent_since=0)

    async def get(self, request: web.Request) -> web.Response:
        self.asked.append("GET")
        if request.headers["Authorization"] != "Bearer made-up":
            return web.Response(status=401)
        return web.Response(status=503) if self.reads_fail else web.json_response(text=self.report().model_dump_json())

    async def put(self, request: web.Request) -> web.Response:
        change = TradingStateChange.model_validate_json(await request.read())
        self.asked.append(f"PUT {change.state}")
        self.state, self.who = change.state, change.who
        return web.json_response(text=self.report().model_dump_json())


@pytest.fixture
def executor() -> Executor:
    return Executor()


@pytest.fixture
async def client(
    executor: Executor, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> AsyncIterator[ExecutorClient]:
    app = web.Application()
    app.router.add_get(TRADING_STATE_PATH, executor.get)
    app.router.add_put(TRADING_STATE_PATH, executor.put)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", unused_tcp_port).start()
    moved = type(TRADE_EXECUTOR)(TRADE_EXECUTOR.name, unused_tcp_port)
    monkeypatch.setattr(executor_client, "TRADE_EXECUTOR", moved)
    async with aiohttp.ClientSession() as session:
        yield ExecutorClient(session)
    await runner.cleanup()


ADDRESS = ExecutorAddress("127.0.0.1", "made-up", "pod/0")


async def test_nothing_is_put_when_active_is_obeyed(client: ExecutorClient, executor: Executor) -> None:
    """Steady state: one GET, and then not even that for a while."""
    await client.ensure(ADDRESS, TradingState.ACTIVE, "test")
    await client.ensure(ADDRESS, TradingState.ACTIVE, "test")

    assert executor.asked == ["GET"]


async def test_halt_is_put_when_reads_fail(client: ExecutorClient, executor: Executor) -> None:
    """With its database away the executor cannot report; it obeys all the same."""
    executor.reads_fail = True

    report = await client.ensure(ADDRESS, TradingState.HALTED, "test")

    assert (report.state, report.who) == (TradingState.HALTED, WHO)
    assert executor.asked == ["PUT Halted"]


async def test_halt_counts_only_when_acknowledged_to_us(client: ExecutorClient, executor: Executor) -> None:
    """An executor that says Halted of itself is asked to acknowledge: only that says nothing is on the wire."""
    executor.state, executor.who = TradingState.HALTED, "a person"

    await client.ensure(ADDRESS, TradingState.HALTED, "test")

    assert executor.asked == ["PUT Halted"]


async def test_halt_of_a_person_stays_when_spec_says_active(client: ExecutorClient, executor: Executor) -> None:
    """What somebody set more strictly on the executor is theirs to release."""
    executor.state, executor.who = TradingState.HALTED, "a person"

    report = await client.ensure(ADDRESS, TradingState.ACTIVE, "test")

    assert report.state is TradingState.HALTED
    assert executor.asked == ["GET"]


async def test_own_halt_is_released_when_spec_says_active(client: ExecutorClient, executor: Executor) -> None:
    """The resource pressed it, the resource releases it."""
    await client.ensure(ADDRESS, TradingState.HALTED, "test")

    report = await client.ensure(ADDRESS, TradingState.ACTIVE, "test")

    assert report.state is TradingState.ACTIVE
    assert executor.asked == ["PUT Halted", "GET", "PUT Active"]


async def test_wrong_token_is_told_when_refused(client: ExecutorClient) -> None:
    """The answer's status is in the message, the token is not."""
    address = ExecutorAddress("127.0.0.1", "wrong", "pod/0")

    with pytest.raises(ExecutorUnreachable, match="answered 401") as error:
        await client.ensure(address, TradingState.ACTIVE, "test")

    assert "wrong" not in str(error.value)
