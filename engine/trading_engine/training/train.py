"""Candles of one symbol to a trained model and its card. Called by `trading-engine train` and `replay`.

The first model, fitted on the training slice, serves to choose the threshold on the validation slice.
The model that ships is fitted on both; the test slice is later than both and only ever judged, so what
the card says is true of the very model it lies beside. Same candles and settings, same bytes:
LightGBM is seeded, single-threaded and row-wise (`deterministic` alone is not enough, LightGBM #3761).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from importlib.metadata import version
from typing import Any, Final

import lightgbm
import numpy as np

from trading_engine.contract.config import Timeframe
from trading_engine.domain.candle import Candle
from trading_engine.domain.indicators import FEATURES, Floats, segments
from trading_engine.domain.model_card import Data, ModelCard, Slice
from trading_engine.errors import ConfigError
from trading_engine.training.dataset import (
    CLASSES,
    Dataset,
    Split,
    build_dataset,
    round_trip_cost,
    split_in_time,
)
from trading_engine.training.evaluation import Threshold, base_rate, choose_threshold, gate, scores, trading

#: Rows that each slice must have for its figures to mean anything.
MINIMUM_ROWS: Final = 50

_ROUNDS: Final = 100
_PARAMETERS: Final[dict[str, Any]] = {
    "objective": "multiclass",
    "num_class": len(CLASSES),
    "num_leaves": 15,
    "learning_rate": 0.05,
    "min_data_in_leaf": 50,
    "lambda_l2": 10.0,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}


@dataclass(frozen=True, slots=True)
class Task:
    """What to train for. `horizon` is how many candles ahead the model looks."""

    symbol: str
    timeframe: Timeframe
    fee_rate: Decimal
    seed: int = 7
    horizon: int = 15


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """LightGBM's model file as text, and the card that belongs to it."""

    text: str
    card: ModelCard

    @property
    def id(self) -> str:
        """First 16 hex digits of the text's sha256."""
        return self.card.model_sha256[:16]


def train(candles: Sequence[Candle], task: Task) -> TrainedModel:
    """Train on `candles`, oldest first.

    Raises:
        ConfigError: the fee rate is not a rate, or the candles leave too few rows.
        ValueError: the candles are not in order of time.
    """
    if not 0 <= task.fee_rate < 1:
        raise ConfigError(f"fee rate must be at least 0 and below 1, got {task.fee_rate}")
    rows = build_dataset(candles, task.timeframe, task.horizon, round_trip_cost(task.fee_rate))
    split = _split(rows, task)
    first = _fit(split.training, task.seed)
    threshold = choose_threshold(_predict(first, split.validation), split.validation, task.fee_rate)
    both = rows.take(rows.open_ms + task.horizon * task.timeframe.milliseconds < split.test.open_ms[0])
    booster = _fit(both, task.seed)
    text = str(booster.model_to_string())
    found = _Found(text, _predict(booster, split.test), base_rate(both), threshold)
    return TrainedModel(text, _card(candles, task, split, found))


@dataclass(frozen=True, slots=True)
class _Found:
    text: str
    predicted: Floats  # of the test slice
    base: Floats
    threshold: Threshold


def _split(rows: Dataset, task: Task) -> Split:
    needed = 5 * MINIMUM_ROWS
    if len(rows) < needed:
        raise ConfigError(
            f"{task.symbol} {task.timeframe}: the candles give {len(rows)} rows with features and an outcome,"
            f" training needs at least {needed}"
        )
    split = split_in_time(rows, task.horizon * task.timeframe.milliseconds)
    for name, part in (("training", split.training), ("validation", split.validation), ("test", split.test)):
        if len(part) < MINIMUM_ROWS // 2:
            raise ConfigError(f"{task.symbol} {task.timeframe}: the {name} slice has only {len(part)} rows")
    return split


def _fit(rows: Dataset, seed: int) -> lightgbm.Booster:
    data = lightgbm.Dataset(rows.features, rows.labels, feature_name=list(FEATURES))
    return lightgbm.train({**_PARAMETERS, "seed": seed}, data, num_boost_round=_ROUNDS)


def _predict(booster: lightgbm.Booster, rows: Dataset) -> Floats:
    return np.asarray(booster.predict(rows.features, num_threads=1), dtype=np.float64)


def _card(candles: Sequence[Candle], task: Task, split: Split, found: _Found) -> ModelCard:
    model_scores = scores(found.predicted, split.test)
    base_scores = scores(np.tile(found.base, (len(split.test), 1)), split.test)
    traded = trading(found.predicted, split.test, found.threshold.value, task.fee_rate)
    down, flat, up = (round(float(share), 6) for share in found.base)
    return ModelCard(
        model_sha256=hashlib.sha256(found.text.encode()).hexdigest(),
        symbol=task.symbol,
        timeframe=task.timeframe,
        features=FEATURES,
        classes=CLASSES,
        horizon_candles=task.horizon,
        fee_rate=task.fee_rate,
        threshold=found.threshold.value,
        threshold_reason=found.threshold.reason,
        seed=task.seed,
        data=_data(candles, task.timeframe),
        training=_slice(split.training),
        validation=_slice(split.validation),
        test=_slice(split.test),
        scores=model_scores,
        base_rate=(down, flat, up),
        base_rate_scores=base_scores,
        trading=traded,
        gate=gate(model_scores, base_scores, traded),
        libraries={name: version(name) for name in ("lightgbm", "numpy", "TA-Lib", "trading-engine-operator")},
    )


def candles_sha256(candles: Sequence[Candle]) -> str:
    """Digest of candles: of the lines `open_ms,open,high,low,close,volume`."""
    digest = hashlib.sha256()
    for c in candles:
        digest.update(f"{c.open_ms},{c.open},{c.high},{c.low},{c.close},{c.volume}\n".encode())
    return digest.hexdigest()


def _data(candles: Sequence[Candle], timeframe: Timeframe) -> Data:
    runs = sum(1 for _ in segments([candle.open_ms for candle in candles], timeframe.milliseconds))
    return Data(
        sha256=candles_sha256(candles),
        candles=len(candles),
        holes=runs - 1,
        first_open_ms=candles[0].open_ms,
        last_open_ms=candles[-1].open_ms,
    )


def _slice(rows: Dataset) -> Slice:
    return Slice(rows=len(rows), first_open_ms=int(rows.open_ms[0]), last_open_ms=int(rows.open_ms[-1]))
