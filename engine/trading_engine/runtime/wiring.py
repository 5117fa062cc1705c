"""From the configuration to workers ready to run. The only place that asks Paper or Live.

Called by `run` and `collect`. Third parties are imported where a worker needs them, so that a worker
that needs none stays small: five of these share one little node.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar
from urllib.parse import urlsplit

import structlog

from trading_engine.contract import messages as m
from trading_engine.contract.config import EngineConfig, LlmProvider, Mode
from trading_engine.contract.workers import BY_NAME, WorkerName
from trading_engine.errors import ConfigError
from trading_engine.runtime.calls import HttpCalls, LocalCalls, Route, Token
from trading_engine.runtime.clock import WallClock
from trading_engine.runtime.instruments import Instruments
from trading_engine.runtime.loop import StepLoop
from trading_engine.runtime.server import Check, Face

if TYPE_CHECKING:
    from trading_engine.adapters.ccxt_client import CcxtClient
    from trading_engine.adapters.sql_database import SqlDatabase
    from trading_engine.ports import Clock, Exchange, LanguageModel, MarketData

Deps = TypeVar("Deps")


class Closable(Protocol):
    """Holds connections."""

    async def close(self) -> None:
        """Release them."""


Kept = TypeVar("Kept", bound=Closable)

#: Seconds between passes, and without a pass until /healthz says stuck: the longest honest pass and some.
PACE: Final[dict[WorkerName, tuple[float, float]]] = {
    WorkerName.SIGNAL_GENERATOR: (1.0, 120.0),
    WorkerName.TRADE_ORCHESTRATOR: (1.0, 600.0),
    WorkerName.TRADE_EXECUTOR: (2.0, 300.0),
    WorkerName.EXCHANGE_DATA: (2.0, 300.0),
}


def port_of(config: EngineConfig, worker: WorkerName) -> int:
    """Where a worker listens: the port of its own URL, so that callers and listener cannot disagree.

    Raises:
        ConfigError: the URL has no valid port.
    """
    url = config.calls.urls.get(worker)
    if url is None:
        return BY_NAME[worker].port
    try:
        port = urlsplit(url).port
    except ValueError as error:
        raise ConfigError(f"calls.urls.{worker}: {url!r}: {error}") from error
    return port or BY_NAME[worker].port


class Workshop:
    """Makes the faces of one process; what several workers use is made once, when first asked for."""

    def __init__(self, config: EngineConfig, token: Token, *, one_process: bool) -> None:
        self.config = config
        self.clock: Clock = WallClock()
        self._token = token
        self._one_process = one_process
        self._closing: list[Callable[[], Awaitable[None]]] = []

    def face(self, worker: WorkerName) -> Face:
        """A worker, ready to run; in one process its routes are reachable without a wire.

        Raises:
            ConfigError: its configuration does not allow it to run.
        """
        face = _BUILD[worker](self)
        if isinstance(self.calls, LocalCalls):
            self.calls.serve(worker, face.routes)
        return face

    async def close(self) -> None:
        """Release what was made, last made first."""
        for close in reversed(self._closing):
            await close()

    @cached_property
    def database(self) -> SqlDatabase:
        """The engine's rows."""
        from trading_engine.adapters.sql_database import SqlDatabase

        return self._kept(SqlDatabase(self.config.database, self.config.engine))

    @cached_property
    def calls(self) -> HttpCalls | LocalCalls:
        """How workers reach each other."""
        calls = self.config.calls
        return (
            LocalCalls()
            if self._one_process
            else self._kept(HttpCalls(calls.urls, self._token, self.config.call_seconds))
        )

    @cached_property
    def client(self) -> CcxtClient:
        """The connection to the exchange for public data."""
        from trading_engine.adapters.ccxt_client import CcxtClient

        return self._kept(CcxtClient(self.config.exchange.id, self.config.exchange.url))

    @cached_property
    def market_data(self) -> MarketData:
        """Candles, quotes and markets."""
        from trading_engine.adapters.ccxt_market_data import CcxtMarketData

        return CcxtMarketData(self.config.exchange, self.client)

    def exchange(self) -> Exchange:
        """Where orders go: Paper or Live is asked here and nowhere else.

        Raises:
            ConfigError: Live without usable credentials.
        """
        return self._kept(self._paper() if self.config.mode is Mode.PAPER else self._live())

    def language_model(self) -> LanguageModel | None:
        """Who is asked for verdicts; None where the provider is Disabled."""
        llm = self.config.llm
        if llm.provider is LlmProvider.OLLAMA:
            from trading_engine.adapters.ollama_model import OllamaModel

            return self._kept(OllamaModel(llm))
        if llm.provider is LlmProvider.OPENAI:
            from trading_engine.adapters.openai_model import OpenAiModel

            return self._kept(OpenAiModel(llm))
        return None

    async def database_there(self) -> str | None:
        """Readiness: the database answers, and its schema is ours."""
        await self.database.run(lambda _: None)
        return None

    def _paper(self) -> Exchange:
        from trading_engine.adapters.paper_exchange import PaperExchange, paper_terms
        from trading_engine.domain.market import FeeRates

        rate = self.config.paper.fee_rate
        fees = FeeRates() if rate is None else FeeRates(maker=rate, taker=rate)
        return PaperExchange(self.database, self.market_data, self.clock, paper_terms(self.config, fees))

    def _live(self) -> Exchange:
        from trading_engine.adapters.ccxt_client import CcxtClient, read_credentials
        from trading_engine.adapters.ccxt_exchange import CcxtExchange

        exchange = self.config.exchange
        if exchange.credentials_dir is None:
            raise ConfigError("exchange.credentials_dir: must name a folder with `apiKey` and `secret` in mode Live")
        return CcxtExchange(CcxtClient(exchange.id, exchange.url, read_credentials(exchange.credentials_dir)))

    def _kept(self, made: Kept) -> Kept:
        self._closing.append(made.close)
        return made

    def instruments(self, worker: WorkerName) -> Instruments:
        """Its metrics, all label combinations there from the start."""
        return Instruments(worker, self.config.symbols)


