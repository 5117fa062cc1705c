"""aiohttp in front of `exchange`: turns HTTP into `Request` and `Answer` and back. Called by `command` and tests."""

from __future__ import annotations

from aiohttp import web

from trading_engine.simulator.exchange import Exchange
from trading_engine.simulator.message import Request


def application(exchange: Exchange) -> web.Application:
    """Coinbase's paths, `/healthz`, and the simulator's own pages under `/simulator/`."""

    async def serve(http: web.Request) -> web.Response:
        query = {key: http.query.getall(key) for key in http.query}
        bearer = http.headers.get("Authorization", "")
        answer = exchange.answer(Request(http.method, http.path, query, bearer, await http.read()))
        if isinstance(answer.body, str):
            return web.Response(text=answer.body, status=answer.status)
        return web.json_response(answer.body, status=answer.status)

    async def health(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def status(_: web.Request) -> web.Response:
        return web.json_response(exchange.status())

    async def received(_: web.Request) -> web.Response:
        return web.json_response(exchange.received())

    app = web.Application()
    app.router.add_get("/healthz", health)
    app.router.add_get("/simulator/status", status)
    app.router.add_get("/simulator/orders", received)
    app.router.add_route("*", "/{path:.*}", serve)
    return app
