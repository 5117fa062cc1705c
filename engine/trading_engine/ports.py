"""The seams of the engine. Workers know these Protocols; adapters implement them, one third party each.

Every real adapter and every fake of a port passes the same test suite (`tests/engine/ports/`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol, TypeVar
from uuid import UUID

from trading_engine.contract.messages import (
    Assessment,
    Execution,
    OrderState,
    Recommendation,
    RecommendationStatus,
    SignalType,
    TradingStateChange,
    TradingStateReport,
    Validation,
)
from trading_engine.contract.workers import WorkerName
from trading_engine.domain.candle import Candle
from trading_engine.domain.market import FeeRates, Market, Quote
from trading_engine.domain.orders import Fill, OrderRequest, VenueOrder
from trading_engine.domain.position import Position as Position
from trading_engine.domain.signals import Prediction as Prediction

if TYPE_CHECKING:  # a type in one signature; importing it costs 20 MiB in workers that never see a feature
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")


class Clock(Protocol):
    """Time as the engine sees it: the wall clock, or a simulated one in replay."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""

    async def sleep(self, seconds: float) -> None:
        """Wait on this clock."""


class Metrics(Protocol):
    """Instruments by the catalogue's names; an unknown name or label is a KeyError."""

    def inc(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add to a counter."""

    def set(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge."""

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Add to a histogram."""


class MarketData(Protocol):
    """Public data of one exchange.

    Raises:
        ExchangeUnavailable: no answer, or a 5xx: try again later.
        ExchangeRefused: the exchange does not know the symbol.
    """

    async def fetch_candles(self, symbol: str, timeframe: str, since_ms: int, limit: int) -> list[Candle]:
        """Candles whose open lies in the `limit` candle lengths from `since_ms` on, oldest first.

        Fewer where the exchange has holes; none does not mean that there are none later. The newest may
        still be forming: callers drop those whose close is not before now.
        """

    async def fetch_quote(self, symbol: str) -> Quote:
        """Best bid and ask now."""

    async def fetch_market(self, symbol: str) -> Market:
        """Increments, minimums and flags."""


class Exchange(Protocol):
    """Orders and account of one venue: paper or live. Only the executor holds one."""

    @property
    def venue(self) -> str:
        """Name of the venue in rows: `paper`, `coinbase`."""

    async def create_order(self, request: OrderRequest) -> str:
        """Send a market order once, never retried; returns the venue's order id. An ack is not state.

        Raises:
            ExchangeRefused: the venue said no, finally.
            OutcomeUnknown: it may or may not have arrived.
        """

    async def find_order(self, client_order_id: UUID, symbol: str, since_ms: int) -> VenueOrder | None:
        """The order with that client id, open or not, created at or after `since_ms`; None: not found.

        Raises:
            ExchangeUnavailable: the venue could not be asked; this is not "not found".
        """

    async def fetch_order(self, venue_order_id: str, symbol: str) -> VenueOrder:
        """Current state of an order."""

    async def fetch_fills(self, venue_order_id: str, symbol: str) -> list[Fill]:
        """Its fills, oldest first."""

    async def cancel_order(self, venue_order_id: str, symbol: str) -> None:
        """Ask to cancel."""

    async def fetch_balances(self) -> dict[str, Decimal]:
        """Free amount per currency."""

    async def fetch_fee_rates(self) -> FeeRates:
        """The account's tier; the worst published tier when unknown."""

    async def close(self) -> None:
        """Release connections."""


class Model(Protocol):
    """A trained model of one symbol and timeframe."""

    @property
    def id(self) -> str:
        """`<sha256 of model.txt, first 16 hex digits>`."""

    @property
    def threshold(self) -> Decimal:
        """Confidence above which training found signals worth their fees."""

    def predict(self, features: NDArray[np.float64]) -> Prediction:
        """Predict one row, in the order of `domain.indicators.FEATURES`."""


class LanguageModel(Protocol):
    """A chat model that can be held to a JSON schema."""

    @property
    def name(self) -> str:
        """Model name for rows and logs."""

    async def chat(self, messages: Sequence[dict[str, str]], schema: dict[str, object], timeout_seconds: float) -> str:
        """The raw text of the answer.

        Raises:
            WorkerUnavailable: no answer in time, or an HTTP error.
        """

    async def close(self) -> None:
        """Release connections."""


class WorkerClient(Protocol):
    """Calls to other workers, with the bearer token."""

    async def call(self, worker: WorkerName, method: str, path: str, body: bytes | None = None) -> bytes:
        """Body of a 2xx answer.

        Raises:
            WorkerUnavailable: anything else.
        """


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A trained model in the store. `text` is LightGBM's model file, `card` its JSON card."""

    id: str
    symbol: str
    timeframe: str
    text: str
    card: str
    created_ms: int
    promoted: bool
    reason: str


@dataclass(frozen=True, slots=True)
class SignalRow:
    """What the generator decided about one closed candle; unique per symbol, timeframe and candle."""

    symbol: str
    timeframe: str
    candle_open_ms: int
    signal_type: SignalType
    confidence: Decimal
    reason: str
    model_id: str
    features_sha256: str
    created_ms: int


@dataclass(frozen=True, slots=True)
class RecommendationRow:
    """A recommendation, where it stands, and what the stages said so far."""

    recommendation: Recommendation
    status: RecommendationStatus
    validation: Validation | None
    assessment: Assessment | None
    execution: Execution | None
    updated_ms: int


@dataclass(frozen=True, slots=True)
class EventRow:
    """One line of an append-only journal: of a recommendation or of an order."""

    seq: int
    subject: str
    at_ms: int
    before: str
    after: str
    detail: str


@dataclass(frozen=True, slots=True)
class OrderRow:
    """The one order of a recommendation."""

    recommendation_id: UUID
    request: OrderRequest
    venue: str
    state: OrderState
    execution: Execution
    created_ms: int
    sent_ms: int | None
    updated_ms: int


class Store(Protocol):
    """One unit of work on the database: everything called on it commits together.

    A guarded move returns False when the row was not in the expected state (somebody else moved
    it): then nothing was written. Each move writes its event row in the same transaction.
    """

    # candles
    def put_candles(self, symbol: str, timeframe: str, candles: Sequence[Candle]) -> int:
        """Insert those not there yet; returns how many were new. A stored candle never changes."""

    def candles(self, symbol: str, timeframe: str, *, since_ms: int = 0, limit: int | None = None) -> list[Candle]:
        """Candles with open at or after `since_ms`, oldest first; with `limit`, the NEWEST that many."""

    def last_candle_open_ms(self, symbol: str, timeframe: str) -> int | None:
        """Open time of the newest stored candle."""

    # models
    def put_model(self, model: StoredModel) -> None:
        """Insert; a promoted one takes the place of its predecessor. Putting an id twice is no error."""

    def promoted_model(self, symbol: str, timeframe: str) -> StoredModel | None:
        """The one that may trade."""

    def promoted_model_id(self, symbol: str, timeframe: str) -> str | None:
        """Its id alone: the row is large."""

    # signals and recommendations
    def last_signal_open_ms(self, symbol: str, timeframe: str) -> int | None:
        """Open time of the newest candle that has been decided."""

    def put_signal(self, signal: SignalRow, recommendation: Recommendation | None) -> bool:
        """Insert both, or nothing when that candle was decided already (False)."""

    def recommendation(self, recommendation_id: UUID) -> RecommendationRow | None:
        """One recommendation."""

    def recommendations(self, *, limit: int) -> list[RecommendationRow]:
        """The newest ones, newest first."""

    def open_recommendations(self, *, limit: int) -> list[RecommendationRow]:
        """Those that have not ended, oldest first."""

    def count_open_recommendations(self, *statuses: RecommendationStatus) -> int:
        """How many have not ended (in these statuses, if given)."""

    def move_recommendation(
        self,
        recommendation_id: UUID,
        before: RecommendationStatus,
        after: RecommendationStatus,
        *,
        at_ms: int,
        result: Validation | Assessment | Execution | None = None,
        detail: str = "",
    ) -> bool:
        """Guarded move, with the stage's result.

        Raises:
            ValueError: `before` is terminal: such a recommendation never moves again.
        """

    def recommendation_events(self, recommendation_id: UUID) -> list[EventRow]:
        """Its journal, oldest first."""

    # orders and fills
    def put_intent(self, row: OrderRow) -> bool:
        """Insert an order in state intent or denied; False when the recommendation has one already."""

    def order(self, recommendation_id: UUID) -> OrderRow | None:
        """The order of a recommendation."""

    def orders_in(self, *states: OrderState) -> list[OrderRow]:
        """Orders in these states, oldest first."""

    def move_order(
        self,
        recommendation_id: UUID,
        before: OrderState,
        execution: Execution,
        *,
        at_ms: int,
        detail: str = "",
    ) -> bool:
        """Guarded move to `execution.state`; submitting also sets `sent_ms`, denied clears it.

        A state that is not terminal may also be kept, to write new figures.

        Raises:
            ValueError: `domain.orders.TRANSITIONS` forbids it.
        """

    def order_events(self, recommendation_id: UUID) -> list[EventRow]:
        """Its journal, oldest first."""

    def put_fills(self, recommendation_id: UUID, fills: Sequence[Fill]) -> list[Fill]:
        """Insert those not there yet, by key; returns the new ones."""

    def fills(self, *, since_ms: int = 0) -> list[Fill]:
        """Fills of this engine, oldest first."""

    def count_orders_sent(self, *, since_ms: int) -> int:
        """Orders sent to a venue at or after that time."""

    def positions(self) -> dict[str, Position]:
        """Position per symbol, from fills."""

    # the red button
    def trading_state(self) -> TradingStateReport:
        """The durable state; Active, by `default`, since 0, before anybody set one."""

    def put_trading_state(self, change: TradingStateChange, *, at_ms: int) -> TradingStateReport:
        """Set it; setting the state it already has changes nothing (`since_ms` stays)."""


class Database(Protocol):
    """Runs units of work, each in one transaction on the one database thread (inline in replay)."""

    async def run(self, work: Callable[[Store], T]) -> T:
        """Commit what `work` did, or roll back if it raised.

        Raises:
            StoreUnavailable: the database could not be reached.
        """

    async def close(self) -> None:
        """Release connections."""
