"""The schema's revisions: bring a database to ours under a lock, or say that it is not there yet.

`migrate` is called by the one worker (or start of the single process) that owns the schema, and is
safe when several call it at once. Every other worker meets `check_schema` before its first unit of work.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from trading_engine.adapters.sql_connect import sql_engine, transaction
from trading_engine.adapters.sql_schema import candles
from trading_engine.contract.config import DatabaseConfig
from trading_engine.errors import ConfigError, StoreUnavailable

_LOCK_KEY: Final = 0x7261646573  # any constant: the advisory lock that all migrating workers ask for
_ROLE: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")


def _scripts() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    return config


@cache
def newest_revision() -> str:
    """The revision this code works with."""
    revision = ScriptDirectory.from_config(_scripts()).get_current_head()
    if revision is None:
        raise RuntimeError("the package holds no migrations")
    return revision


def migrate(config: DatabaseConfig, *, collector_role: str | None = None) -> str:
    """Bring the schema to `newest_revision()`, which is returned; wait while another does.

    All of it is one transaction on both databases. With `collector_role` (PostgreSQL, exists
    already) that role is given what collectors need, and nothing else.

    Raises:
        StoreUnavailable: the database could not be reached; nothing was changed.
        ConfigError: a role name that is none.
    """
    engine = sql_engine(config)
    try:
        with transaction(engine) as connection:
            _lock(connection)
            scripts = _scripts()
            scripts.attributes["connection"] = connection
            command.upgrade(scripts, "head")
            for statement in collector_grants(collector_role) if collector_role else ():
                connection.execute(text(statement))
    finally:
        engine.dispose()
    return newest_revision()


def _lock(connection: Connection) -> None:
    # SQLite is locked already: its transactions begin as writers.
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})


def check_schema(connection: Connection) -> None:
    """Refuse a database whose schema is not the one this code knows.

    Raises:
        StoreUnavailable: it is at another revision; a worker that migrates may be about to change that.
    """
    revision = "none"
    if inspect(connection).has_table("alembic_version"):
        revision = MigrationContext.configure(connection).get_current_revision() or revision
    if revision != newest_revision():
        raise StoreUnavailable(
            f"database schema at revision {revision}, need {newest_revision()} (`trading-engine migrate` does it)"
        )


def collector_grants(role: str) -> list[str]:
    """Statements that let a PostgreSQL role put and read candles; it can read nothing else of the engine's.

    Raises:
        ConfigError: not a plain role name.
    """
    if not _ROLE.fullmatch(role):
        raise ConfigError(f"database role {role!r}: allowed are a-z, 0-9 and _, at most 63, not starting with a digit")
    return [
        f'GRANT USAGE ON SCHEMA public TO "{role}"',
        f'GRANT SELECT, INSERT ON {candles.name} TO "{role}"',
        f'GRANT SELECT ON alembic_version TO "{role}"',  # to know whether the schema is the one it speaks
    ]
