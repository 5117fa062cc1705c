"""`trading-engine simulate-exchange`: arguments -> a running simulated exchange. Called by `trading_engine.__main__`.

Time runs at 1x on the wall clock. With `--speed N` the venue's clock leaves the wall clock behind, so an engine
on the wall clock would be shown candles of its future; it therefore needs `--simulated-clock` as well, which says
that whoever is connected takes the time from this server (`/v2/time`).
"""

from __future__ import annotations

import argparse
import logging
import re
import time
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final

from aiohttp import web

from trading_engine.errors import ConfigError
from trading_engine.simulator import state
from trading_engine.simulator.bars import Bar, product_and_path, read_bars, synthetic_bars
from trading_engine.simulator.exchange import Exchange
from trading_engine.simulator.ledger import Ledger
from trading_engine.simulator.orders import Product
from trading_engine.simulator.server import application
from trading_engine.simulator.tape import Tape
from trading_engine.simulator.venue import DuplicateRule, Terms, Venue

SYNTHETIC_MINUTES: Final = 5760  # four days: three of history at the default share, one to come
_LAST_PORT: Final = 65_535
_PRODUCT: Final = re.compile(r"[A-Z0-9]{1,15}-[A-Z0-9]{1,15}")
_LOG = logging.getLogger("trading_engine.simulator")


def _fraction(text: str) -> Decimal:
    """An argument between 0 and 1."""
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from error
    if not (value.is_finite() and 0 <= value < 1):
        raise argparse.ArgumentTypeError(f"must be at least 0 and below 1, got {text}")
    return value


def _balance(text: str) -> tuple[str, Decimal]:
    """`USD=10000`."""
    currency, _, amount = text.partition("=")
    try:
        value = Decimal(amount)
    except InvalidOperation as error:
        raise argparse.ArgumentTypeError(f"must look like USD=10000, got {text!r}") from error
    if not (value.is_finite() and value >= 0):
        raise argparse.ArgumentTypeError(f"must not be below 0, as USD=10000, got {text!r}")
    return currency, value


