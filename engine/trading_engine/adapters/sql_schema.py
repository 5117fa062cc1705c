"""The tables of the engine, once for SQLite and PostgreSQL (SQLAlchemy Core).

Read by the store's modules and compared with the migrations by a test. Money is the decimal's own
text, so the last digit and trailing zeros survive on both. Times are milliseconds since the epoch.
Candles belong to everybody; every other row belongs to one `engine` (namespace/name), so that
several engines may share one database.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy import (
    DDL,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Enum,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    event,
    text,
)
from sqlalchemy.schema import ExecutableDDLElement
from sqlalchemy.types import TypeDecorator

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


class ExactDecimal(TypeDecorator[Decimal]):
    """A finite Decimal as its own text: `1.10` comes back as `1.10`."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's
        """Refuse what is not money: a float has lost its digits already."""
        if value is None:
            return None
        if not isinstance(value, Decimal) or not value.is_finite():
            raise ValueError(f"money must be a finite Decimal, got {value!r}")
        return str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Decimal | None:  # noqa: ARG002
        """Text to Decimal, no rounding."""
        return None if value is None else Decimal(value)


class UuidText(TypeDecorator[UUID]):
    """A UUID as its usual 36 characters, on both databases alike, so that a person can grep for it."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: UUID | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """UUID to text."""
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> UUID | None:  # noqa: ARG002
        """Text to UUID."""
        return None if value is None else UUID(value)


def _word(name: str, words: type[StrEnum], *, nullable: bool = False) -> Column[StrEnum]:
    """A column that holds one of the contract's words; the database checks it too."""
    kind = Enum(
        words,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=32,
        values_callable=lambda members: [member.value for member in members],
    )
    return Column(name, kind, nullable=nullable)


def _money(name: str, *, nullable: bool = False) -> Column[Decimal]:
    return Column(name, ExactDecimal(), nullable=nullable)


def _text(name: str, *, nullable: bool = False) -> Column[str]:
    return Column(name, Text, nullable=nullable)


def _ms(name: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable)


def _seq() -> Column[int]:
    # SQLite numbers rows by itself only in a column of type INTEGER.
    return Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)


def _journal(name: str, subject: Column[UUID], words: type[StrEnum]) -> Table:
    """An append-only table of moves; `before` is empty at birth."""
    table = Table(
        name,
        METADATA,
        _seq(),
        subject,
        _ms("at_ms"),
        _text("before"),
        _word("after", words),
        _text("detail"),
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
    _text("symbol"),
    _text("timeframe"),
    _ms("open_ms"),
    _money("open"),
    _money("high"),
    _money("low"),
    _money("close"),
    _money("volume"),
    PrimaryKeyConstraint("symbol", "timeframe", "open_ms"),
)

models = Table(
    "models",
    METADATA,
    _text("engine"),
    _text("symbol"),
    _text("timeframe"),
    _text("id"),
    _text("text"),
    _text("card"),
    _ms("created_ms"),
    Column("promoted", Boolean, nullable=False),
    _text("reason"),
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
    _text("engine"),
    _text("symbol"),
    _text("timeframe"),
    _ms("candle_open_ms"),
    _word("signal_type", SignalType),
    _money("confidence"),
    _text("reason"),
    _text("model_id"),
    _text("features_sha256"),
    _ms("created_ms"),
    PrimaryKeyConstraint("engine", "symbol", "timeframe", "candle_open_ms"),
)

recommendations = Table(
    "recommendations",
    METADATA,
    Column("id", UuidText(), primary_key=True),
    _text("engine"),
    _text("symbol"),
    _text("timeframe"),
    _ms("candle_open_ms"),
    _word("side", Side),
    _money("price"),
    _money("confidence"),
    _money("notional", nullable=True),
    _money("amount", nullable=True),
    _text("model_id"),
    _ms("created_ms"),
    _ms("expires_ms"),
    _word("status", RecommendationStatus),
    _text("validation", nullable=True),  # the stages' messages as JSON
    _text("assessment", nullable=True),
    _text("execution", nullable=True),
    _ms("updated_ms"),
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
    _text("engine"),
    _text("venue"),
    _text("symbol"),
    _word("side", Side),
    _money("asked_cost", nullable=True),
    _money("asked_amount", nullable=True),
    _word("state", OrderState),
    _text("reason"),  # a list that grows: the message checks it, not the database
    _text("detail"),
    _text("venue_order_id", nullable=True),
    _money("amount"),
    _money("filled"),
    _money("average", nullable=True),
    _money("cost"),
    _money("fee"),
    _ms("created_ms"),
    _ms("sent_ms", nullable=True),
    _ms("updated_ms"),
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
    _seq(),
    _text("engine"),
    Column("recommendation_id", UuidText(), ForeignKey("orders.recommendation_id"), nullable=False),
    _text("venue"),
    _text("venue_order_id"),
    _text("trade_id"),
    _text("symbol"),
    _word("side", Side),
    _money("price"),
    _money("amount"),
    _money("fee"),
    _ms("timestamp_ms"),
    UniqueConstraint("venue", "venue_order_id", "trade_id"),
)
Index(None, fills.c.engine, fills.c.timestamp_ms)
Index(None, fills.c.engine, fills.c.symbol, fills.c.timestamp_ms)

positions = Table(
    "positions",  # the fold of `fills`, kept so that reading it does not grow with history
    METADATA,
    _text("engine"),
    _text("symbol"),
    _money("amount"),
    _money("average_cost"),
    _money("realized_pnl"),
    _money("fees"),
    PrimaryKeyConstraint("engine", "symbol"),
)

trading_state = Table(
    "trading_state",
    METADATA,
    Column("engine", Text, primary_key=True),
    _word("state", TradingState),
    _text("who"),
    _text("why"),
    _ms("since_ms"),
)

paper_orders = Table(
    "paper_orders",  # the paper venue's own books: nobody but the paper exchange reads them
    METADATA,
    Column("client_order_id", UuidText(), primary_key=True),
    _text("engine"),
    _text("symbol"),
    _word("side", Side),
    _word("state", OrderState),
    _money("filled"),
    _money("average", nullable=True),
    _money("cost"),
    _money("fee"),
    _ms("created_ms"),
)

paper_balances = Table(
    "paper_balances",
    METADATA,
    _text("engine"),
    _text("currency"),
    _money("change"),  # since opening: the opening balance is configuration
    PrimaryKeyConstraint("engine", "currency"),
)
