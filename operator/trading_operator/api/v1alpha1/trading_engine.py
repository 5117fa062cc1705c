"""TradingEngine: one engine of five workers, its database, its collectors and its limits.

`schema.py` turns these models into the CustomResourceDefinition; `desired` turns a validated
object into Kubernetes objects; `checks` fills the status models.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from trading_engine.contract.config import (
    LlmProvider,
    Mode,
    OnUnavailable,
    Promotion,
    Symbol,
    Timeframe,
    TradingState,
)
from trading_operator.api.v1alpha1.base import (
    ApiModel,
    Bytes,
    Fraction,
    ObjectName,
    PositiveAmount,
    PositiveRatio,
    Ratio,
    Resource,
    SecretRef,
    Url,
    rule,
    rules,
)
from trading_operator.api.v1alpha1.observability import ObservabilitySpec
from trading_operator.api.v1alpha1.trading_engine_status import TradingEngineStatus
from trading_operator.api.v1alpha1.worker_spec import CollectorsSpec, WorkersSpec

MAX_SYMBOLS = 50
MAX_NAME = 40

LIVE_NEEDS_CREDENTIALS = "exchange.credentialsSecretRef is required in mode Live"
LIVE_NEEDS_RISK = "risk is required in mode Live"
LLM_NEEDS_URL = "llm.url is required unless llm.provider is Disabled"


class ExchangeId(StrEnum):
    """Exchanges that the engine can trade on, by ccxt's ids."""

    COINBASE = "coinbase"


class ExchangeSpec(ApiModel):
    """The exchange and how to reach it."""

    id: ExchangeId = ExchangeId.COINBASE
    """Which exchange, by ccxt's id."""
    url: Url | None = None
    """Base URL in place of the exchange's own, for a simulated exchange. A Service in the cluster is
    written with `.svc`: http://exchange-simulator.crypto-exchange.svc:8080."""
    credentials_secret_ref: SecretRef | None = None
    """Secret with the keys `apiKey` and `secret` (a PEM key). Required in mode Live, mounted only into
    the trade executor, as files."""


class StorageSpec(ApiModel):
    """The volume of the PostgreSQL that the operator runs."""

    size: Bytes = "2Gi"
    """Size of the PersistentVolumeClaim."""
    storage_class_name: ObjectName | None = None
    """StorageClass; the cluster's default when absent."""


class DatabaseSpec(ApiModel):
    """Where candles, recommendations, orders and fills are kept."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!(has(self.secretRef) && has(self.storage))",
                "database.secretRef and database.storage exclude each other: either your database or one that we run",
            ),
            rule(
                "has(self.secretRef) == has(oldSelf.secretRef)",
                "database.secretRef can be neither added nor removed: the rows would be left behind",
            ),
            rule(
                "has(self.storage) == has(oldSelf.storage) && (!has(self.storage) || self.storage == oldSelf.storage)",
                "database.storage is immutable: the rows would be left behind",
            ),
        )
    )

    secret_ref: SecretRef | None = None
    """Your own PostgreSQL, reachable on port 5432: a Secret with the keys `url` (a SQLAlchemy URL with password, for
    the workers) and `collectorUrl` (the same database, a role for the collector that may only read and add
    candles). Absent: the operator runs PostgreSQL."""
    storage: StorageSpec | None = None
    """Volume of the PostgreSQL that the operator runs; 2Gi of the default class when absent. Immutable."""


class ModelSpec(ApiModel):
    """The model and when it may trade."""

    promotion: Promotion = Promotion.GATE
    """Gate: a trained model trades only after it passed the gate. First: the first trained model trades,
    whatever it is worth (demonstrations)."""
    minimum_confidence: Ratio = "0.5"
    """Signals with a confidence below it are hold. 0 to 1."""


class LlmSpec(ApiModel):
    """The language model that may veto a recommendation; it can never create or enlarge one."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule("self.provider == 'Disabled' || has(self.url)", LLM_NEEDS_URL),
            rule(
                "!has(self.apiKeySecretRef) || self.provider == 'OpenAI'",
                "llm.apiKeySecretRef is only for llm.provider OpenAI",
            ),
        )
    )

    provider: LlmProvider = LlmProvider.DISABLED
    """API that `url` speaks: Ollama, OpenAI (any compatible server), or Disabled: every verdict is then skipped."""
    url: Url | None = None
    """Base URL of the server. A Service in the cluster is written with `.svc`: http://ollama.llm.svc:11434."""
    model: Annotated[
        str, StringConstraints(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9][-._:/A-Za-z0-9]*$")
    ] = "llama3.2"
    """Name of the model on that server."""
    timeout_seconds: Annotated[int, Field(ge=1, le=600)] = 20
    """Deadline of one verdict, the repair attempt included."""
    on_unavailable: OnUnavailable = OnUnavailable.REJECT
    """The verdict when the model gives none in time."""
    api_key_secret_ref: SecretRef | None = None
    """Secret with the key `apiKey`, mounted only into the validation worker, as a file."""


