"""The paper venue's own rows: its orders, and what they changed in the account.

Used by `paper_exchange` alone, inside one transaction; no other part of the engine reads these
tables, as none could read a real venue's.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, select, update

from trading_engine.adapters.sql_rows import SqlRows
from trading_engine.adapters.sql_schema import paper_balances as balances
from trading_engine.adapters.sql_schema import paper_orders as orders
from trading_engine.domain.orders import VenueOrder

_FIGURES = ("client_order_id", "symbol", "side", "state", "filled", "average", "cost", "fee", "created_ms")
_ORDER = select(*(orders.c[name] for name in _FIGURES)).where(
    orders.c.engine == bindparam("of_engine"), orders.c.client_order_id == bindparam("of_id")
)
_CHANGES = select(balances.c.currency, balances.c.change).where(balances.c.engine == bindparam("of_engine"))
_KEEP = (
    update(balances)
    .where(balances.c.engine == bindparam("of_engine"), balances.c.currency == bindparam("of_currency"))
    .values(change=bindparam("new_change"))
)
# Rows are locked, so that two executors cannot spend the same money.
_LOCKED = _CHANGES.order_by(balances.c.currency).with_for_update()
_PREFIX = "paper-"


def venue_order_id(client_order_id: UUID) -> str:
    """The venue's id of an order: made of the client's, so that it is the same in every run."""
    return f"{_PREFIX}{client_order_id}"


def client_id(venue_order_id: str) -> UUID | None:
    """The client's id in a venue's; None for one that the paper venue never gave."""
    try:
        return UUID(venue_order_id.removeprefix(_PREFIX)) if venue_order_id.startswith(_PREFIX) else None
    except ValueError:
        return None


class PaperBooks(SqlRows):
    """Orders and account of one engine at the paper venue."""

    def order(self, client_order_id: UUID) -> VenueOrder | None:
        """An order by the client's id."""
        key = {"of_engine": self._engine, "of_id": client_order_id}
        row = self._connection.execute(_ORDER, key).one_or_none()
        return None if row is None else _venue_order(row)

    def put_order(self, client_order_id: UUID, order: VenueOrder) -> bool:
        """Insert; False when there is one with that id."""
        row = {name: getattr(order, name) for name in _FIGURES}
        return self._insert_new(orders, {**row, "client_order_id": client_order_id, "engine": self._engine}) == 1

    def changes(self) -> dict[str, Decimal]:
        """What trading changed, per currency."""
        return {row.currency: row.change for row in self._connection.execute(_CHANGES, {"of_engine": self._engine})}

    def lock_changes(self, *currencies: str) -> dict[str, Decimal]:
        """The same, kept from other writers until this transaction ends; has each of `currencies`."""
        rows = [{"engine": self._engine, "currency": name, "change": Decimal(0)} for name in sorted(currencies)]
        self._insert_new(balances, rows)
        return {row.currency: row.change for row in self._connection.execute(_LOCKED, {"of_engine": self._engine})}

    def keep_change(self, currency: str, change: Decimal) -> None:
        """Write a sum back that was read with `lock_changes`."""
        key = {"of_engine": self._engine, "of_currency": currency}
        self._connection.execute(_KEEP, {**key, "new_change": change})


def _venue_order(row: Row[Any, Any, Any, Any, Any, Any, Any, Any, Any]) -> VenueOrder:
    client_order_id, *figures = row
    return VenueOrder(venue_order_id(client_order_id), str(client_order_id), *figures)
