"""A model is loaded only with the card that belongs to it, and predicts what LightGBM itself predicts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from tests.candle_walks import walk
from trading_engine.adapters import lightgbm_model
from trading_engine.adapters.lightgbm_model import load_model
from trading_engine.contract.config import Timeframe
from trading_engine.domain.indicators import FEATURES
from trading_engine.domain.model_card import ModelCard
from trading_engine.errors import ModelInvalid
from trading_engine.training.train import Task, TrainedModel, train

ROWS = np.random.default_rng(3).normal(size=(50, len(FEATURES)))


@pytest.fixture(scope="module")
def trained() -> TrainedModel:
    return train(walk(500, pull=0.1), Task("BTC/USD", Timeframe.M1, Decimal("0.0005")))


def test_single_rows_equal_the_batch_when_predicted_the_fast_way(trained: TrainedModel) -> None:
    """The C API gives the figures of Booster.predict, for missing values too."""
    model = load_model(trained.text, trained.card.model_dump_json())
    assert model.is_fast
    rows = ROWS.copy()
    rows[0] = np.nan
    expected = model.predict_batch(rows)
    for row, (down, _, up) in zip(rows, expected, strict=True):
        found = model.predict(row)
        assert (found.down, found.up) == (pytest.approx(down, abs=1e-12), pytest.approx(up, abs=1e-12))


@pytest.mark.parametrize("failure", [AttributeError, OSError])
def test_public_way_is_taken_when_the_fast_one_fails(
    trained: TrainedModel, monkeypatch: pytest.MonkeyPatch, failure: type[Exception]
) -> None:
    """LightGBM may rename what is not public; predictions stay the same."""
    fast = load_model(trained.text, trained.card.model_dump_json())

    def fail(*_: object) -> None:
        raise failure("gone")

    monkeypatch.setattr(lightgbm_model._SingleRow, "__init__", fail)
    slow = load_model(trained.text, trained.card.model_dump_json())
    assert not slow.is_fast
    assert slow.predict(ROWS[0]) == fast.predict(ROWS[0])


def test_public_way_is_taken_when_the_fast_one_is_wrong(trained: TrainedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """The self-test at load sees it."""
    monkeypatch.setattr(lightgbm_model._SingleRow, "__call__", lambda *_: np.array([0.2, 0.3, 0.5]))
    assert not load_model(trained.text, trained.card.model_dump_json()).is_fast


def test_threshold_and_id_come_from_the_card(trained: TrainedModel) -> None:
    """The id is the file's hash."""
    model = load_model(trained.text, trained.card.model_dump_json())
    assert (model.id, model.threshold) == (trained.card.model_sha256[:16], trained.card.threshold)


Change = Callable[[str, ModelCard], tuple[str, str]]


def _other_file(text: str, card: ModelCard) -> tuple[str, str]:
    return text + "\n", card.model_dump_json()


def _other_order(text: str, card: ModelCard) -> tuple[str, str]:
    return text, card.model_copy(update={"features": tuple(reversed(FEATURES))}).model_dump_json()


def _no_card(text: str, _: ModelCard) -> tuple[str, str]:
    return text, "{}"


def _resigned(text: str, card: ModelCard) -> tuple[str, str]:
    digest = hashlib.sha256(text.encode()).hexdigest()
    return text, card.model_copy(update={"model_sha256": digest}).model_dump_json()


def _no_model(_: str, card: ModelCard) -> tuple[str, str]:
    return _resigned("not a model", card)


def _other_names(text: str, card: ModelCard) -> tuple[str, str]:
    return _resigned(text.replace("rsi_14", "rsi_15"), card)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_other_file, "the card is of the model"),
        (_other_order, "are not this engine's"),
        (_no_card, "the card cannot be read"),
        (_no_model, "LightGBM cannot read the model"),
        (_other_names, "are not this engine's"),
    ],
)
def test_model_is_refused_when_file_and_card_do_not_fit(trained: TrainedModel, change: Change, words: str) -> None:
    """A model that would see other figures than it was trained on must not trade."""
    with pytest.raises(ModelInvalid, match=words):
        load_model(*change(trained.text, trained.card))


@pytest.mark.parametrize("shape", [(3,), (1, len(FEATURES))])
def test_row_is_refused_when_it_has_another_shape(trained: TrainedModel, shape: Any) -> None:
    """A caller's bug is loud."""
    with pytest.raises(ValueError, match="must have shape"):
        load_model(trained.text, trained.card.model_dump_json()).predict(np.zeros(shape))
