"""What workers say to each other over HTTP, and the closed sets of words that rows and labels use.

Nouns of the pipeline: signal -> recommendation -> validation -> assessment -> execution. Every
message is immutable. Money is Decimal, written as a string; times are integer milliseconds since
the epoch (`_ms`).
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Final
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict, Field, model_validator

from trading_engine.contract.config import Symbol, Timeframe, TradingState

RECOMMENDATION_NAMESPACE: Final = UUID("6f0ad6b2-6f5f-5d0e-9a55-3c0f5a1c6a01")
ORDER_NAMESPACE: Final = UUID("6f0ad6b2-6f5f-5d0e-9a55-3c0f5a1c6a02")

#: Where workers listen for each other (POST), and where the red button is (GET and PUT, on trade_executor).
VALIDATE_PATH: Final = "/v1/validate"
ASSESS_PATH: Final = "/v1/assess"
EXECUTE_PATH: Final = "/v1/execute"
WAKE_PATH: Final = "/v1/wake"
TRADING_STATE_PATH: Final = "/v1/trading-state"

#: `who` of what a TradingEngine's spec declares, whichever way the executor hears it; anybody else is a person.
DECLARED_BY: Final = "trading-operator"


class Side(StrEnum):
    """ccxt's words."""

    BUY = "buy"
    SELL = "sell"


class SignalType(StrEnum):
    """What the generator thinks of a closed candle."""

    BUY = "buy"
    SELL = "sell"
    HOLD = "hold"


class HoldReason(StrEnum):
    """Why a signal is hold."""

    NO_MODEL = "no_model"
    WARMING_UP = "warming_up"
    STALE_CANDLE = "stale_candle"
    BELOW_THRESHOLD = "below_threshold"
    NOTHING_TO_SELL = "nothing_to_sell"
    ALREADY_HELD = "already_held"


class Decision(StrEnum):
    """A language model's verdict. Skipped: the provider is Disabled."""

    APPROVE = "approve"
    REJECT = "reject"
    SKIPPED = "skipped"


class RiskDecision(StrEnum):
    """The risk worker's answer."""

    APPROVED = "approved"
    REFUSED = "refused"


class RiskReason(StrEnum):
    """Why risk refused, first refusal wins; `none` where it approved."""

    NONE = "none"
    TRADING_HALTED = "trading_halted"
    TRADING_REDUCING = "trading_reducing"
    PRICE_MISSING = "price_missing"
    PRICE_STALE = "price_stale"
    PRICE_INVALID = "price_invalid"
    ORDER_NOTIONAL = "order_notional"
    POSITION_NOTIONAL = "position_notional"
    ORDERS_PER_MINUTE = "orders_per_minute"
    DAILY_LOSS = "daily_loss"
    OUTCOME_UNKNOWN = "outcome_unknown"
    NOTHING_TO_SELL = "nothing_to_sell"


class RiskLevel(StrEnum):
    """Band of the risk score: low < 0.33 <= medium < 0.66 <= high < 1 <= critical."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class RecommendationStatus(StrEnum):
    """Life of a recommendation; the last seven are terminal and never left."""

    PENDING = "pending"
    VALIDATED = "validated"
    APPROVED = "approved"
    EXECUTING = "executing"
    FILLED = "filled"
    CANCELED = "canceled"
    REJECTED = "rejected"
    DENIED = "denied"
    VETOED = "vetoed"
    REFUSED = "refused"
    EXPIRED = "expired"


TERMINAL: Final = frozenset(
    {
        RecommendationStatus.FILLED,
        RecommendationStatus.CANCELED,
        RecommendationStatus.REJECTED,
        RecommendationStatus.DENIED,
        RecommendationStatus.VETOED,
        RecommendationStatus.REFUSED,
        RecommendationStatus.EXPIRED,
    }
)


class OrderState(StrEnum):
    """Life of an order; denied, rejected, filled, canceled and expired are terminal.

    *Denied* is by us, *rejected* by the venue. `unknown`: sent, and nobody can say yet whether it
    arrived; it is looked up before anything else is sent for its symbol.
    """

    INTENT = "intent"
    DENIED = "denied"
    SUBMITTING = "submitting"
    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    PARTIAL = "partial"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"


class DenyReason(StrEnum):
    """Why the executor did not send an order; `none` where it did."""

    NONE = "none"
    TRADING_HALTED = "trading_halted"
    TRADING_REDUCING = "trading_reducing"
    RECOMMENDATION_EXPIRED = "recommendation_expired"
    BELOW_MINIMUM = "below_minimum"
    INSUFFICIENT_BALANCE = "insufficient_balance"
    MARKET_UNAVAILABLE = "market_unavailable"
    SYMBOL_BLOCKED = "symbol_blocked"


class Message(BaseModel):
    """Base of all messages: immutable, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Recommendation(Message):
    """A wish to trade, born of one closed candle. Its id runs to the fill, in rows and log lines.

    `notional` (quote currency) is what a buy asks to spend; `amount` (base currency) what a sell
    asks to sell. Exactly one of them is set.
    """

    id: UUID
    symbol: Symbol
    timeframe: Timeframe
    candle_open_ms: int
    side: Side
    price: Decimal = Field(description="Close of the candle.")
    confidence: Decimal = Field(ge=0, le=1)
    notional: Decimal | None = None
    amount: Decimal | None = None
    model_id: str
    created_ms: int
    expires_ms: int


