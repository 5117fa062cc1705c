"""Private endpoints: orders, fills and the account. Called by `exchange` after the bearer was looked at."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from trading_engine.simulator import wire
from trading_engine.simulator.message import Answer, Request, Wrong, refused
from trading_engine.simulator.orders import Order, Refused
from trading_engine.simulator.venue import Venue
from trading_engine.simulator.wire import figure

#: The lowest tier's bounds, as the real transaction summary gives them.
_TIER = {"pricing_tier": "Advanced 1", "usd_from": "0", "usd_to": "1000", "aop_from": "", "aop_to": ""}


def create(venue: Venue, request: Request) -> Answer:
    """Place an order; an acknowledgement carries ids only, never state."""
    body = request.json()
    try:
        order = venue.place(body)
    except Refused as reason:
        return refused(reason, body.get("order_configuration"))
    ids = {
        "order_id": order.order_id, "product_id": order.product_id, "side": order.side,
        "client_order_id": order.client_order_id, "attached_order_id": "",
    }  # fmt: skip
    return Answer(
        {
            "success": True, "failure_reason": "UNKNOWN_FAILURE_REASON", "order_id": order.order_id,
            "success_response": ids, "order_configuration": order.configuration,
        }
    )  # fmt: skip


def preview(venue: Venue, request: Request) -> Answer:
    """What the order would cost; what is wrong with it stands in `errs`."""
    body = request.json()
    errs: list[str] = []
    zero = Decimal(0)
    value = fee = size = zero
    try:
        _, _, estimate = venue.check(body)
        value, fee, size = estimate.value, estimate.fee, estimate.size
    except Refused as reason:
        errs = [reason.preview]
    known = body.get("product_id") in venue.products
    bid, ask = venue.quote(str(body["product_id"])) if known else (zero, zero)
    return Answer(
        {
            "order_total": figure(value + fee if body.get("side") == "BUY" else value - fee),
            "commission_total": figure(fee), "errs": errs, "warning": [], "quote_size": figure(value),
            "base_size": figure(size), "best_bid": figure(bid), "best_ask": figure(ask), "is_max": False,
            "order_margin_total": "0", "leverage": "", "slippage": "0", "preview_id": "",
        }
    )  # fmt: skip


def batch_cancel(venue: Venue, request: Request) -> Answer:
    """Cancel several; each has its own result."""
    ids = request.json().get("order_ids")
    if not isinstance(ids, list):
        raise Wrong(400, "INVALID_ARGUMENT", "order_ids must be a list")
    results = [_cancelled(venue, str(order_id)) for order_id in ids]
    return Answer({"results": results})


def _cancelled(venue: Venue, order_id: str) -> wire.Json:
    done = venue.cancel(order_id)
    reason = "UNKNOWN_CANCEL_FAILURE_REASON" if done else "UNKNOWN_CANCEL_ORDER"
    return {"success": done, "failure_reason": reason, "order_id": order_id}


def order(venue: Venue, _: Request, order_id: str) -> Answer:
    """One order, open or not."""
    found = venue.orders.get(order_id)
    if found is None:
        raise Wrong(404, "unknown", "order with this orderID was not found")
    return Answer({"order": wire.order(found)})


def orders(venue: Venue, request: Request) -> Answer:
    """Orders, newest first, in pages."""
    states, products = request.several("order_status"), request.several("product_ids", "product_id")
    since, until = _moment(request, "start_date", 0), _moment(request, "end_date", 2**53)

    def wanted(item: Order) -> bool:
        return (
            (not states or item.status in states)
            and (not products or item.product_id in products)
            and since <= item.created_ms < until
        )

    found = [wire.order(item) for item in reversed(venue.orders.values()) if wanted(item)]
    page, cursor = _page(found, request, 1000)
    return Answer({"orders": page, "sequence": "0", "has_next": bool(cursor), "cursor": cursor})


def fills(venue: Venue, request: Request) -> Answer:
    """Fills, newest first, in pages."""
    ids, products = request.several("order_ids", "order_id"), request.several("product_ids", "product_id")
    since = _moment(request, "start_sequence_timestamp", 0)
    until = _moment(request, "end_sequence_timestamp", 2**53)
    found = [
        wire.fill(fill)
        for item in reversed(venue.orders.values())
        for fill in reversed(item.fills)
        if (not ids or item.order_id in ids)
        and (not products or item.product_id in products)
        and since <= fill.at_ms < until
    ]
    page, cursor = _page(found, request, 100)
    return Answer({"fills": page, "cursor": cursor})


def accounts(venue: Venue, request: Request) -> Answer:
    """Wallets, in pages."""
    ledger = venue.ledger
    found = [wire.account(name, free, ledger.held[name]) for name, free in sorted(ledger.free.items())]
    page, cursor = _page(found, request, 49)
    return Answer({"accounts": page, "has_next": bool(cursor), "cursor": cursor, "size": len(page)})


def v2_accounts(venue: Venue, _: Request) -> Answer:
    """Wallets in the older form, which stock ccxt asks for by default."""
    ledger = venue.ledger
    found = [wire.wallet(name, free + ledger.held[name]) for name, free in sorted(ledger.free.items())]
    return Answer({"pagination": {"next_starting_after": None, "next_uri": None}, "data": found})


def transaction_summary(venue: Venue, _: Request) -> Answer:
    """The account's fee tier, and what it has traded and paid."""
    placed = venue.orders.values()
    volume = figure(sum((item.filled_value for item in placed), Decimal(0)))
    fees = figure(sum((item.fees for item in placed), Decimal(0)))
    rates = {"taker_fee_rate": figure(venue.terms.taker), "maker_fee_rate": figure(venue.terms.maker)}
    return Answer(
        {
            "total_volume": volume, "total_fees": fees, "fee_tier": {**_TIER, **rates}, "margin_rate": None,
            "goods_and_services_tax": None, "advanced_trade_only_volume": volume,
            "advanced_trade_only_fees": fees, "coinbase_pro_volume": "0", "coinbase_pro_fees": "0",
            "total_balance": "", "has_promo_fee": False,
        }
    )  # fmt: skip


def key_permissions(_: Venue, __: Request) -> Answer:
    """What the key may do."""
    return Answer(
        {
            "can_view": True, "can_trade": True, "can_transfer": False, "portfolio_uuid": wire.PORTFOLIO,
            "portfolio_type": "DEFAULT",
        }
    )  # fmt: skip


def portfolios(_: Venue, __: Request) -> Answer:
    """The one portfolio."""
    return Answer({"portfolios": [{"name": "Default", "uuid": wire.PORTFOLIO, "type": "DEFAULT", "deleted": False}]})


def _moment(request: Request, name: str, default: int) -> int:
    text = request.one(name)
    try:
        return wire.to_ms(text) if text else default
    except ValueError as error:
        raise Wrong(400, "INVALID_ARGUMENT", f"{name} must be an RFC 3339 time, got {text!r}") from error


def _page(items: Sequence[Any], request: Request, default: int) -> tuple[Sequence[Any], str]:
    start = request.number("cursor", 0)
    end = start + max(1, request.number("limit", default))
    return items[start:end], str(end) if end < len(items) else ""
