"""The account: what is free and what is held, per currency. Called by `venue` alone."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal


class Ledger:
    """Balances in Decimal. A hold moves an amount from free to held; a trade moves it away."""

    def __init__(self, free: Mapping[str, Decimal], held: Mapping[str, Decimal] | None = None) -> None:
        self.free = dict(free)
        self.held = {currency: Decimal(0) for currency in free} | dict(held or {})

    def covers(self, currency: str, amount: Decimal) -> bool:
        """Whether that much is free."""
        return self.free.get(currency, Decimal(0)) >= amount

    def hold(self, currency: str, amount: Decimal) -> None:
        """Set an amount aside for an open order (a negative one is released)."""
        self.free[currency] = self.free.get(currency, Decimal(0)) - amount
        self.held[currency] = self.held.get(currency, Decimal(0)) + amount

    def add(self, currency: str, amount: Decimal) -> None:
        """Credit, or debit a negative amount."""
        self.free[currency] = self.free.get(currency, Decimal(0)) + amount
        self.held.setdefault(currency, Decimal(0))

    def to_json(self) -> dict[str, dict[str, str]]:
        """For the state file."""
        return {
            "free": {currency: str(amount) for currency, amount in self.free.items()},
            "held": {currency: str(amount) for currency, amount in self.held.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Mapping[str, str]]) -> Ledger:
        """From the state file."""
        free, held = ({k: Decimal(v) for k, v in data[part].items()} for part in ("free", "held"))
        return cls(free, held)
