"""A simulated Coinbase for tests, stock ccxt connected to it, and a server that answers whatever it is told."""

from __future__ import annotations

import argparse
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import Any
from unittest import mock

from aiohttp import web
from ccxt.async_support.coinbase import coinbase
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from trading_engine.adapters.ccxt_client import CcxtClient, Credentials
from trading_engine.simulator import command
from trading_engine.simulator.bars import Bar, synthetic_bars
from trading_engine.simulator.exchange import Exchange
from trading_engine.simulator.ledger import Ledger
from trading_engine.simulator.orders import Product
from trading_engine.simulator.server import application
from trading_engine.simulator.tape import Tape
from trading_engine.simulator.venue import Terms, Venue

API_KEY = "organizations/00000000-0000-0000-0000-000000000001/apiKeys/00000000-0000-0000-0000-000000000002"
#: 2026-01-01 00:00 UTC.
NOW_MS = 1_767_225_600_000
#: Made once per test run: the bars never change.
_synthetic_once = cache(synthetic_bars)


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> str:
    """A private key as text."""
    encoding, shape = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, shape, serialization.NoEncryption()).decode()


@cache
def made_up_keys() -> Credentials:
    """Credentials nobody ever gave out."""
    return Credentials(API_KEY, pem(ec.generate_private_key(ec.SECP256R1())))


@dataclass
class SetClock:
    """A clock in ms that tests move by hand."""

    ms: int = NOW_MS

    def __call__(self) -> int:
        return self.ms


def bar(minute: int, *prices: str, volume: str = "1") -> Bar:
    """A bar from open, high, low and close."""
    return Bar(minute, *(Decimal(price) for price in prices), Decimal(volume))  # type: ignore[misc]


def steady(count: int, start: int = 0) -> list[Bar]:
    """Bars that rise by one each minute: bar i opens at 100 + i."""
    return [bar(start + i, str(100 + i), str(101 + i), str(100 + i), str(101 + i)) for i in range(count)]


def venue(
    bars: Sequence[Bar] | None = None,
    *,
    clock: Callable[[], int] | None = None,
    terms: Terms | None = None,
    balances: dict[str, str] | None = None,
) -> Venue:
    """A venue of one product, BTC-USD, whose tape starts at the clock's minute; 60 of 80 minutes are history."""
    now = clock or SetClock()
    tape = Tape(bars or steady(80), now() // 60_000, Decimal("0.75"))
    free = {name: Decimal(amount) for name, amount in (balances or {"USD": "10000", "BTC": "1"}).items()}
    product = Product("BTC-USD", "BTC", "USD", tape.increment, synthetic=True)
    return Venue({"BTC-USD": product}, {"BTC-USD": tape}, Ledger(free), terms or Terms(), now)


def exchange(*arguments: str) -> Exchange:
    """The exchange that `simulate-exchange` with these arguments serves."""
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    args = parser.parse_args(arguments)
    with mock.patch.object(command, "synthetic_bars", _synthetic_once):
        return command.build(args, command.clock(args.speed, simulated=args.simulated_clock))


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[str]:
    """The URL of a server on a free loopback port."""
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield site._server.sockets[0].getsockname()
    finally:
        await runner.cleanup()


@asynccontextmanager
async def simulated(served: Exchange) -> AsyncIterator[str]:
    """The URL of a simulated exchange."""
    async with serving(application(served)) as (host, port):
        yield f"http://{host}:{port}"


def _hurry(client: Any) -> None:
    """No wait between calls or at the end, no certificates loaded: all is plain HTTP on loopback."""
    client.timeout_on_exit = 0
    client.enableRateLimit = False
    client.verify = False


@asynccontextmanager
async def stock_ccxt(url: str, keys: Credentials | None = None) -> AsyncIterator[Any]:
    """Ccxt's coinbase as published, with only the URL changed."""
    client = coinbase()
    client.urls["api"]["rest"] = url
    _hurry(client)
    if keys is not None:
        client.apiKey, client.secret = keys.api_key, keys.secret
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def our_client(url: str, keys: Credentials | None = None) -> AsyncIterator[CcxtClient]:
    """The engine's own client."""
    client = CcxtClient(url=url, keys=keys)
    _hurry(client._ccxt)
    try:
        yield client
    finally:
        await client.close()


@dataclass
class Scripted:
    """Answers each request with the next of `answers` (the last one for ever) and keeps what it was sent.

    An answer is (status, JSON or text), or None: the connection is cut without an answer.
    """

    answers: list[tuple[int, Any] | None]
    requests: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    async def serve(self, request: web.Request) -> web.Response:
        """Answer."""
        text = await request.text()
        self.requests.append((request.method, request.path_qs, json.loads(text) if text else {}))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is None:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        status, body = answer
        return (
            web.Response(status=status, text=body) if isinstance(body, str) else web.json_response(body, status=status)
        )

    def application(self) -> web.Application:
        """All paths."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.serve)
        return app


@asynccontextmanager
async def scripted(*answers: tuple[int, Any] | None) -> AsyncIterator[tuple[Scripted, CcxtClient]]:
    """Our client, signed in, connected to a server with these answers."""
    script = Scripted(list(answers))
    async with serving(script.application()) as (host, port), our_client(f"http://{host}:{port}", made_up_keys()) as us:
        yield script, us
