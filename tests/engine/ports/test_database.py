"""One suite for `ports.Database` over SQLite and PostgreSQL, and what a network adds to the latter."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.builders import ENGINE, a_candle, an_intent
from tests.engine.ports.conftest import (
    KINDS,
    SHARED_KINDS,
    Connect,
    PostgresDatabases,
    put_order,
    put_recommendation,
)
from tests.postgres import PASSWORD, PostgresServer
from trading_engine.adapters.sql_database import SqlDatabase, wait_until_migrated
from trading_engine.adapters.sql_migrate import collector_grants, migrate, newest_revision
from trading_engine.contract.config import DatabaseConfig
from trading_engine.errors import ConfigError, StoreUnavailable

everywhere = pytest.mark.parametrize("database_config", KINDS, indirect=True)


@everywhere
async def test_units_of_work_run_one_after_the_other_on_one_thread(database: SqlDatabase) -> None:
    """Concurrent callers share one thread that is not the event loop's, and never overlap."""
    seen: list[tuple[str, int]] = []

    def work(_store: Any) -> None:
        seen.append(("in", threading.get_ident()))
        seen.append(("out", threading.get_ident()))

    await asyncio.gather(*(database.run(work) for _ in range(20)))
    assert [step for step, _ in seen] == ["in", "out"] * 20
    assert {thread for _, thread in seen} not in ({threading.get_ident()}, set())
    assert len({thread for _, thread in seen}) == 1


@everywhere
async def test_work_runs_in_the_calling_thread_when_inline(database_config: DatabaseConfig) -> None:
    """Replay pays for no thread hop."""
    database = SqlDatabase(database_config, ENGINE, inline=True)
    assert await database.run(lambda _: threading.get_ident()) == threading.get_ident()
    recommendation = await put_order(database)
    assert await database.run(lambda store: store.order(recommendation.id)) == an_intent(recommendation)
    await database.close()


@pytest.mark.parametrize("database_config", ["file"], indirect=True)
async def test_sqlite_is_durable_and_checks_foreign_keys(database: SqlDatabase) -> None:
    """A file is in WAL mode with every commit synced, foreign keys are on, and a locked file is waited for."""
    pragmas = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}
    for pragma, wanted in pragmas.items():
        value = await database.run_sql(lambda c, p=pragma: c.execute(text(f"PRAGMA {p}")).scalar())
        assert value == wanted, pragma


@pytest.mark.parametrize("database_config", SHARED_KINDS[1:], indirect=True)
async def test_postgresql_is_durable_and_bounded(database: SqlDatabase) -> None:
    """A commit waits for the disk; statements and idle transactions have an end."""
    wanted = {"synchronous_commit": "on", "statement_timeout": "10s", "idle_in_transaction_session_timeout": "10s"}
    for setting, value in wanted.items():
        assert await database.run_sql(lambda c, s=setting: c.execute(text(f"SHOW {s}")).scalar()) == value


