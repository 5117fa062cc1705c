"""Quantities, as the API server writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_operator.desired.quantities import amount, canonical, same


@pytest.mark.parametrize(
    ("written", "expected"),
    [("1000m", "1"), ("1500m", "1500m"), ("2", "2"), ("1024Mi", "1Gi"), ("1536Mi", "1536Mi"), ("1024Ki", "1Mi")],
)
def test_quantity_is_canonical_when_written_otherwise(written: str, expected: str) -> None:
    """The largest suffix that divides it."""
    assert canonical(written) == expected


@given(st.integers(1, 999_999), st.sampled_from(["m", "", "Ki", "Mi", "Gi", "Ti"]))
def test_value_stays_when_made_canonical(number: int, suffix: str) -> None:
    """Another spelling, the same amount, and canonical once is canonical for ever."""
    quantity = f"{number}{suffix}"

    assert amount(canonical(quantity)) == amount(quantity)
    assert same(canonical(quantity), quantity)
    assert canonical(canonical(quantity)) == canonical(quantity)


@pytest.mark.parametrize("quantity", ["", "m", "1e3", "one", "-1", "1.2.3", "Gi"])
def test_quantity_is_refused_when_it_is_none(quantity: str) -> None:
    """Named, with what is allowed; and it is the same as nothing."""
    with pytest.raises(ValueError, match="quantity"):
        amount(quantity)
    assert not same(quantity, "1")
