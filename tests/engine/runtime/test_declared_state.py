"""The declared trading state as the executor reads it from its file."""

from __future__ import annotations

from pathlib import Path

import pytest

from trading_engine.adapters.sql_migrate import migrate
from trading_engine.contract.config import DatabaseConfig, EngineConfig, TradingState
from trading_engine.contract.messages import DECLARED_BY, TradingStateChange, TradingStateReport
from trading_engine.contract.workers import WorkerName
from trading_engine.runtime.declared_state import declared_state
from trading_engine.runtime.token import NoToken
from trading_engine.runtime.wiring import Workshop


def test_says_what_the_file_declares_when_it_is_there(tmp_path: Path) -> None:
    """The file holds what a PUT would carry."""
    change = TradingStateChange(state=TradingState.REDUCING, who=DECLARED_BY, why="spec.tradingState")
    file = tmp_path / "declared.json"
    file.write_text(change.model_dump_json())

    assert declared_state(file) == change


def test_declares_nothing_when_no_file_is_configured() -> None:
    """One process without an operator."""
    assert declared_state(None) is None


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "cannot be read: No such file"),
        (b"", "EOF"),
        (b"\xff", "declared.json"),
        (b'{"state": "Paused", "who": "x"}', "state: Input should be 'Active', 'Reducing' or 'Halted'"),
        (b'{"state": "Active"}', "who: Field required"),
        (b"[" * 100_000, "declared.json"),
    ],
    ids=["missing", "empty", "not text", "no such state", "field missing", "nested"],
)
def test_declares_halted_with_the_reason_when_the_file_cannot_be_read(
    tmp_path: Path, content: bytes | None, why: str
) -> None:
    """What cannot be read might be a halt; the operator, as whose word it counts, can lift it."""
    file = tmp_path / "declared.json"
    if content is not None:
        file.write_bytes(content)

    found = declared_state(file)

    assert found is not None
    assert (found.state, found.who) == (TradingState.HALTED, DECLARED_BY)
    assert why in found.why


async def test_executor_reports_it_first_when_it_is_wired(tmp_path: Path) -> None:
    """From the configuration to the worker's own endpoint, over a database that says Active."""
    file = tmp_path / "declared.json"
    file.write_text(TradingStateChange(state=TradingState.HALTED, who=DECLARED_BY).model_dump_json())
    database = DatabaseConfig(url=f"sqlite:///{tmp_path / 'e.db'}")
    migrate(database)
    shop = Workshop(EngineConfig(database=database, trading_state_file=file), NoToken(), one_process=True)
    try:
        face = shop.face(WorkerName.TRADE_EXECUTOR)
        answer = await next(each for each in face.routes if each.method == "GET").answer(b"")
    finally:
        await shop.close()

    report = TradingStateReport.model_validate_json(answer)
    assert (report.state, report.who) == (TradingState.HALTED, DECLARED_BY)
