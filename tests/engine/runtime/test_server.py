"""What a worker shows over HTTP: metrics, health, readiness, and routes that want the token."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer

from trading_engine.contract.config import TradingState
from trading_engine.contract.messages import TradingStateChange, TradingStateReport
from trading_engine.contract.workers import WorkerName
from trading_engine.errors import ConfigError, StoreUnavailable, WorkerUnavailable
from trading_engine.runtime.calls import HttpCalls, LocalCalls, Route, TokenFile
from trading_engine.runtime.instruments import Instruments
from trading_engine.runtime.loop import StepLoop
from trading_engine.runtime.server import Face, Gate, application

PATH = "/v1/trading-state"
BODY = TradingStateChange(state=TradingState.HALTED, who="test").model_dump_json().encode()
OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"


class Desk:
    """A served worker whose one route does as told."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "token"
        self.file.write_text("made-up\n")
        self.gate = Gate()
        self.missing: str | None = None
        self.error: Exception | None = None
        route = Route("PUT", PATH, TradingStateChange, self._handle)
        self.route = route
        instruments = Instruments(WorkerName.TRADE_EXECUTOR, ["BTC/USD"])
        face = Face(WorkerName.TRADE_EXECUTOR, 0, instruments, (route,), (), {"database": self._check})
        self.app = application(face, TokenFile(self.file), self.gate)
        self.session: ClientSession
        self.url = ""

    async def _check(self) -> str | None:
        if self.error:
            raise self.error
        return self.missing

    async def _handle(self, change: TradingStateChange) -> TradingStateReport:
        if self.error:
            raise self.error
        return TradingStateReport(state=change.state, who=change.who, why="", since_ms=1, orders_sent_since=0)

    async def ask(self, method: str, path: str, body: bytes = b"", token: str = "made-up") -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with self.session.request(method, self.url + path, data=body, headers=headers) as response:
            return response.status, await response.json()


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    made = Desk(tmp_path)
    async with TestServer(made.app) as server, ClientSession() as made.session:
        made.url = f"http://{server.host}:{server.port}"
        yield made


@pytest.mark.parametrize(
    ("accept", "content_type", "end"),
    [(OPENMETRICS, "application/openmetrics-text", b"# EOF\n"), ("", "text/plain; version=0.0.4", b"\n")],
)
async def test_exposition_is_the_one_asked_for(desk: Desk, accept: str, content_type: str, end: bytes) -> None:
    """OpenMetrics where the scraper speaks it, else the text format; counters named `_total` in both."""
    async with desk.session.get(desk.url + "/metrics", headers={"Accept": accept}) as response:
        body = await response.read()

    assert response.headers["Content-Type"].startswith(content_type)
    assert body.endswith(end)
    assert b'trade_executions_total{status="filled",symbol="BTC/USD"} 0.0' in body


@pytest.mark.parametrize("token", ["", "wrong", "made-up "])
async def test_401_when_the_token_is_not_the_one(desk: Desk, token: str) -> None:
    """Nobody gets in without it."""
    status, _ = await desk.ask("PUT", PATH, BODY, token.strip() + "x" if token else "")

    assert status == 401


async def test_new_token_wanted_when_the_file_changes(desk: Desk) -> None:
    """A rotated Secret needs no restart; an emptied one lets nobody in."""
    desk.file.write_text("rotated")
    old, new = await desk.ask("PUT", PATH, BODY), await desk.ask("PUT", PATH, BODY, "rotated")
    desk.file.write_text("")
    none = await desk.ask("PUT", PATH, BODY, "")

    assert (old[0], new[0], none[0]) == (401, 200, 401)


async def test_400_names_field_value_and_what_is_allowed(desk: Desk) -> None:
    """A wrong body is explained."""
    status, answer = await desk.ask("PUT", PATH, b'{"state":"Off","who":"x","extra":1}')

    assert status == 400
    assert "state: Input should be 'Active', 'Reducing' or 'Halted', got 'Off'" in answer["error"]
    assert "extra: Extra inputs are not permitted" in answer["error"]


