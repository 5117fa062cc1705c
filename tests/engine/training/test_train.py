"""Training end to end: deterministic, honest on noise, able on what can be learnt."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from decimal import Decimal

import pytest

from tests.candle_walks import walk
from trading_engine.contract.config import Timeframe
from trading_engine.domain.indicators import FEATURES
from trading_engine.errors import ConfigError
from trading_engine.training.train import Task, TrainedModel, candles_sha256, train

TASK = Task("BTC/USD", Timeframe.M1, Decimal("0.0005"))
LEARNABLE = walk(1200, pull=0.1)


@pytest.fixture(scope="module")
def trained() -> TrainedModel:
    return train(LEARNABLE, TASK)


def test_bytes_are_the_same_when_trained_twice(trained: TrainedModel) -> None:
    """Same candles, same settings: the same model and the same card."""
    again = train(LEARNABLE, TASK)
    assert again.text == trained.text
    assert again.card == trained.card


def test_model_differs_when_one_candle_or_the_seed_does(trained: TrainedModel) -> None:
    """Determinism is not blindness."""
    candle = LEARNABLE[500]
    changed = [*LEARNABLE[:500], replace(candle, volume=candle.volume + 1), *LEARNABLE[501:]]
    assert train(changed, TASK).id != trained.id
    assert train(LEARNABLE, replace(TASK, seed=8)).id != trained.id


def test_gate_passes_when_prices_can_be_foretold(trained: TrainedModel) -> None:
    """A price that is drawn back to its mean is found out, net of fees."""
    assert trained.card.gate.passed, trained.card.gate.reason


def test_gate_refuses_when_prices_are_a_random_walk() -> None:
    """There is nothing to learn, and the card says so instead of being hopeful."""
    for seed in (1, 2):
        assert not train(walk(1000, seed=seed), TASK).card.gate.passed


def test_card_says_what_the_model_was_made_of(trained: TrainedModel) -> None:
    """Hashes, range, features, slices in order with their gap, fee and library versions."""
    card = trained.card
    assert card.model_sha256 == hashlib.sha256(trained.text.encode()).hexdigest()
    assert card.features == FEATURES
    assert (card.data.sha256, card.data.candles, card.data.holes) == (candles_sha256(LEARNABLE), 1200, 0)
    assert (card.data.first_open_ms, card.data.last_open_ms) == (LEARNABLE[0].open_ms, LEARNABLE[-1].open_ms)
    gap = TASK.horizon * TASK.timeframe.milliseconds
    assert card.training.last_open_ms + gap < card.validation.first_open_ms
    assert card.validation.last_open_ms + gap < card.test.first_open_ms
    assert sum(card.base_rate) == pytest.approx(1, abs=1e-5)
    assert {"lightgbm", "numpy", "TA-Lib"} <= set(card.libraries)


def test_models_are_trained_when_fees_leave_one_class_only() -> None:
    """At the worst tier nothing on a quiet minute chart pays: a model that never signals, not a crash."""
    card = train(walk(600), replace(TASK, fee_rate=Decimal("0.2"))).card
    assert not card.gate.passed
    assert card.trading.signals == 0


def test_error_counts_rows_when_candles_are_too_few() -> None:
    """The message says how many there are and how many are needed."""
    with pytest.raises(ConfigError, match=r"BTC/USD 1m: the candles give 151 rows .* at least 250"):
        train(walk(199), TASK)


@pytest.mark.parametrize("rate", ["-0.1", "1"])
def test_error_names_the_rate_when_it_is_none(rate: str) -> None:
    """A fee of 100 % or below 0 is a mistake."""
    with pytest.raises(ConfigError, match="fee rate must be at least 0 and below 1"):
        train(LEARNABLE, replace(TASK, fee_rate=Decimal(rate)))
