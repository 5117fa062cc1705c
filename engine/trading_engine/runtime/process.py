"""The life of a process: servers up, loops running, until SIGTERM; then drained and gone within 10 s.

Called by `run` and `collect` with the faces that `wiring` made. Crash-only: nothing here is needed for
correctness, a killed process loses no more than the step it was in, and the next one goes on from the store.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

import structlog
from aiohttp import web

from trading_engine.errors import ConfigError
from trading_engine.runtime import logs
from trading_engine.runtime.calls import Token
from trading_engine.runtime.server import Face, Gate, application

#: For steps and requests under way when asked to end.
FINISH_SECONDS = 6.0
#: From the signal to the end, whatever hangs.
LAST_SECONDS = 9.0

log = structlog.get_logger()


def run_until_signalled(main: Coroutine[Any, Any, None]) -> None:
    """Run on uvloop where it is installed, else on asyncio's own loop."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(main)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # not built for this platform; asyncio's own loop does the same, slower
        return None
    return uvloop.new_event_loop


async def serve(faces: Sequence[Face], token: Token, host: str | None, close: Callable[[], Awaitable[None]]) -> None:
    """Serve and step until SIGTERM or SIGINT, then finish what is under way.

    Raises:
        ConfigError: a port cannot be listened on.
    """
    stop, gate = asyncio.Event(), Gate()
    runners: list[web.AppRunner] = []
    try:
        for face in faces:
            runners.append(await _listening(face, token, gate, host))
        tasks = _started(faces, stop)
        _stop_on_signals(stop)
        await stop.wait()
        gate.draining = True
        log.info("stopping", reason="asked to end")
        await asyncio.gather(_finished(tasks), *(runner.cleanup() for runner in runners))
    finally:
        await asyncio.gather(*(runner.cleanup() for runner in runners))
        await close()
    log.info("stopped")


async def _listening(face: Face, token: Token, gate: Gate, host: str | None) -> web.AppRunner:
    runner = web.AppRunner(application(face, token, gate), access_log=None, shutdown_timeout=FINISH_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, face.port).start()
    except OSError as error:
        await runner.cleanup()
        raise ConfigError(f"calls.urls.{face.worker}: cannot listen on port {face.port}: {error.strerror}") from error
    with logs.speaking(face.worker):
        log.info("listening", port=face.port)
    return runner


def _started(faces: Sequence[Face], stop: asyncio.Event) -> list[asyncio.Task[None]]:
    tasks = []
    for face in faces:
        with logs.speaking(face.worker):  # a task keeps the context it was made in
            tasks += [asyncio.create_task(loop.run(stop)) for loop in face.loops]
    return tasks


def _stop_on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()

    def ask() -> None:
        stop.set()
        loop.call_later(LAST_SECONDS, _give_up)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ask)


def _give_up() -> None:
    log.warning("not finished in time, ending all the same", seconds=LAST_SECONDS)
    os._exit(0)


async def _finished(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Wait for the steps under way; one that takes too long is cut off and found again by the next process."""
    if not tasks:
        return
    _, slow = await asyncio.wait(tasks, timeout=FINISH_SECONDS)
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)