async def test_413_when_the_body_is_too_large(desk: Desk) -> None:
    """Bodies are bounded."""
    async with desk.session.put(
        desk.url + PATH, data=b" " * 70_000, headers={"Authorization": "Bearer made-up"}
    ) as response:
        assert response.status == 413


@pytest.mark.parametrize(("error", "status"), [(StoreUnavailable("gone"), 503), (KeyError("bug"), 500)])
async def test_status_tells_trouble_from_bugs(desk: Desk, error: Exception, status: int) -> None:
    """An expected failure may be tried again; a bug is not shown to the caller."""
    desk.error = error

    answered, body = await desk.ask("PUT", PATH, BODY)

    assert answered == status
    assert "bug" not in body["error"]


async def test_readyz_names_what_is_missing(desk: Desk) -> None:
    """Not ready says why; ready says so."""
    ready = await desk.ask("GET", "/readyz")
    desk.error = StoreUnavailable("schema at revision none, need 0001")
    missing = await desk.ask("GET", "/readyz")

    assert ready == (200, {"ready": True, "missing": {}})
    assert missing == (503, {"ready": False, "missing": {"database": "schema at revision none, need 0001"}})


async def test_new_work_refused_when_draining(desk: Desk) -> None:
    """While it ends a worker takes nothing new, and says so to whoever asks whether it is ready."""
    desk.gate.draining = True

    assert (await desk.ask("PUT", PATH, BODY))[0] == 503
    assert (await desk.ask("GET", "/readyz"))[1]["missing"] == {"process": "shutting down"}
    assert (await desk.ask("GET", "/healthz"))[0] == 200


async def test_unhealthy_when_a_loop_has_not_passed(tmp_path: Path) -> None:
    """A stuck loop is seen from outside."""

    async def never() -> None:
        """Never called."""

    stuck = StepLoop(never, interval=1, deadline=-1)
    face = Face(WorkerName.RISK_MANAGEMENT, 0, Instruments(WorkerName.RISK_MANAGEMENT, []), (), (stuck,), {})
    (tmp_path / "token").write_text("t")
    async with (
        TestServer(application(face, TokenFile(tmp_path / "token"), Gate())) as server,
        ClientSession() as session,
        session.get(f"http://{server.host}:{server.port}/healthz") as response,
    ):
        assert response.status == 503
        assert "no pass for" in (await response.json())["stuck"][0]


async def test_same_answer_with_and_without_a_wire(desk: Desk, tmp_path: Path) -> None:
    """One process or many: the caller cannot tell."""
    local = LocalCalls()
    local.serve(WorkerName.TRADE_EXECUTOR, [desk.route])
    remote = HttpCalls({WorkerName.TRADE_EXECUTOR: desk.url}, TokenFile(desk.file), 5)

    answers = [await calls.call(WorkerName.TRADE_EXECUTOR, "PUT", PATH, BODY) for calls in (local, remote)]
    desk.error = StoreUnavailable("gone")
    for calls in (local, remote):
        with pytest.raises(WorkerUnavailable, match="gone"):
            await calls.call(WorkerName.TRADE_EXECUTOR, "PUT", PATH, BODY)
    await remote.close()

    assert answers[0] == answers[1]


async def test_unavailable_when_nobody_listens(desk: Desk) -> None:
    """A refused connection is an expected failure."""
    calls = HttpCalls({WorkerName.TRADE_EXECUTOR: "http://127.0.0.1:1"}, TokenFile(desk.file), 1)

    with pytest.raises(WorkerUnavailable):
        await calls.call(WorkerName.TRADE_EXECUTOR, "GET", PATH)
    await calls.close()


def test_config_error_when_the_token_file_is_empty(tmp_path: Path) -> None:
    """A worker does not start without a token."""
    (tmp_path / "empty").write_text("\n")

    with pytest.raises(ConfigError, match=r"calls\.token_file"):
        TokenFile(tmp_path / "empty")