class Validation(Message):
    """Verdict on a recommendation. It can only veto: side, size, symbol and price are not in it."""

    recommendation_id: UUID
    decision: Decision
    confidence: Decimal = Field(ge=0, le=1)
    reason: str = Field(max_length=500)
    model: str
    seconds: float = Field(ge=0)


class Assessment(Message):
    """Risk's answer. `notional` / `amount` are what may be executed: never more than was asked."""

    recommendation_id: UUID
    decision: RiskDecision
    reason: RiskReason
    detail: str = Field(max_length=500, description="The figure and the limit, for people.")
    risk_score: Decimal = Field(ge=0)
    risk_level: RiskLevel
    notional: Decimal | None = None
    amount: Decimal | None = None


class ValidationRequest(Message):
    """POST /v1/validate on llm_validation."""

    recommendation: Recommendation
    closes: tuple[Decimal, ...] = Field(default=(), max_length=60, description="Last closes, oldest first.")


class AssessmentRequest(Message):
    """POST /v1/assess on risk_management."""

    recommendation: Recommendation


class ExecutionRequest(Message):
    """POST /v1/execute on trade_executor. Repeating it is safe: it answers with what is known."""

    recommendation: Recommendation
    assessment: Assessment

    @model_validator(mode="after")
    def _is_allowed(self) -> ExecutionRequest:
        """Only what risk approved of this very recommendation, and never more than it asked for."""
        wanted, allowed = self.recommendation, self.assessment
        if allowed.recommendation_id != wanted.id or allowed.decision is not RiskDecision.APPROVED:
            raise ValueError(f"assessment must approve recommendation {wanted.id}")
        figures = ((wanted.notional, allowed.notional), (wanted.amount, allowed.amount))
        if any((asked is None) != (size is None) or (asked or 0) < (size or 0) for asked, size in figures):
            raise ValueError("assessment must not allow more than the recommendation asks for")
        return self


class Execution(Message):
    """What is known of the order of a recommendation."""

    recommendation_id: UUID
    client_order_id: UUID
    state: OrderState
    reason: DenyReason = DenyReason.NONE
    detail: str = ""
    venue_order_id: str | None = None
    amount: Decimal = Decimal(0)
    filled: Decimal = Decimal(0)
    average: Decimal | None = None
    cost: Decimal = Decimal(0)
    fee: Decimal = Decimal(0)


class TradingStateChange(Message):
    """PUT /v1/trading-state on trade_executor: by the operator, or a person through the CLI.

    Also the content of `EngineConfig.trading_state_file`, which an executor that starts reads.
    """

    state: TradingState
    who: str = Field(min_length=1, max_length=253)
    why: str = Field(default="", max_length=500)


class TradingStateReport(Message):
    """GET or PUT /v1/trading-state: the state the executor obeys, durable when it says so."""

    state: TradingState
    who: str
    why: str
    since_ms: int
    orders_sent_since: int = Field(description="Orders sent to the venue since `since_ms`.")


class Wake(Message):
    """POST /v1/wake on trade_orchestrator: a hint that a new recommendation is in the store."""

    recommendation_id: UUID


class TrainingReport(Message):
    """What `train --config` leaves in its pod as termination message, for the operator's condition ModelReady.

    Together at most 4096 bytes, which is what the kubelet keeps: reasons are short.
    """

    promoted: tuple[Symbol, ...] = Field(default=(), description="Symbols with a promoted model, new or known.")
    refused: dict[Symbol, str] = Field(default_factory=dict, description="Symbols without one, and why.")


def recommendation_id(engine: str, symbol: str, timeframe: str, candle_open_ms: int) -> UUID:
    """Id of the one recommendation that an engine may make of one closed candle (UUIDv5)."""
    return uuid5(RECOMMENDATION_NAMESPACE, f"{engine}|{symbol}|{timeframe}|{candle_open_ms}")


def client_order_id(recommendation: UUID) -> UUID:
    """Client order id of the one order intent of a recommendation (UUIDv5)."""
    return uuid5(ORDER_NAMESPACE, str(recommendation))
