"""Statements handed straight to the driver: our types go in and come back, and nothing is left out unseen."""

from __future__ import annotations

from decimal import Decimal

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, bindparam, create_engine, insert, select, update
from sqlalchemy.engine import Connection

from trading_engine.adapters.sql_columns import money_column, text_column
from trading_engine.adapters.sql_prepared import Prepared

NOTES = Table(
    "notes",
    MetaData(),
    Column("id", Integer, primary_key=True),
    money_column("price"),
    text_column("word", nullable=True),
)
BY_PRICE = select(NOTES.c.word, NOTES.c.price).where(NOTES.c.price == bindparam("of_price"), NOTES.c.id > 0)


@pytest.fixture
def connection() -> Connection:
    engine = create_engine("sqlite://", paramstyle="named")
    NOTES.metadata.create_all(engine)
    return engine.connect()


def test_decimals_keep_their_zeros_when_written_and_read(connection: Connection) -> None:
    """The conversions of the columns apply, and a literal of the statement needs no parameter."""
    assert Prepared(insert(NOTES).inline()).write(connection, {"price": Decimal("1.10"), "word": "a"}) == 1

    ((word, price),) = Prepared(BY_PRICE).rows(connection, {"of_price": Decimal("1.10")})

    assert (word, str(price)) == ("a", "1.10")


def test_rows_touched_are_counted_when_many_are_written(connection: Connection) -> None:
    """One statement for all of them."""
    rows = [{"price": Decimal(figure), "word": None} for figure in (1, 1, 2)]
    assert Prepared(insert(NOTES).inline()).write_all(connection, rows) == 3

    change = update(NOTES).where(NOTES.c.price == bindparam("of_price")).values(word=bindparam("new_word"))

    assert Prepared(change).write(connection, {"of_price": Decimal(1), "new_word": "b"}) == 2


@pytest.mark.parametrize("later", [{"price": Decimal(2)}, {"price": Decimal(2), "word": "b", "id": 7}])
def test_refused_when_parameters_differ_from_the_first(connection: Connection, later: dict[str, object]) -> None:
    """A column that the rendered insert does not name would be lost in silence."""
    put = Prepared(insert(NOTES).inline())
    put.write(connection, {"price": Decimal(1), "word": "a"})

    with pytest.raises(ValueError, match="are not those of: INSERT INTO notes"):
        put.write(connection, later)
    assert len(Prepared(BY_PRICE).rows(connection, {"of_price": Decimal(2)})) == 0
