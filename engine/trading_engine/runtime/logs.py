"""JSON log lines on standard output: one object a line, RFC 3339 UTC, our words and foreign libraries' alike.

`configure` is called once per process. Which worker is speaking is a context variable, so five
workers can share one process; `recommendation_id` is bound the same way and so appears in every line
written while a recommendation is worked on.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager

import orjson
import structlog
from structlog.typing import EventDict, WrappedLogger

from trading_engine.contract.config import LogLevel
from trading_engine.contract.workers import WorkerName

#: Keys whose values are never written, whoever logs them.
SECRET_KEYS = frozenset({"authorization", "token", "password", "secret", "api_key", "private_key"})

#: Libraries whose INFO lines are about themselves (an access log per scrape, a line per migration).
QUIET = ("aiohttp.access", "alembic", "ccxt", "httpx", "httpcore", "asyncio")


def configure(engine: str, levels: Mapping[WorkerName, LogLevel]) -> None:
    """Send every line of this process to standard output, each worker's from its own level upwards."""
    numbers = {name.value: _number(level) for name, level in levels.items()}
    lowest = min((*numbers.values(), logging.INFO))
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            _drop_below(numbers),
            _add_engine(engine),
            _hide_secrets,
            structlog.processors.format_exc_info,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=orjson.dumps, default=str),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(lowest),
        logger_factory=structlog.BytesLoggerFactory(sys.stdout.buffer),
    )
    logging.basicConfig(handlers=[_Foreign()], level=lowest, force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def speaking(worker: WorkerName) -> AbstractContextManager[None]:
    """Lines written inside are the worker's."""
    return structlog.contextvars.bound_contextvars(service=worker.value)


def _number(level: LogLevel) -> int:
    return int(getattr(logging, level.value.upper()))


def _drop_below(numbers: Mapping[str, int]) -> structlog.typing.Processor:
    def drop(_: WrappedLogger, method: str, event: EventDict) -> EventDict:
        floor = numbers.get(str(event.get("service")), logging.INFO)
        if getattr(logging, method.upper().replace("EXCEPTION", "ERROR"), logging.INFO) < floor:
            raise structlog.DropEvent
        return event

    return drop


def _add_engine(engine: str) -> structlog.typing.Processor:
    def add(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event["engine"] = engine
        return event

    return add


def _hide_secrets(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    for key in SECRET_KEYS & event.keys():
        event[key] = "***"
    return event


class _Foreign(logging.Handler):
    """Lines of libraries that use the standard library's logging, in our format."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().log(
            record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info or None
        )
