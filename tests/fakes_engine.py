"""A venue, a database and metrics in memory for tests of workers: what they were asked is kept, failures on demand."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

from tests.builders import ENGINE
from trading_engine.adapters.sql_database import SqlDatabase
from trading_engine.contract.config import DatabaseConfig
from trading_engine.contract.messages import OrderState, Side
from trading_engine.contract.workers import WorkerName
from trading_engine.domain.market import FeeRates
from trading_engine.domain.orders import Fill, OrderRequest, VenueOrder
from trading_engine.errors import ExchangeUnavailable, OutcomeUnknown, StoreUnavailable, WorkerUnavailable
from trading_engine.ports import Clock, Store

T = TypeVar("T")
PRICE = Decimal(100)


class MemoryDatabase:
    """SQLite's memory through the real adapter. `down`: nothing answers; `down_after`: so many units still do."""

    def __init__(self) -> None:
        self._real = SqlDatabase(DatabaseConfig(url="sqlite://"), ENGINE, inline=True)
        self.down = False
        self.down_after: int | None = None

    async def run(self, work: Callable[[Store], T]) -> T:
        """As the port says."""
        await asyncio.sleep(0)  # other tasks get a turn here, as with a real database
        if self.down_after is not None:
            self.down, self.down_after = self.down_after <= 0, self.down_after - 1
        if self.down:
            raise StoreUnavailable("the database is down")
        return await self._real.run(work)

    async def close(self) -> None:
        """Release it."""
        await self._real.close()


class FakeVenue:
    """Fills market orders at 100. `arrives`/`answers` decide about the next orders; `error` is raised at create."""

    venue = "fake"

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.sent: list[UUID] = []
        self.orders: dict[UUID, VenueOrder] = {}
        self.arrives = True
        self.error: BaseException | None = None
        self.unreachable = False
        self.hidden_fills = False
        self.state = OrderState.FILLED
        self.on_the_wire = asyncio.Event()
        self.passes = asyncio.Event()
        self.passes.set()

    async def create_order(self, request: OrderRequest) -> str:
        """Count it, then do as told."""
        self.sent.append(request.client_order_id)
        self.on_the_wire.set()
        await self.passes.wait()
        if self.arrives:
            self.orders[request.client_order_id] = self._order(request)
        if self.error:
            raise self.error
        return f"v-{request.client_order_id}"

    async def find_order(self, client_order_id: UUID, symbol: str, since_ms: int) -> VenueOrder | None:
        """As the port says."""
        self._answer()
        return self.orders.get(client_order_id)

    async def fetch_order(self, venue_order_id: str, symbol: str) -> VenueOrder:
        """As the port says."""
        self._answer()
        return replace(self.orders[UUID(venue_order_id[2:])], state=self.state)

    async def fetch_fills(self, venue_order_id: str, symbol: str) -> list[Fill]:
        """One fill, unless hidden."""
        order = await self.fetch_order(venue_order_id, symbol)
        if self.hidden_fills or order.state is not OrderState.FILLED:
            return []
        return [
            Fill(self.venue, venue_order_id, "1", symbol, order.side, PRICE, order.filled, order.fee, order.created_ms)
        ]

    async def cancel_order(self, venue_order_id: str, symbol: str) -> None:
        """Nothing to cancel."""

    async def fetch_balances(self) -> dict[str, Decimal]:
        """Rich."""
        self._answer()
        return {"USD": Decimal(1000), "BTC": Decimal(10)}

    async def fetch_fee_rates(self) -> FeeRates:
        """The worst."""
        return FeeRates()

    async def close(self) -> None:
        """Nothing to release."""

    def _answer(self) -> None:
        if self.unreachable:
            raise ExchangeUnavailable("the venue does not answer")

    def _order(self, request: OrderRequest) -> VenueOrder:
        amount = request.amount if request.side is Side.SELL else (request.cost or Decimal(0)) / PRICE
        assert amount is not None
        fields = (f"v-{request.client_order_id}", str(request.client_order_id), request.symbol, request.side)
        return VenueOrder(*fields, self.state, amount, PRICE, amount * PRICE, Decimal("0.1"), self._clock.now_ms())


LOST_REPLY = OutcomeUnknown("the reply was lost")


class CountingMetrics:
    """What was counted, set and observed, by name and label values."""

    def __init__(self) -> None:
        self.counts: dict[tuple[str, ...], float] = defaultdict(float)
        self.gauges: dict[str | tuple[str, ...], float] = {}
        self.observed: Counter[str] = Counter()

    def inc(self, name: str, amount: float = 1, **labels: str) -> None:
        """As the port says."""
        self.counts[(name, *labels.values())] += amount

    def set(self, name: str, value: float, **labels: str) -> None:
        """As the port says."""
        self.gauges[(name, *labels.values()) if labels else name] = value

    def observe(self, name: str, value: float, **labels: str) -> None:
        """As the port says."""
        self.observed[name] += 1


class ScriptedCalls:
    """Answers of other workers by path: a function of the body, or an error. Calls are kept."""

    def __init__(self, **answers: Callable[[bytes], bytes]) -> None:
        self.answers = answers
        self.calls: list[str] = []

    async def call(self, worker: WorkerName, method: str, path: str, body: bytes | None = None) -> bytes:
        """As the port says."""
        name = path.rpartition("/")[2]
        self.calls.append(name)
        if name not in self.answers:
            raise WorkerUnavailable(f"{worker} is down")
        return self.answers[name](body or b"")