@pytest.mark.parametrize("database_config", ["file"], indirect=True)
async def test_the_store_is_unavailable_when_a_file_stays_locked(
    database_config: DatabaseConfig, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process that does not let go: the unit of work fails as unavailable, and works afterwards."""
    monkeypatch.setattr("trading_engine.adapters.sql_connect._PRAGMAS", ("PRAGMA busy_timeout=50",))
    holder, waiter = connect(), connect("default/other")
    release, holding = threading.Event(), threading.Event()

    def hold(_store: Any) -> None:
        holding.set()
        release.wait(10)

    held = asyncio.ensure_future(holder.run(hold))
    await asyncio.to_thread(holding.wait, 10)
    with pytest.raises(StoreUnavailable, match="locked"):
        await waiter.run(lambda store: store.positions())
    release.set()
    await held
    assert await waiter.run(lambda store: store.positions()) == {}


# schema


@pytest.mark.parametrize("kind", ["file", pytest.param("postgres", marks=pytest.mark.postgres)])
async def test_the_store_is_unavailable_until_somebody_migrated(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """A worker that does not migrate says which revision it needs, and goes on once it is there."""
    config = _empty(kind, tmp_path, request)
    database = SqlDatabase(config, ENGINE)
    with pytest.raises(StoreUnavailable, match=f"schema at revision none, need {newest_revision()}"):
        await database.run(lambda store: store.positions())
    with pytest.raises(StoreUnavailable, match="need"):
        await wait_until_migrated(database, timeout_seconds=0)
    waiting = asyncio.ensure_future(wait_until_migrated(database, timeout_seconds=30))
    await asyncio.to_thread(migrate, config)
    await waiting
    assert await database.run(lambda store: store.positions()) == {}
    await database.close()


@pytest.mark.parametrize("kind", ["file", pytest.param("postgres", marks=pytest.mark.postgres)])
async def test_the_store_is_unavailable_when_the_schema_is_of_another_release(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The message names both revisions."""
    config = _empty(kind, tmp_path, request)
    migrate(config)
    database = SqlDatabase(config, ENGINE)
    await database.run_sql(lambda c: c.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    again = SqlDatabase(config, ENGINE)
    with pytest.raises(StoreUnavailable, match=f"schema at revision 9999, need {newest_revision()}"):
        await again.run(lambda store: store.positions())
    await database.close()
    await again.close()


def _empty(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> DatabaseConfig:
    if kind == "file":
        return DatabaseConfig(url=f"sqlite:///{tmp_path}/empty.db")
    databases: PostgresDatabases = request.getfixturevalue("postgres_databases")
    return databases.empty()


# configuration and secrets


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "not a database URL"),
        ("mysql://root@db/engine", "unknown database 'mysql'; allowed: sqlite:///FILE"),
        ("postgresql://owner:hunter2@db/engine", "put it in a file"),
        ("postgresql://owner:hunter2@db:port/engine", "not a database URL"),
    ],
)
def test_a_url_that_is_none_of_ours_is_a_configuration_error(url: str, message: str) -> None:
    """The message names the field and what is allowed, and never holds a password."""
    with pytest.raises(ConfigError, match=rf"database\.url.*{message}") as caught:
        SqlDatabase(DatabaseConfig(url=url), ENGINE)
    assert "hunter2" not in "".join(_texts(caught.value))


def test_a_whole_url_from_a_file_wins(tmp_path: Path) -> None:
    """`url_file` is used instead of `url`; one that does not exist yet makes the store unavailable."""
    url_file = tmp_path / "url"
    config = DatabaseConfig(url="mysql://never-read", url_file=url_file)
    with pytest.raises(StoreUnavailable, match="cannot be read"):
        migrate(config)
    url_file.write_text(f"sqlite:///{tmp_path}/engine.db\n")
    assert migrate(config) == newest_revision()
    assert (tmp_path / "engine.db").exists()


def _texts(error: BaseException | None) -> list[str]:
    """What a log with the whole chain of causes would show."""
    if error is None:
        return []
    return [repr(error), str(error), *_texts(error.__cause__), *_texts(error.__context__)]


@pytest.mark.postgres
async def test_a_rotated_password_is_used_by_the_next_connection(
    postgres_databases: PostgresDatabases, tmp_path: Path
) -> None:
    """A wrong password makes the store unavailable without showing it; a new file content is enough to go on."""
    server = postgres_databases.server
    server.execute("CREATE ROLE rotating LOGIN PASSWORD 'first-made-up' IN ROLE pg_read_all_data")
    password_file = tmp_path / "password"
    password_file.write_text("first-made-up")
    name = postgres_databases.emptied().url.rpartition("/")[2]
    config = DatabaseConfig(url=server.url(name, "rotating"), password_file=password_file)
    database = SqlDatabase(config, ENGINE)
    assert await database.run(lambda store: store.candles("BTC/USD", "1m")) == []

    server.execute("ALTER ROLE rotating PASSWORD 'second-made-up'")
    _cut_off(server, "rotating")
    with pytest.raises(StoreUnavailable) as caught:
        await database.run(lambda store: store.positions())
    assert not any(secret in shown for shown in _texts(caught.value) for secret in ("first-made-up", "second-made-up"))
    password_file.write_text("second-made-up")
    assert await database.run(lambda store: store.candles("BTC/USD", "1m")) == []
    await database.close()


def _cut_off(server: PostgresServer, user: str) -> None:
    server.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{user}'")


