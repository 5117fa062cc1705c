"""Fixtures that every test may ask for, and one that all have."""

from __future__ import annotations

import decimal
from collections.abc import Iterator

import pytest

pytest_plugins = ["tests.market", "tests.postgres"]


@pytest.fixture(autouse=True)
def decimal_context() -> Iterator[None]:
    """Stock ccxt changes the rounding of the thread's decimal context when it rounds; no other test inherits that."""
    before = decimal.getcontext()
    decimal.setcontext(decimal.Context())
    yield
    decimal.setcontext(before)
