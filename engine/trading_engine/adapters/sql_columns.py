"""Column types and the few kinds of columns that the tables are made of.

Used by `sql_schema` alone. Money is the decimal's own text, so the last digit and trailing zeros
survive on both databases.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, Column, Dialect, Enum, Integer, Text
from sqlalchemy.types import TypeDecorator


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


def word_column(name: str, words: type[StrEnum], *, nullable: bool = False) -> Column[StrEnum]:
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


def money_column(name: str, *, nullable: bool = False) -> Column[Decimal]:
    """An exact amount, price or ratio."""
    return Column(name, ExactDecimal(), nullable=nullable)


def text_column(name: str, *, nullable: bool = False) -> Column[str]:
    """Any text."""
    return Column(name, Text, nullable=nullable)


def ms_column(name: str, *, nullable: bool = False) -> Column[int]:
    """Milliseconds since the epoch."""
    return Column(name, BigInteger, nullable=nullable)


def seq_column() -> Column[int]:
    """A number that the database gives, growing."""
    # SQLite numbers rows by itself only in a column of type INTEGER.
    return Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)
