"""The first tables: a frozen copy of what `sql_schema` was then, never edited again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Boolean, Column, ForeignKey, Index, PrimaryKeyConstraint, Table, Text, UniqueConstraint, text

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SIDES = ("buy", "sell")
SIGNAL_TYPES = ("buy", "sell", "hold")
STATUSES = (
    *("pending", "validated", "approved", "executing"),
    *("filled", "canceled", "rejected", "denied", "vetoed", "refused", "expired"),
)
ORDER_STATES = (
    *("intent", "denied", "submitting", "unknown", "accepted"),
    *("rejected", "partial", "filled", "canceled", "expired"),
)
TRADING_STATES = ("Active", "Reducing", "Halted")

METADATA = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
    }
)


def _word(name: str, words: tuple[str, ...]) -> Column[str]:
    return Column(
        name, sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=32), nullable=False
    )


def _text(name: str, *, nullable: bool = False) -> Column[str]:
    return Column(name, Text, nullable=nullable)


def _money(name: str, *, nullable: bool = False) -> Column[str]:
    return _text(name, nullable=nullable)


def _ms(name: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, sa.BigInteger, nullable=nullable)


def _seq() -> Column[int]:
    return Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True)


def _journal(name: str, subject: Column[str], words: tuple[str, ...]) -> Table:
    table = Table(
        name, METADATA, _seq(), subject, _ms("at_ms"), _text("before"), _word("after", words), _text("detail")
    )
    Index(None, subject)
    return table


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
    _word("signal_type", SIGNAL_TYPES),
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
    Column("id", Text, primary_key=True),
    _text("engine"),
    _text("symbol"),
    _text("timeframe"),
    _ms("candle_open_ms"),
    _word("side", SIDES),
    _money("price"),
    _money("confidence"),
    _money("notional", nullable=True),
    _money("amount", nullable=True),
    _text("model_id"),
    _ms("created_ms"),
    _ms("expires_ms"),
    _word("status", STATUSES),
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
    Column("recommendation_id", Text, ForeignKey("recommendations.id"), nullable=False),
    STATUSES,
)

orders = Table(
    "orders",
    METADATA,
    Column("recommendation_id", Text, ForeignKey("recommendations.id"), primary_key=True),  # one order each
    Column("client_order_id", Text, nullable=False, unique=True),
    _text("engine"),
    _text("venue"),
    _text("symbol"),
    _word("side", SIDES),
    _money("asked_cost", nullable=True),
    _money("asked_amount", nullable=True),
    _word("state", ORDER_STATES),
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
    Column("recommendation_id", Text, ForeignKey("orders.recommendation_id"), nullable=False),
    ORDER_STATES,
)

fills = Table(
    "fills",
    METADATA,
    _seq(),
    _text("engine"),
    Column("recommendation_id", Text, ForeignKey("orders.recommendation_id"), nullable=False),
    _text("venue"),
    _text("venue_order_id"),
    _text("trade_id"),
    _text("symbol"),
    _word("side", SIDES),
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
    _word("state", TRADING_STATES),
    _text("who"),
    _text("why"),
    _ms("since_ms"),
)

paper_orders = Table(
    "paper_orders",  # the paper venue's own books: nobody but the paper exchange reads them
    METADATA,
    Column("client_order_id", Text, primary_key=True),
    _text("engine"),
    _text("symbol"),
    _word("side", SIDES),
    _word("state", ORDER_STATES),
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


def upgrade() -> None:
    """Make the tables, and the triggers that keep the journals append-only."""
    METADATA.create_all(op.get_bind())
    for journal in (recommendation_events, order_events):
        for statement in APPEND_ONLY[op.get_bind().dialect.name]:
            op.execute(statement.replace("JOURNAL", journal.name))


APPEND_ONLY = {
    "sqlite": (
        "CREATE TRIGGER JOURNAL_no_update BEFORE UPDATE ON JOURNAL "
        "BEGIN SELECT RAISE(ABORT, 'JOURNAL is append-only'); END",
        "CREATE TRIGGER JOURNAL_no_delete BEFORE DELETE ON JOURNAL "
        "BEGIN SELECT RAISE(ABORT, 'JOURNAL is append-only'); END",
    ),
    "postgresql": (
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$",
        "CREATE TRIGGER JOURNAL_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON JOURNAL "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
    ),
}
