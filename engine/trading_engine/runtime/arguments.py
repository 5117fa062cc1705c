"""Types of command line arguments that several subcommands share; each mistake is named by argparse, status 2."""

from __future__ import annotations

import argparse
from decimal import Decimal, InvalidOperation
from typing import Final

from pydantic import TypeAdapter, ValidationError

from trading_engine.contract.config import Symbol, Timeframe

#: More rows than a person reads, and fewer than fill a machine.
MOST: Final = 100_000
#: As `contract.messages.TradingStateChange.why`; a test compares them.
LONGEST_REASON: Final = 500

_SYMBOL: TypeAdapter[str] = TypeAdapter(Symbol)


def symbol(text: str) -> str:
    """A market, as BTC/USD."""
    try:
        return _SYMBOL.validate_python(text)
    except ValidationError as error:
        raise argparse.ArgumentTypeError(f"must be two currencies as BTC/USD, got {text!r}") from error


def timeframe(text: str) -> Timeframe:
    """A candle length."""
    try:
        return Timeframe(text)
    except ValueError as error:
        allowed = ", ".join(Timeframe)
        raise argparse.ArgumentTypeError(f"must be one of {allowed}, got {text!r}") from error


def fee_rate(text: str) -> Decimal:
    """A fee as a fraction, at least 0 and below 1."""
    try:
        rate = Decimal(text)
    except InvalidOperation as error:
        raise argparse.ArgumentTypeError(f"must be a number, got {text!r}") from error
    if not (rate.is_finite() and 0 <= rate < 1):
        raise argparse.ArgumentTypeError(f"must be at least 0 and below 1 (0.006 is 0.6 %), got {text!r}")
    return rate


def fraction(text: str) -> float:
    """A share, above 0 and below 1."""
    try:
        share = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be a number, got {text!r}") from error
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(f"must be above 0 and below 1, got {text!r}")
    return share


def count(text: str) -> int:
    """How many, at least 1."""
    try:
        number = int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be a whole number, got {text!r}") from error
    if not 1 <= number <= MOST:
        raise argparse.ArgumentTypeError(f"must be 1 to {MOST}, got {text!r}")
    return number


def reason(text: str) -> str:
    """Words for people, as long as the message that carries them may be."""
    words = text.strip()
    if not 1 <= len(words) <= LONGEST_REASON:
        raise argparse.ArgumentTypeError(f"must have 1 to {LONGEST_REASON} characters, got {len(words)}")
    return words
