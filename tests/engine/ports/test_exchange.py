"""One suite for `ports.Exchange`: what the executor relies on, whichever venue it talks to.

A venue joins by a `Venue` in the `venue` fixture: an account with at least 1,000 USD and no BTC, on
which market orders of BTC/USD fill at once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from tests.builders import ENGINE
from tests.fakes_coinbase import exchange, made_up_keys, our_client, simulated
from tests.fakes_market import FixedMarketData
from trading_engine.adapters.ccxt_exchange import CcxtExchange
from trading_engine.adapters.paper_exchange import PaperExchange, PaperTerms
from trading_engine.adapters.sql_database import SqlDatabase
from trading_engine.contract.config import DatabaseConfig
from trading_engine.contract.messages import OrderState, Side
from trading_engine.domain.market import FeeRates
from trading_engine.domain.orders import OrderRequest
from trading_engine.errors import ExchangeRefused, InsufficientFunds, InvalidOrder
from trading_engine.ports import Exchange
from trading_engine.runtime.clock import WallClock

SYMBOL = "BTC/USD"


@dataclass(frozen=True)
class Venue:
    """An exchange under test, with the time from which its orders count."""

    exchange: Exchange
    since_ms: int


async def paper() -> AsyncIterator[Venue]:
    database = SqlDatabase(DatabaseConfig(url="sqlite://"), ENGINE)
    clock = WallClock()
    terms = PaperTerms({"USD": Decimal("1000")}, Decimal(1), FeeRates())
    yield Venue(PaperExchange(database, FixedMarketData(), clock, terms), clock.now_ms())
    await database.close()


async def live() -> AsyncIterator[Venue]:
    """The live adapter through ccxt, against the simulated Coinbase on the real wire."""
    served = exchange("--synthetic", SYMBOL, "--fee-rate", "0.006", "--balance", "USD=1000")
    async with simulated(served) as url, our_client(url, made_up_keys()) as client:
        yield Venue(CcxtExchange(client), WallClock().now_ms())


VENUES = {"paper": paper, "live": live}


@pytest.fixture(params=sorted(VENUES))
async def venue(request: pytest.FixtureRequest) -> AsyncIterator[Venue]:
    async for ready in VENUES[request.param]():
        yield ready
        await ready.exchange.close()


def buy(cost: str, client_order_id: UUID | None = None) -> OrderRequest:
    return OrderRequest(client_order_id or uuid4(), SYMBOL, Side.BUY, cost=Decimal(cost))


def sell(amount: Decimal) -> OrderRequest:
    return OrderRequest(uuid4(), SYMBOL, Side.SELL, amount=amount)


async def test_a_buy_is_filled_and_its_fills_add_up_to_the_order(venue: Venue) -> None:
    """Amount, cost and fee of an order are those of its fills, and it never spends more than its cost."""
    request = buy("50.00")
    venue_order_id = await venue.exchange.create_order(request)
    order = await venue.exchange.fetch_order(venue_order_id, SYMBOL)
    fills = await venue.exchange.fetch_fills(venue_order_id, SYMBOL)
    assert (order.state, order.side, order.symbol) == (OrderState.FILLED, Side.BUY, SYMBOL)
    assert (order.venue_order_id, order.client_order_id) == (venue_order_id, str(request.client_order_id))
    assert order.filled == sum(fill.amount for fill in fills) > 0
    assert order.cost == sum(fill.cost for fill in fills)
    assert order.fee == sum(fill.fee for fill in fills)
    assert 49 < order.cost + order.fee <= 50
    assert order.average is not None
    assert abs(order.average * order.filled - order.cost) < Decimal("0.01")
    assert {(fill.venue, fill.venue_order_id, fill.side) for fill in fills} == {
        (venue.exchange.venue, venue_order_id, Side.BUY)
    }
    assert len({fill.trade_id for fill in fills}) == len(fills)


async def test_balances_move_by_what_was_filled_and_its_fees(venue: Venue) -> None:
    """A buy and the sale of all of it leave the account poorer by the fees and the spread, to the last digit."""
    before = await venue.exchange.fetch_balances()
    bought = await venue.exchange.fetch_order(await venue.exchange.create_order(buy("100.00")), SYMBOL)
    between = await venue.exchange.fetch_balances()
    assert between["BTC"] - before.get("BTC", Decimal(0)) == bought.filled
    assert before["USD"] - between["USD"] == bought.cost + bought.fee
    sold = await venue.exchange.fetch_order(await venue.exchange.create_order(sell(bought.filled)), SYMBOL)
    after = await venue.exchange.fetch_balances()
    assert after.get("BTC", Decimal(0)) == before.get("BTC", Decimal(0))
    assert after["USD"] - between["USD"] == sold.cost - sold.fee
    assert after["USD"] < before["USD"]


async def test_fees_are_those_of_the_taker(venue: Venue) -> None:
    """What a market order pays is the rate that `fetch_fee_rates` tells."""
    rates = await venue.exchange.fetch_fee_rates()
    order = await venue.exchange.fetch_order(await venue.exchange.create_order(buy("100.00")), SYMBOL)
    assert abs(order.fee - order.cost * rates.taker) < Decimal("0.01")


async def test_an_order_is_found_by_its_client_id_when_it_has_ended(venue: Venue) -> None:
    """A lookup finds closed orders, as the venue knows them."""
    request = buy("25.00")
    venue_order_id = await venue.exchange.create_order(request)
    found = await venue.exchange.find_order(request.client_order_id, SYMBOL, venue.since_ms)
    assert found == await venue.exchange.fetch_order(venue_order_id, SYMBOL)


async def test_an_order_is_not_found_when_it_was_never_sent(venue: Venue) -> None:
    """None means that the venue was asked and does not know the id."""
    await venue.exchange.create_order(buy("25.00"))
    assert await venue.exchange.find_order(uuid4(), SYMBOL, venue.since_ms) is None


async def test_an_order_that_cannot_be_paid_is_refused_and_leaves_nothing(venue: Venue) -> None:
    """InsufficientFunds: no order, no change of the account; a sale of what is not held likewise."""
    before = await venue.exchange.fetch_balances()
    requests = [buy("100000000.00"), sell(Decimal("5"))]
    for request in requests:
        with pytest.raises(InsufficientFunds):
            await venue.exchange.create_order(request)
        assert await venue.exchange.find_order(request.client_order_id, SYMBOL, venue.since_ms) is None
    after = await venue.exchange.fetch_balances()
    assert {name: amount for name, amount in after.items() if amount} == {
        name: amount for name, amount in before.items() if amount
    }


async def test_an_order_that_breaks_the_rules_is_refused(venue: Venue) -> None:
    """InvalidOrder: below the minimum, or finer than the increment."""
    for request in (buy("0.01"), buy("10.001"), sell(Decimal("0.0000000001"))):
        with pytest.raises(InvalidOrder):
            await venue.exchange.create_order(request)


async def test_an_unknown_order_is_refused(venue: Venue) -> None:
    """An id that the venue never gave is an error, not an empty answer."""
    with pytest.raises(ExchangeRefused):
        await venue.exchange.fetch_order(str(uuid4()), SYMBOL)