def _port(text: str) -> int:
    """A port to listen on; 0 is any free one."""
    if not (text.isascii() and text.isdigit() and int(text) <= _LAST_PORT):
        raise argparse.ArgumentTypeError(f"must be 0 to {_LAST_PORT}, got {text!r}")
    return int(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `simulate-exchange`."""
    _add_tape(parser.add_argument_group("what is played"))
    _add_terms(parser.add_argument_group("terms of the venue"))
    server = parser.add_argument_group("server")
    server.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    server.add_argument("--port", type=_port, default=8080, help="port to listen on (default %(default)s)")
    server.add_argument(
        "--state",
        type=Path,
        metavar="FILE",
        help="keep orders, balances and the tape's place across restarts (default: a restart begins anew)",
    )


def _add_tape(group: argparse._ArgumentGroup) -> None:
    named = "recorded one-minute candles, CSV or CSV.gz; the symbol is in the name, as in coinbase_BTC-USD_1m.csv.gz"
    group.add_argument("--candles", nargs="+", default=[], metavar="[SYMBOL=]FILE", help=named)
    made_up = "symbols (BTC/USD,ETH/USD) to serve made-up candles for; labelled synthetic wherever they show"
    group.add_argument("--synthetic", nargs="+", default=[], metavar="SYMBOL", help=made_up)
    group.add_argument("--seed", type=int, default=1, help="of the made-up candles (default %(default)s)")
    share = "share of the newest run of candles that lies in the past at start (default %(default)s)"
    group.add_argument("--history-share", type=_fraction, default=Decimal("0.75"), metavar="SHARE", help=share)
    group.add_argument("--speed", type=float, default=1.0, metavar="N", help="not 1: needs --simulated-clock")
    ours = "clients take the time from this server, not from the wall"
    group.add_argument("--simulated-clock", action="store_true", help=ours)


def _add_terms(group: argparse._ArgumentGroup) -> None:
    fee = "taker fee as a fraction; makers pay half (default %(default)s, the worst published tier)"
    group.add_argument("--fee-rate", type=_fraction, default=Decimal("0.012"), metavar="R", help=fee)
    spread = "between bid and ask, a fraction of the price (default %(default)s)"
    group.add_argument("--spread", type=_fraction, default=Decimal("0.0002"), metavar="R", help=spread)
    opening = "opening balances (default: 10000 of each quote currency)"
    group.add_argument("--balance", type=_balance, nargs="+", default=[], metavar="CURRENCY=AMOUNT", help=opening)
    repeated = "until when a repeated id returns the earlier order (default %(default)s, as Coinbase documents)"
    rules = [rule.value for rule in DuplicateRule]
    group.add_argument("--duplicate-client-order-id", choices=rules, default="forever", help=repeated)


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit status.

    Raises:
        ConfigError: an argument is wrong, or nobody can listen there.
    """
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")  # kept, where one is set up already
    exchange = build(args, clock(args.speed, simulated=args.simulated_clock))
    for name, item in exchange.venue.products.items():
        source = "SYNTHETIC candles, made up" if item.synthetic else "recorded candles, shifted to end now"
        _LOG.info("serving %s: %s", name, source)
    _LOG.info("simulated exchange on http://%s:%s", args.host, args.port)
    try:
        web.run_app(application(exchange), host=args.host, port=args.port, print=None, access_log=None)
    except OSError as error:
        raise ConfigError(f"--host {args.host} --port {args.port}: cannot listen there: {error.strerror}") from error
    return 0


def clock(speed: float, *, simulated: bool) -> Callable[[], int]:
    """The venue's clock in ms: the wall clock, or one that starts with it and runs `speed` times as fast.

    Raises:
        ConfigError: a speed other than 1 on the wall clock, or not above 0.
    """
    if speed <= 0:
        raise ConfigError(f"--speed {speed:g}: must be above 0")
    if speed != 1 and not simulated:
        raise ConfigError(
            f"--speed {speed:g}: an engine on the wall clock must be served at 1; "
            "other speeds need --simulated-clock and clients that take the time from this server"
        )
    start = time.time()
    return lambda: int((start + (time.time() - start) * speed) * 1000)


def build(args: argparse.Namespace, now_ms: Callable[[], int]) -> Exchange:
    """The exchange that these arguments describe.

    Raises:
        ConfigError: an argument is wrong.
    """
    saved = state.load(args.state)
    anchor = saved.get("anchor_minute", now_ms() // 60_000)
    recordings = _recordings(args)
    tapes = {name: Tape(bars, anchor, args.history_share) for name, (bars, _) in recordings.items()}
    products = {
        name: Product(name, *_pair(name), tapes[name].increment, made_up) for name, (_, made_up) in recordings.items()
    }
    terms = Terms(args.fee_rate, args.fee_rate / 2, args.spread, DuplicateRule(args.duplicate_client_order_id))
    venue = Venue(products, tapes, Ledger(_opening(args, products)), terms, now_ms)
    state.restore(venue, saved)
    exchange = Exchange(venue, anchor, args.state)
    if args.state is not None:
        _save_first(args.state, venue, anchor)
    return exchange


def _save_first(path: Path, venue: Venue, anchor: int) -> None:
    try:
        state.save(path, venue, anchor)
    except OSError as error:
        raise ConfigError(f"--state {path}: cannot be written: {error.strerror}") from error


def _pair(product: str) -> tuple[str, str]:
    base, _, quote = product.partition("-")
    return base, quote


def _opening(args: argparse.Namespace, products: dict[str, Product]) -> dict[str, Decimal]:
    currencies = {currency: Decimal(0) for item in products.values() for currency in (item.base, item.quote)}
    quotes = {item.quote: Decimal(10_000) for item in products.values()}
    return currencies | (dict(args.balance) or quotes)


def _recordings(args: argparse.Namespace) -> dict[str, tuple[list[Bar], bool]]:
    """Bars per product, and whether they are made up."""
    found: dict[str, tuple[list[Bar], bool]] = {}
    for argument in args.candles:
        product, path = product_and_path(argument)
        if product in found:
            raise ConfigError(f"--candles {argument}: {product} was given twice")
        found[product] = (read_bars(path), False)
    for symbol in (symbol for listed in args.synthetic for symbol in listed.split(",")):
        product = symbol.replace("/", "-")
        if product in found:
            raise ConfigError(f"--synthetic {symbol}: {product} was given twice, or has recorded candles")
        found[product] = (synthetic_bars(product, args.seed, SYNTHETIC_MINUTES), True)
    wrong = [name for name in found if not _PRODUCT.fullmatch(name)]
    if wrong or not found:
        raise ConfigError(f"--candles or --synthetic: needs symbols like BTC/USD, got {wrong or 'none'}")
    return found
