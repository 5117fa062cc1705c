"""Where ccxt 4.5.90 misleads, pinned: an upgrade that changes one of these turns a test red, to be looked at again.

Each test says what ccxt does and what our adapter does about it. Numbers as in the project's research.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from uuid import UUID

import ccxt
import pytest

from tests.fakes_coinbase import Scripted, exchange, made_up_keys, our_client, serving, simulated, stock_ccxt, venue
from trading_engine.adapters.ccxt_exchange import CcxtExchange
from trading_engine.contract.messages import Side
from trading_engine.domain.orders import OrderRequest
from trading_engine.simulator.message import Request
from trading_engine.simulator.routes_market import products

CLIENT_ID = "5f0c2f6a-6a5e-5b0e-8f5e-000000000001"
ACK = {
    "success": True,
    "success_response": {"order_id": "v", "product_id": "BTC-USD", "side": "BUY", "client_order_id": CLIENT_ID},
}
PATH = "/api/v3/brokerage/orders"


class Both:
    """Stock ccxt with markets set, and our adapter, connected to one script."""

    def __init__(self, script: Scripted, stock: Any, ours: CcxtExchange) -> None:
        self.script, self.stock, self.ours = script, stock, ours

    def bodies(self) -> list[dict[str, Any]]:
        return [body for method, path, body in self.script.requests if (method, path) == ("POST", PATH)]

    def configuration(self) -> dict[str, str]:
        return next(iter(self.bodies()[-1]["order_configuration"].values()))


@pytest.fixture
async def both() -> AsyncIterator[Both]:
    script = Scripted([(200, ACK)])
    keys = made_up_keys()
    async with (
        serving(script.application()) as (host, port),
        stock_ccxt(f"http://{host}:{port}", keys) as stock,
        our_client(f"http://{host}:{port}", keys) as client,
    ):
        answer = products(venue(), Request("GET", "")).body
        assert isinstance(answer, dict)
        stock.set_markets([stock.parse_spot_market(row, {}) for row in answer["products"]])
        yield Both(script, stock, CcxtExchange(client))


async def test_trap_1_client_order_id_dropped_when_camel_case(both: Both) -> None:
    """`clientOrderId` never reaches the wire; the raw key does, and ours is always the raw key."""
    await both.stock.create_order("BTC/USD", "market", "sell", 1, None, {"clientOrderId": CLIENT_ID})
    await both.stock.create_order("BTC/USD", "market", "sell", 1, None, {"client_order_id": CLIENT_ID})
    await both.ours.create_order(OrderRequest(UUID(CLIENT_ID), "BTC/USD", Side.SELL, amount=Decimal(1)))
    camel, raw, ours = (body["client_order_id"] for body in both.bodies())
    assert camel.startswith("ccxt-")
    assert raw == ours == CLIENT_ID


async def test_trap_2_no_state_when_acknowledged(both: Both) -> None:
    """An acknowledgement has ids only; our adapter returns an id, not an order."""
    created = await both.stock.create_order("BTC/USD", "market", "sell", 1)
    assert (created["id"], created["status"], created["filled"], created["average"]) == ("v", None, None, None)
    assert await both.ours.create_order(OrderRequest(UUID(CLIENT_ID), "BTC/USD", Side.SELL, amount=Decimal(1))) == "v"


async def test_trap_3_client_id_taken_for_a_venue_id_when_fetched() -> None:
    """The lookup by id knows the venue's id alone; ours finds an order by our own id in the list."""
    keys, served = made_up_keys(), exchange("--synthetic", "BTC/USD")
    async with (
        simulated(served) as url,
        stock_ccxt(url, keys) as stock,
        our_client(url, keys) as client,
    ):
        ours = CcxtExchange(client)
        venue_id = await ours.create_order(OrderRequest(UUID(CLIENT_ID), "BTC/USD", Side.BUY, cost=Decimal("10.00")))
        with pytest.raises(ccxt.ExchangeError, match="was not found"):
            await stock.fetch_order(CLIENT_ID, "BTC/USD")
        found = await ours.find_order(UUID(CLIENT_ID), "BTC/USD", 0)
    assert found is not None
    assert found.venue_order_id == venue_id


