"""Closed candles to features, bar by bar for trading and all at once for training: the same values.

Called by signal_generator, training and replay. TA-Lib's incremental handles (0.8.1 or newer; older
versions answer with wrong figures) give to the bit what its array functions give. Features are free
of scale (returns, ratios to the close, bounded oscillators), so a model carries over price levels.
Floats are fine here: features are never money.

A feature is NaN until its indicator is warm (relative volume also while nothing is traded at all). Time is
part of the data: at a hole in the candles everything starts anew, for an average over a hole is an
average of something else.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

import numpy as np
import talib
from numpy.typing import NDArray
from talib import stream

from trading_engine.domain.candle import Candle

Floats = NDArray[np.float64]
Bar = tuple[float, ...]  # open, high, low, close, volume

OPEN, HIGH, LOW, CLOSE, VOLUME = range(5)


class Unit(Enum):
    """How an output is made free of scale."""

    LEVEL = "a price: divided by the close, minus 1"
    SPREAD = "a difference of prices: divided by the close"
    PLAIN = "free of scale as it is"


@dataclass(frozen=True, slots=True)
class Indicator:
    """One TA-Lib function: its inputs (columns of a bar), its periods, and a name per output."""

    function: str
    inputs: tuple[int, ...]
    outputs: tuple[str, ...]
    unit: Unit
    periods: tuple[int, ...] = ()


_HLC = (HIGH, LOW, CLOSE)
_HLCV = (HIGH, LOW, CLOSE, VOLUME)

#: Definitions: https://ta-lib.org/functions/. None looks back further than WARM_UP candles to its first value.
INDICATORS: Final = (
    Indicator("ROCP", (CLOSE,), ("return_1",), Unit.PLAIN, (1,)),
    Indicator("ROCP", (CLOSE,), ("return_5",), Unit.PLAIN, (5,)),
    Indicator("ROCP", (CLOSE,), ("return_15",), Unit.PLAIN, (15,)),
    Indicator("ROCP", (CLOSE,), ("return_30",), Unit.PLAIN, (30,)),
    Indicator("EMA", (CLOSE,), ("ema_9",), Unit.LEVEL, (9,)),
    Indicator("BBANDS", (CLOSE,), ("bollinger_upper", "sma_20", "bollinger_lower"), Unit.LEVEL, (20,)),
    Indicator("DONCHIAN", (HIGH, LOW), ("donchian_upper", "donchian_middle", "donchian_lower"), Unit.LEVEL, (20,)),
    Indicator("MACD", (CLOSE,), ("macd", "macd_signal", "macd_histogram"), Unit.SPREAD, (12, 26, 9)),
    Indicator("LINEARREG_SLOPE", (CLOSE,), ("slope_14",), Unit.SPREAD, (14,)),
    Indicator("RSI", (CLOSE,), ("rsi_14",), Unit.PLAIN, (14,)),
    Indicator("STOCH", _HLC, ("stochastic_k", "stochastic_d"), Unit.PLAIN),
    Indicator("CCI", _HLC, ("cci_20",), Unit.PLAIN, (20,)),
    Indicator("ADX", _HLC, ("adx_14",), Unit.PLAIN, (14,)),
    Indicator("VORTEX", _HLC, ("vortex_plus", "vortex_minus"), Unit.PLAIN, (14,)),
    Indicator("AROONOSC", (HIGH, LOW), ("aroon_14",), Unit.PLAIN, (14,)),
    Indicator("NATR", _HLC, ("natr_14",), Unit.PLAIN, (14,)),
    Indicator("BOP", (OPEN, HIGH, LOW, CLOSE), ("balance_of_power",), Unit.PLAIN),
    Indicator("MFI", _HLCV, ("money_flow_14",), Unit.PLAIN, (14,)),
    Indicator("CMF", _HLCV, ("chaikin_money_flow_20",), Unit.PLAIN, (20,)),
    Indicator("RVOL", (VOLUME,), ("relative_volume_20",), Unit.PLAIN, (20,)),
)

#: Names of the features, in the order of every row here and in every model.
FEATURES: Final = tuple(name for indicator in INDICATORS for name in indicator.outputs)

#: Candles without a hole until every feature is finite.
WARM_UP: Final = 34

#: Candles a restart should feed first: exponential memories then agree with any longer history to 1e-9.
HISTORY: Final = 500


_UNITS: Final = [indicator.unit for indicator in INDICATORS for _ in indicator.outputs]
_PRICED: Final = np.flatnonzero([unit is not Unit.PLAIN for unit in _UNITS])
_LEVELS: Final = np.flatnonzero([unit is Unit.LEVEL for unit in _UNITS])


def batch(candles: Sequence[Candle], timeframe_ms: int) -> Floats:
    """Features of all candles, shape (len(candles), len(FEATURES)); oldest first.

    Raises:
        ValueError: candles are not in order of time.
    """
    bars = np.array([_bar(candle) for candle in candles], dtype=np.float64).reshape(-1, 5)
    rows = np.full((len(bars), len(FEATURES)), np.nan)
    for part in segments([candle.open_ms for candle in candles], timeframe_ms):
        rows[part] = _of_segment(bars[part])
    return rows


def segments(open_ms: Sequence[int], timeframe_ms: int) -> Iterator[slice]:
    """Runs of candles without a hole.

    Raises:
        ValueError: open times do not rise.
    """
    start = 0
    for index in range(1, len(open_ms)):
        if _is_hole(open_ms[index - 1], open_ms[index], timeframe_ms):
            yield slice(start, index)
            start = index
    if open_ms:
        yield slice(start, len(open_ms))


class Indicators:
    """Features of one symbol, carried forward one closed candle at a time."""

    def __init__(self, timeframe_ms: int) -> None:
        self._timeframe_ms = timeframe_ms
        self._last_open_ms: int | None = None
        self._start_anew()

    @property
    def last_open_ms(self) -> int | None:
        """Open time of the newest candle; the next must be later."""
        return self._last_open_ms

    def update(self, candle: Candle) -> Floats:
        """Features at the close of `candle`, shape (len(FEATURES),).

        Raises:
            ValueError: the candle is not later than the last one.
        """
        last = self._last_open_ms
        if last is not None and _is_hole(last, candle.open_ms, self._timeframe_ms):
            self._start_anew()
        self._last_open_ms = candle.open_ms
        bar = _bar(candle)
        if self._cold:
            values = self._warm_up(bar)
        else:
            values = [handle.update(*[bar[i] for i in inputs]) for handle, inputs in self._handles]
        return _free_of_scale(np.array(_flat(values)), bar[CLOSE])

    def _start_anew(self) -> None:
        self._history: list[Bar] = []
        self._open: dict[int, Any] = {}
        self._handles: list[tuple[Any, tuple[int, ...]]] = []
        self._cold = True

    def _warm_up(self, bar: Bar) -> list[Any]:
        """Outputs while some handle has too little history to be opened; opened, it has the value at `bar`."""
        self._history.append(bar)
        columns = np.array(self._history).T.copy()
        values = [self._cold_value(index, bar, columns) for index in range(len(INDICATORS))]
        self._cold = len(self._open) < len(INDICATORS)
        if not self._cold:
            self._handles = [(self._open[index], indicator.inputs) for index, indicator in enumerate(INDICATORS)]
        return values

    def _cold_value(self, index: int, bar: Bar, columns: Floats) -> Any:
        indicator = INDICATORS[index]
        if index in self._open:
            return self._open[index].update(*[bar[i] for i in indicator.inputs])
        try:
            inputs = (columns[i] for i in indicator.inputs)
            self._open[index] = getattr(stream, indicator.function)(*inputs, *indicator.periods)
        except talib.InsufficientHistory:  # type: ignore[attr-defined]  # its stub forgets to export it
            return (math.nan,) * len(indicator.outputs)
        return self._open[index].value


def features_sha256(row: Floats) -> str:
    """Digest of one row, for the journal: what exactly was predicted from."""
    return hashlib.sha256(np.ascontiguousarray(row, dtype="<f8").tobytes()).hexdigest()


def _bar(candle: Candle) -> Bar:
    return (float(candle.open), float(candle.high), float(candle.low), float(candle.close), float(candle.volume))


def _is_hole(before_ms: int, after_ms: int, timeframe_ms: int) -> bool:
    if after_ms <= before_ms:
        raise ValueError(f"candle {after_ms} does not come after candle {before_ms}")
    return after_ms != before_ms + timeframe_ms


def _of_segment(bars: Floats) -> Floats:
    columns = bars.T.copy()
    outputs = [
        getattr(talib, indicator.function)(*(columns[i] for i in indicator.inputs), *indicator.periods)
        for indicator in INDICATORS
    ]
    return _free_of_scale(np.column_stack(_flat(outputs)), columns[CLOSE][:, None])


def _flat(outputs: Iterable[Any]) -> list[Any]:
    """Outputs per indicator, one figure (or array) or several, to one per feature."""
    features: list[Any] = []
    for output in outputs:
        if isinstance(output, (tuple, list)):
            features += output
        else:
            features.append(output)
    return features


def _free_of_scale(rows: Floats, close: Any) -> Floats:
    """Divides and subtracts only: IEEE 754 has these exact, so one bar and many give the same bits."""
    rows[..., _PRICED] /= close
    rows[..., _LEVELS] -= 1.0
    return rows