class RiskSpec(ApiModel):
    """Limits, in the quote currency of the symbol. Who writes limits writes all three amounts."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "double(self.maxOrderNotional) <= double(self.maxPositionNotional)",
                "risk.maxOrderNotional must not be greater than risk.maxPositionNotional",
            )
        )
    )

    max_order_notional: PositiveAmount
    """Largest order."""
    max_position_notional: PositiveAmount
    """Largest holding of one symbol, the order included."""
    max_daily_loss: PositiveAmount
    """Loss of a UTC day, realized and unrealized, at which buying stops."""
    max_orders_per_minute: Annotated[int, Field(ge=1, le=600)] = 10
    """Orders sent in any 60 seconds."""
    max_price_age_seconds: Annotated[int, Field(ge=1, le=3600)] = 120
    """Age of a price above which nothing is traded on it."""


class PaperSpec(ApiModel):
    """The simulated account of mode Paper."""

    balance: PositiveAmount = "10000"
    """Opening balance in quote currency."""
    fill_ratio: PositiveRatio = "1"
    """Share of an order that fills at once; the rest is canceled."""
    fee_rate: Fraction | None = None
    """Taker fee as a fraction of the cost, below 1; the worst published tier when absent, for no account is asked."""


class TradingEngineSpec(ApiModel):
    """What is wanted of the engine."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "self.mode != 'Live' || (has(self.exchange) && has(self.exchange.credentialsSecretRef))",
                LIVE_NEEDS_CREDENTIALS,
            ),
            rule("self.mode != 'Live' || has(self.risk)", LIVE_NEEDS_RISK),
            rule(
                "self.mode == oldSelf.mode",
                "mode is immutable: simulated fills must never count as holdings; create another TradingEngine",
            ),
        )
    )

    mode: Mode = Mode.PAPER
    """Paper: orders fill on a simulated account at real prices. Live: orders go to the exchange. Immutable."""
    trading_state: TradingState = TradingState.ACTIVE
    """The red button. Reducing: only orders that lower exposure. Halted: none. It is obeyed at once,
    also while `suspend` is true."""
    suspend: bool = False
    """True: the operator changes no object of this engine; halting and deleting still work."""
    symbols: Annotated[
        tuple[Annotated[Symbol, StringConstraints(max_length=31)], ...],
        Field(min_length=1, max_length=MAX_SYMBOLS, json_schema_extra={"x-kubernetes-list-type": "set"}),
    ]
    """What is traded, as BASE/QUOTE: BTC/USD."""
    timeframe: Timeframe = Timeframe.M1
    """Length of the candles that signals are made of."""
    expire_after_candles: Annotated[int, Field(ge=1, le=100)] = 3
    """A recommendation older than this many candles expires."""
    order_notional: PositiveAmount = "50"
    """Quote amount that a buy asks for, before risk."""
    exchange: ExchangeSpec = ExchangeSpec()
    """The exchange and how to reach it."""
    database: DatabaseSpec = DatabaseSpec()
    """Where rows are kept."""
    model: ModelSpec = ModelSpec()
    """The model and when it may trade."""
    llm: LlmSpec = LlmSpec()
    """The language model that may veto."""
    risk: RiskSpec | None = None
    """Limits. Required in mode Live; in Paper the defaults are 100, 500 and 50 for the three amounts."""
    paper: PaperSpec = PaperSpec()
    """The simulated account of mode Paper."""
    workers: WorkersSpec = WorkersSpec()
    """Settings of each worker."""
    collectors: CollectorsSpec = CollectorsSpec()
    """Settings of each collector."""
    observability: ObservabilitySpec = ObservabilitySpec()
    """How the engine is observed."""

    @model_validator(mode="after")
    def _may_run(self) -> Self:
        """What money depends on holds here too: in `render`, and for what was stored before it was a rule."""
        live = self.mode is Mode.LIVE
        if live and self.exchange.credentials_secret_ref is None:
            raise ValueError(LIVE_NEEDS_CREDENTIALS)
        if live and self.risk is None:
            raise ValueError(LIVE_NEEDS_RISK)
        if self.llm.provider is not LlmProvider.DISABLED and self.llm.url is None:
            raise ValueError(LLM_NEEDS_URL)
        return self


class TradingEngine(Resource):
    """A trading engine: five workers, their database, their collectors and their limits."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                f"self.metadata.name.size() <= {MAX_NAME}"
                " && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
                f"metadata.name must be at most {MAX_NAME} lower case letters, digits and hyphens, from a letter on",
            )
        )
    )

    api_version: Literal["tradingengine.io/v1alpha1"] = "tradingengine.io/v1alpha1"
    kind: Literal["TradingEngine"] = "TradingEngine"
    spec: TradingEngineSpec
    status: TradingEngineStatus = TradingEngineStatus()
