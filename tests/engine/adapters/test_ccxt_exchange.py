"""The live exchange adapter against a server that answers whatever it is told."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from tests.fakes_coinbase import scripted
from trading_engine.adapters.ccxt_exchange import CcxtExchange, wire_order
from trading_engine.contract.messages import OrderState, Side
from trading_engine.domain.market import FeeRates
from trading_engine.domain.orders import OrderRequest
from trading_engine.errors import (
    AuthenticationFailed,
    ExchangeRefused,
    ExchangeUnavailable,
    InsufficientFunds,
    InvalidOrder,
    OutcomeUnknown,
)

CLIENT_ID = UUID("5f0c2f6a-6a5e-5b0e-8f5e-000000000001")
BUY = OrderRequest(CLIENT_ID, "BTC/USD", Side.BUY, cost=Decimal("3.119"))
TIER = FeeRates(Decimal("0.004"), Decimal("0.007"))
SELL = OrderRequest(CLIENT_ID, "BTC/USD", Side.SELL, amount=Decimal("0.00000001"))


def accepted(client_order_id: str = str(CLIENT_ID), order_id: str = "venue-1") -> dict[str, Any]:
    ids = {"order_id": order_id, "product_id": "BTC-USD", "side": "BUY", "client_order_id": client_order_id}
    return {"success": True, "order_id": order_id, "success_response": ids}


def rejected(error: str, preview: str = "UNKNOWN_PREVIEW_FAILURE_REASON") -> dict[str, Any]:
    return {
        "success": False,
        "failure_reason": "UNKNOWN_FAILURE_REASON",
        "error_response": {"error": error, "message": "said the venue", "preview_failure_reason": preview},
    }


def an_order(**fields: Any) -> dict[str, Any]:
    """An order as recorded from the real API, filled."""
    return {
        "order_id": "venue-1", "product_id": "BTC-USD", "side": "BUY", "client_order_id": str(CLIENT_ID),
        "status": "FILLED", "created_time": "2023-01-18T01:37:37.975552Z", "filled_size": "0.000297920684505",
        "average_filled_price": "21220.6399999973697697", "filled_value": "6.3220675944333996",
        "total_fees": "0.0379324055666004", **fields,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("request_", "configuration"),
    [
        (BUY, {"quote_size": "3.119"}),
        (SELL, {"base_size": "0.00000001"}),
        (OrderRequest(CLIENT_ID, "BTC/USD", Side.SELL, amount=Decimal("1E+2")), {"base_size": "100"}),
        (OrderRequest(CLIENT_ID, "BTC/USD", Side.BUY, cost=Decimal("50.00")), {"quote_size": "50.00"}),
    ],
)
async def test_wire_body_equals_the_request_when_sent(request_: OrderRequest, configuration: dict[str, str]) -> None:
    """What is on the wire is the Decimal we hold, digit for digit, under our own client order id; once."""
    async with scripted((200, accepted())) as (script, client):
        assert await CcxtExchange(client).create_order(request_) == "venue-1"
    ((method, path, body),) = script.requests
    assert (method, path) == ("POST", "/api/v3/brokerage/orders")
    assert body == {
        "client_order_id": str(CLIENT_ID),
        "product_id": "BTC-USD",
        "side": request_.side.upper(),
        "order_configuration": {"market_market_ioc": configuration},
    }


async def test_nothing_sent_when_a_figure_is_missing() -> None:
    """A buy without a cost is our own mistake and never reaches the wire."""
    with pytest.raises(InvalidOrder, match="quote_size"):
        wire_order(OrderRequest(CLIENT_ID, "BTC/USD", Side.BUY, amount=Decimal(1)))


@pytest.mark.parametrize(
    "answer",
    [
        None,
        (500, {"error": "internal_server_error", "message": "Internal server error"}),
        (500, {"errors": [{"id": "internal_server_error", "message": "x"}]}),
        (502, "<html>Bad gateway</html>"),
        (503, ""),
        (504, {"error": "INVALID_ARGUMENT"}),
        (200, "<html>captive portal</html>"),
        (200, ""),
        (200, []),
        (200, {}),
        (200, {"success": True}),
        (200, {"success": False}),
        (200, accepted(client_order_id="ccxt-0d6c")),
        (200, accepted(order_id="")),
        (200, rejected("UNKNOWN_FAILURE_REASON")),
        (302, "moved"),
        (404, "<html>not here</html>"),
        (408, {"error": "timeout"}),
        (400, {"error": ""}),
    ],
    ids=str,
)
async def test_outcome_unknown_when_the_answer_is_no_clear_word(answer: tuple[int, Any] | None) -> None:
    """Whatever is neither our order acknowledged nor a named refusal may have arrived; it was sent exactly once."""
    async with scripted(answer) as (script, client):
        with pytest.raises(OutcomeUnknown):
            await CcxtExchange(client).create_order(BUY)
    assert len(script.requests) == 1


async def test_outcome_unknown_when_no_answer_in_time() -> None:
    """A write that times out may have arrived."""

    async def silent(*_: object, **__: object) -> None:
        raise TimeoutError

    async with scripted((200, accepted())) as (_, client):
        client._ccxt.fetch = silent
        with pytest.raises(OutcomeUnknown):
            await CcxtExchange(client).create_order(BUY)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, rejected("INSUFFICIENT_FUND"), InsufficientFunds),
        (200, rejected("UNKNOWN_FAILURE_REASON", "PREVIEW_INSUFFICIENT_FUND"), InsufficientFunds),
        (200, rejected("INVALID_PRICE_PRECISION"), InvalidOrder),
        (200, rejected("INVALID_LIMIT_PRICE_POST_ONLY"), InvalidOrder),
        (200, rejected("UNSUPPORTED_ORDER_CONFIGURATION"), InvalidOrder),
        (200, rejected("UNKNOWN_FAILURE_REASON", "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL"), InvalidOrder),
        (200, rejected("COMMANDER_REJECTED_NEW_ORDER"), ExchangeRefused),
        (400, {"error": "INVALID_ARGUMENT", "message": "account is not available"}, InvalidOrder),
        (401, "Unauthorized\n", AuthenticationFailed),
        (403, {"error": "PERMISSION_DENIED"}, AuthenticationFailed),
        (429, {"error": "rate_limit_exceeded"}, ExchangeRefused),
    ],
    ids=str,
)
async def test_refused_when_the_venue_says_why(status: int, body: Any, expected: type[ExchangeRefused]) -> None:
    """A named reason is final and of its own class, whatever class ccxt has for it."""
    async with scripted((status, body)) as (script, client):
        with pytest.raises(ExchangeRefused) as caught:
            await CcxtExchange(client).create_order(BUY)
    assert type(caught.value) is expected
    assert len(script.requests) == 1


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (None, ExchangeUnavailable),
        ((500, {"error": "internal_server_error"}), ExchangeUnavailable),
        ((429, {"error": "rate_limit_exceeded"}), ExchangeUnavailable),
        ((200, "<html></html>"), ExchangeUnavailable),
        ((200, {"nothing": 1}), ExchangeUnavailable),
        ((200, {"order": an_order(status="A_NEW_WORD")}), ExchangeUnavailable),
        ((200, {"order": an_order(filled_size="NaN, Inc.")}), ExchangeUnavailable),
        ((404, {"error": "unknown", "message": "order with this orderID was not found"}), ExchangeRefused),
        ((401, "Unauthorized\n"), AuthenticationFailed),
    ],
    ids=str,
)
async def test_read_errors_when_fetching_an_order(answer: Any, expected: type[Exception]) -> None:
    """A read that says nothing is unavailable, never an order and never "not found"."""
    async with scripted(answer) as (_, client):
        with pytest.raises(expected) as caught:
            await CcxtExchange(client).fetch_order("venue-1", "BTC/USD")
    assert type(caught.value) is expected


@pytest.mark.parametrize(
    ("status", "filled", "state"),
    [
        ("PENDING", "0", OrderState.ACCEPTED),
        ("QUEUED", "0", OrderState.ACCEPTED),
        ("OPEN", "0", OrderState.ACCEPTED),
        ("OPEN", "0.1", OrderState.PARTIAL),
        ("CANCEL_QUEUED", "0.1", OrderState.PARTIAL),
        ("FILLED", "0.1", OrderState.FILLED),
        ("CANCELLED", "0", OrderState.CANCELED),
        ("EXPIRED", "0", OrderState.EXPIRED),
        ("FAILED", "0", OrderState.REJECTED),
        ("FAILED", "0.1", OrderState.CANCELED),
        ("EXPIRED", "0.1", OrderState.EXPIRED),
    ],
)
async def test_state_when_the_venue_uses_its_words(status: str, filled: str, state: OrderState) -> None:
    """Each of Coinbase's statuses is one of our states."""
    async with scripted((200, {"order": an_order(status=status, filled_size=filled)})) as (_, client):
        assert (await CcxtExchange(client).fetch_order("venue-1", "BTC/USD")).state is state


