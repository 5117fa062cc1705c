"""`trading-engine serve-llm`: the small local model behind Ollama's API and OpenAI's. Called by `__main__`.

Turns `/api/chat` and `/v1/chat/completions` into one `Ask` each and the `Answer` into the reply of the
same API; a JSON schema becomes a grammar. One answer is written at a time; a few more may wait; the next
gets 503. For demo and tests: see `adapters.local_llm` for what the model's verdicts are worth.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import signal
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any, Final

import orjson
import structlog
from aiohttp import web

from trading_engine.adapters.local_llm import (
    MODEL_NAME,
    MODEL_SHA256,
    Answer,
    Ask,
    LocalModel,
    PromptRefused,
    load,
    packaged_model,
)
from trading_engine.errors import ConfigError
from trading_engine.runtime import logs
from trading_engine.runtime.chat_apis import OLLAMA, OPENAI, ChatApi, Refusal

#: Requests in line, the one being answered included.
LINE: Final = 4
_BODY_BYTES: Final = 1 << 18
#: Seconds given to the answer being written when the process is asked to end, then to the thread writing it.
_FINISH_SECONDS: Final = 5
_STOP_SECONDS: Final = 2

log = structlog.get_logger()


class LineFull(Exception):
    """As many requests wait as may."""


@dataclass(slots=True)
class Desk:
    """Answers one request at a time, within a deadline that starts when the request comes in."""

    model: LocalModel
    deadline_seconds: float
    _waiting: int = 0
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "llm"))

    async def answer(self, ask: Ask) -> Answer:
        """Wait for a turn, then for the answer.

        Raises:
            LineFull: nothing was done.
            TimeoutError: the deadline passed; the answer was given up.
            PromptRefused: the model cannot take the request.
        """
        if self._waiting >= LINE:
            raise LineFull
        self._waiting += 1
        stopped = Event()
        try:
            async with asyncio.timeout(self.deadline_seconds):
                return await asyncio.get_running_loop().run_in_executor(self._thread, self.model.answer, ask, stopped)
        finally:
            stopped.set()
            self._waiting -= 1

    async def close(self) -> bool:
        """Whether the thread ended in time; it cannot be interrupted while it reads a long prompt."""
        ending = asyncio.to_thread(self._thread.shutdown)
        try:
            await asyncio.wait_for(ending, _STOP_SECONDS)
        except TimeoutError:
            return False
        return True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `serve-llm`."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=11434, help="port to listen on (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="threads that compute (default: %(default)s)")
    parser.add_argument(
        "--deadline", type=float, default=60.0, metavar="SECONDS", help="longest wait of a request (default: 60)"
    )
    parser.add_argument(
        "--model-file", type=Path, help="GGUF file to serve, named by its stem (default: the small packaged model)"
    )


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT; 0.

    Raises:
        ConfigError: an argument is out of its range, or the `[local-llm]` extra is missing.
        ModelInvalid: the model file cannot be served.
    """
    _check(args)
    logs.configure("local-llm", {})
    model = _load(args)
    desk = Desk(model, args.deadline)
    ended = asyncio.run(_serve(desk, args.host, args.port))
    if not ended:
        os._exit(0)  # a half-written answer nobody reads is no reason to be late
    return 0


def _check(args: argparse.Namespace) -> None:
    if not 0 <= args.port <= 65535:
        raise ConfigError(f"--port is {args.port}: allowed are 0 (any free port) to 65535")
    if not 1 <= args.threads <= 64:
        raise ConfigError(f"--threads is {args.threads}: allowed are 1 to 64")
    if not 0 < args.deadline <= 600:
        raise ConfigError(f"--deadline is {args.deadline}: allowed is more than 0 and at most 600 seconds")
    if args.model_file is not None and not args.model_file.is_file():
        raise ConfigError(f"--model-file is {args.model_file}: there is no such file")


def _load(args: argparse.Namespace) -> LocalModel:
    started = time.monotonic()
    own: Path | None = args.model_file
    with nullcontext(own) if own is not None else packaged_model() as path:
        model = load(path, own.stem if own is not None else MODEL_NAME, args.threads)
    log.info(
        "model loaded",
        model=model.name,
        sha256=None if own is not None else MODEL_SHA256,
        seconds=round(time.monotonic() - started, 1),
        peak_rss_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    )
    if own is None:
        log.warning("this base model approves nearly everything: its verdicts are a plumbing check", model=model.name)
    return model


async def _serve(desk: Desk, host: str, port: int) -> bool:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    runner = web.AppRunner(application(desk), handler_cancellation=True, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, host, port, shutdown_timeout=_FINISH_SECONDS)
    try:
        await site.start()
    except OSError as error:
        raise ConfigError(f"--host {host} --port {port}: cannot listen there ({error.strerror})") from error
    log.info("listening", address="http://{}:{}".format(*runner.addresses[0][:2]))
    await stop.wait()
    log.info("stopping")
    await runner.cleanup()
    return await desk.close()


def application(desk: Desk) -> web.Application:
    """The HTTP application over a desk."""
    name = desk.model.name
    app = web.Application(client_max_size=_BODY_BYTES)
    app.add_routes(
        [
            web.get("/healthz", _constant({"status": "ok", "model": name})),
            web.get("/api/version", _constant({"version": "0.1.0"})),
            web.get("/api/tags", _constant({"models": [{"name": name, "model": name, "details": {"format": "gguf"}}]})),
            web.get("/v1/models", _constant({"object": "list", "data": [{"id": name, "object": "model"}]})),
            web.post("/api/chat", _chat(desk, OLLAMA)),
            web.post("/v1/chat/completions", _chat(desk, OPENAI)),
        ]
    )
    return app


Handler = Callable[[web.Request], Awaitable[web.Response]]


def _constant(body: object) -> Handler:
    async def handle(_: web.Request) -> web.Response:
        return _json(200, body)

    return handle


def _chat(desk: Desk, api: ChatApi) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        started = time.monotonic()
        try:
            ask = api.ask(await request.read(), desk.model.name)
            answer = await desk.answer(ask)
        except Refusal as refusal:
            return _refuse(api, refusal.status, str(refusal))
        except PromptRefused as refused:
            return _refuse(api, 400, str(refused))
        except LineFull:
            return _refuse(api, 503, f"busy: {LINE} requests are waiting, try again later")
        except TimeoutError:
            return _refuse(api, 504, f"no answer within {desk.deadline_seconds:g} s")
        seconds = time.monotonic() - started
        log.info(
            "answered",
            model=desk.model.name,
            prompt_tokens=answer.prompt_tokens,
            tokens=answer.tokens,
            finish=answer.finish,
            seconds=round(seconds, 3),
        )
        return _json(200, api.reply(answer, desk.model.name, datetime.now(UTC), seconds))

    return handle


def _refuse(api: ChatApi, status: int, why: str) -> web.Response:
    log.warning("refused", status=status, why=why)
    return _json(status, api.error(why))


def _json(status: int, body: Any) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json")
