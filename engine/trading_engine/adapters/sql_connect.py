"""From the database section of the configuration to a SQLAlchemy engine, with passwords read at each connect.

Called by `sql_database` and `sql_migrate`. Secrets come from files, so a rotated one is used by the
next connection, and none is ever part of a message.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Dialect, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import StaticPool

from trading_engine.contract.config import DatabaseConfig
from trading_engine.errors import ConfigError, StoreUnavailable

CONNECT_SECONDS: Final = 5
STATEMENT_SECONDS: Final = 10
_ALLOWED: Final = "sqlite:///FILE, sqlite:// (memory) or postgresql://USER@HOST/NAME"
_PRAGMAS: Final = (
    f"PRAGMA busy_timeout={STATEMENT_SECONDS * 1000}",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
)
_POSTGRESQL: Final[dict[str, Any]] = {
    "connect_timeout": CONNECT_SECONDS,
    "application_name": "trading-engine",
    # A peer that vanished without a word is noticed in seconds, not after the kernel's two hours.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": STATEMENT_SECONDS * 1000,
    "options": " ".join(
        f"-c {setting}"
        for setting in (
            "synchronous_commit=on",
            f"statement_timeout={STATEMENT_SECONDS}s",
            f"idle_in_transaction_session_timeout={STATEMENT_SECONDS}s",
        )
    ),
}


def database_url(config: DatabaseConfig) -> URL:
    """The URL to connect to now, its password read from the files.

    Raises:
        ConfigError: not a URL of ours, or a secret where none belongs; the message never holds the value.
        StoreUnavailable: a file that holds the URL or the password cannot be read (yet).
    """
    url = (
        _parse(_secret(config.url_file), "database.url_file") if config.url_file else _parse(config.url, "database.url")
    )
    if config.url_file is None and url.password is not None:
        raise ConfigError("database.url: holds a password; put it in a file and name that in database.password_file")
    if config.password_file is not None:
        url = url.set(password=_secret(config.password_file))
    return url


def _parse(text: str, field: str) -> URL:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # Not chained: the cause may quote the text, and the text may hold a password.
        raise ConfigError(f"{field}: not a database URL; allowed: {_ALLOWED}") from None
    backend = url.get_backend_name()
    if backend in {"postgresql", "postgres"}:
        return url.set(drivername="postgresql+psycopg")
    if backend == "sqlite":
        return url
    raise ConfigError(f"{field}: unknown database {backend!r}; allowed: {_ALLOWED}")


def _secret(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise StoreUnavailable(f"{file}: cannot be read: {error.strerror}") from error


def is_memory(url: URL) -> bool:
    """Whether it is SQLite's memory, which lives as long as its one connection."""
    return url.get_backend_name() == "sqlite" and url.database in {None, "", ":memory:"}


def sql_engine(config: DatabaseConfig) -> Engine:
    """An engine with one connection at most, opened when first used.

    Raises:
        ConfigError: not a URL of ours, or a file in a folder that is not there.
        StoreUnavailable: a file that holds the URL or the password cannot be read (yet).
    """
    url = database_url(config)
    if url.get_backend_name() == "sqlite":
        return _sqlite_engine(url)
    return _postgresql_engine(config, url)


def _sqlite_engine(url: URL) -> Engine:
    if not is_memory(url) and not (folder := Path(url.database or "").parent).is_dir():
        raise ConfigError(f"database.url: folder {folder} does not exist; allowed: {_ALLOWED}")
    memory: dict[str, Any] = {"poolclass": StaticPool} if is_memory(url) else {"pool_size": 1, "max_overflow": 0}
    # Named parameters, as PostgreSQL's driver takes them too: one form of a statement's values for both.
    engine = create_engine(url, connect_args={"check_same_thread": False}, paramstyle="named", **memory)

    @event.listens_for(engine, "connect")
    def prepare(connection: DBAPIConnection, _record: object) -> None:
        connection.isolation_level = None  # sqlite3 opens no transaction by itself: we say BEGIN
        cursor = connection.cursor()
        for pragma in _PRAGMAS:
            cursor.execute(pragma)
        cursor.close()

    return engine


def _postgresql_engine(config: DatabaseConfig, url: URL) -> Engine:
    engine = create_engine(
        url.set(password=None), connect_args=_POSTGRESQL, pool_size=1, max_overflow=0, pool_pre_ping=True
    )

    @event.listens_for(engine, "do_connect")
    def read_secrets(dialect: Dialect, _record: object, _arguments: object, parameters: dict[str, Any]) -> None:
        _, fresh = dialect.create_connect_args(database_url(config))
        parameters.update(fresh)

    return engine


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """A connection in a transaction: committed at the end, rolled back when the block raises.

    Raises:
        StoreUnavailable: the database was not reached, or gave up in the middle.
    """
    with _unavailable(engine), engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            # A transaction that starts by reading cannot always become a writer; this one is a writer from the start.
            # Straight to the driver: SQLAlchemy's way (an event) adds a quarter to the cost of a unit of work.
            connection.connection.cursor().execute("BEGIN IMMEDIATE")
        yield connection


@contextmanager
def _unavailable(engine: Engine) -> Iterator[None]:
    """Turn errors of transport into ours, the driver's own (`sql_prepared`) and SQLAlchemy's alike."""
    driver: Any = engine.dialect.loaded_dbapi
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeout, driver.OperationalError, driver.InterfaceError) as error:
        raise StoreUnavailable(f"{engine.url.render_as_string(hide_password=True)}: {_reason(error)}") from error
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        raise StoreUnavailable(f"{engine.url.render_as_string(hide_password=True)}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    lines = str(getattr(error, "orig", None) or error).splitlines()
    return lines[0] if lines else type(error).__name__