async def test_trap_4_order_not_found_when_classified_by_ccxt(both: Both) -> None:
    """The real body of an unknown order is ccxt's nameless ExchangeError, not OrderNotFound."""
    message = "order with this orderID was not found"
    both.script.answers = [(404, {"error": "unknown", "error_details": message, "message": message})]
    with pytest.raises(ccxt.ExchangeError) as caught:
        await both.stock.fetch_order("v", "BTC/USD")
    assert type(caught.value) is ccxt.ExchangeError


@pytest.mark.parametrize(
    ("error", "preview", "expected"),
    [
        ("INVALID_PRICE_PRECISION", "", ccxt.ExchangeError),
        ("INVALID_LIMIT_PRICE_POST_ONLY", "", ccxt.ExchangeError),
        ("UNSUPPORTED_ORDER_CONFIGURATION", "", ccxt.ExchangeError),
        ("INSUFFICIENT_FUND", "", ccxt.ExchangeError),
        ("INSUFFICIENT_FUND", "PREVIEW_INSUFFICIENT_FUND", ccxt.InsufficientFunds),
    ],
)
async def test_trap_5_nameless_class_when_refused(both: Both, error: str, preview: str, expected: type) -> None:
    """Most refusals are one class in ccxt; ours come from a table over the body."""
    body = {"success": False, "error_response": {"error": error, "preview_failure_reason": preview}}
    both.script.answers = [(200, body)]
    with pytest.raises(ccxt.BaseError) as caught:
        await both.stock.create_order("BTC/USD", "market", "sell", 1)
    assert type(caught.value) is expected


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (500, {"errors": [{"id": "internal_server_error", "message": "x"}]}, ccxt.ExchangeError),
        (502, "", ccxt.ExchangeNotAvailable),
        (429, {}, ccxt.RateLimitExceeded),
    ],
)
async def test_trap_6_final_class_when_the_server_fails(both: Both, status: int, body: Any, expected: type) -> None:
    """A 500 reads as final in ccxt; ours is OutcomeUnknown for each 5xx (see test_ccxt_exchange)."""
    both.script.answers = [(status, body)]
    with pytest.raises(ccxt.BaseError) as caught:
        await both.stock.create_order("BTC/USD", "market", "sell", 1)
    assert type(caught.value) is expected


def test_trap_7_rate_limit_class_when_the_tree_moves() -> None:
    """RateLimitExceeded is a NetworkError and no DDoSProtection in this version."""
    assert issubclass(ccxt.RateLimitExceeded, ccxt.NetworkError)
    assert not issubclass(ccxt.RateLimitExceeded, ccxt.DDoSProtection)


async def test_trap_8_sent_again_when_retries_are_on(both: Both) -> None:
    """With `maxRetriesOnFailure` a POST is repeated; by default, and in our adapter, it never is."""
    both.script.answers = [(502, "")]
    for retries, sent in ((2, 3), (0, 1)):
        both.script.requests.clear()
        with pytest.raises(ccxt.ExchangeNotAvailable):
            await both.stock.v3PrivatePostBrokerageOrders({"maxRetriesOnFailure": retries})
        assert len(both.script.requests) == sent


