"""How good predictions are: scores against the base rate, and trading net of fees. Called by `training.train`.

Log loss and Brier score: Gneiting and Raftery, "Strictly Proper Scoring Rules", JASA 102 (2007).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trading_engine.domain.indicators import Floats
from trading_engine.domain.model_card import Gate, Scores, Trading
from trading_engine.training.dataset import CLASSES, DOWN, UP, Dataset

#: Confidences tried as threshold.
CANDIDATES: Final = tuple(Decimal(step) / 20 for step in range(8, 18))
#: Round trips on the validation slice below which a threshold has not been measured.
MINIMUM_ROUND_TRIPS: Final = 5
#: The threshold when none could be measured: likelier than not.
UNMEASURED: Final = Decimal("0.5")

Flags = NDArray[np.bool_]

_TINY: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Threshold:
    """The confidence from which a signal is worth its fees, and how that was found."""

    value: Decimal
    reason: str


def base_rate(rows: Dataset) -> Floats:
    """Share of each class, one of each added, so that none is impossible."""
    counts = np.bincount(rows.labels, minlength=len(CLASSES)) + 1.0
    shares: Floats = counts / counts.sum()
    return shares


def scores(probabilities: Floats, rows: Dataset) -> Scores:
    """Scores of (n, 3) probabilities against what happened."""
    happened = np.eye(len(CLASSES))[rows.labels]
    log_loss = -np.log(np.clip((probabilities * happened).sum(axis=1), _TINY, 1)).mean()
    brier = ((probabilities - happened) ** 2).sum(axis=1).mean()
    return Scores(log_loss=round(float(log_loss), 6), brier=round(float(brier), 6))


def trading(probabilities: Floats, rows: Dataset, threshold: Decimal, fee_rate: Decimal) -> Trading:
    """Long or flat by the rule of `domain.signals.decide`, at closes; the last position is sold at the end."""
    required, fee = float(threshold), float(fee_rate)
    down, up = probabilities[:, DOWN], probabilities[:, UP]
    buys, sells = (up > down) & (up >= required), (down >= up) & (down >= required)
    hits = (buys & (rows.labels == UP)) | (sells & (rows.labels == DOWN))
    signals = int((buys | sells).sum())
    returns = _round_trips(buys, sells, rows.closes, (1 - fee) / (1 + fee))
    return Trading(
        signals=signals,
        hit_rate=round(float(hits.sum()) / signals, 6) if signals else None,
        round_trips=len(returns),
        net_return=round(sum(returns), 6),
    )


def _round_trips(buys: Flags, sells: Flags, closes: Floats, kept: float) -> list[float]:
    """Net return of each round trip; `kept` is what the fees of both sides leave of its gross worth."""
    returns: list[float] = []
    entry: float | None = None
    for row in np.flatnonzero(buys | sells):
        if entry is None and buys[row]:
            entry = float(closes[row])
        elif entry is not None and sells[row]:
            returns.append(float(closes[row]) / entry * kept - 1)
            entry = None
    if entry is not None:
        returns.append(float(closes[-1]) / entry * kept - 1)
    return returns


def choose_threshold(probabilities: Floats, validation: Dataset, fee_rate: Decimal) -> Threshold:
    """The candidate with the best net return on the validation slice; of equals the highest."""
    tried = [(trading(probabilities, validation, candidate, fee_rate), candidate) for candidate in CANDIDATES]
    measured = [(result.net_return, candidate) for result, candidate in tried
                if result.round_trips >= MINIMUM_ROUND_TRIPS]  # fmt: skip
    if not measured:
        return Threshold(UNMEASURED, f"no candidate made {MINIMUM_ROUND_TRIPS} round trips on the validation slice")
    best, candidate = max(measured)
    return Threshold(candidate, f"best net return on the validation slice: {best:.4f}")


def gate(found: Scores, base: Scores, traded: Trading) -> Gate:
    """Beats the base rate net of fees: better log loss than always predicting it, and more earned than by nothing."""
    if found.log_loss >= base.log_loss:
        return Gate(passed=False, reason=f"log loss {found.log_loss} is not below the base rate's {base.log_loss}")
    if traded.round_trips < MINIMUM_ROUND_TRIPS:
        reason = f"{traded.round_trips} round trips on the test slice, at least {MINIMUM_ROUND_TRIPS} needed"
        return Gate(passed=False, reason=reason)
    if traded.net_return <= 0:
        return Gate(passed=False, reason=f"net return {traded.net_return} on the test slice is not above 0")
    reason = f"log loss {found.log_loss} below the base rate's {base.log_loss}, net return {traded.net_return}"
    return Gate(passed=True, reason=reason)
