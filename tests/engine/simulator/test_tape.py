"""A recording played on the clock."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes_coinbase import NOW_MS, bar, steady
from trading_engine.simulator.bars import MINUTE_MS, Bar, synthetic_bars
from trading_engine.simulator.tape import Tape

NOW_MINUTE = NOW_MS // MINUTE_MS
SHARE = Decimal("0.75")
SPREAD = Decimal("0.0002")


@pytest.fixture
def tape() -> Tape:
    """80 minutes rising by one each, 60 of them before now: the next bar opens at 160."""
    return Tape(steady(80), NOW_MINUTE, SHARE)


def opens(tape: Tape, first: int, last: int) -> list[int]:
    """Open prices of the minutes from `first` to before `last`, relative to now."""
    bars = [tape.bar(NOW_MINUTE + minute) for minute in range(first, last)]
    return [int(found.open) for found in bars if found is not None]


def test_last_bar_closes_now_when_anchored(tape: Tape) -> None:
    """60 bars lie before now, each minute one; the one after starts where the last ended."""
    assert opens(tape, -60, 0) == list(range(100, 160))
    assert opens(tape, 0, 20) == list(range(160, 180))
    assert tape.bar(NOW_MINUTE - 61) is None
    assert tape.price(NOW_MS) == 160
    assert tape.forward_minutes == 20


def test_price_continuous_when_the_tape_turns(tape: Tape) -> None:
    """At its end the tape runs backwards, at its start forwards again; every bar opens at the last close."""
    assert opens(tape, 18, 23) == [178, 179, 180, 179, 178]
    assert opens(tape, 99, 102) == [101, 100, 101]
    for minute in range(-59, 500):
        before, now = tape.bar(NOW_MINUTE + minute - 1), tape.bar(NOW_MINUTE + minute)
        assert before is not None
        assert now is not None
        assert before.close == now.open


def test_same_future_when_anchored_alike(tape: Tape) -> None:
    """The future depends on the recording and the anchor alone."""
    other = Tape(steady(80), NOW_MINUTE, SHARE)
    assert [tape.bar(NOW_MINUTE + i) for i in range(300)] == [other.bar(NOW_MINUTE + i) for i in range(300)]


def test_older_days_stay_history_when_a_recording_has_gaps() -> None:
    """Days recorded long before are served at their distance, but only the newest run is played on."""
    old = [bar(minute, "5", "5", "5", "5") for minute in range(10)]
    tape = Tape([*old, *steady(80, start=5000)], NOW_MINUTE, SHARE)
    assert opens(tape, -60 - 5000, -60 - 4990) == [5] * 10
    assert opens(tape, 0, 400)[:1] == [160]
    assert 5 not in opens(tape, 0, 400)


def test_hole_served_as_hole_when_recorded_so() -> None:
    """A missing minute has no candle; its price is the last close."""
    bars = [one for one in steady(80) if one.minute not in (65, 66)]
    tape = Tape(bars, NOW_MINUTE, Decimal(60) / 78)
    hole = (NOW_MINUTE + 5) * MINUTE_MS
    assert tape.bar(NOW_MINUTE + 5) is None
    assert tape.price(hole + 1234) == 165
    starts = [candle.start for candle in tape.candles(60, NOW_MS // 1000, NOW_MS // 1000 + 600, NOW_MS + 600_000)]
    assert [start - NOW_MS // 1000 for start in starts] == [600, 540, 480, 420, 240, 180, 120, 60, 0]


def test_forming_candle_grows_when_time_passes() -> None:
    """A falling bar goes from its open over high and low to its close; what is served is only what has happened."""
    tape = Tape([bar(0, "10", "10", "10", "10"), bar(1, "10", "12", "7", "8", volume="6")], NOW_MINUTE, Decimal("0.5"))
    forming = [tape.candles(60, NOW_MS // 1000, NOW_MS // 1000, NOW_MS + ms)[0] for ms in (0, 10_000, 20_000, 40_000)]
    assert [(one.high, one.low, one.close, one.volume) for one in forming] == [
        (10, 10, 10, 0),
        (11, 10, 11, 1),
        (12, 10, 12, 2),
        (12, 7, 7, 4),
    ]
    assert tape.touched(NOW_MS, NOW_MS + 10_000) == (10, 11)
    assert tape.touched(NOW_MS + 10_000, NOW_MS + 40_000) == (7, 12)


@pytest.mark.parametrize("minutes", [5, 15, 30, 60])
def test_candles_add_up_when_resampled(tape: Tape, minutes: int) -> None:
    """Each longer candle is exactly its minutes."""
    now_s = NOW_MS // 1000
    for candle in tape.candles(60 * minutes, now_s - 3600, now_s - 1, NOW_MS):
        parts = [tape.bar(candle.start // 60 + i) for i in range(minutes)]
        bars = [part for part in parts if part is not None]
        assert len(bars) == minutes
        assert (candle.open, candle.close) == (bars[0].open, bars[-1].close)
        assert (candle.high, candle.low) == (max(b.high for b in bars), min(b.low for b in bars))
        assert candle.volume == sum(b.volume for b in bars)


@settings(max_examples=60, deadline=None)
@given(
    minute=st.integers(-50, 3000),
    passed=st.integers(0, MINUTE_MS - 1),
    seed=st.integers(0, 3),
)
def test_price_and_quote_inside_the_bar_when_any_time(minute: int, passed: int, seed: int) -> None:
    """At every moment the price lies in its bar, in whole increments, and bid < ask enclose it."""
    tape = Tape(_SYNTHETIC[seed], NOW_MINUTE, SHARE)
    now = (NOW_MINUTE + minute) * MINUTE_MS + passed
    playing = tape.bar(NOW_MINUTE + minute)
    assert playing is not None
    price = tape.price(now)
    bid, ask = tape.quote(now, SPREAD)
    assert playing.low <= price <= playing.high
    assert price % tape.increment == bid % tape.increment == ask % tape.increment == 0
    assert bid <= price <= ask
    assert bid < ask


_SYNTHETIC: list[list[Bar]] = [synthetic_bars("BTC-USD", seed, 200) for seed in range(4)]


def test_synthetic_bars_when_seeded() -> None:
    """The same seed gives the same bars, another one others; each opens at the last close."""
    assert synthetic_bars("BTC-USD", 1, 50) == synthetic_bars("BTC-USD", 1, 50)
    assert synthetic_bars("BTC-USD", 1, 50) != synthetic_bars("BTC-USD", 2, 50)
    assert synthetic_bars("BTC-USD", 1, 50) != synthetic_bars("ETH-USD", 1, 50)
    for before, after in zip(_SYNTHETIC[0], _SYNTHETIC[0][1:], strict=False):
        assert before.close == after.open
