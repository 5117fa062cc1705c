"""Where every answer is made: routing, the bearer, and what the venue says. Called by `server`.

`Exchange.answer` is the one seam between the wire and the venue.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from trading_engine.simulator import auth, routes_market, routes_orders, state
from trading_engine.simulator.message import Answer, Request, Wrong
from trading_engine.simulator.venue import Venue

Route = Callable[..., Answer]

_BROKERAGE: Final = "/api/v3/brokerage"
#: Public and authenticated twins of the market data: path -> route.
_MARKET: Final[tuple[tuple[str, Route], ...]] = (
    ("/products", routes_market.products),
    ("/products/([^/]+)", routes_market.product),
    ("/products/([^/]+)/candles", routes_market.candles),
    ("/products/([^/]+)/ticker", routes_market.ticker),
    ("/product_book", routes_market.product_book),
)
PUBLIC: Final[tuple[tuple[str, str, Route], ...]] = (
    ("GET", "/v2/time", routes_market.v2_time),
    ("GET", "/v2/currencies", routes_market.v2_currencies),
    ("GET", "/v2/currencies/crypto", routes_market.v2_currencies_crypto),
    ("GET", "/v2/exchange-rates", routes_market.v2_exchange_rates),
    ("GET", f"{_BROKERAGE}/time", routes_market.brokerage_time),
    *(("GET", f"{_BROKERAGE}/market{path}", route) for path, route in _MARKET),
)
PRIVATE: Final[tuple[tuple[str, str, Route], ...]] = (
    *(("GET", f"{_BROKERAGE}{path}", route) for path, route in _MARKET),
    ("GET", f"{_BROKERAGE}/best_bid_ask", routes_market.best_bid_ask),
    ("GET", "/v2/accounts", routes_orders.v2_accounts),
    ("GET", f"{_BROKERAGE}/accounts", routes_orders.accounts),
    ("GET", f"{_BROKERAGE}/portfolios", routes_orders.portfolios),
    ("GET", f"{_BROKERAGE}/key_permissions", routes_orders.key_permissions),
    ("GET", f"{_BROKERAGE}/transaction_summary", routes_orders.transaction_summary),
    ("POST", f"{_BROKERAGE}/orders", routes_orders.create),
    ("POST", f"{_BROKERAGE}/orders/preview", routes_orders.preview),
    ("POST", f"{_BROKERAGE}/orders/batch_cancel", routes_orders.batch_cancel),
    ("GET", f"{_BROKERAGE}/orders/historical/batch", routes_orders.orders),
    ("GET", f"{_BROKERAGE}/orders/historical/fills", routes_orders.fills),
    ("GET", f"{_BROKERAGE}/orders/historical/([^/]+)", routes_orders.order),
)
_ROUTES: Final = [
    (method, re.compile(path), route, private)
    for routes, private in ((PUBLIC, False), (PRIVATE, True))
    for method, path, route in routes
]


@dataclass(frozen=True)
class Exchange:
    """The venue behind its API. `anchor_minute` and `state_file` are what a restart needs."""

    venue: Venue
    anchor_minute: int
    state_file: Path | None = None

    def answer(self, request: Request) -> Answer:
        """The answer to any request on Coinbase's paths."""
        changed = self.venue.settle()
        try:
            reply = self._route(request)
        except Wrong as wrong:
            reply = wrong.answer()
        if self.state_file is not None and (changed or request.method == "POST"):
            state.save(self.state_file, self.venue, self.anchor_minute)
        return reply

    def _route(self, request: Request) -> Answer:
        for method, path, route, private in _ROUTES:
            match = path.fullmatch(request.path)
            if match is None or method != request.method:
                continue
            # Tokens are judged by the wall clock: their sender signed them with it, whatever the venue's clock says.
            if private and auth.flaw(request.authorization, request.method, request.path, time.time()):
                return Answer("Unauthorized\n", 401)
            return route(self.venue, request, *match.groups())
        raise Wrong(404, "NOT_FOUND", f"no endpoint {request.method} {request.path}")

    def received(self) -> dict[str, object]:
        """For tests and people: how often each client order id was posted, and the orders of it."""
        orders: dict[str, list[str]] = {}
        for order in self.venue.orders.values():
            orders.setdefault(order.client_order_id, []).append(order.order_id)
        return {"posts": dict(self.venue.posts), "orders": orders}

    def status(self) -> dict[str, object]:
        """What is served, where it comes from, and on which terms."""
        venue = self.venue
        return {
            "simulated": True,
            "products": {
                item.id: {
                    "source": "synthetic" if item.synthetic else "recorded",
                    "candles": venue.tapes[item.id].total,
                    "minutes_until_it_turns": venue.tapes[item.id].forward_minutes,
                }
                for item in venue.products.values()
            },
            "taker_fee_rate": str(venue.terms.taker),
            "maker_fee_rate": str(venue.terms.maker),
            "spread": str(venue.terms.spread),
            "duplicate_client_order_id": venue.terms.duplicates.value,
            "anchor_minute": self.anchor_minute,
            "now_ms": venue.now_ms(),
        }
