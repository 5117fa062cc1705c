"""EngineConfig: the JSON that the operator writes into a ConfigMap and every worker reads.

`trading-engine run` without `--config` uses the defaults: paper, SQLite in the working folder,
Coinbase's public data. Money and ratios are Decimal, written as strings in JSON.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from trading_engine.contract.workers import BY_NAME, WorkerName

#: What a call for a verdict may take beyond the verdict itself, so that its deadline passes where the reason is known.
VERDICT_MARGIN_SECONDS: Final = 10

HttpUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$")]
Symbol = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{1,15}/[A-Z0-9]{1,15}$")]


class Mode(StrEnum):
    """Where orders go: a simulated account, or the exchange."""

    PAPER = "Paper"
    LIVE = "Live"


class TradingState(StrEnum):
    """The red button. Reducing lets only exposure-lowering orders pass; Halted lets none."""

    ACTIVE = "Active"
    REDUCING = "Reducing"
    HALTED = "Halted"

    def stricter_than(self, other: TradingState) -> bool:
        """Whether it lets less pass: Halted > Reducing > Active, their order above."""
        order = list(TradingState)
        return order.index(self) > order.index(other)


class Timeframe(StrEnum):
    """The candle lengths that Coinbase serves."""

    M1 = "1m"
    M5 = "5m"
    M15 = "15m"
    M30 = "30m"
    H1 = "1h"
    H2 = "2h"
    H6 = "6h"
    D1 = "1d"

    @property
    def seconds(self) -> int:
        """Length of one candle in seconds."""
        return int(self.value[:-1]) * {"m": 60, "h": 3600, "d": 86400}[self.value[-1]]

    @property
    def milliseconds(self) -> int:
        """Length of one candle in milliseconds."""
        return self.seconds * 1000


class Promotion(StrEnum):
    """Which trained model may trade: one that passed the gate, or simply the first."""

    GATE = "Gate"
    FIRST = "First"


class LlmProvider(StrEnum):
    """Who answers the validation prompt."""

    OLLAMA = "Ollama"
    OPENAI = "OpenAI"
    DISABLED = "Disabled"


class OnUnavailable(StrEnum):
    """The verdict when the model gives none in time."""

    REJECT = "Reject"
    APPROVE = "Approve"


class LogLevel(StrEnum):
    """Lowest level that is written."""

    DEBUG = "Debug"
    INFO = "Info"
    WARNING = "Warning"
    ERROR = "Error"


class Section(BaseModel):
    """Base of every section: immutable, and an unknown key is an error that names it."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ExchangeConfig(Section):
    """The exchange and how to reach it."""

    id: str = Field(default="coinbase", description="ccxt's id of the exchange.")
    url: HttpUrl | None = Field(default=None, description="Base URL in place of the exchange's own (a simulator).")
    credentials_dir: Path | None = Field(
        default=None, description="Folder with the files `apiKey` and `secret` (a PEM key). Live only."
    )


class DatabaseConfig(Section):
    """Where rows are kept."""

    url: str = Field(default="sqlite:///trading-engine.db", description="SQLAlchemy URL without a password.")
    password_file: Path | None = Field(default=None, description="File with the password of that URL.")
    url_file: Path | None = Field(default=None, description="File with a whole URL; wins over `url`.")


class ModelConfig(Section):
    """The model and when it may trade."""

    promotion: Promotion = Promotion.GATE
    minimum_confidence: Decimal = Field(default=Decimal("0.5"), ge=0, le=1, description="Signals below it are hold.")


class LlmConfig(Section):
    """The language model that may veto a recommendation."""

    provider: LlmProvider = LlmProvider.DISABLED
    url: str | None = None
    model: str = "llama3.2"
    timeout_seconds: int = Field(default=20, ge=1, le=600)
    on_unavailable: OnUnavailable = OnUnavailable.REJECT
    api_key_file: Path | None = None


class RiskConfig(Section):
    """Limits. Notional amounts are in the quote currency of the symbol."""

    max_order_notional: Decimal = Field(default=Decimal("100"), gt=0)
    max_position_notional: Decimal = Field(default=Decimal("500"), gt=0)
    max_daily_loss: Decimal = Field(default=Decimal("50"), gt=0)
    max_orders_per_minute: int = Field(default=10, ge=1)
    max_price_age_seconds: int = Field(default=120, ge=1)


class PaperConfig(Section):
    """The simulated account."""

    balance: Decimal = Field(default=Decimal("10000"), gt=0, description="Opening balance in quote currency.")
    fill_ratio: Decimal = Field(
        default=Decimal("1"),
        gt=0,
        le=1,
        description="Share of an order that fills at once; the rest is canceled.",
    )
    fee_rate: Decimal | None = Field(
        default=None,
        ge=0,
        lt=1,
        description="Taker fee as a fraction of the cost; None: the worst published tier, for no account was asked.",
    )


class CallsConfig(Section):
    """How workers reach each other."""

    token_file: Path | None = Field(default=None, description="File with the bearer token; None only in one process.")
    urls: dict[WorkerName, HttpUrl] = Field(
        default_factory=lambda: {name: worker.local_url for name, worker in BY_NAME.items()},
        description="Base URL of each worker; one that is not named is on this machine, at its own port.",
    )
    timeout_seconds: int = Field(default=30, ge=1)


class EngineConfig(Section):
    """Everything one engine needs to know. One file, read by all workers of the engine."""

    engine: str = Field(default="default/local", min_length=1, description="namespace/name of the TradingEngine.")
    mode: Mode = Mode.PAPER
    symbols: tuple[Symbol, ...] = Field(default=("BTC/USD", "ETH/USD"), min_length=1)
    timeframe: Timeframe = Timeframe.M1
    expire_after_candles: int = Field(default=3, ge=1, description="A recommendation older than this expires.")
    exchange: ExchangeConfig = ExchangeConfig()
    database: DatabaseConfig = DatabaseConfig()
    model: ModelConfig = ModelConfig()
    llm: LlmConfig = LlmConfig()
    risk: RiskConfig = RiskConfig()
    paper: PaperConfig = PaperConfig()
    calls: CallsConfig = CallsConfig()
    trading_state_file: Path | None = Field(
        default=None, description="File with the declared trading state (a TradingStateChange); None: none is declared."
    )
    order_notional: Decimal = Field(
        default=Decimal("50"), gt=0, description="Quote amount a buy recommendation asks for, before risk."
    )
    log_levels: dict[WorkerName, LogLevel] = Field(default_factory=dict)

    @field_validator("symbols")
    @classmethod
    def _distinct(cls, symbols: tuple[Symbol, ...]) -> tuple[Symbol, ...]:
        """A symbol given twice would be decided and collected twice."""
        if len(set(symbols)) < len(symbols):
            raise ValueError("each symbol only once")
        return symbols

    @property
    def call_seconds(self) -> int:
        """Longest wait for another worker's answer: a verdict may take all of `llm.timeout_seconds`."""
        asked = self.llm.provider is not LlmProvider.DISABLED
        return max(self.calls.timeout_seconds, self.llm.timeout_seconds + VERDICT_MARGIN_SECONDS if asked else 0)