async def test_trap_9_amount_becomes_cost_when_no_price_is_required(both: Both) -> None:
    """A market buy by amount is refused or turned into a spend; by cost it is what ours always sends."""
    with pytest.raises(ccxt.InvalidOrder):
        await both.stock.create_order("BTC/USD", "market", "buy", 10)
    params = {"createMarketBuyOrderRequiresPrice": False}
    await both.stock.create_order("BTC/USD", "market", "buy", 10, None, params)
    assert both.configuration() == {"quote_size": "10"}
    await both.stock.create_order("BTC/USD", "market", "buy", 10, None, {"cost": 7})
    assert both.configuration() == {"quote_size": "7"}
    await both.ours.create_order(OrderRequest(UUID(CLIENT_ID), "BTC/USD", Side.BUY, cost=Decimal("7.00")))
    assert both.configuration() == {"quote_size": "7.00"}


async def test_trap_10_figures_rounded_when_sent_through_ccxt(both: Both) -> None:
    """Ccxt truncates costs and amounts and rounds prices half up; ours goes on the wire as it is."""
    await both.stock.create_order("BTC/USD", "market", "buy", 1, None, {"cost": 3.119})
    assert both.configuration() == {"quote_size": "3.11"}
    await both.stock.create_order("BTC/USD", "limit", "sell", 1, 50000.125)
    assert both.configuration()["limit_price"] == "50000.13"
    with pytest.raises(ccxt.InvalidOrder):
        await both.stock.create_order("BTC/USD", "market", "sell", 0.000000001)
    await both.ours.create_order(OrderRequest(UUID(CLIENT_ID), "BTC/USD", Side.BUY, cost=Decimal("3.119")))
    assert both.configuration() == {"quote_size": "3.119"}


async def test_trap_11_no_sandbox_when_asked_for(both: Both) -> None:
    """There is no sandbox to fall back on; that is why the simulator exists."""
    with pytest.raises((TypeError, ccxt.NotSupported)):
        both.stock.set_sandbox_mode(True)


async def test_trap_12_no_four_hours_when_asked_for_timeframes(both: Both) -> None:
    """The eight candle lengths of the contract, and 300 a call."""
    assert list(both.stock.timeframes) == ["1m", "5m", "15m", "30m", "1h", "2h", "6h", "1d"]
    both.script.answers = [(200, {"candles": []})]
    await both.stock.fetch_ohlcv("BTC/USD", "1m", since=0, limit=1000)
    assert "end=18000" in both.script.requests[-1][1]


async def test_trap_13_fees_contradict_when_defaults_are_read(both: Both) -> None:
    """Ccxt's default taker fee and the first row of its tier table differ; ours asks the account."""
    trading = both.stock.fees["trading"]
    assert (trading["taker"], trading["tiers"]["taker"][0][1]) == (0.012, 0.006)


async def test_trap_14_old_accounts_when_balance_is_fetched(both: Both) -> None:
    """The default balance is the expensive v2 endpoint; ours is v3, 250 a page."""
    both.script.answers = [(200, {"data": [], "accounts": []})]
    await both.stock.fetch_balance()
    await both.ours.fetch_balances()
    assert [path for _, path, _ in both.script.requests] == [
        "/v2/accounts?limit=250",
        "/api/v3/brokerage/accounts?limit=250",
    ]


async def test_trap_15_401_when_markets_are_loaded_with_keys(both: Both) -> None:
    """Ccxt's markets ask for the fee tier first, so a 401 there looks like no markets; ours names the call."""
    both.script.answers = [(401, "Unauthorized")]
    with pytest.raises(ccxt.AuthenticationError):
        await both.stock.load_markets(True)
    with pytest.raises(Exception, match="v3PrivateGetBrokerageTransactionSummary"):
        await both.ours.fetch_fee_rates()


async def test_trap_16_index_error_when_newlines_are_literal(both: Both) -> None:
    """A secret with the two characters of an escaped newline fails deep inside ccxt; ours is normalised at start."""
    both.stock.secret = made_up_keys().secret.replace("\n", "\\n")
    with pytest.raises((IndexError, ValueError)):
        await both.stock.v3PrivateGetBrokerageAccounts()


def test_version_when_pinned() -> None:
    """All of this was looked at in this version."""
    assert ccxt.__version__ == "4.5.90"
