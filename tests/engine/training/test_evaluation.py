"""Scores, trading net of fees, the threshold and the gate, against figures computed by hand."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from trading_engine.domain.model_card import Scores, Trading
from trading_engine.training.dataset import DOWN, FLAT, UP, Dataset
from trading_engine.training.evaluation import (
    CANDIDATES,
    UNMEASURED,
    base_rate,
    choose_threshold,
    gate,
    scores,
    trading,
)

FEE = Decimal("0.01")
KEPT = 0.99 / 1.01


def rows(closes: list[float], labels: list[int] | None = None) -> Dataset:
    n = len(closes)
    return Dataset(
        np.zeros((n, 1)), np.zeros(n), np.array(labels or [FLAT] * n), np.arange(n, dtype=np.int64), np.array(closes)
    )


def says(*words: str, confidence: float = 0.8) -> np.ndarray:
    rest = 1 - confidence
    table = {"up": [rest, 0, confidence], "down": [confidence, 0, rest], "flat": [rest / 2, confidence, rest / 2]}
    return np.array([table[word] for word in words])


def test_scores_are_those_of_the_textbook() -> None:
    """-ln 0.8 and 0.2 squared twice, for a right answer of 0.8."""
    found = scores(says("up"), rows([1.0], [UP]))
    assert found.log_loss == pytest.approx(-np.log(0.8), abs=1e-6)
    assert found.brier == pytest.approx(0.08, abs=1e-6)


def test_log_loss_is_finite_when_the_impossible_happens() -> None:
    """A zero probability is a large loss, not an infinite one."""
    assert np.isfinite(scores(np.array([[1.0, 0, 0]]), rows([1.0], [UP])).log_loss)


def test_base_rate_counts_classes_and_calls_none_impossible() -> None:
    """(1 + 1, 2 + 1, 0 + 1) of 6."""
    assert base_rate(rows([1.0] * 3, [DOWN, FLAT, FLAT])).tolist() == pytest.approx([2 / 6, 3 / 6, 1 / 6])


def test_trading_is_net_of_both_fees_when_one_round_trip_is_made() -> None:
    """Bought at 100, sold at 110; a second buy while held and a second sell while flat do nothing."""
    found = trading(says("up", "up", "down", "down"), rows([100, 105, 110, 90], [UP, FLAT, FLAT, DOWN]),
                    Decimal("0.5"), FEE)  # fmt: skip
    assert found.round_trips == 1
    assert found.net_return == pytest.approx(1.1 * KEPT - 1, abs=1e-6)
    assert (found.signals, found.hit_rate) == (4, 0.5)


def test_open_position_is_sold_at_the_last_close() -> None:
    """A gain that was not taken still pays its way out."""
    found = trading(says("up", "flat", "flat"), rows([100, 105, 120]), Decimal("0.5"), FEE)
    assert (found.round_trips, found.net_return) == (1, pytest.approx(1.2 * KEPT - 1, abs=1e-6))


def test_nothing_is_traded_when_nothing_reaches_the_threshold() -> None:
    """Doing nothing earns nothing."""
    found = trading(says("up", "down"), rows([100, 90]), Decimal("0.85"), FEE)
    assert found == Trading(signals=0, hit_rate=None, round_trips=0, net_return=0.0)


def test_threshold_is_the_one_that_earned_most_on_validation() -> None:
    """Signals of 0.9 win, those of 0.6 lose: only thresholds above 0.6 leave the losers out."""
    good = [("up", 100.0, 0.9), ("down", 110.0, 0.9)] * 6
    bad = [("up", 110.0, 0.6), ("down", 100.0, 0.6)] * 6
    steps = [step for pair in zip(zip(good[::2], good[1::2], strict=True), zip(bad[::2], bad[1::2], strict=True),
                                  strict=True) for part in pair for step in part]  # fmt: skip
    probabilities = np.vstack([says(word, confidence=confidence) for word, _, confidence in steps])
    found = choose_threshold(probabilities, rows([close for _, close, _ in steps]), FEE)
    assert found.value == max(CANDIDATES)
    assert "best net return" in found.reason


def test_threshold_is_unmeasured_when_nothing_was_traded() -> None:
    """A threshold that was never tried has no figure: likelier than not must do, and the card says so."""
    found = choose_threshold(says("flat", "flat"), rows([100, 100]), FEE)
    assert found.value == UNMEASURED
    assert "no candidate" in found.reason


BASE = Scores(log_loss=1.0, brier=0.6)
GOOD = Scores(log_loss=0.9, brier=0.5)
EARNED = Trading(signals=20, hit_rate=0.6, round_trips=9, net_return=0.02)


@pytest.mark.parametrize(
    ("found", "traded", "passed", "words"),
    [
        (GOOD, EARNED, True, "net return 0.02"),
        (BASE, EARNED, False, "not below the base rate's 1.0"),
        (GOOD, EARNED.model_copy(update={"net_return": 0.0}), False, "is not above 0"),
        (GOOD, EARNED.model_copy(update={"round_trips": 4}), False, "4 round trips"),
    ],
)
def test_gate_passes_when_better_than_the_base_rate_and_than_nothing(
    found: Scores, traded: Trading, passed: bool, words: str
) -> None:
    """Both, and on enough trades; the reason has the figures."""
    verdict = gate(found, BASE, traded)
    assert verdict.passed is passed
    assert words in verdict.reason
