"""The red button as trade_executor obeys it: in memory first, then durable, then acknowledged.

A stricter state is obeyed the moment it is asked for, even when the database cannot be reached; a
laxer one only once it is durable. A state is acknowledged when it is durable and nothing sent under
the former one is still on its way: after an acknowledged Halted no order leaves this process.

At start the stricter of what is durable and what is declared counts. The declaration may be older than
what was acknowledged since, so it only ever tightens, and what is asked of this process outranks it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from trading_engine.contract.config import TradingState
from trading_engine.contract.messages import DenyReason, Side, TradingStateChange, TradingStateReport
from trading_engine.errors import StoreUnavailable
from trading_engine.ports import Clock, Database, Store

#: What the engine's owner declared, as far as this process can know; None where nobody declares anything.
Declared = Callable[[], TradingStateChange | None]

log = structlog.get_logger()


@dataclass(frozen=True)
class _Unsaved:
    """A state that is obeyed and not durable yet."""

    turn: int
    change: TradingStateChange
    at_ms: int


class RedButton:
    """The trading state of one executor. `wire` is held while an order is being sent."""

    def __init__(self, database: Database, clock: Clock, declared: Declared = lambda: None) -> None:
        self.wire = asyncio.Lock()
        self._database = database
        self._clock = clock
        self._declared = declared
        self._saving = asyncio.Lock()
        self._turn = 0
        self._obeyed: TradingState | None = None
        self._unsaved: _Unsaved | None = None
        self._loaded = False

    @property
    def loaded(self) -> bool:
        """Whether the durable state is known; until then nothing may be sent."""
        return self._loaded

    @property
    def obeyed(self) -> TradingState | None:
        """The state that is obeyed; None before any is known."""
        return self._obeyed

    def refusal(self, side: Side) -> tuple[DenyReason, str] | None:
        """Why an order of this side must not be sent now, or None. Memory only: it cannot fail or wait.

        Raises:
            StoreUnavailable: the durable state is not known yet.
        """
        if not self._loaded:
            raise StoreUnavailable("the trading state has not been loaded yet")
        if self._obeyed is TradingState.HALTED:
            return DenyReason.TRADING_HALTED, "trading state is Halted"
        if self._obeyed is TradingState.REDUCING and side is Side.BUY:
            return DenyReason.TRADING_REDUCING, "trading state is Reducing: only sells pass"
        return None

    async def load(self) -> None:
        """Learn the state, tightened to the declared one, and make durable what was asked for meanwhile.

        Raises:
            StoreUnavailable: it cannot be read or written; nothing changed.
        """
        async with self._saving:
            if unsaved := self._unsaved:
                await self._save(unsaved)
            elif not self._loaded:
                report = await self._database.run(self._tightened)
                # What was asked for meanwhile is not durable: it loosens nothing yet.
                if self._obeyed is None or report.state.stricter_than(self._obeyed):
                    self._obeyed = report.state
                self._loaded = True
                log.info("trading state loaded", state=report.state, who=report.who, why=report.why)

    async def put(self, change: TradingStateChange) -> TradingStateReport:
        """Obey, save, wait for what is on the wire, acknowledge.

        Raises:
            StoreUnavailable: it is not durable; a stricter state is obeyed all the same.
        """
        self._turn += 1
        asked = _Unsaved(self._turn, change, self._clock.now_ms())
        if change.state.stricter_than(self._obeyed or TradingState.ACTIVE):
            self._obeyed, self._unsaved = change.state, asked
        async with self._saving:
            report = await self._save(asked)
        async with self.wire:
            log.info("trading state set", state=report.state, who=report.who, why=report.why)
        return report

    async def report(self) -> TradingStateReport:
        """The state that is obeyed, and the orders sent since it was set.

        Raises:
            StoreUnavailable: it cannot be read.
        """
        if not self._loaded:
            await self.load()
        if (unsaved := self._unsaved) is None:
            return await self._database.run(lambda store: store.trading_state())
        sent = await self._database.run(lambda store: store.count_orders_sent(since_ms=unsaved.at_ms))
        change = unsaved.change
        return TradingStateReport(
            state=change.state, who=change.who, why=change.why, since_ms=unsaved.at_ms, orders_sent_since=sent
        )

    async def _save(self, asked: _Unsaved) -> TradingStateReport:
        report = await self._database.run(lambda store: store.put_trading_state(asked.change, at_ms=asked.at_ms))
        # A stricter state asked for meanwhile waits behind us and is obeyed already: it is not lifted.
        if self._unsaved is None or self._unsaved.turn <= asked.turn:
            self._obeyed, self._unsaved = report.state, None
        self._loaded = True
        return report

    def _tightened(self, store: Store) -> TradingStateReport:
        """The durable state; the declared one, made durable in the same transaction, where that is stricter."""
        report, declared = store.trading_state(), self._declared()
        if declared is None or not declared.state.stricter_than(report.state):
            return report
        return store.put_trading_state(declared, at_ms=self._clock.now_ms())
