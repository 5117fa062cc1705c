"""The red button's wire: tell an executor its trading state and hear what it acknowledges. HTTP only here.

`reconcile` presses it before anything else. The executor keeps the state in its database and answers
with what it obeys; what a person set more strictly on the executor itself is left to that person.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import aiohttp
from pydantic import ValidationError

from trading_engine.contract.config import TradingState
from trading_engine.contract.messages import (
    DECLARED_BY,
    TRADING_STATE_PATH,
    TradingStateChange,
    TradingStateReport,
)
from trading_engine.contract.workers import TRADE_EXECUTOR

PORT: Final = TRADE_EXECUTOR.port
REMEMBERED: Final = 3600.0
#: Bytes: the image that answers is the tenant's choice, the memory is everybody's.
LARGEST: Final = 64 * 1024


class ExecutorUnreachable(Exception):
    """The executor could not be asked; the text says why."""


@dataclass(frozen=True)
class ExecutorAddress:
    """Where an executor listens. `incarnation` changes whenever its process is another one."""

    host: str
    token: str
    incarnation: str


@dataclass(frozen=True)
class Timings:
    """Seconds. A PUT waits until orders on the wire are done, so it gets more time than a GET.

    Nobody there at all is known sooner: a node that went away must not hold the workers of the queue.
    """

    connect: float = 1.0
    get: float = 1.0
    put: float = 10.0
    fresh: float = 15.0
    pause: float = 5.0


@dataclass(frozen=True)
class _Known:
    """What one incarnation said last: what it obeys, whether it acknowledged it to us, or why it was silent."""

    at: float
    report: TradingStateReport | None = None
    acknowledged: TradingState | None = None
    problem: str = ""


class ExecutorClient:
    """Remembers what each executor acknowledged for a short while, so that not every reconcile asks.

    `guard` is called before each request and raises to forbid it: who led once and slept must not lift a halt.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        timings: Timings | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._timings = timings or Timings()
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self.guard: Callable[[], None] = lambda: None

    async def ensure(self, address: ExecutorAddress, wanted: TradingState, why: str) -> TradingStateReport:
        """Make the executor obey `wanted`; what it obeys now. ExecutorUnreachable where it does not answer.

        Halted and Reducing count only as the answer to a PUT of ours: it alone says that nothing is on the wire.
        """
        now = self._clock()
        known = self._known.get(address.incarnation, _Known(at=-self._timings.fresh))
        if known.problem and wanted == TradingState.ACTIVE and now - known.at < self._timings.pause:
            raise ExecutorUnreachable(known.problem)
        if known.report and _settled(known, known.report, wanted) and now - known.at < self._timings.fresh:
            return known.report
        try:
            report, acknowledged = await self._ask(address, wanted, why, known)
        except ExecutorUnreachable as error:
            self._remember(address.incarnation, dataclasses.replace(known, at=now, report=None, problem=str(error)))
            raise
        self._remember(address.incarnation, _Known(self._clock(), report, acknowledged))
        return report

    def _remember(self, incarnation: str, known: _Known) -> None:
        """Also drops those that were not heard of for long: they are gone."""
        kept = {key: each for key, each in self._known.items() if known.at - each.at < REMEMBERED}
        self._known = kept | {incarnation: known}

    async def _ask(
        self, address: ExecutorAddress, wanted: TradingState, why: str, known: _Known
    ) -> tuple[TradingStateReport, TradingState | None]:
        acknowledged = known.acknowledged
        if wanted is TradingState.HALTED and acknowledged is not wanted:
            # Nothing is stricter, so nobody's wish has to be read first: a halt works where reads fail.
            report = await self._exchange(address, "PUT", TradingStateChange(state=wanted, who=DECLARED_BY, why=why))
            return report, report.state
        report = await self._exchange(address, "GET", None)
        if not _settled(known, report, wanted):
            report = await self._exchange(address, "PUT", TradingStateChange(state=wanted, who=DECLARED_BY, why=why))
            acknowledged = report.state
        return report, acknowledged

    async def _exchange(
        self, address: ExecutorAddress, method: str, change: TradingStateChange | None
    ) -> TradingStateReport:
        host = f"[{address.host}]" if ":" in address.host else address.host
        url = f"http://{host}:{PORT}{TRADING_STATE_PATH}"
        seconds = self._timings.get if change is None else self._timings.put
        headers = {"Authorization": f"Bearer {address.token}", "Content-Type": "application/json"}
        body = None if change is None else change.model_dump_json()
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=self._timings.connect)
        self.guard()
        try:
            async with self._session.request(
                method, url, data=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                content = await _content(response)
                if response.status != 200:
                    raise ExecutorUnreachable(
                        f"the executor answered {response.status} to {method} {TRADING_STATE_PATH}"
                    )
                return TradingStateReport.model_validate_json(content)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ExecutorUnreachable(f"{method} {url}: {type(error).__name__} {error}".rstrip()) from error
        except ValidationError as error:
            raise ExecutorUnreachable(
                f"the executor answered {method} {TRADING_STATE_PATH} with something else"
            ) from error


async def _content(response: aiohttp.ClientResponse) -> bytes:
    content = b""
    async for chunk in response.content.iter_chunked(LARGEST):
        content += chunk
        if len(content) > LARGEST:
            raise ExecutorUnreachable(f"the executor answered with more than {LARGEST} bytes")
    return content


def _settled(known: _Known, report: TradingStateReport, wanted: TradingState) -> bool:
    """Whether nothing has to be sent: it obeys and told us so, or somebody set something stricter there."""
    if report.state == wanted:
        return wanted in (TradingState.ACTIVE, known.acknowledged)
    return report.who != DECLARED_BY and report.state.stricter_than(wanted)