async def test_figures_exact_when_an_order_is_read() -> None:
    """Figures are the venue's text as Decimal, more digits than a float holds."""
    async with scripted((200, {"order": an_order()})) as (script, client):
        order = await CcxtExchange(client).fetch_order("venue-1", "BTC/USD")
    assert order.filled == Decimal("0.000297920684505")
    assert order.average == Decimal("21220.6399999973697697")
    assert (order.cost, order.fee) == (Decimal("6.3220675944333996"), Decimal("0.0379324055666004"))
    assert order.created_ms == 1674005857976
    assert script.requests[0][1] == "/api/v3/brokerage/orders/historical/venue-1"


async def test_found_on_a_later_page_when_looked_up_by_client_id() -> None:
    """All pages since that time are read, with no filter that could hide the order."""
    other = an_order(order_id="venue-0", client_order_id="somebody-else")
    first = (200, {"orders": [other], "has_next": True, "cursor": "c2"})
    second = (200, {"orders": [an_order()], "has_next": False, "cursor": ""})
    async with scripted(first, second) as (script, client):
        found = await CcxtExchange(client).find_order(CLIENT_ID, "BTC/USD", 1_674_000_000_000)
    assert found is not None
    assert found.venue_order_id == "venue-1"
    paths = [path for _, path, _ in script.requests]
    assert "start_date=2023-01-18T00%3A00%3A00Z" in paths[0]
    assert "cursor=c2" in paths[1]
    assert not any(word in path for path in paths for word in ("product_id", "order_status"))


