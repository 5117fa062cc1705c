"""The tables of the engine, once for SQLite and PostgreSQL (SQLAlchemy Core).

Read by the store's modules and compared with the migrations by a test. Times are milliseconds since the epoch.
Candles belong to everybody; every other row belongs to one `engine` (namespace/name), so that
several engines may share one database.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from uuid import UUID

from sqlalchemy import (
    DDL,
    Boolean,
    Column,
    ForeignKey,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    create_mock_engine,
    event,
    text,
)
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.schema import ExecutableDDLElement

from trading_engine.adapters.sql_columns import (
    UuidText,
    money_column,
    ms_column,
    seq_column,
    text_column,
    word_column,
)
from trading_engine.contract.config import TradingState
from trading_engine.contract.messages import OrderState, RecommendationStatus, Side, SignalType

METADATA = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
    }
)


def _journal(name: str, subject: Column[UUID], words: type[StrEnum]) -> Table:
    """An append-only table of moves; `before` is empty at birth."""
    table = Table(
        name,
        METADATA,
        seq_column(),
        subject,
        ms_column("at_ms"),
        text_column("before"),
        word_column("after", words),
        text_column("detail"),
    )
    Index(None, subject)
    for statement in append_only_sqlite(name):
        event.listen(table, "after_create", _ddl(statement, "sqlite"))
    for statement in append_only_postgresql(name):
        event.listen(table, "after_create", _ddl(statement, "postgresql"))
    return table


def _ddl(statement: str, dialect: str) -> ExecutableDDLElement:
    ddl = DDL(statement.replace("%", "%%"))  # type: ignore[no-untyped-call]  # SQLAlchemy left it untyped
    return ddl.execute_if(dialect=dialect)


def append_only_sqlite(table: str) -> list[str]:
    """Triggers that refuse to change or delete a row of `table`."""
    return [
        f"CREATE TRIGGER {table}_no_{verb} BEFORE {verb.upper()} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        for verb in ("update", "delete")
    ]


def append_only_postgresql(table: str) -> list[str]:
    """The same for PostgreSQL, TRUNCATE included."""
    return [
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$",
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
    ]


candles = Table(
    "candles",
    METADATA,
    text_column("symbol"),
    text_column("timeframe"),
    ms_column("open_ms"),
    money_column("open"),
    money_column("high"),
    money_column("low"),
    money_column("close"),
    money_column("volume"),
    PrimaryKeyConstraint("symbol", "timeframe", "open_ms"),
)

models = Table(
    "models",
    METADATA,
    text_column("engine"),
    text_column("symbol"),
    text_column("timeframe"),
    text_column("id"),
    text_column("text"),
    text_column("card"),
    ms_column("created_ms"),
    Column("promoted", Boolean, nullable=False),
    text_column("reason"),
    PrimaryKeyConstraint("engine", "symbol", "timeframe", "id"),
)
Index(
    "one_promoted_model",
    models.c.engine,
    models.c.symbol,
    models.c.timeframe,
    unique=True,
    sqlite_where=text("promoted"),
    postgresql_where=text("promoted"),
)

signals = Table(
    "signals",
    METADATA,
    text_column("engine"),
    text_column("symbol"),
    text_column("timeframe"),
    ms_column("candle_open_ms"),
    word_column("signal_type", SignalType),
    money_column("confidence"),
    text_column("reason"),
    text_column("model_id"),
    text_column("features_sha256"),
    ms_column("created_ms"),
    PrimaryKeyConstraint("engine", "symbol", "timeframe", "candle_open_ms"),
)

recommendations = Table(
    "recommendations",
    METADATA,
    Column("id", UuidText(), primary_key=True),
    text_column("engine"),
    text_column("symbol"),
    text_column("timeframe"),
    ms_column("candle_open_ms"),
    word_column("side", Side),
    money_column("price"),
    money_column("confidence"),
    money_column("notional", nullable=True),
    money_column("amount", nullable=True),
    text_column("model_id"),
    ms_column("created_ms"),
    ms_column("expires_ms"),
    word_column("status", RecommendationStatus),
    text_column("validation", nullable=True),  # the stages' messages as JSON
    text_column("assessment", nullable=True),
    text_column("execution", nullable=True),
    ms_column("updated_ms"),
    UniqueConstraint("engine", "symbol", "timeframe", "candle_open_ms"),
)
Index(None, recommendations.c.engine, recommendations.c.status, recommendations.c.created_ms)
Index(None, recommendations.c.engine, recommendations.c.created_ms)

recommendation_events = _journal(
    "recommendation_events",
    Column("recommendation_id", UuidText(), ForeignKey("recommendations.id"), nullable=False),
    RecommendationStatus,
)

orders = Table(
    "orders",
    METADATA,
    Column("recommendation_id", UuidText(), ForeignKey("recommendations.id"), primary_key=True),  # one order each
    Column("client_order_id", UuidText(), nullable=False, unique=True),
    text_column("engine"),
    text_column("venue"),
    text_column("symbol"),
    word_column("side", Side),
    money_column("asked_cost", nullable=True),
    money_column("asked_amount", nullable=True),
    word_column("state", OrderState),
    text_column("reason"),  # a list that grows: the message checks it, not the database
    text_column("detail"),
    text_column("venue_order_id", nullable=True),
    money_column("amount"),
    money_column("filled"),
    money_column("average", nullable=True),
    money_column("cost"),
    money_column("fee"),
    ms_column("created_ms"),
    ms_column("sent_ms", nullable=True),
    ms_column("updated_ms"),
)
Index(None, orders.c.engine, orders.c.state, orders.c.created_ms)
Index(None, orders.c.engine, orders.c.sent_ms)

order_events = _journal(
    "order_events",
    Column("recommendation_id", UuidText(), ForeignKey("orders.recommendation_id"), nullable=False),
    OrderState,
)

fills = Table(
    "fills",
    METADATA,
    seq_column(),
    text_column("engine"),
    Column("recommendation_id", UuidText(), ForeignKey("orders.recommendation_id"), nullable=False),
    text_column("venue"),
    text_column("venue_order_id"),
    text_column("trade_id"),
    text_column("symbol"),
    word_column("side", Side),
    money_column("price"),
    money_column("amount"),
    money_column("fee"),
    ms_column("timestamp_ms"),
    UniqueConstraint("venue", "venue_order_id", "trade_id"),
)
Index(None, fills.c.engine, fills.c.timestamp_ms)
Index(None, fills.c.engine, fills.c.symbol, fills.c.timestamp_ms)

positions = Table(
    "positions",  # the fold of `fills`, kept so that reading it does not grow with history
    METADATA,
    text_column("engine"),
    text_column("symbol"),
    money_column("amount"),
    money_column("average_cost"),
    money_column("realized_pnl"),
    money_column("fees"),
    PrimaryKeyConstraint("engine", "symbol"),
)

trading_state = Table(
    "trading_state",
    METADATA,
    Column("engine", Text, primary_key=True),
    word_column("state", TradingState),
    text_column("who"),
    text_column("why"),
    ms_column("since_ms"),
)

paper_orders = Table(
    "paper_orders",  # the paper venue's own books: nobody but the paper exchange reads them
    METADATA,
    Column("client_order_id", UuidText(), primary_key=True),
    text_column("engine"),
    text_column("symbol"),
    word_column("side", Side),
    word_column("state", OrderState),
    money_column("filled"),
    money_column("average", nullable=True),
    money_column("cost"),
    money_column("fee"),
    ms_column("created_ms"),
)

paper_balances = Table(
    "paper_balances",
    METADATA,
    text_column("engine"),
    text_column("currency"),
    money_column("change"),  # since opening: the opening balance is configuration
    PrimaryKeyConstraint("engine", "currency"),
)


@cache
def sqlite_script() -> str:
    """All of it as SQLite's own words: making them takes twenty times as long as running them."""
    statements: list[str] = []
    dialect = SQLiteDialect()
    mock = create_mock_engine("sqlite://", lambda ddl, *_, **__: statements.append(str(ddl.compile(dialect=dialect))))
    METADATA.create_all(mock, checkfirst=False)
    return ";\n".join(statements)
