"""Positions of an account, its profit and loss, and its drawdown. Called by risk and replay; Decimal throughout."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

from trading_engine.contract.messages import Side
from trading_engine.domain.orders import Fill
from trading_engine.domain.position import Position, after_fill, flat

DAY_MS: Final = 86_400_000
ZERO: Final = Decimal(0)


def positions(fills: Iterable[Fill]) -> dict[str, Position]:
    """Position per symbol from all its fills, oldest first."""
    held: dict[str, Position] = {}
    for fill in fills:
        held[fill.symbol] = after_fill(held.get(fill.symbol) or flat(fill.symbol), fill)
    return held


def unrealized_pnl(held: Mapping[str, Position], prices: Mapping[str, Decimal]) -> Decimal:
    """What selling everything at `prices` would add, fees of that sale not counted.

    Raises:
        KeyError: the price of a held symbol is missing.
    """
    return sum(
        ((prices[p.symbol] - p.average_cost) * p.amount for p in held.values() if p.amount),
        start=ZERO,
    )


def daily_pnl(fills: Iterable[Fill], prices: Mapping[str, Decimal], now_ms: int) -> Decimal:
    """Realised since 00:00 UTC plus all that is unrealised at `prices`; below 0 is a loss.

    Positions kept over midnight are valued at their average cost, so an open loss counts until it
    is closed. `fills` are all fills, oldest first.
    """
    midnight = now_ms - now_ms % DAY_MS
    history = list(fills)
    before = positions(fill for fill in history if fill.timestamp_ms < midnight)
    now = positions(history)
    realized = sum((p.realized_pnl for p in now.values()), start=ZERO)
    earlier = sum((p.realized_pnl for p in before.values()), start=ZERO)
    return realized - earlier + unrealized_pnl(now, prices)


def equity_curve(opening: Decimal, prices: Iterable[tuple[int, Decimal]], fills: Sequence[Fill]) -> Iterator[Decimal]:
    """Cash plus holdings of one symbol at each (time in ms, price), both and the fills oldest first."""
    cash, held, counted = opening, ZERO, 0
    for at_ms, price in prices:
        while counted < len(fills) and fills[counted].timestamp_ms <= at_ms:
            fill = fills[counted]
            sign = 1 if fill.side is Side.BUY else -1
            cash, held, counted = cash - sign * fill.cost - fill.fee, held + sign * fill.amount, counted + 1
        yield cash + held * price


def max_drawdown(equities: Iterable[Decimal]) -> Decimal:
    """Largest fall from a peak as a share of that peak, 0 to 1, over equities in order of time."""
    peak, worst = ZERO, ZERO
    for equity in equities:
        peak = max(peak, equity)
        if peak > 0:
            worst = max(worst, (peak - equity) / peak)
    return worst
