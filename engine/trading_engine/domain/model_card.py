"""A model's card: what it was made of, how well it did, and whether it may trade. JSON beside `model.txt`.

Written by training; read by the adapter that loads the model, which refuses one whose card does not fit.
"""

from __future__ import annotations

from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field

from trading_engine.contract.config import Symbol, Timeframe


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Data(_Part):
    """The candles."""

    sha256: str = Field(description="Of the lines `open_ms,open,high,low,close,volume`.")
    candles: int
    holes: int = Field(description="Places where at least one candle is missing.")
    first_open_ms: int
    last_open_ms: int


class Slice(_Part):
    """Rows of one part of the split; times are open times of its first and last row."""

    rows: int
    first_open_ms: int
    last_open_ms: int


class Scores(_Part):
    """How well probabilities fit what happened: both better when smaller."""

    log_loss: float
    brier: float


class Trading(_Part):
    """What trading by the model's signals would have done, net of fees; doing nothing earns 0."""

    signals: int = Field(description="Rows whose confidence reached the threshold.")
    hit_rate: float | None = Field(description="Share of them whose direction came true; null without any.")
    round_trips: int
    net_return: float = Field(description="Sum of the returns of all round trips, after fees.")


class Gate(_Part):
    """Whether the model beats the base rate net of fees on rows it has never seen."""

    passed: bool
    reason: str

    @property
    def words(self) -> str:
        """For people."""
        return f"{'passed' if self.passed else 'not passed'}: {self.reason}"


class ModelCard(_Part):
    """Everything worth knowing about a model before it trades."""

    model_sha256: str
    symbol: Symbol
    timeframe: Timeframe
    features: tuple[str, ...]
    classes: tuple[str, ...]
    horizon_candles: int
    fee_rate: Decimal = Field(description="Taker fraction per side that labels and returns are net of.")
    threshold: Decimal = Field(ge=0, le=1)
    threshold_reason: str
    seed: int
    data: Data
    training: Slice
    validation: Slice
    test: Slice
    scores: Scores = Field(description="On the test slice.")
    base_rate: tuple[float, float, float] = Field(description="Share of each class before the test slice.")
    base_rate_scores: Scores = Field(description="Of always predicting the base rate, on the test slice.")
    trading: Trading = Field(description="On the test slice.")
    gate: Gate
    libraries: dict[str, str]
