"""A recording played on the clock: which bar belongs to which minute, and the price right now.

Called by `venue` and the routes. The newest run of bars without a hole above an hour is the loop. A
share of it lies in the past when the tape is anchored, so that its last bar closes at that moment;
older bars keep their distance and are history too. The rest of the loop plays forward, minute for
minute; at its end it plays backwards, then forwards again, for ever: prices never leave the recorded
range, never jump at a seam, and the same anchor always gives the same future.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

from trading_engine.simulator.bars import MINUTE_MS, Bar

#: A hole above this many minutes splits a recording (days recorded years apart are not one loop).
LONGEST_HOLE: Final = 60
_COARSEST: Final = Decimal("0.01")
_FINEST: Final = Decimal("0.00000001")
_LEG = Decimal(1) / 3


@dataclass(frozen=True, slots=True)
class Candle:
    """A served candle: `start` in seconds since the epoch."""

    start: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


class Tape:
    """One product's bars on the clock."""

    def __init__(self, bars: Sequence[Bar], anchor_minute: int, history_share: Decimal) -> None:
        """`anchor_minute` is the minute, since the epoch, that forms when the tape starts."""
        loop = _newest_run(bars)
        played = max(1, int(len(loop) * history_share))
        self.anchor_minute = anchor_minute
        self.increment = _increment(bars)
        self.total = len(bars)
        self._bars = {bar.minute: bar for bar in bars}
        self._first, self._last = loop[0].minute, loop[-1].minute
        self._shift = loop[played - 1].minute + 1 - anchor_minute
        self._oldest = bars[0].minute - self._shift

    @property
    def forward_minutes(self) -> int:
        """Minutes after the anchor until the loop turns for the first time."""
        return self._last + 1 - self._shift - self.anchor_minute

    def bar(self, minute: int) -> Bar | None:
        """The whole bar of a minute; None where the recording has a hole."""
        recorded = minute + self._shift
        if recorded <= self._last:
            return self._bars.get(recorded)
        length = self._last - self._first + 1
        offset = (recorded - self._first) % (2 * length)
        if offset < length:
            return self._bars.get(self._first + offset)
        bar = self._bars.get(self._last - (offset - length))
        return bar and bar.mirrored()

    def price(self, now_ms: int) -> Decimal:
        """Last traded price; in a hole, the last close before it."""
        minute, passed = divmod(now_ms, MINUTE_MS)
        bar = self.bar(minute)
        if bar is not None:
            return self._floor(_walk(bar, Decimal(passed) / MINUTE_MS)[-1])
        while bar is None:
            minute -= 1
            if minute < self._oldest:
                return self._bars[min(self._bars)].open
            bar = self.bar(minute)
        return bar.close

    def quote(self, now_ms: int, spread: Decimal) -> tuple[Decimal, Decimal]:
        """Best bid and ask: the price, half a spread (a fraction) to each side, at least one increment apart."""
        price = self.price(now_ms)
        half = price * spread / 2
        bid = max(self.increment, self._floor(price - half))
        ask = ((price + half) / self.increment).to_integral_value(ROUND_CEILING) * self.increment
        return bid, max(ask, bid + self.increment)

    def touched(self, since_ms: int, now_ms: int) -> tuple[Decimal, Decimal]:
        """Lowest and highest price traded from `since_ms` to `now_ms`."""
        prices = [self.price(since_ms), self.price(now_ms)]
        for minute in range(since_ms // MINUTE_MS, now_ms // MINUTE_MS + 1):
            bar = self.bar(minute)
            if bar is not None:
                start = max(0, since_ms - minute * MINUTE_MS)
                end = min(MINUTE_MS, now_ms - minute * MINUTE_MS)
                before = _walk(bar, Decimal(start) / MINUTE_MS)
                prices += _walk(bar, Decimal(end) / MINUTE_MS)[len(before) - 1 :]
        return self._floor(min(prices)), self._floor(max(prices))

    def candles(self, seconds: int, start: int, end: int, now_ms: int) -> list[Candle]:
        """Candles of that length whose start lies in [start, end] (seconds), newest first, the forming one included."""
        first = -(-max(start, self._oldest * 60 - seconds) // seconds) * seconds
        last = min(end, now_ms // 1000)
        found = (_merged(opens, self._minutes(opens, seconds, now_ms)) for opens in range(first, last + 1, seconds))
        return [candle for candle in found if candle is not None][::-1]

    def _minutes(self, opens: int, seconds: int, now_ms: int) -> Iterable[Bar]:
        forming, passed = divmod(now_ms, MINUTE_MS)
        for minute in range(opens // 60, min((opens + seconds) // 60, forming + 1)):
            bar = self.bar(minute)
            if bar is not None:
                yield self._so_far(bar, passed) if minute == forming else bar

    def _so_far(self, bar: Bar, passed_ms: int) -> Bar:
        passed = Decimal(passed_ms) / MINUTE_MS
        walked = [self._floor(price) for price in _walk(bar, passed)]
        volume = (bar.volume * passed).quantize(Decimal("0.00000001"))
        return Bar(bar.minute, walked[0], max(walked), min(walked), walked[-1], volume)

    def _floor(self, price: Decimal) -> Decimal:
        return (price / self.increment).to_integral_value(ROUND_FLOOR) * self.increment


def _newest_run(bars: Sequence[Bar]) -> Sequence[Bar]:
    for index in range(len(bars) - 1, 0, -1):
        if bars[index].minute - bars[index - 1].minute > LONGEST_HOLE:
            return bars[index:]
    return bars


def _increment(bars: Sequence[Bar]) -> Decimal:
    """The finest price step of the recording, a cent at most."""
    step = _COARSEST
    for bar in bars:
        for price in (bar.open, bar.high, bar.low, bar.close):
            while price % step and step > _FINEST:
                step /= 10
    return step


def _walk(bar: Bar, passed: Decimal) -> list[Decimal]:
    """Turning points passed in that share of the minute, then the price there.

    A rising bar goes open, low, high, close; a falling one open, high, low, close.
    """
    turns = (bar.low, bar.high) if bar.close >= bar.open else (bar.high, bar.low)
    points = (bar.open, *turns, bar.close)
    leg = min(2, int(passed / _LEG))
    along = passed / _LEG - leg
    return [*points[: leg + 1], points[leg] + (points[leg + 1] - points[leg]) * along]


def _merged(start: int, bars: Iterable[Bar]) -> Candle | None:
    parts = list(bars)
    if not parts:
        return None
    return Candle(
        start,
        parts[0].open,
        max(bar.high for bar in parts),
        min(bar.low for bar in parts),
        parts[-1].close,
        sum((bar.volume for bar in parts), Decimal(0)),
    )