async def test_none_when_no_page_has_the_client_id() -> None:
    """Not found is an answer, given only after the last page."""
    async with scripted((200, {"orders": [], "has_next": False, "cursor": ""})) as (_, client):
        assert await CcxtExchange(client).find_order(CLIENT_ID, "BTC/USD", 0) is None


@pytest.mark.parametrize(
    "second",
    [(503, ""), (200, {"orders": None}), (200, {"orders": [], "has_next": True, "cursor": "c2"})],
    ids=str,
)
async def test_unavailable_when_a_later_page_fails(second: tuple[int, Any]) -> None:
    """Half a list is not "not found"."""
    first = (200, {"orders": [], "has_next": True, "cursor": "c2"})
    async with scripted(first, second) as (_, client):
        with pytest.raises(ExchangeUnavailable):
            await CcxtExchange(client).find_order(CLIENT_ID, "BTC/USD", 0)


async def test_fills_oldest_first_when_sizes_are_in_quote() -> None:
    """A size in quote currency is turned into base; times of nine digits are understood."""
    common = {"order_id": "venue-1", "side": "BUY", "price": "20000", "product_id": "BTC-USD"}
    late = {
        **common,
        "trade_id": "t2",
        "trade_time": "2023-01-18T01:37:39.091377090Z",
        "size": "5",
        "size_in_quote": True,
        "commission": "0.03",
    }
    early = {
        **common,
        "trade_id": "t1",
        "trade_time": "2023-01-18T01:37:38.091377090Z",
        "size": "0.001",
        "size_in_quote": False,
        "commission": "",
    }
    foreign = {**early, "order_id": "venue-9", "trade_id": "t9"}  # fmt: skip
    async with scripted((200, {"fills": [late, early, foreign], "cursor": ""})) as (script, client):
        fills = await CcxtExchange(client).fetch_fills("venue-1", "BTC/USD")
    assert [(fill.trade_id, fill.amount, fill.fee) for fill in fills] == [
        ("t1", Decimal("0.001"), Decimal(0)),
        ("t2", Decimal("0.00025"), Decimal("0.03")),
    ]
    assert fills[0].timestamp_ms == 1674005858091
    assert "order_ids=venue-1" in script.requests[0][1]


