"""Orders, balances and fees of the simulated venue."""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes_coinbase import SetClock, venue
from trading_engine.simulator.orders import CANCELLED, FILLED, OPEN, Order, Refused
from trading_engine.simulator.venue import DuplicateRule, Terms, Venue

TERMS = Terms(taker=Decimal("0.01"), maker=Decimal("0.005"), spread=Decimal("0.01"))


def a_body(client_id: str = "a", side: str = "BUY", kind: str = "market_market_ioc", **fields: Any) -> dict[str, Any]:
    return {
        "client_order_id": client_id,
        "product_id": "BTC-USD",
        "side": side,
        "order_configuration": {kind: fields or {"quote_size": "100"}},
    }


def limit(side: str, price: str, kind: str = "limit_limit_gtc", **fields: Any) -> dict[str, Any]:
    return a_body(f"{side}{price}{kind}", side, kind, base_size="1", limit_price=price, **fields)


def test_fee_included_when_bought_by_quote_size() -> None:
    """The price is the ask; base and fee together never exceed the size, and miss it by less than a step of base."""
    market = venue(terms=TERMS)
    order = market.place(a_body())
    bid, ask = market.quote("BTC-USD")
    assert (bid, ask, order.status) == (Decimal("159.2"), Decimal("160.8"), FILLED)
    assert order.filled_value / order.filled_size == ask
    assert abs(order.fees - order.filled_value * TERMS.taker) <= Decimal("0.00000001")
    spent = order.filled_value + order.fees
    assert 0 <= 100 - spent < Decimal("0.00001")
    assert market.ledger.free == {"USD": 10_000 - spent, "BTC": 1 + order.filled_size}


def test_fee_taken_from_the_proceeds_when_sold() -> None:
    """A sell gives exactly its base size at the bid."""
    market = venue(terms=TERMS)
    order = market.place(a_body(side="SELL", base_size="0.5"))
    assert order.filled_size == Decimal("0.5")
    assert market.ledger.free == {"USD": 10_000 + Decimal("79.6") * (1 - TERMS.taker), "BTC": Decimal("0.5")}


@pytest.mark.parametrize(
    ("rule", "same_while_open", "same_when_ended"),
    [
        (DuplicateRule.NONE, False, False),
        (DuplicateRule.OPEN_ONLY, True, False),
        (DuplicateRule.FOREVER, True, True),
    ],
)
def test_repeated_client_id_when_the_rule_says(
    rule: DuplicateRule, same_while_open: bool, same_when_ended: bool
) -> None:
    """A repeat returns the earlier order as long as the rule says, and makes another one after that."""
    market = venue(terms=Terms(duplicates=rule))
    resting = market.place(limit("BUY", "100"))
    assert (market.place(limit("BUY", "100")) is resting) is same_while_open
    filled = market.place(a_body("again"))
    assert (market.place(a_body("again")) is filled) is same_when_ended
    assert market.posts == {"BUY100limit_limit_gtc": 2, "again": 2}


def test_resting_buy_fills_when_the_tape_touches_it() -> None:
    """It waits while the price is above, fills at its limit as maker once touched, and only once."""
    clock = SetClock()
    market = venue(clock=clock, terms=TERMS)
    order = market.place(limit("SELL", "165.50"))
    clock.ms += 4 * 60_000
    assert not market.settle()
    assert (order.status, market.ledger.held["BTC"]) == (OPEN, 1)
    clock.ms += 2 * 60_000
    assert market.settle()
    assert not market.settle()
    (fill,) = order.fills
    assert (order.status, fill.price, fill.liquidity) == (FILLED, Decimal("165.50"), "MAKER")
    assert market.ledger.free == {"USD": 10_000 + Decimal("165.50") * (1 - TERMS.maker), "BTC": 0}
    assert market.ledger.held["BTC"] == 0


def test_money_back_when_a_resting_order_is_cancelled() -> None:
    """A hold covers price and fee; cancelling releases it; cancelling again does nothing."""
    market = venue(terms=TERMS)
    order = market.place(limit("BUY", "100.00"))
    assert market.ledger.free["USD"] == 10_000 - Decimal("100.50")
    assert market.cancel(order.order_id)
    assert not market.cancel(order.order_id)
    assert (order.status, market.ledger.free["USD"], market.ledger.held["USD"]) == (CANCELLED, 10_000, 0)


def test_filled_at_market_when_a_limit_crosses() -> None:
    """A crossing limit order is a taker at the better price."""
    market = venue(terms=TERMS)
    order = market.place(limit("BUY", "170.00"))
    assert (order.status, order.fills[0].price, order.fills[0].liquidity) == (FILLED, Decimal("160.8"), "TAKER")


