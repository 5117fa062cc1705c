"""One JSON object a line: the time in RFC 3339 UTC, who speaks, and never a secret."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
from collections.abc import Iterator

import pytest
import structlog

from trading_engine.contract.config import LogLevel
from trading_engine.contract.workers import WorkerName
from trading_engine.runtime import logs


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.BytesIO]:
    out = io.BytesIO()
    wrapper = io.TextIOWrapper(out)  # kept alive: it closes what it wraps when it goes
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setattr(sys, "stdout", wrapper)
    root.handlers[:] = []
    logs.configure("default/local", {WorkerName.TRADE_EXECUTOR: LogLevel.WARNING})
    yield out
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(written: io.BytesIO) -> list[dict[str, str]]:
    return [json.loads(line) for line in written.getvalue().splitlines()]


def test_line_has_time_level_service_engine_and_event(written: io.BytesIO) -> None:
    """The fields that log shipping and panels rely on."""
    with logs.speaking(WorkerName.RISK_MANAGEMENT):
        structlog.get_logger().info("assessed", decision="approved")

    (line,) = lines(written)
    expected = {"level": "info", "service": "risk_management", "engine": "default/local", "event": "assessed"}
    assert expected.items() <= line.items()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line["timestamp"])


def test_line_dropped_when_below_the_workers_own_level(written: io.BytesIO) -> None:
    """Two workers in one process keep their own levels."""
    for worker in (WorkerName.TRADE_EXECUTOR, WorkerName.RISK_MANAGEMENT):
        with logs.speaking(worker):
            structlog.get_logger().info("hello")

    assert [line["service"] for line in lines(written)] == ["risk_management"]


def test_secret_hidden_when_somebody_logs_it(written: io.BytesIO) -> None:
    """Known keys are never written."""
    structlog.get_logger().info("call", authorization="Bearer made-up", password="made-up")

    assert "made-up" not in json.dumps(lines(written))


def test_foreign_line_in_our_format_with_its_traceback(written: io.BytesIO) -> None:
    """Libraries that use the standard library's logging come out the same."""
    try:
        raise KeyError("bug")
    except KeyError:
        logging.getLogger("somebody.else").exception("it %s", "broke")

    (line,) = lines(written)
    assert (line["event"], line["level"], line["logger"]) == ("it broke", "error", "somebody.else")
    assert "KeyError: 'bug'" in line["exception"]
