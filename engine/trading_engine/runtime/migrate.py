"""`trading-engine migrate --config FILE`: bring the database's schema up to date, under the database's lock.

In the cluster the executor's init container runs it while the other workers wait and say so in /readyz.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from typing import Final

import structlog

from trading_engine.contract.config import DatabaseConfig
from trading_engine.errors import StoreUnavailable
from trading_engine.runtime import logs
from trading_engine.runtime.config_file import add_config_argument, read_config

#: A database that was started together with us may take this long until it answers.
PATIENCE_SECONDS: Final = 300.0
PAUSE_SECONDS: Final = 2.0

log = structlog.get_logger()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `migrate`."""
    add_config_argument(parser)
    parser.add_argument(
        "--collector-role", metavar="ROLE", help="PostgreSQL role that may read and add candles, and nothing else"
    )


def run(args: argparse.Namespace) -> int:
    """Migrate; 0.

    Raises:
        ConfigError: the configuration or the role is wrong.
        StoreUnavailable: the database did not answer in time.
    """
    config = read_config(args.config)
    logs.configure(config.engine, config.log_levels)
    asyncio.run(migrate_when_reachable(config.database, args.collector_role))
    return 0


async def migrate_when_reachable(database: DatabaseConfig, collector_role: str | None = None) -> None:
    """Migrate as soon as the database answers.

    Raises:
        StoreUnavailable: it has not for `PATIENCE_SECONDS`.
    """
    from trading_engine.adapters.sql_migrate import migrate

    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            revision = await asyncio.to_thread(migrate, database, collector_role=collector_role)
        except StoreUnavailable as error:
            if time.monotonic() >= deadline:
                raise
            log.info("waiting for the database", reason=str(error))
            await asyncio.sleep(PAUSE_SECONDS)
        else:
            log.info("database schema is up to date", revision=revision)
            return
