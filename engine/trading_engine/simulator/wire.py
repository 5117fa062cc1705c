"""The venue's things as Coinbase writes them in JSON. Called by the routes; pure.

Shapes follow recorded answers of the real API: figures are strings, times RFC 3339.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID, uuid5

from trading_engine.simulator.orders import FILLED, OPEN, TIME_IN_FORCE, Fill, Order, Product

Json = dict[str, Any]

_NAMESPACE: Final = UUID("8f7c0b52-0e0c-5d1b-9c3e-1d6f5f6f7a02")
PORTFOLIO: Final = str(uuid5(_NAMESPACE, "portfolio"))
USER: Final = str(uuid5(_NAMESPACE, "user"))
FIAT: Final = {"USD": "US Dollar", "EUR": "Euro", "GBP": "British Pound"}
NAMES: Final = {"BTC": "Bitcoin", "ETH": "Ethereum", "LTC": "Litecoin", "SOL": "Solana", **FIAT}


def figure(value: Decimal) -> str:
    """Plain digits, no exponent, no trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def moment(at_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_ms(text: str) -> int:
    """Milliseconds of an RFC 3339 time.

    Raises:
        ValueError: it is not one.
    """
    return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


def product(item: Product, price: Decimal, day: tuple[Decimal, Decimal], bid_ask: tuple[Decimal, Decimal]) -> Json:
    """A product; `day` is the price a day ago and the volume since."""
    before, volume = day
    name = item.id + (" (synthetic)" if item.synthetic else "")
    return {
        "product_id": item.id, "price": figure(price),
        "price_percentage_change_24h": figure(((price / before - 1) * 100).quantize(Decimal("0.00000001"))),
        "volume_24h": figure(volume), "volume_percentage_change_24h": "0",
        "base_increment": figure(item.base_increment), "quote_increment": figure(item.quote_increment),
        "quote_min_size": figure(item.quote_min), "quote_max_size": figure(item.quote_max),
        "base_min_size": figure(item.base_min), "base_max_size": figure(item.base_max),
        "base_name": NAMES.get(item.base, item.base), "quote_name": NAMES.get(item.quote, item.quote),
        "watched": False, "is_disabled": False, "new": False, "status": "online", "cancel_only": False,
        "limit_only": False, "post_only": False, "trading_disabled": False, "auction_mode": False,
        "product_type": "SPOT", "quote_currency_id": item.quote, "base_currency_id": item.base,
        "fcm_trading_session_details": None, "mid_market_price": "", "alias": "", "alias_to": [],
        "base_display_symbol": item.base, "quote_display_symbol": item.quote, "view_only": False,
        "price_increment": figure(item.increment), "display_name": name, "product_venue": "CBE",
        "approximate_quote_24h_volume": figure((volume * price).quantize(Decimal("0.01"))),
        "new_at": "2023-01-01T00:00:00Z", "market_cap": "", "base_cbrn": "", "quote_cbrn": "",
        "product_cbrn": "", "icon_color": "", "icon_url": "", "display_name_overwrite": "",
        "is_alpha_testing": False, "about_description": "",
        "best_bid_price": figure(bid_ask[0]), "best_ask_price": figure(bid_ask[1]),
    }  # fmt: skip


def order(item: Order) -> Json:
    """An order as `historical/{id}` and `historical/batch` give it."""
    fields = item.configuration[item.kind]
    size, value, fees = item.filled_size, item.filled_value, item.fees
    after_fees = value + fees if item.side == "BUY" else value - fees
    in_quote = "quote_size" in fields
    done = Decimal(100) if item.status == FILLED else Decimal(0)
    return {
        "order_id": item.order_id, "product_id": item.product_id, "user_id": USER,
        "order_configuration": item.configuration, "side": item.side,
        "client_order_id": item.client_order_id, "status": item.status,
        "time_in_force": TIME_IN_FORCE[item.kind], "created_time": moment(item.created_ms),
        "completion_percentage": figure(done), "filled_size": figure(size),
        "average_filled_price": figure(value / size) if size else "0", "fee": "",
        "number_of_fills": str(len(item.fills)), "filled_value": figure(value),
        "pending_cancel": False, "size_in_quote": in_quote, "total_fees": figure(fees),
        "size_inclusive_of_fees": in_quote, "total_value_after_fees": figure(after_fees),
        "trigger_status": "INVALID_ORDER_TYPE",
        "order_type": "MARKET" if item.kind == "market_market_ioc" else "LIMIT",
        "reject_reason": "REJECT_REASON_UNSPECIFIED", "settled": item.status != OPEN,
        "product_type": "SPOT", "reject_message": "", "cancel_message": item.reason,
        "order_placement_source": "RETAIL_ADVANCED", "outstanding_hold_amount": figure(item.held),
        "is_liquidation": False, "last_fill_time": moment(item.fills[-1].at_ms) if item.fills else None,
        "leverage": "", "margin_type": "", "retail_portfolio_id": PORTFOLIO, "originating_order_id": "",
        "attached_order_id": "",
    }  # fmt: skip


def fill(item: Fill) -> Json:
    """A fill; `size` is always in base currency here."""
    return {
        "entry_id": str(uuid5(_NAMESPACE, item.trade_id)), "trade_id": item.trade_id, "order_id": item.order_id,
        "trade_time": moment(item.at_ms), "trade_type": "FILL", "price": figure(item.price),
        "size": figure(item.size), "commission": figure(item.commission), "product_id": item.product_id,
        "sequence_timestamp": moment(item.at_ms), "liquidity_indicator": item.liquidity,
        "size_in_quote": False, "user_id": USER, "side": item.side, "retail_portfolio_id": PORTFOLIO,
    }  # fmt: skip


def account(currency: str, free: Decimal, held: Decimal) -> Json:
    """A wallet as the brokerage API lists it."""
    return {
        "uuid": str(uuid5(_NAMESPACE, currency)), "name": f"{currency} Wallet", "currency": currency,
        "available_balance": {"value": figure(free), "currency": currency}, "default": True, "active": True,
        "created_at": "2023-01-01T00:00:00Z", "updated_at": "2023-01-01T00:00:00Z", "deleted_at": None,
        "type": "ACCOUNT_TYPE_FIAT" if currency in FIAT else "ACCOUNT_TYPE_CRYPTO", "ready": True,
        "hold": {"value": figure(held), "currency": currency}, "retail_portfolio_id": PORTFOLIO,
    }  # fmt: skip


def wallet(currency: str, total: Decimal) -> Json:
    """A wallet as the older v2 API lists it."""
    return {
        "id": str(uuid5(_NAMESPACE, currency)), "name": f"{currency} Wallet", "primary": False,
        "type": "fiat" if currency in FIAT else "wallet", "currency": {"code": currency, "name": currency},
        "balance": {"amount": figure(total), "currency": currency}, "created_at": "2023-01-01T00:00:00Z",
        "updated_at": "2023-01-01T00:00:00Z", "resource": "account",
    }  # fmt: skip


def asset(currency: str, index: int) -> Json:
    """A crypto currency as `/v2/currencies/crypto` lists it."""
    return {
        "asset_id": str(uuid5(_NAMESPACE, f"asset|{currency}")), "code": currency,
        "name": NAMES.get(currency, currency), "color": "#000000", "sort_index": index, "exponent": 8,
        "type": "crypto", "address_regex": "",
    }  # fmt: skip
