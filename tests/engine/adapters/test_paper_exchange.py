"""What the paper venue promises beyond the port: exact prices, durable books, one order per client id."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.builders import ENGINE
from tests.fakes_market import FixedMarketData
from trading_engine.adapters.paper_exchange import PaperExchange, PaperTerms, paper_terms
from trading_engine.adapters.sql_database import SqlDatabase
from trading_engine.adapters.sql_migrate import migrate
from trading_engine.contract.config import DatabaseConfig, EngineConfig, PaperConfig
from trading_engine.contract.messages import OrderState, Side
from trading_engine.domain.market import FeeRates, Quote
from trading_engine.domain.orders import OrderRequest
from trading_engine.errors import ExchangeRefused, ExchangeUnavailable, InsufficientFunds, InvalidOrder, OutcomeUnknown
from trading_engine.runtime.clock import SimulatedClock

TERMS = PaperTerms({"USD": Decimal("1000")}, Decimal(1), FeeRates(taker=Decimal("0.006")))
FIRST, SECOND = UUID(int=1), UUID(int=2)


def buy(cost: str, client_order_id: UUID = FIRST) -> OrderRequest:
    return OrderRequest(client_order_id, "BTC/USD", Side.BUY, cost=Decimal(cost))


@pytest.fixture
def config(tmp_path: Path) -> DatabaseConfig:
    config = DatabaseConfig(url=f"sqlite:///{tmp_path}/engine.db")
    migrate(config)
    return config


@pytest.fixture
async def database(config: DatabaseConfig) -> AsyncIterator[SqlDatabase]:
    database = SqlDatabase(config, ENGINE)
    yield database
    await database.close()


@pytest.fixture
def market_data() -> FixedMarketData:
    return FixedMarketData()


@pytest.fixture
def paper(database: SqlDatabase, market_data: FixedMarketData) -> PaperExchange:
    return PaperExchange(database, market_data, SimulatedClock(1_000), TERMS)


async def test_a_buy_pays_the_ask_and_a_sale_gets_the_bid(paper: PaperExchange) -> None:
    """A round trip at 99.90 to 100.10 costs the spread and twice the fee, exactly."""
    bought = await paper.fetch_order(await paper.create_order(buy("100.70")), "BTC/USD")
    assert (bought.average, bought.filled) == (Decimal("100.10"), Decimal("0.99999404"))
    assert bought.fee == Decimal("0.99999404") * Decimal("100.10") * Decimal("0.006")
    sale = OrderRequest(SECOND, "BTC/USD", Side.SELL, amount=bought.filled)
    sold = await paper.fetch_order(await paper.create_order(sale), "BTC/USD")
    assert (sold.average, sold.filled) == (Decimal("99.90"), bought.filled)
    balances = await paper.fetch_balances()
    assert balances == {"BTC": 0, "USD": 1000 - bought.cost - bought.fee + sold.cost - sold.fee}


async def test_a_repeated_client_id_returns_the_first_order_and_creates_nothing(
    paper: PaperExchange, market_data: FixedMarketData
) -> None:
    """Even at another price, for another cost: the books hold one order, the account paid once."""
    first = await paper.create_order(buy("50.00"))
    balances = await paper.fetch_balances()
    market_data.quote = Quote("BTC/USD", Decimal("1"), Decimal("2"), 0)
    assert await paper.create_order(buy("80.00")) == first
    assert await paper.fetch_balances() == balances
    assert len(await paper.fetch_fills(first, "BTC/USD")) == 1


async def test_one_order_is_booked_when_two_executors_send_it_at_once(
    config: DatabaseConfig, database: SqlDatabase, paper: PaperExchange, market_data: FixedMarketData
) -> None:
    """Two processes with the same intent: one order, one payment."""
    other_database = SqlDatabase(config, ENGINE)
    other = PaperExchange(other_database, market_data, SimulatedClock(2_000), TERMS)
    for number in range(10):
        request = buy("10.00", UUID(int=100 + number))
        assert len(set(await asyncio.gather(paper.create_order(request), other.create_order(request)))) == 1
    await other_database.close()
    balances = await paper.fetch_balances()
    assert 1000 - 100 <= balances["USD"] < 1000 - 99


async def test_an_order_is_found_by_client_id_when_the_executor_was_killed(
    config: DatabaseConfig, database: SqlDatabase, paper: PaperExchange, market_data: FixedMarketData
) -> None:
    """Another process, with no memory of the order, finds it, its fill and what it paid."""
    venue_order_id = await paper.create_order(buy("50.00"))
    order, balances = await paper.fetch_order(venue_order_id, "BTC/USD"), await paper.fetch_balances()
    await database.close()
    again = SqlDatabase(config, ENGINE)
    revived = PaperExchange(again, market_data, SimulatedClock(9_000), TERMS)
    assert await revived.find_order(FIRST, "BTC/USD", 0) == order
    assert await revived.find_order(FIRST, "BTC/USD", 1_000) == order
    assert await revived.find_order(FIRST, "BTC/USD", 1_001) is None
    assert await revived.find_order(FIRST, "ETH/USD", 0) is None
    assert await revived.fetch_balances() == balances
    (fill,) = await revived.fetch_fills(venue_order_id, "BTC/USD")
    assert (fill.trade_id, fill.amount, fill.fee, fill.timestamp_ms) == ("1", order.filled, order.fee, 1_000)
    await again.close()


async def test_the_rest_is_canceled_when_only_a_share_fills(
    database: SqlDatabase, market_data: FixedMarketData
) -> None:
    """With a fill ratio of 0.25 a quarter is bought and paid, and the order ends canceled."""
    paper = PaperExchange(database, market_data, SimulatedClock(), replace(TERMS, fill_ratio=Decimal("0.25")))
    order = await paper.fetch_order(await paper.create_order(buy("100.70")), "BTC/USD")
    assert (order.state, order.filled) == (OrderState.CANCELED, Decimal("0.24999851"))
    assert (await paper.fetch_balances())["USD"] == 1000 - order.cost - order.fee


async def test_nothing_fills_when_the_share_is_below_the_increment(
    database: SqlDatabase, market_data: FixedMarketData
) -> None:
    """An order of which nothing can fill is canceled, without average, fill or payment."""
    paper = PaperExchange(database, market_data, SimulatedClock(), replace(TERMS, fill_ratio=Decimal("1E-9")))
    venue_order_id = await paper.create_order(buy("1.00"))
    order = await paper.fetch_order(venue_order_id, "BTC/USD")
    assert (order.state, order.filled, order.average) == (OrderState.CANCELED, 0, None)
    assert await paper.fetch_fills(venue_order_id, "BTC/USD") == []
    assert (await paper.fetch_balances())["USD"] == 1000


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cents=st.integers(100, 100_000),
    ask=st.decimals(Decimal("0.01"), Decimal("100000"), places=2),
    ratio=st.decimals(Decimal("0.01"), Decimal(1), places=2),
    taker=st.decimals(Decimal(0), Decimal("0.012"), places=4),
)
async def test_a_buy_never_spends_more_than_its_cost(
    market_data: FixedMarketData, cents: int, ask: Decimal, ratio: Decimal, taker: Decimal
) -> None:
    """Whatever price, share and fee: cost and fee together stay within what was asked, to within one increment."""
    database = SqlDatabase(DatabaseConfig(url="sqlite://"), ENGINE, inline=True)
    market_data.quote = Quote("BTC/USD", ask / 2, ask, 0)
    paper = PaperExchange(
        database, market_data, SimulatedClock(), PaperTerms(TERMS.opening, ratio, FeeRates(taker=taker))
    )
    cost = Decimal(cents) / 100
    order = await paper.fetch_order(await paper.create_order(buy(str(cost))), "BTC/USD")
    step = market_data.market.base_increment * ask * (1 + taker)
    assert cost * ratio - step <= order.cost + order.fee <= cost * ratio
    await database.close()


async def test_an_order_is_invalid_when_the_market_is_flagged(
    paper: PaperExchange, market_data: FixedMarketData
) -> None:
    """A venue that does not trade a product refuses; the message names the flags."""
    market_data.flag("cancel_only", "view_only")
    with pytest.raises(InvalidOrder, match="cancel_only, view_only"):
        await paper.create_order(buy("50.00"))


@pytest.mark.parametrize(
    ("request_", "rule"),
    [
        (buy("0.99"), "below the minimum of 1"),
        (buy("-5.00"), "below the minimum of 1"),
        (buy("5.001"), "not a multiple of 0.01"),
        (OrderRequest(FIRST, "BTC/USD", Side.BUY, amount=Decimal(1)), "needs its cost"),
        (OrderRequest(FIRST, "BTC/USD", Side.SELL, cost=Decimal(1)), "needs its amount"),
        (OrderRequest(FIRST, "BTC/USD", Side.SELL, amount=Decimal("0.00001")), "below the minimum of 0.0001"),
        (OrderRequest(FIRST, "BTC/USD", Side.SELL, amount=Decimal("0.123456789")), "not a multiple of 1E-8"),
    ],
)
async def test_an_order_is_invalid_when_it_breaks_a_rule(
    paper: PaperExchange, request_: OrderRequest, rule: str
) -> None:
    """The message names figure and rule, and nothing is booked."""
    with pytest.raises(InvalidOrder, match=rule):
        await paper.create_order(request_)
    assert await paper.find_order(request_.client_order_id, "BTC/USD", 0) is None


async def test_the_whole_cost_must_be_there_even_when_a_share_fills(
    database: SqlDatabase, market_data: FixedMarketData
) -> None:
    """A venue holds what an order may spend, not what it happens to."""
    paper = PaperExchange(database, market_data, SimulatedClock(), replace(TERMS, fill_ratio=Decimal("0.1")))
    with pytest.raises(InsufficientFunds, match=r"needs 1000\.01 USD, 1000 free"):
        await paper.create_order(buy("1000.01"))
    assert await paper.find_order(FIRST, "BTC/USD", 0) is None


async def test_an_order_is_refused_when_there_is_no_price(paper: PaperExchange, market_data: FixedMarketData) -> None:
    """Without a quote nothing is booked, so this is a final no and nothing is left to look up."""
    market_data.down = True
    with pytest.raises(ExchangeRefused, match="no price for BTC/USD"):
        await paper.create_order(buy("50.00"))
    assert await paper.find_order(FIRST, "BTC/USD", 0) is None


async def test_the_outcome_is_unknown_when_the_books_do_not_answer(market_data: FixedMarketData) -> None:
    """A database that is not there: a write is unknown, and a lookup is not "not found"."""
    lost = SqlDatabase(DatabaseConfig(url="postgresql://nobody@127.0.0.1:1/none"), ENGINE)
    paper = PaperExchange(lost, market_data, SimulatedClock(), TERMS)
    with pytest.raises(OutcomeUnknown, match=str(FIRST)):
        await paper.create_order(buy("50.00"))
    for read in (paper.find_order(FIRST, "BTC/USD", 0), paper.fetch_balances()):
        with pytest.raises(ExchangeUnavailable):
            await read
    await lost.close()


def test_each_quote_currency_opens_with_the_configured_balance() -> None:
    """Two symbols in USD and one in EUR: two accounts with money, none with coins."""
    config = EngineConfig(symbols=("BTC/USD", "ETH/USD", "BTC/EUR"), paper=PaperConfig(balance=Decimal("250")))
    assert paper_terms(config, FeeRates()).opening == {"EUR": Decimal("250"), "USD": Decimal("250")}
