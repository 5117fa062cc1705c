"""The simulated exchange's answers: routing, the bearer, Coinbase's error bodies, and what a restart keeps."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.fakes_coinbase import NOW_MS, SetClock, made_up_keys, steady, venue
from trading_engine.errors import ConfigError
from trading_engine.simulator import auth, state
from trading_engine.simulator.exchange import PRIVATE, PUBLIC, Exchange
from trading_engine.simulator.message import Answer, Request

ORDERS = "/api/v3/brokerage/orders"
BODY: dict[str, Any] = {
    "client_order_id": "mine",
    "product_id": "BTC-USD",
    "side": "BUY",
    "order_configuration": {"market_market_ioc": {"quote_size": "100"}},
}


def token(method: str = "GET", path: str = "/p", **changes: Any) -> str:
    """A bearer whose parts are right but for `changes` (`_alg` and `_kid` of the header, `_signature`)."""
    now = int(time.time())
    header = {"alg": changes.pop("_alg", "ES256"), "kid": changes.pop("_kid", "key"), "nonce": "n", "typ": "JWT"}
    signature = b"s" * changes.pop("_signature", 64)
    uri = f"{method} api.coinbase.com{path}"
    claims = {"iss": "coinbase-cloud", "sub": "key", "nbf": now, "exp": now + 120, "uri": uri, **changes}
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    return "Bearer " + ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def ask(served: Exchange, method: str, path: str, body: Any = None, **query: str) -> Answer:
    raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {name: [value] for name, value in query.items()}
    return served.answer(Request(method, path, sent, token(method, path), raw))


def an_exchange(state_file: Path | None = None, clock: SetClock | None = None) -> Exchange:
    return Exchange(venue(clock=clock), NOW_MS // 60_000, state_file)


def body_of(answer: Answer) -> dict[str, Any]:
    assert isinstance(answer.body, dict)
    return answer.body


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer a.b",
        "Bearer a.b.c",
        "Basic " + token().removeprefix("Bearer "),
        token(_alg="HS256"),
        token(_kid="another"),
        token(_signature=70),
        token(exp=int(time.time()) - 1),
        token(nbf=int(time.time()) + 600, exp=int(time.time()) + 660),
        token(exp=int(time.time()) + 3600),
        token(exp="soon"),
        token(iss=""),
        token("POST"),
        token(path="/another"),
    ],
)
def test_flaw_found_when_the_bearer_is_wrong(authorization: str) -> None:
    """Each part of the token that Coinbase checks is checked."""
    assert auth.flaw(authorization, "GET", "/p", time.time())


def test_no_flaw_when_the_bearer_is_right() -> None:
    """And the right one passes."""
    assert auth.flaw(token(), "GET", "/p", time.time()) is None


def test_unauthorized_when_private_without_bearer() -> None:
    """Every private endpoint is closed, every public one open; the body is Coinbase's plain text."""
    served = an_exchange()
    for method, path, _ in PRIVATE:
        answer = served.answer(Request(method, path.replace("([^/]+)", "BTC-USD"), body=b"{}"))
        assert (answer.status, answer.body) == (401, "Unauthorized\n"), path
    for method, path, _ in PUBLIC:
        query = {"product_id": ["BTC-USD"], "granularity": ["ONE_MINUTE"]}
        answer = served.answer(Request(method, path.replace("([^/]+)", "BTC-USD"), query))
        assert answer.status == 200, path


@pytest.mark.parametrize(
    ("method", "path", "query", "status", "error"),
    [
        ("GET", "/api/v3/brokerage/nothing", {}, 404, "NOT_FOUND"),
        ("DELETE", ORDERS, {}, 404, "NOT_FOUND"),
        ("GET", "/api/v3/brokerage/market/products/DOGE-USD", {}, 404, "NOT_FOUND"),
        ("GET", f"{ORDERS}/historical/nobody", {}, 404, "unknown"),
        ("GET", "/api/v3/brokerage/market/products/BTC-USD/candles", {"granularity": "4h"}, 400, "INVALID_ARGUMENT"),
        (
            "GET",
            "/api/v3/brokerage/market/products/BTC-USD/candles",
            {"granularity": "ONE_MINUTE", "start": "0", "end": "21060"},
            400,
            "INVALID_ARGUMENT",
        ),
        ("GET", "/api/v3/brokerage/market/products", {"limit": "many"}, 400, "INVALID_ARGUMENT"),
        ("GET", f"{ORDERS}/historical/batch", {"start_date": "yesterday"}, 400, "INVALID_ARGUMENT"),
        ("POST", ORDERS, {}, 400, "INVALID_ARGUMENT"),
        ("POST", f"{ORDERS}/batch_cancel", {}, 400, "INVALID_ARGUMENT"),
    ],
)
def test_error_body_when_a_request_is_wrong(
    method: str, path: str, query: dict[str, str], status: int, error: str
) -> None:
    """Wrong requests get a status and Coinbase's three fields."""
    answer = ask(an_exchange(), method, path, b"not json" if method == "POST" else None, **query)
    assert (answer.status, body_of(answer)["error"]) == (status, error)
    assert body_of(answer)["message"] == body_of(answer)["error_details"] != ""


def test_at_most_350_candles_when_the_window_is_wider() -> None:
    """The limit of a call is the real one's."""
    path = "/api/v3/brokerage/market/products/BTC-USD/candles"
    served = Exchange(venue(steady(2000)), 0)
    end = NOW_MS // 1000
    answer = ask(served, "GET", path, granularity="ONE_MINUTE", start=str(end - 350 * 60), end=str(end))
    assert len(body_of(answer)["candles"]) == 350


