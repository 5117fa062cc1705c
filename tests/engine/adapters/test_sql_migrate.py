"""Migrations: they lead to the tables the code knows, on both databases, whoever runs them and however many at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from tests.postgres import PASSWORD, PostgresServer
from trading_engine.adapters.sql_connect import sql_engine
from trading_engine.adapters.sql_database import SqlDatabase
from trading_engine.adapters.sql_migrate import migrate, newest_revision
from trading_engine.adapters.sql_schema import METADATA
from trading_engine.contract.config import DatabaseConfig

#: What alembic does not compare: checks, triggers, functions, index conditions. As the database itself prints them.
_POSTGRESQL = (
    "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE connamespace = 'public'::regnamespace",
    "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
    "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
    "SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns"
    " WHERE table_schema = 'public'",
)
_SQLITE = ("SELECT type, tbl_name, name, sql FROM sqlite_master",)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def two_databases(request: pytest.FixtureRequest, tmp_path: Path) -> list[DatabaseConfig]:
    """Two empty databases of one kind."""
    if request.param == "sqlite":
        return [DatabaseConfig(url=f"sqlite:///{tmp_path}/{name}.db") for name in ("one", "two")]
    server: PostgresServer = request.getfixturevalue("postgres_server")
    password_file = tmp_path / "password"
    password_file.write_text(PASSWORD)
    return [DatabaseConfig(url=server.url(server.create_database()), password_file=password_file) for _ in range(2)]


def _with(config: DatabaseConfig, work: Any) -> Any:
    engine = sql_engine(config)
    try:
        with engine.begin() as connection:
            return work(connection)
    finally:
        engine.dispose()


def _printed(connection: Connection) -> list[tuple[Any, ...]]:
    queries = _SQLITE if connection.dialect.name == "sqlite" else _POSTGRESQL
    rows = [tuple(row) for query in queries for row in connection.execute(text(query))]
    return sorted((row for row in rows if not any("alembic_version" in str(cell) for cell in row)), key=str)


def test_migrating_leads_to_the_tables_that_the_code_knows(two_databases: list[DatabaseConfig]) -> None:
    """Alembic finds no difference, and neither do the databases' own descriptions of every constraint and trigger."""
    migrated, created = two_databases
    assert migrate(migrated) == newest_revision()
    _with(created, METADATA.create_all)
    compare = {"compare_type": True, "compare_server_default": True}
    assert _with(migrated, lambda c: compare_metadata(MigrationContext.configure(c, opts=compare), METADATA)) == []
    described = _with(migrated, _printed)
    assert described == _with(created, _printed)
    assert any("append-only" in str(row) for row in described)
    assert any("CHECK" in str(row) and "submitting" in str(row) for row in described)


async def test_memory_has_the_tables_of_a_file(tmp_path: Path) -> None:
    """Nobody migrates a memory database: it is born with the newest schema."""
    file, memory = (
        DatabaseConfig(url=f"sqlite:///{tmp_path / 'engine.db'}"),
        SqlDatabase(DatabaseConfig(url="sqlite://"), "tests/memory"),
    )
    migrate(file)
    assert await memory.run_sql(_printed) == _with(file, _printed)
    await memory.close()


def test_every_worker_may_migrate_at_once(two_databases: list[DatabaseConfig]) -> None:
    """Six at the same time on an empty database: all return the newest revision, and one did the work."""
    config = two_databases[0]
    with ThreadPoolExecutor(max_workers=6) as workers:
        assert list(workers.map(lambda _: migrate(config), range(6))) == [newest_revision()] * 6
    assert _with(config, lambda c: c.execute(text("SELECT version_num FROM alembic_version")).scalars().all()) == [
        newest_revision()
    ]


def test_migrating_again_keeps_rows(two_databases: list[DatabaseConfig]) -> None:
    """At the newest revision there is nothing to do."""
    config = two_databases[0]
    migrate(config)
    insert = "INSERT INTO trading_state (engine, state, who, why, since_ms) VALUES ('e', 'Halted', 'x', '', 0)"
    _with(config, lambda c: c.execute(text(insert)))
    migrate(config)
    assert _with(config, lambda c: c.execute(text("SELECT count(*) FROM trading_state")).scalar()) == 1


def test_nothing_is_left_when_a_migration_fails(
    two_databases: list[DatabaseConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of a migration is one transaction: half a schema never stays behind."""
    config = two_databases[0]

    def fail(_role: str) -> list[str]:
        return ["SELECT no_such_column FROM candles"]

    monkeypatch.setattr("trading_engine.adapters.sql_migrate.collector_grants", fail)
    with pytest.raises(Exception, match="no_such_column"):
        migrate(config, collector_role="somebody")
    assert _with(config, _printed) == []
