"""The HTTP face of one worker: /metrics, /healthz, /readyz, and its /v1 routes behind the bearer token.

`run.py` starts one per worker. `/healthz` is about this process (its loops pass); `/readyz` about what
it depends on, each missing dependency by name. Once draining, `/v1` answers 503 and callers try again.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

import orjson
import structlog
from aiohttp import web

from trading_engine.contract.workers import WorkerName
from trading_engine.errors import EngineError
from trading_engine.runtime import logs
from trading_engine.runtime.calls import RequestInvalid, Route, Token
from trading_engine.runtime.instruments import Instruments
from trading_engine.runtime.loop import StepLoop

LARGEST_BODY_BYTES = 64 * 1024
CHECK_SECONDS = 3.0

#: Why a dependency is missing, or None when it is there.
Check = Callable[[], Awaitable[str | None]]

log = structlog.get_logger()


@dataclass
class Gate:
    """Whether new work is taken: closed once, when the process is asked to end."""

    draining: bool = False


@dataclass(frozen=True)
class Face:
    """One worker as the process runs and shows it."""

    worker: WorkerName
    port: int
    instruments: Instruments
    routes: tuple[Route, ...]
    loops: tuple[StepLoop, ...]
    checks: Mapping[str, Check]


def application(face: Face, token: Token, gate: Gate) -> web.Application:
    """The aiohttp application of one worker."""
    app = web.Application(client_max_size=LARGEST_BODY_BYTES, middlewares=[_speaking(face.worker)])
    app.router.add_get("/metrics", _metrics(face.instruments))
    app.router.add_get("/healthz", _healthz(face))
    app.router.add_get("/readyz", _readyz(face, gate))
    for route in face.routes:
        app.router.add_route(route.method, route.path, _endpoint(route, token, gate))
    return app


def _speaking(worker: WorkerName) -> Callable[..., Awaitable[web.StreamResponse]]:
    @web.middleware
    async def middleware(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        with logs.speaking(worker):
            return await handler(request)

    return middleware


def _metrics(instruments: Instruments) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def metrics(request: web.Request) -> web.Response:
        body, content_type = instruments.exposition(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    return metrics


def _healthz(face: Face) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def healthz(_: web.Request) -> web.Response:
        late = [reason for loop in face.loops if (reason := loop.late())]
        return _json({"healthy": not late, "stuck": late}, 503 if late else 200)

    return healthz


def _readyz(face: Face, gate: Gate) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def readyz(_: web.Request) -> web.Response:
        missing = await missing_dependencies(face.checks.items())
        if gate.draining:
            missing["process"] = "shutting down"
        return _json({"ready": not missing, "missing": missing}, 503 if missing else 200)

    return readyz


async def missing_dependencies(checks: Iterable[tuple[str, Check]]) -> dict[str, str]:
    """Each missing dependency with the reason; empty when all are there."""
    named = list(checks)
    reasons = await asyncio.gather(*(_reason(check) for _, check in named))
    return {name: reason for (name, _), reason in zip(named, reasons, strict=True) if reason}


async def _reason(check: Check) -> str | None:
    try:
        return await asyncio.wait_for(check(), CHECK_SECONDS)
    except TimeoutError:
        return f"no answer within {CHECK_SECONDS:.0f} s"
    except EngineError as error:
        return str(error)


def _endpoint(route: Route, token: Token, gate: Gate) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def endpoint(request: web.Request) -> web.Response:
        if not _admitted(request, token):
            return _json({"error": "a valid bearer token is required"}, 401)
        if gate.draining:
            return _json({"error": "shutting down, try another time"}, 503)
        return await _answer(route, await request.read())

    return endpoint


def _admitted(request: web.Request, token: Token) -> bool:
    expected = token.read()
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    return bool(expected) and hmac.compare_digest(given.encode(), expected.encode())


async def _answer(route: Route, body: bytes) -> web.Response:
    try:
        return web.Response(body=await route.answer(body), content_type="application/json")
    except RequestInvalid as error:
        return _json({"error": str(error)}, 400)
    except EngineError as error:
        log.warning("request failed", path=route.path, reason=str(error), error=type(error).__name__)
        return _json({"error": str(error)}, 503)
    except Exception:
        log.exception("request raised", path=route.path)
        return _json({"error": "internal error, see this worker's log"}, 500)


def _json(body: object, status: int) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")
