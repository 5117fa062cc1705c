"""The red button's wire against a real HTTP server that plays the executor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from trading_engine.contract.config import TradingState
from trading_operator import executor_client
from trading_operator.errors import LeadershipLost
from trading_operator.executor_client import ExecutorAddress, ExecutorClient, ExecutorUnreachable, Timings

ACTIVE, REDUCING, HALTED = TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED
TIMINGS = Timings(get=0.2, put=1.0, fresh=15, pause=5)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Executor:
    """Obeys, counts, and fails as told."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {
            "state": "Active", "who": "trade_executor", "why": "", "since_ms": 0, "orders_sent_since": 0,
        }  # fmt: skip
        self.asked: list[str] = []
        self.status = 200
        self.silent = False
        self.content: str | None = None
        self.elsewhere = ""

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append(request.method)
        if self.silent:
            await asyncio.sleep(1.5)  # longer than anybody waits
        if request.headers["Authorization"] != "Bearer t":
            return web.Response(status=401)
        if request.method == "PUT":
            self.state |= await request.json()
        if self.content is not None:
            return web.Response(text=self.content)
        headers = {"Location": self.elsewhere} if self.elsewhere else {}
        return web.json_response(self.state, status=self.status, headers=headers)


@pytest.fixture
async def executor(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Executor]:
    made = Executor()
    app = web.Application()
    app.router.add_route("*", "/v1/trading-state", made.handle)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    monkeypatch.setattr(executor_client, "PORT", port)
    yield made
    await runner.cleanup()


@pytest.fixture
async def client() -> AsyncIterator[ExecutorClient]:
    async with aiohttp.ClientSession() as session:
        yield ExecutorClient(session, TIMINGS, Clock())


def address(incarnation: str = "uid/0", token: str = "t") -> ExecutorAddress:
    return ExecutorAddress("127.0.0.1", token, incarnation)


async def test_executor_is_only_asked_when_it_is_active_already(executor: Executor, client: ExecutorClient) -> None:
    """Nothing is sent that is so already."""
    report = await client.ensure(address(), ACTIVE, "why")
    assert (report.state, executor.asked) == (ACTIVE, ["GET"])


async def test_executor_is_not_asked_again_when_it_answered_a_moment_ago(
    executor: Executor, client: ExecutorClient
) -> None:
    """A burst of reconciles is one question."""
    for _ in range(5):
        await client.ensure(address(), ACTIVE, "why")
    assert executor.asked == ["GET"]
    client._clock.now += 16  # type: ignore[attr-defined]
    await client.ensure(address(), ACTIVE, "why")
    assert executor.asked == ["GET", "GET"]


async def test_halt_is_put_even_when_the_executor_says_halted(executor: Executor, client: ExecutorClient) -> None:
    """Only the answer to a PUT says that nothing is on the wire any more; it is sent once per incarnation."""
    executor.state |= {"state": "Halted", "who": "trading-operator"}
    assert (await client.ensure(address(), HALTED, "why")).state == HALTED
    assert executor.asked == ["PUT"]
    client._clock.now += 16  # type: ignore[attr-defined]
    await client.ensure(address(), HALTED, "why")
    assert executor.asked == ["PUT", "GET"]
    await client.ensure(address("uid/1"), HALTED, "why")
    assert executor.asked == ["PUT", "GET", "PUT"]


async def test_new_state_is_put_at_once_when_the_old_one_is_fresh(executor: Executor, client: ExecutorClient) -> None:
    """What is remembered never delays the button."""
    await client.ensure(address(), ACTIVE, "why")
    assert (await client.ensure(address(), HALTED, "generation 2")).state == HALTED
    assert executor.state["who"] == "trading-operator"
    assert executor.state["why"] == "generation 2"


@pytest.mark.parametrize("wanted", [ACTIVE, REDUCING])
async def test_stricter_state_stays_when_a_person_set_it(
    executor: Executor, client: ExecutorClient, wanted: TradingState
) -> None:
    """What somebody halted at the executor is resumed by somebody."""
    executor.state |= {"state": "Halted", "who": "mia"}
    assert (await client.ensure(address(), wanted, "why")).state == HALTED
    assert executor.asked == ["GET"]


async def test_laxer_state_of_a_person_is_replaced_when_the_spec_is_stricter(
    executor: Executor, client: ExecutorClient
) -> None:
    """A resume at the executor does not outlive the spec."""
    executor.state |= {"state": "Active", "who": "mia"}
    assert (await client.ensure(address(), HALTED, "why")).state == HALTED


async def test_own_halt_is_lifted_when_the_spec_says_active(executor: Executor, client: ExecutorClient) -> None:
    """What the operator halted it also resumes."""
    await client.ensure(address(), HALTED, "why")
    assert (await client.ensure(address(), ACTIVE, "why")).state == ACTIVE


@pytest.mark.parametrize("harm", ["refused", "silent", "wrong token", "garbage", "endless", "gone"])
async def test_executor_is_unreachable_when_it_does_not_acknowledge(
    executor: Executor, client: ExecutorClient, harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is not an acknowledgement is none."""
    executor.status = 503 if harm == "refused" else 200
    executor.silent = harm == "silent"
    executor.content = {"garbage": "{}", "endless": " " * 1_000_000}.get(harm)
    if harm == "gone":
        monkeypatch.setattr(executor_client, "PORT", 1)
    with pytest.raises(ExecutorUnreachable):
        await client.ensure(address(token="x" if harm == "wrong token" else "t"), HALTED, "why")


async def test_silent_executor_is_left_alone_for_a_while_when_nothing_is_urgent(
    executor: Executor, client: ExecutorClient
) -> None:
    """A hung executor does not slow each reconcile down; a halt is tried every time."""
    executor.status = 503
    for _ in range(3):
        with pytest.raises(ExecutorUnreachable):
            await client.ensure(address(), ACTIVE, "why")
    assert executor.asked == ["GET"]
    for _ in range(2):
        with pytest.raises(ExecutorUnreachable):
            await client.ensure(address(), HALTED, "why")
    assert executor.asked == ["GET", "PUT", "PUT"]


async def test_executor_is_not_followed_when_it_points_elsewhere(executor: Executor, client: ExecutorClient) -> None:
    """The token goes where the pod is and nowhere else."""
    executor.status = 307
    executor.elsewhere = "/v1/trading-state?elsewhere"
    with pytest.raises(ExecutorUnreachable, match="307"):
        await client.ensure(address(), HALTED, "why")
    assert executor.asked == ["PUT"]


async def test_executor_hears_nothing_when_leadership_is_lost(executor: Executor, client: ExecutorClient) -> None:
    """A leader that slept knows an old spec: what its successor halted it must not resume."""
    executor.state |= {"state": "Halted", "who": "trading-operator"}

    def lost() -> None:
        raise LeadershipLost("another leads")

    client.guard = lost
    with pytest.raises(LeadershipLost):
        await client.ensure(address(), ACTIVE, "why")
    assert executor.asked == []
    assert executor.state["state"] == "Halted"