def test_rejection_when_an_order_is_refused() -> None:
    """A refused order is status 200 with `success: false`, both reasons and the configuration."""
    body = {**BODY, "side": "SELL", "order_configuration": {"market_market_ioc": {"base_size": "5"}}}
    answer = body_of(ask(an_exchange(), "POST", ORDERS, body))
    assert (answer["success"], answer["order_id"]) == (False, "")
    assert answer["error_response"]["error"] == "INSUFFICIENT_FUND"
    assert answer["error_response"]["preview_failure_reason"] == "PREVIEW_INSUFFICIENT_FUND"
    assert answer["order_configuration"] == body["order_configuration"]


def test_preview_when_asked_places_nothing() -> None:
    """A preview tells cost and fee, or what is wrong, and leaves no order."""
    served = an_exchange()
    fine = body_of(ask(served, "POST", f"{ORDERS}/preview", BODY))
    poor = {**BODY, "order_configuration": {"market_market_ioc": {"quote_size": "99999"}}}
    wrong = body_of(ask(served, "POST", f"{ORDERS}/preview", poor))
    unknown = body_of(ask(served, "POST", f"{ORDERS}/preview", {**BODY, "product_id": "X"}))
    assert 99 < float(fine["order_total"]) <= 100
    assert fine["errs"] == []
    assert wrong["errs"] == ["PREVIEW_INSUFFICIENT_FUND"]
    assert unknown["errs"] == ["PREVIEW_INVALID_PRODUCT_ID"]
    assert served.venue.orders == {}


@pytest.mark.parametrize(
    ("name", "path", "query"),
    [
        ("accounts", "/accounts", {}),
        ("candles", "/market/products/BTC-USD/candles", {"granularity": "ONE_MINUTE"}),
        ("fills", "/orders/historical/fills", {}),
        ("order", "/orders/historical/{order_id}", {}),
        ("product", "/products/BTC-USD", {}),
        ("products", "/market/products", {}),
        ("product_book", "/market/product_book", {"product_id": "BTC-USD"}),
        ("ticker", "/market/products/BTC-USD/ticker", {}),
    ],
)
def test_shape_of_the_real_answer_when_served(name: str, path: str, query: dict[str, str]) -> None:
    """Fields and types are exactly those of answers recorded from the real API."""
    served = an_exchange()
    order_id = body_of(ask(served, "POST", ORDERS, BODY))["order_id"]
    answer = ask(served, "GET", "/api/v3/brokerage" + path.format(order_id=order_id), **query)
    recorded = json.loads(Path(__file__).with_name("recorded_shapes.json").read_text())[name]
    simulated = shape(answer.body)
    simulated.get("order", {}).pop("order_configuration", None)  # of the kind of order
    assert simulated == recorded


def shape(value: Any) -> Any:
    """Field names and type names; of a list of objects, its first one."""
    if isinstance(value, dict):
        return {key: shape(field) for key, field in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [shape(value[0])]
    return type(value).__name__


def test_posts_counted_when_an_id_is_repeated() -> None:
    """The admin page counts what arrived, also what made no second order."""
    served = an_exchange()
    first, second = (body_of(ask(served, "POST", ORDERS, BODY)) for _ in range(2))
    assert first["order_id"] == second["order_id"]
    assert served.received() == {"posts": {"mine": 2}, "orders": {"mine": [first["order_id"]]}}


def test_all_kept_when_restarted_with_a_state_file(tmp_path: Path) -> None:
    """Orders, fills, balances, counts and the tape's place survive; a resting order touched meanwhile fills."""
    file, clock = tmp_path / "state.json", SetClock()
    served = an_exchange(file, clock)
    ask(served, "POST", ORDERS, BODY)
    limit = {"limit_limit_gtc": {"base_size": "1", "limit_price": "165.50"}}
    resting = {**BODY, "client_order_id": "r", "side": "SELL", "order_configuration": limit}
    order_id = body_of(ask(served, "POST", ORDERS, resting))["order_id"]
    saved = state.load(file)
    again = an_exchange(file, clock)
    state.restore(again.venue, saved)
    assert saved["anchor_minute"] == served.anchor_minute
    assert again.venue.orders == served.venue.orders
    assert (again.venue.ledger.free, again.venue.ledger.held) == (served.venue.ledger.free, served.venue.ledger.held)
    assert again.received() == served.received()
    clock.ms += 10 * 60_000
    order = body_of(ask(again, "GET", f"{ORDERS}/historical/{order_id}"))["order"]
    assert (order["status"], order["average_filled_price"]) == ("FILLED", "165.5")
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def test_config_error_when_the_state_is_of_other_products(tmp_path: Path) -> None:
    """Orders of a product that is gone are not dropped silently."""
    file = tmp_path / "state.json"
    ask(an_exchange(file), "POST", ORDERS, BODY)
    text = file.read_text().replace("BTC-USD", "OLD-USD")
    with pytest.raises(ConfigError, match="OLD-USD"):
        state.restore(venue(), json.loads(text))


def test_signed_by_ccxt_when_keys_are_made_up() -> None:
    """What ccxt signs passes the check, its signature being one of P-256."""
    from ccxt.async_support.coinbase import coinbase

    keys = made_up_keys()
    client = coinbase({"apiKey": keys.api_key, "secret": keys.secret})
    bearer = client.create_auth_token(client.seconds(), "GET", "http://127.0.0.1:8080/p?x=1")
    assert auth.flaw("Bearer " + bearer, "GET", "/p", time.time()) is None
