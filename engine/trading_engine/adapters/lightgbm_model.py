"""The Model port on LightGBM: a model file and its card to predictions of one row. Called by signal_generator.

One row goes through LightGBM's C API for single rows (about 4 us; `Booster.predict` takes 24 and, with
threads, sometimes milliseconds). That API is not public in the Python package, so it is tried against
`Booster.predict` at load; where it is missing or differs, predictions go the public way.
"""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import lightgbm
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from trading_engine.domain.indicators import FEATURES
from trading_engine.domain.model_card import ModelCard
from trading_engine.domain.signals import Prediction
from trading_engine.errors import ModelInvalid

Floats = NDArray[np.float64]
Predict = Callable[[Floats], Floats]

_CLASSES: Final = 3  # down, flat, up
_DOWN, _UP = 0, 2
_FLOAT64, _NORMAL = 1, 0  # C_API_DTYPE_FLOAT64, C_API_PREDICT_NORMAL
_SELF_TEST_ROWS: Final = 16


class LightGbmModel:
    """A loaded model of one symbol and timeframe."""

    def __init__(self, card: ModelCard, booster: lightgbm.Booster) -> None:
        self._booster = booster
        self.card: Final = card
        self.id: Final = card.model_sha256[:16]
        self.threshold: Final[Decimal] = card.threshold
        self._predict_row = _fast_predict(booster) or self._predict_public

    @property
    def is_fast(self) -> bool:
        """Whether the single-row C API is in use."""
        return isinstance(self._predict_row, _SingleRow)

    def predict(self, features: Floats) -> Prediction:
        """Predict one row of shape (len(FEATURES),).

        Raises:
            ValueError: another shape.
        """
        if features.shape != (len(FEATURES),):
            raise ValueError(f"features must have shape ({len(FEATURES)},), got {features.shape}")
        probabilities = self._predict_row(features)
        return Prediction(down=float(probabilities[_DOWN]), up=float(probabilities[_UP]))

    def predict_batch(self, features: Floats) -> Floats:
        """Probabilities of down, flat and up for rows of shape (n, len(FEATURES)): shape (n, 3)."""
        return np.asarray(self._booster.predict(features, num_threads=1), dtype=np.float64)

    def _predict_public(self, features: Floats) -> Floats:
        row: Floats = self.predict_batch(features[np.newaxis])[0]
        return row


def load_model(text: str, card: str) -> LightGbmModel:
    """A model from its file's text and its card's JSON.

    Raises:
        ModelInvalid: the card cannot be read, is of another file, or the features are not ours.
    """
    try:
        read = ModelCard.model_validate_json(card)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"])) or "body"
        raise ModelInvalid(f"the card cannot be read: {field}: {first['msg']}") from error
    digest = hashlib.sha256(text.encode()).hexdigest()
    if digest != read.model_sha256:
        raise ModelInvalid(f"the card is of the model {read.model_sha256}, the file is {digest}")
    if read.features != FEATURES:
        raise ModelInvalid(f"its features {read.features} are not this engine's {FEATURES}")
    return LightGbmModel(read, _booster(text))


def _booster(text: str) -> lightgbm.Booster:
    try:
        booster = lightgbm.Booster(model_str=text)
    except lightgbm.basic.LightGBMError as error:
        raise ModelInvalid(f"LightGBM cannot read the model: {error}") from error
    if tuple(booster.feature_name()) != FEATURES:
        raise ModelInvalid(f"the file's features {booster.feature_name()} are not this engine's {FEATURES}")
    if booster.num_model_per_iteration() != _CLASSES:
        raise ModelInvalid(f"the file predicts {booster.num_model_per_iteration()} classes, {_CLASSES} needed")
    return booster


class _SingleRow:
    """LGBM_BoosterPredictForMatSingleRowFast with its buffers; not for concurrent use, as the engine has one loop."""

    def __init__(self, booster: lightgbm.Booster) -> None:
        self._booster = booster  # the C side keeps using its handle
        self._library: Any = lightgbm.basic._LIB  # not public, see above
        self._row = np.empty(len(FEATURES))
        self._result = np.empty(_CLASSES)
        self._length = ctypes.c_int64()
        self._config = ctypes.c_void_p()
        _check(
            self._library.LGBM_BoosterPredictForMatSingleRowFastInit(
                booster._handle, _NORMAL, 0, -1, _FLOAT64, len(FEATURES), b"num_threads=1", ctypes.byref(self._config)
            )
        )
        self._arguments = (
            self._config,
            self._row.ctypes.data_as(ctypes.c_void_p),
            ctypes.byref(self._length),
            self._result.ctypes.data_as(ctypes.POINTER(ctypes.c_double)),
        )

    def __call__(self, features: Floats) -> Floats:
        """Probabilities of one row; the array is reused by the next call."""
        self._row[:] = features
        _check(self._library.LGBM_BoosterPredictForMatSingleRowFast(*self._arguments))
        return self._result

    def __del__(self) -> None:
        if getattr(self, "_config", None):
            self._library.LGBM_FastConfigFree(self._config)


def _check(code: int) -> None:
    if code:
        raise OSError(f"LightGBM's C API answered {code}")


def _fast_predict(booster: lightgbm.Booster) -> _SingleRow | None:
    """The fast way, if it exists here and gives the same figures on made-up rows."""
    rows = np.random.default_rng(0).normal(size=(_SELF_TEST_ROWS, len(FEATURES)))
    rows[0] = np.nan
    try:
        fast = _SingleRow(booster)
        found = np.array([fast(row).copy() for row in rows])
    except (AttributeError, OSError, ctypes.ArgumentError):
        return None
    expected = np.asarray(booster.predict(rows, num_threads=1))
    return fast if np.allclose(found, expected, rtol=0, atol=1e-12) else None