@pytest.mark.parametrize("kind", ["sor_limit_ioc", "limit_limit_fok"])
def test_cancelled_when_an_immediate_order_does_not_cross(kind: str) -> None:
    """Immediate orders never rest."""
    market = venue(terms=TERMS)
    order = market.place(limit("BUY", "100.00", kind))
    assert (order.status, order.fills, market.ledger.free["USD"]) == (CANCELLED, [], 10_000)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (a_body(client_id=""), "UNKNOWN_PREVIEW_FAILURE_REASON"),
        ({**a_body(), "product_id": "DOGE-USD"}, "PREVIEW_INVALID_PRODUCT_ID"),
        (a_body(side="HOLD"), "PREVIEW_INVALID_SIDE"),
        (a_body(kind="trigger_bracket_gtc", base_size="1"), "PREVIEW_INVALID_ORDER_CONFIG"),
        ({**a_body(), "order_configuration": {"market_market_ioc": "x"}}, "PREVIEW_INVALID_ORDER_CONFIG"),
        (a_body(quote_size="1", base_size="1"), "PREVIEW_INVALID_ORDER_CONFIG"),
        (a_body(quote_size="0.99"), "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL"),
        (a_body(quote_size="150000001"), "PREVIEW_INVALID_QUOTE_SIZE_TOO_LARGE"),
        (a_body(quote_size="10.001"), "PREVIEW_INVALID_QUOTE_SIZE_PRECISION"),
        (a_body(quote_size="10001"), "PREVIEW_INSUFFICIENT_FUND"),
        (a_body(quote_size="NaN"), "PREVIEW_INVALID_ORDER_CONFIG"),
        (a_body(quote_size="-5"), "PREVIEW_INVALID_ORDER_CONFIG"),
        (a_body(quote_size=5), "PREVIEW_INVALID_ORDER_CONFIG"),
        (a_body(side="SELL", quote_size="5"), "PREVIEW_INVALID_ORDER_CONFIG"),
        (a_body(side="SELL", base_size="0.000000001"), "PREVIEW_INVALID_SIZE_PRECISION"),
        (a_body(side="SELL", base_size="1000001"), "PREVIEW_INVALID_BASE_SIZE_TOO_LARGE"),
        (a_body(side="SELL", base_size="1.00000001"), "PREVIEW_INSUFFICIENT_FUND"),
        (limit("BUY", "100.001"), "PREVIEW_INVALID_PRICE_PRECISION"),
        (limit("BUY", "170.00", post_only=True), "PREVIEW_INVALID_LIMIT_PRICE_POST_ONLY"),
    ],
)
def test_refused_when_a_rule_is_broken(body: dict[str, Any], reason: str) -> None:
    """Each rule has Coinbase's reason; a refused order leaves no order and no change of balance."""
    market = venue(terms=TERMS)
    with pytest.raises(Refused) as caught:
        market.place(body)
    assert caught.value.preview == reason
    assert (market.orders, market.ledger.free) == ({}, {"USD": 10_000, "BTC": 1})


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["BUY", "SELL", "cancel", "wait"]), st.integers(1, 400)), max_size=20))
def test_nothing_lost_when_many_orders(steps: list[tuple[str, int]]) -> None:
    """Whatever is done, balances and holds are the opening ones plus what the fills say, and no hold is left over."""
    clock = SetClock()
    market = venue(clock=clock, terms=TERMS)
    for number, (step, size) in enumerate(steps):
        _do(market, clock, step, size, number)
    fills = [fill for order in market.orders.values() for fill in order.fills]
    signs = {"BUY": 1, "SELL": -1}
    bought = sum((signs[fill.side] * fill.size for fill in fills), Decimal(0))
    paid = sum((signs[fill.side] * fill.size * fill.price + fill.commission for fill in fills), Decimal(0))
    total = {name: market.ledger.free[name] + market.ledger.held[name] for name in ("BTC", "USD")}
    assert total == {"BTC": 1 + bought, "USD": 10_000 - paid}
    assert min(market.ledger.free.values()) >= 0
    held = sum((order.held for order in market.orders.values()), Decimal(0))
    assert held == sum(market.ledger.held.values())
    assert all(order.status == OPEN for order in market.orders.values() if order.held)


def _do(market: Venue, clock: SetClock, step: str, size: int, number: int) -> None:
    market.settle()
    if step == "wait":
        clock.ms += size * 1000
    elif step == "cancel":
        for order in list(market.orders.values()):
            market.cancel(order.order_id)
    else:
        fields = {"base_size": str(Decimal(size) / 1000), "limit_price": str(100 + size % 100)}
        kind = "limit_limit_gtc" if size % 2 else "market_market_ioc"
        if not size % 2:
            fields = {"quote_size": str(size)} if step == "BUY" else {"base_size": str(Decimal(size) / 1000)}
        with suppress(Refused):  # a legal answer
            market.place({**a_body(str(number), step), "order_configuration": {kind: fields}})


def test_order_survives_when_written_and_read() -> None:
    """The state file's form holds everything."""
    order = venue().place(a_body())
    assert Order.from_json(json.loads(json.dumps(order.to_json(), default=str))) == order
