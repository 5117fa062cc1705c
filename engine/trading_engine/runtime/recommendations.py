"""`trading-engine recommendations`: the newest ones with verdict, risk and fill, as a table or JSON."""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, datetime
from typing import Any

import orjson

from trading_engine.contract.config import EngineConfig
from trading_engine.ports import RecommendationRow
from trading_engine.runtime.arguments import count
from trading_engine.runtime.config_file import add_config_argument, read_config

_COLUMNS = ("created", "status", "symbol", "side", "verdict", "risk", "filled", "average", "fee", "id")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `recommendations`."""
    add_config_argument(parser)
    parser.add_argument("--limit", type=count, default=20, metavar="N", help="how many (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON: a list, newest first")


def run(args: argparse.Namespace) -> int:
    """Print them; 0.

    Raises:
        StoreUnavailable: the database cannot be read.
    """
    rows = asyncio.run(_read(read_config(args.config), args.limit))
    print(orjson.dumps([_whole(row) for row in rows]).decode() if args.json else _table(rows))
    return 0


async def _read(config: EngineConfig, limit: int) -> list[RecommendationRow]:
    from trading_engine.adapters.sql_database import SqlDatabase

    database = SqlDatabase(config.database, config.engine)
    try:
        return await database.run(lambda store: store.recommendations(limit=limit))
    finally:
        await database.close()


def _whole(row: RecommendationRow) -> dict[str, Any]:
    stages = {"validation": row.validation, "assessment": row.assessment, "execution": row.execution}
    return {
        **row.recommendation.model_dump(mode="json"),
        "status": row.status.value,
        **{name: stage.model_dump(mode="json") if stage else None for name, stage in stages.items()},
        "updated_ms": row.updated_ms,
    }


def _table(rows: list[RecommendationRow]) -> str:
    lines = [_COLUMNS, *(_line(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_COLUMNS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _line(row: RecommendationRow) -> tuple[str, ...]:
    wanted, execution = row.recommendation, row.execution
    risk = row.assessment
    return (
        datetime.fromtimestamp(wanted.created_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S"),
        row.status.value,
        wanted.symbol,
        wanted.side.value,
        row.validation.decision.value if row.validation else "-",
        (risk.reason.value if risk.reason.value != "none" else risk.decision.value) if risk else "-",
        f"{execution.filled:f}" if execution else "-",
        f"{execution.average:f}" if execution and execution.average is not None else "-",
        f"{execution.fee:f}" if execution else "-",
        str(wanted.id),
    )