def _signal_generator(shop: Workshop) -> Face:
    from trading_engine.adapters.lightgbm_model import load_model
    from trading_engine.workers import signal_generator as worker

    instruments = shop.instruments(WorkerName.SIGNAL_GENERATOR)
    deps = worker.Deps(shop.config, shop.database, shop.calls, shop.clock, instruments, load_model)
    return _face(
        shop, WorkerName.SIGNAL_GENERATOR, instruments, loop=_loop(WorkerName.SIGNAL_GENERATOR, worker.step, deps)
    )


def _trade_orchestrator(shop: Workshop) -> Face:
    from trading_engine.workers import trade_orchestrator as worker

    instruments = shop.instruments(WorkerName.TRADE_ORCHESTRATOR)
    deps = worker.Deps(shop.database, shop.calls, shop.clock, instruments, wake=lambda: loop.wake())
    loop = _loop(WorkerName.TRADE_ORCHESTRATOR, worker.step, deps)
    wake = _route("POST", m.WAKE_PATH, m.Wake, worker.handle_wake, deps)
    return _face(shop, WorkerName.TRADE_ORCHESTRATOR, instruments, (wake,), loop)


def _llm_validation(shop: Workshop) -> Face:
    from trading_engine.workers import llm_validation as worker

    instruments = shop.instruments(WorkerName.LLM_VALIDATION)
    log = structlog.get_logger()
    deps = worker.Deps(shop.config.llm, shop.language_model(), shop.clock, instruments, log)
    route = _route("POST", m.VALIDATE_PATH, m.ValidationRequest, worker.handle, deps)
    # The model itself is no condition of readiness: without it `on_unavailable` answers, and must be reachable.
    return Face(
        WorkerName.LLM_VALIDATION, port_of(shop.config, WorkerName.LLM_VALIDATION), instruments, (route,), (), {}
    )


def _risk_management(shop: Workshop) -> Face:
    from trading_engine.workers import risk_management as worker

    instruments = shop.instruments(WorkerName.RISK_MANAGEMENT)
    deps = worker.Deps(shop.config.risk, shop.database, shop.market_data, shop.clock, instruments)
    route = _route("POST", m.ASSESS_PATH, m.AssessmentRequest, worker.handle, deps)
    return _face(shop, WorkerName.RISK_MANAGEMENT, instruments, (route,))


def _trade_executor(shop: Workshop) -> Face:
    from trading_engine.runtime.declared_state import declared_state
    from trading_engine.workers import trade_executor as worker
    from trading_engine.workers.order_following import Memory
    from trading_engine.workers.red_button import RedButton

    instruments = shop.instruments(WorkerName.TRADE_EXECUTOR)
    button = RedButton(shop.database, shop.clock, lambda: declared_state(shop.config.trading_state_file))
    deps = worker.Deps(shop.database, shop.exchange(), shop.clock, instruments, Memory(), shop.market_data, button)
    routes = (
        _route("POST", m.EXECUTE_PATH, m.ExecutionRequest, worker.handle, deps),
        _route("PUT", m.TRADING_STATE_PATH, m.TradingStateChange, worker.handle_trading_state, deps),
        Route("GET", m.TRADING_STATE_PATH, None, lambda _: worker.report_trading_state(deps)),
    )

    async def recovered() -> str | None:
        return None if deps.recovery.done else "not recovered yet: the store or the exchange has not answered"

    loop = _loop(WorkerName.TRADE_EXECUTOR, worker.step, deps)
    return _face(shop, WorkerName.TRADE_EXECUTOR, instruments, routes, loop, {"recovery": recovered})


def _exchange_data(shop: Workshop) -> Face:
    from trading_engine.collectors import exchange_data as worker

    instruments = shop.instruments(WorkerName.EXCHANGE_DATA)
    deps = worker.Deps(shop.config, shop.market_data, shop.database, shop.clock, instruments)
    return _face(shop, WorkerName.EXCHANGE_DATA, instruments, loop=_loop(WorkerName.EXCHANGE_DATA, worker.step, deps))


_BUILD: Final[dict[WorkerName, Callable[[Workshop], Face]]] = {
    WorkerName.SIGNAL_GENERATOR: _signal_generator,
    WorkerName.TRADE_ORCHESTRATOR: _trade_orchestrator,
    WorkerName.LLM_VALIDATION: _llm_validation,
    WorkerName.RISK_MANAGEMENT: _risk_management,
    WorkerName.TRADE_EXECUTOR: _trade_executor,
    WorkerName.EXCHANGE_DATA: _exchange_data,
}


def _face(
    shop: Workshop,
    worker: WorkerName,
    instruments: Instruments,
    routes: tuple[Route, ...] = (),
    loop: StepLoop | None = None,
    checks: dict[str, Check] | None = None,
) -> Face:
    """A worker that needs the database."""
    loops = (loop,) if loop else ()
    needed = {"database": shop.database_there, **(checks or {})}
    return Face(worker, port_of(shop.config, worker), instruments, routes, loops, needed)


def _loop(worker: WorkerName, step: Callable[[Deps], Awaitable[None]], deps: Deps) -> StepLoop:
    interval, deadline = PACE[worker]
    return StepLoop(lambda: step(deps), interval=interval, deadline=deadline)


def _route(method: str, path: str, request: Any, handle: Callable[[Deps, Any], Awaitable[Any]], deps: Deps) -> Route:
    return Route(method, path, request, lambda message: handle(deps, message))
