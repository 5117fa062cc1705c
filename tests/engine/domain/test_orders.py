"""Order sizes in the venue's increments, and which state may follow which."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_engine.contract.messages import OrderState, Side
from trading_engine.domain.market import Market
from trading_engine.domain.orders import (
    TRANSITIONS,
    BelowMinimum,
    OrderRequest,
    is_terminal,
    may_follow,
    quantize,
    round_down,
)

MARKET = Market(
    symbol="BTC/USD",
    base="BTC",
    quote="USD",
    base_increment=Decimal("0.00000001"),
    quote_increment=Decimal("0.01"),
    price_increment=Decimal("0.01"),
    base_min=Decimal("0.0001"),
    quote_min=Decimal("1"),
)


def a_request(side: Side, *, cost: str | None = None, amount: str | None = None) -> OrderRequest:
    return OrderRequest(
        UUID(int=1),
        "BTC/USD",
        side,
        cost=Decimal(cost) if cost else None,
        amount=Decimal(amount) if amount else None,
    )


def test_cost_is_rounded_down_when_buying() -> None:
    """Never more is spent than was asked."""
    order = quantize(a_request(Side.BUY, cost="50.129"), MARKET)
    assert isinstance(order, OrderRequest)
    assert (str(order.cost), order.amount) == ("50.12", None)


def test_amount_is_rounded_down_when_selling() -> None:
    """Never more is sold than is held."""
    order = quantize(a_request(Side.SELL, amount="0.123456789"), MARKET)
    assert isinstance(order, OrderRequest)
    assert (str(order.amount), order.cost) == ("0.12345678", None)


def test_below_minimum_is_a_value_when_the_order_is_too_small() -> None:
    """The figure and the minimum are named, in their currency."""
    buy = quantize(a_request(Side.BUY, cost="0.999"), MARKET)
    sell = quantize(a_request(Side.SELL, amount="0.00009999"), MARKET)
    assert isinstance(buy, BelowMinimum)
    assert buy.detail == "0.99 USD is below the minimum of 1 USD"
    assert isinstance(sell, BelowMinimum)
    assert sell.detail == "0.00009999 BTC is below the minimum of 0.0001 BTC"


def test_zero_after_rounding_is_below_minimum_when_the_venue_states_none() -> None:
    """An order of nothing is never sent."""
    market = Market("X/Y", "X", "Y", *[Decimal("0.5")] * 3, base_min=Decimal(0), quote_min=Decimal(0))
    found = quantize(a_request(Side.BUY, cost="0.4"), market)
    assert found == BelowMinimum(Decimal("0.0"), Decimal("0.5"), "Y")


@pytest.mark.parametrize("side", list(Side))
def test_refused_when_the_request_has_no_size(side: Side) -> None:
    """A bug of a caller is loud."""
    with pytest.raises(ValueError, match=r"BTC/USD: a .* needs"):
        quantize(a_request(side), MARKET)


increments = st.sampled_from(["1", "0.1", "0.01", "0.00000001", "0.000000000000000001", "0.25", "5", "1000"])


@given(st.decimals(min_value=0, max_value="1e15", allow_nan=False, places=18), increments)
def test_rounding_down_is_exact_when_figures_are_any(figure: Decimal, text: str) -> None:
    """A multiple of the increment, not above the figure, and less than one increment below it."""
    increment = Decimal(text)
    rounded = round_down(figure, increment)
    assert rounded <= figure
    assert Fraction(figure) - Fraction(rounded) < Fraction(increment)
    assert Fraction(rounded) % Fraction(increment) == 0


@pytest.mark.parametrize(
    ("figure", "increment"), [("1", "0"), ("1", "-1"), ("1", "NaN"), ("NaN", "1"), ("Infinity", "1"), ("-1", "1")]
)
def test_rounding_is_refused_when_a_figure_is_no_amount(figure: str, increment: str) -> None:
    """Corrupt figures never become an order."""
    with pytest.raises(ValueError, match="must be"):
        round_down(Decimal(figure), Decimal(increment))


def test_no_state_follows_when_terminal() -> None:
    """What has ended never moves, and every state is known."""
    assert set(TRANSITIONS) == set(OrderState)
    terminal = {state for state in OrderState if is_terminal(state)}
    assert terminal == {
        OrderState.DENIED,
        OrderState.REJECTED,
        OrderState.FILLED,
        OrderState.CANCELED,
        OrderState.EXPIRED,
    }
    assert not any(may_follow(before, after) for before in terminal for after in OrderState)


def test_unknown_is_never_sent_again_when_looked_up() -> None:
    """Only the venue's word leads out of unknown."""
    assert not may_follow(OrderState.UNKNOWN, OrderState.SUBMITTING)
    assert may_follow(OrderState.UNKNOWN, OrderState.ACCEPTED)
    assert not may_follow(OrderState.INTENT, OrderState.ACCEPTED)
