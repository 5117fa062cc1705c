"""Profit, loss and drawdown from fills."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import a_fill
from trading_engine.contract.messages import Side
from trading_engine.domain.orders import Fill
from trading_engine.domain.portfolio import DAY_MS, daily_pnl, max_drawdown, positions, unrealized_pnl

D = Decimal


def bought(price: str, amount: str = "1", at_ms: int = DAY_MS + 1, **fields: object) -> Fill:
    return a_fill(price=D(price), amount=D(amount), fee=D("0.5"), timestamp_ms=at_ms, **fields)


def sold(price: str, amount: str = "1", at_ms: int = DAY_MS + 2, **fields: object) -> Fill:
    return bought(price, amount, at_ms, side=Side.SELL, **fields)


def test_pnl_is_realised_net_of_both_fees_when_closed() -> None:
    """110 - 100 - 0.5 - 0.5."""
    assert daily_pnl([bought("100"), sold("110")], {}, DAY_MS + 3) == D(9)


def test_open_loss_counts_when_not_realised() -> None:
    """Bought at 100 for a fee of 0.5, worth 90 now."""
    assert daily_pnl([bought("100")], {"BTC/USD": D(90)}, DAY_MS + 3) == D("-10.5")


def test_yesterdays_realised_loss_does_not_count_today() -> None:
    """The day starts at 00:00 UTC."""
    yesterday = [bought("100", at_ms=1), sold("50", at_ms=DAY_MS - 1)]
    assert daily_pnl(yesterday, {}, DAY_MS) == 0
    assert daily_pnl(yesterday, {}, DAY_MS - 1) == D(-51)


def test_a_loss_still_open_from_yesterday_counts_today() -> None:
    """It can still grow, so it takes from what may be lost."""
    assert daily_pnl([bought("100", at_ms=1)], {"BTC/USD": D(60)}, DAY_MS + 5) == D("-40.5")


def test_price_is_needed_when_a_symbol_is_held() -> None:
    """A missing price must not count as no loss."""
    with pytest.raises(KeyError):
        unrealized_pnl(positions([bought("100")]), {})


def test_symbols_are_kept_apart() -> None:
    """Each symbol has its own position."""
    held = positions([bought("100"), bought("10", "3", symbol="ETH/USD", trade_id="2")])
    assert (held["BTC/USD"].amount, held["ETH/USD"].amount) == (1, 3)


trades = st.lists(
    st.tuples(st.sampled_from(list(Side)), st.integers(1, 500), st.integers(1, 50), st.integers(0, 9)), max_size=12
)


@given(trades, st.integers(1, 500))
def test_pnl_equals_the_change_of_cash_and_holdings_when_trades_are_any(
    steps: list[tuple[Side, int, int, int]], price: int
) -> None:
    """What average-cost books say is what the account would show."""
    fills, held, cash = [], 0, 0
    for side, at, amount, fee in steps:
        amount = amount if side is Side.BUY else min(amount, held)
        if amount == 0:
            continue
        sign = 1 if side is Side.BUY else -1
        held, cash = held + sign * amount, cash - sign * at * amount - fee
        fills.append(a_fill(side=side, price=D(at), amount=D(amount), fee=D(fee), timestamp_ms=DAY_MS + 1))
    found = daily_pnl(fills, {"BTC/USD": D(price)}, DAY_MS + 2)
    assert abs(found - (cash + held * price)) < D("1e-18")


@pytest.mark.parametrize(
    ("equities", "drawdown"),
    [([], "0"), (["100"], "0"), (["100", "110", "120"], "0"), (["100", "80", "120", "90"], "0.25"), (["0", "-5"], "0")],
)
def test_drawdown_is_the_largest_fall_from_a_peak(equities: list[str], drawdown: str) -> None:
    """As a share of the peak."""
    assert max_drawdown(map(D, equities)) == D(drawdown)
