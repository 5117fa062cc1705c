"""Kubernetes quantities in the form that the API server writes them. Used by builders and by `plan`."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

_BINARY: Final = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def amount(quantity: str) -> Decimal:
    """Value of a quantity with the suffixes we use: none, `m`, `Ki`, `Mi`, `Gi`, `Ti`.

    Raises:
        ValueError: anything else.
    """
    number, factor = quantity, Decimal(1)
    if quantity.endswith("m"):
        number, factor = quantity[:-1], Decimal("0.001")
    elif quantity[-2:] in _BINARY:
        number, factor = quantity[:-2], Decimal(_BINARY[quantity[-2:]])
    if not number.isdecimal() and not number.replace(".", "", 1).isdecimal():
        raise ValueError(f"{quantity!r} is not a quantity: a number with m, Ki, Mi, Gi or Ti is")
    return Decimal(number) * factor


def canonical(quantity: str) -> str:
    """The same quantity as the API server writes it: `1000m` is `1`, `1024Mi` is `1Gi`."""
    if quantity.endswith("m"):
        millis = int(quantity[:-1])
        return str(millis // 1000) if millis % 1000 == 0 else quantity
    if quantity[-2:] in _BINARY:
        value = int(amount(quantity))
        suffix = max((each for each in _BINARY if value % _BINARY[each] == 0), key=_BINARY.__getitem__)
        return f"{value // _BINARY[suffix]}{suffix}"
    return quantity


def same(left: object, right: object) -> bool:
    """Whether two values are the same quantity."""
    return _difference(left, right) == 0


def smaller(left: object, right: object) -> bool:
    """Whether one quantity is smaller than another."""
    difference = _difference(left, right)
    return difference is not None and difference < 0


def _difference(left: object, right: object) -> Decimal | None:
    try:
        return amount(str(left)) - amount(str(right))
    except ValueError:
        return None
