"""A closed candle, and what makes one valid."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation


@dataclass(frozen=True, slots=True)
class Candle:
    """Open time in ms; prices in quote currency; volume in base currency. Always valid."""

    open_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal

    def __post_init__(self) -> None:
        """Corrupt data is worse than no data.

        Raises:
            ValueError: a figure is not finite, a price is not positive, the volume is negative,
                or high and low do not enclose open and close.
        """
        prices = (self.open, self.high, self.low, self.close)
        if not all(figure.is_finite() for figure in (*prices, self.volume)):
            raise ValueError(f"candle {self.open_ms}: figures must be finite, got {self}")
        if min(prices) <= 0 or self.volume < 0:
            raise ValueError(f"candle {self.open_ms}: prices must be above 0 and volume not below, got {self}")
        if self.high != max(prices) or self.low != min(prices):
            raise ValueError(f"candle {self.open_ms}: high and low must enclose open and close, got {self}")


def candle_from_text(open_ms: int, fields: tuple[str, str, str, str, str]) -> Candle:
    """A candle from the texts of open, high, low, close and volume.

    Raises:
        ValueError: a text is not a number, or the candle is not valid.
    """
    try:
        o, h, low, c, v = (Decimal(text) for text in fields)
    except InvalidOperation as error:
        raise ValueError(f"candle {open_ms}: {fields} are not all numbers") from error
    return Candle(open_ms, o, h, low, c, v)
