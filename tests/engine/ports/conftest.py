"""Databases for the suites of the ports: each test gets an empty one of each kind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.builders import ENGINE, a_recommendation, a_signal, an_intent
from tests.postgres import PASSWORD, PostgresServer
from trading_engine.adapters.sql_database import SqlDatabase
from trading_engine.adapters.sql_migrate import migrate
from trading_engine.adapters.sql_schema import METADATA
from trading_engine.contract.config import DatabaseConfig
from trading_engine.contract.messages import Recommendation

KINDS = ["memory", "file", pytest.param("postgres", marks=pytest.mark.postgres)]
SHARED_KINDS = KINDS[1:]


@dataclass(frozen=True)
class PostgresDatabases:
    """Databases of one server; `migrated` is shared by tests that only look at their own rows."""

    server: PostgresServer
    password_file: Path
    migrated: str

    def emptied(self) -> DatabaseConfig:
        """The shared one without a row: journals refuse to be emptied, so triggers are off while that is done."""
        deletes = "; ".join(f"DELETE FROM {table.name}" for table in reversed(METADATA.sorted_tables))
        self.server.execute(f"SET session_replication_role = replica; {deletes}", self.migrated)
        return self.configure(self.migrated)

    def empty(self) -> DatabaseConfig:
        """A new database without any table."""
        return self.configure(self.server.create_database())

    def configure(self, name: str, user: str = "owner") -> DatabaseConfig:
        """With a password from a file."""
        return DatabaseConfig(url=self.server.url(name, user), password_file=self.password_file)


@pytest.fixture(scope="session")
def postgres_databases(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> PostgresDatabases:
    password_file = tmp_path_factory.mktemp("secret") / "password"
    password_file.write_text(PASSWORD + "\n")
    databases = PostgresDatabases(postgres_server, password_file, postgres_server.create_database())
    migrate(databases.configure(databases.migrated))
    return databases


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("migrated") / "engine.db"
    migrate(DatabaseConfig(url=f"sqlite:///{file}"))
    return file


@pytest.fixture
def database_config(request: pytest.FixtureRequest, tmp_path: Path) -> DatabaseConfig:
    """Parametrised indirectly with one of KINDS: a migrated, empty database."""
    if request.param == "memory":
        return DatabaseConfig(url="sqlite://")
    if request.param == "postgres":
        databases: PostgresDatabases = request.getfixturevalue("postgres_databases")
        return databases.emptied()
    file = tmp_path / "engine.db"
    file.write_bytes(request.getfixturevalue("migrated_file").read_bytes())
    return DatabaseConfig(url=f"sqlite:///{file}")


Connect = Callable[..., SqlDatabase]


@pytest.fixture
async def connect(database_config: DatabaseConfig) -> AsyncIterator[Connect]:
    """Open a database handle: another process, as far as the database can tell."""
    opened: list[SqlDatabase] = []

    def open_database(engine: str = ENGINE) -> SqlDatabase:
        opened.append(SqlDatabase(database_config, engine))
        return opened[-1]

    yield open_database
    for database in opened:
        await database.close()


@pytest.fixture
def database(connect: Connect) -> SqlDatabase:
    return connect()


async def put_recommendation(database: SqlDatabase, minute: int = 0, **fields: Any) -> Recommendation:
    recommendation = a_recommendation(minute, engine=database.engine, **fields)
    signal = a_signal(minute, symbol=recommendation.symbol)
    assert await database.run(lambda store: store.put_signal(signal, recommendation))
    return recommendation


async def put_order(database: SqlDatabase, minute: int = 0) -> Recommendation:
    recommendation = await put_recommendation(database, minute)
    assert await database.run(lambda store: store.put_intent(an_intent(recommendation)))
    return recommendation