@pytest.mark.parametrize(("size", "amount"), [("3.49231", "0.000057"), ("3.492309999999999999", "0.000057")])
async def test_fill_is_what_was_traded_when_its_size_in_quote_is_rounded(size: str, amount: str) -> None:
    """A division's endless digits, the venue's or ours, are not part of the amount."""
    fill = {"order_id": "v", "trade_id": "t", "side": "BUY", "price": "61268.596491228070", "product_id": "BTC-USD"}
    row = {**fill, "trade_time": "2023-01-18T01:37:39Z", "size": size, "size_in_quote": True, "commission": ""}
    async with scripted((200, {"fills": [row], "cursor": ""})) as (_, client):
        (found,) = await CcxtExchange(client).fetch_fills("v", "BTC/USD")
    assert found.amount == Decimal(amount)


async def test_balances_added_up_when_in_pages() -> None:
    """Free amounts of all wallets, from the v3 endpoint, page by page."""
    wallets = [
        {"currency": name, "available_balance": {"value": value}}
        for name, value in (("USD", "10000.50"), ("BTC", "1.2"))
    ]
    first = (200, {"accounts": wallets, "has_next": True, "cursor": "2"})
    second = (200, {"accounts": wallets[:1], "has_next": False, "cursor": ""})
    async with scripted(first, second) as (script, client):
        balances = await CcxtExchange(client).fetch_balances()
    assert balances == {"USD": Decimal("20001.00"), "BTC": Decimal("1.2")}
    assert script.requests[0][1] == "/api/v3/brokerage/accounts?limit=250"


@pytest.mark.parametrize(
    ("summary", "rates"),
    [
        ({"fee_tier": {"maker_fee_rate": "0.004", "taker_fee_rate": "0.007"}}, TIER),
        ({"fee_tier": {"maker_fee_rate": "", "taker_fee_rate": "0.006"}}, FeeRates()),
        ({"fee_tier": None}, FeeRates()),
        ({}, FeeRates()),
    ],
)  # fmt: skip
async def test_fee_rates_when_the_tier_is_known_or_not(summary: dict[str, Any], rates: FeeRates) -> None:
    """The account's own tier, else the worst published one; never ccxt's default table."""
    async with scripted((200, summary)) as (_, client):
        assert await CcxtExchange(client).fetch_fee_rates() == rates


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((200, {"results": [{"success": False, "failure_reason": "X", "order_id": "v"}]}), InvalidOrder),
        ((200, {"results": []}), OutcomeUnknown),
        ((200, {"results": [{"success": True, "order_id": "another"}]}), OutcomeUnknown),
        ((502, ""), OutcomeUnknown),
    ],
    ids=str,
)  # fmt: skip
async def test_cancel_errors_when_not_confirmed(answer: tuple[int, Any], expected: type[Exception]) -> None:
    """Only a result for this very order counts."""
    async with scripted(answer) as (_, client):
        with pytest.raises(expected):
            await CcxtExchange(client).cancel_order("v", "BTC/USD")