@pytest.mark.postgres
async def test_a_password_in_the_url_file_never_shows(postgres_databases: PostgresDatabases, tmp_path: Path) -> None:
    """A whole URL with its password works from a file, and a failure does not print it."""
    server, name = postgres_databases.server, postgres_databases.emptied().url.rpartition("/")[2]
    url_file = tmp_path / "url"
    url_file.write_text(f"postgresql://owner:{PASSWORD}@127.0.0.1:{server.port}/{name}")
    database = SqlDatabase(DatabaseConfig(url_file=url_file), ENGINE)
    assert await database.run(lambda store: store.positions()) == {}
    await database.close()
    url_file.write_text(f"postgresql://owner:wrong-{PASSWORD}@127.0.0.1:{server.port}/{name}")
    database = SqlDatabase(DatabaseConfig(url_file=url_file), ENGINE)
    with pytest.raises(StoreUnavailable) as caught:
        await database.run(lambda store: store.positions())
    assert not any(PASSWORD in shown for shown in _texts(caught.value))
    await database.close()


# a server that goes away


@pytest.mark.postgres
@pytest.mark.parametrize("database_config", SHARED_KINDS[1:], indirect=True)
async def test_the_store_comes_back_when_the_server_restarts(
    database: SqlDatabase, postgres_server: PostgresServer
) -> None:
    """Down: unavailable at once, and again. Up: the same handle works, and what was committed is there."""
    recommendation = await put_order(database)
    postgres_server.stop()
    try:
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="postgres"):
                await database.run(lambda store: store.positions())
    finally:
        postgres_server.start()
    assert await database.run(lambda store: store.order(recommendation.id)) == an_intent(recommendation)
    await put_order(database, 1)


@pytest.mark.postgres
@pytest.mark.parametrize("database_config", SHARED_KINDS[1:], indirect=True)
async def test_nothing_is_written_when_the_connection_breaks_in_the_middle(
    database: SqlDatabase, postgres_server: PostgresServer
) -> None:
    """A unit of work whose connection is cut fails as unavailable; none of it is there afterwards."""
    recommendation = await put_recommendation(database)

    def cut(store: Any) -> None:
        store.put_intent(an_intent(recommendation))
        _cut_off_database(postgres_server, database)
        store.positions()

    with pytest.raises(StoreUnavailable):
        await database.run(cut)
    assert await database.run(lambda store: store.order(recommendation.id)) is None


def _cut_off_database(server: PostgresServer, database: SqlDatabase) -> None:
    name = database._sql.url.database
    server.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")


@pytest.mark.postgres
async def test_a_collectors_role_can_put_candles_and_read_nothing_else(postgres_databases: PostgresDatabases) -> None:
    """With its grants the role works through the same store on candles, and every other table is closed to it."""
    server = postgres_databases.server
    server.execute(f"CREATE ROLE collector LOGIN PASSWORD '{PASSWORD}'")
    owner_config = postgres_databases.empty()
    migrate(owner_config, collector_role="collector")
    migrate(owner_config, collector_role="collector")
    name = owner_config.url.rpartition("/")[2]
    collector = SqlDatabase(postgres_databases.configure(name, "collector"), ENGINE)
    assert await collector.run(lambda store: store.put_candles("BTC/USD", "1m", [a_candle()])) == 1
    assert await collector.run(lambda store: store.put_candles("BTC/USD", "1m", [a_candle()])) == 0
    assert await collector.run(lambda store: store.candles("BTC/USD", "1m")) == [a_candle()]
    tables = await collector.run_sql(
        lambda c: c.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).scalars().all()
    )
    closed = sorted(set(tables) - {"candles", "alembic_version"})
    assert "orders" in closed
    for statement in [*(f"SELECT 1 FROM {table}" for table in closed), "DELETE FROM candles", "DROP TABLE candles"]:
        with pytest.raises(Exception, match=r"permission denied|must be owner"):
            await collector.run_sql(lambda c, s=statement: c.execute(text(s)))
    await collector.close()


@pytest.mark.parametrize("role", ["Robert'); --", "", "1st", "UPPER", "x" * 64])
def test_a_role_name_that_needs_quoting_is_refused(role: str) -> None:
    """No statement is ever built from it."""
    with pytest.raises(ConfigError, match="database role"):
        collector_grants(role)
