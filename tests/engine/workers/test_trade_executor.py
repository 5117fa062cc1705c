"""The executor sends an order at most once, whatever fails, and never after an acknowledged halt."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal

import pytest
from pydantic import ValidationError

from tests.builders import a_recommendation, a_signal, an_assessment
from tests.fakes_engine import LOST_REPLY, CountingMetrics, FakeVenue, MemoryDatabase
from tests.fakes_market import FixedMarketData
from trading_engine.contract.config import TradingState
from trading_engine.contract.messages import (
    DECLARED_BY,
    DenyReason,
    ExecutionRequest,
    OrderState,
    RecommendationStatus,
    RiskDecision,
    Side,
    TradingStateChange,
    client_order_id,
)
from trading_engine.domain.orders import Fill
from trading_engine.errors import ExchangeUnavailable, InsufficientFunds, StoreUnavailable
from trading_engine.runtime.clock import SimulatedClock
from trading_engine.workers import trade_executor
from trading_engine.workers.order_following import SETTLE_MS, Memory
from trading_engine.workers.red_button import RedButton

START_MS = 61_000
S = RecommendationStatus
ACTIVE, REDUCING, HALTED = TradingState


class Desk:
    """An executor with its venue and store; `reborn` is the same after a kill."""

    def __init__(self) -> None:
        self.clock = SimulatedClock(START_MS)
        self.database = MemoryDatabase()
        self.venue = FakeVenue(self.clock)
        self.market = FixedMarketData()
        self.declared: TradingStateChange | None = None
        self.reborn()

    def reborn(self) -> None:
        """A new process: nothing in memory, everything in the store."""
        self.metrics = CountingMetrics()
        button = RedButton(self.database, self.clock, lambda: self.declared)
        self.deps = trade_executor.Deps(
            self.database, self.venue, self.clock, self.metrics, Memory(), self.market, button
        )

    async def request(self, minute: int = 0, **fields: object) -> ExecutionRequest:
        """An approved recommendation that is being executed, and the request to execute it."""
        wanted = a_recommendation(minute, **fields)

        def put(store: object) -> None:
            store.put_signal(a_signal(minute, symbol=wanted.symbol), wanted)
            for before, after in ((S.PENDING, S.VALIDATED), (S.VALIDATED, S.APPROVED), (S.APPROVED, S.EXECUTING)):
                assert store.move_recommendation(wanted.id, before, after, at_ms=START_MS)

        await self.database.run(put)
        return ExecutionRequest(recommendation=wanted, assessment=an_assessment(wanted))

    async def order(self, request: ExecutionRequest) -> object:
        """Its row."""
        return await self.database.run(lambda store: store.order(request.recommendation.id))

    async def halt(self, state: TradingState = TradingState.HALTED) -> object:
        """Press the button."""
        change = TradingStateChange(state=state, who="test", why="because")
        return await trade_executor.handle_trading_state(self.deps, change)


@pytest.fixture
async def desk() -> Desk:
    made = Desk()
    await trade_executor.recover(made.deps)
    return made


async def test_filled_with_the_intent_id_and_counted_once_when_asked_twice(desk: Desk) -> None:
    """A repeated request answers with what is known; nothing is sent or counted again."""
    request = await desk.request()

    first = await trade_executor.handle(desk.deps, request)
    second = await trade_executor.handle(desk.deps, request)

    assert first == second
    assert first.state is OrderState.FILLED
    assert (first.filled, first.cost) == (Decimal("0.5"), Decimal(50))
    assert desk.venue.sent == [client_order_id(request.recommendation.id)]
    assert desk.metrics.counts[("trade_executions_total", "filled", "BTC/USD")] == 1


async def test_sent_once_when_asked_many_times_at_once(desk: Desk) -> None:
    """Concurrent requests for one recommendation are one order."""
    request = await desk.request()

    answers = await asyncio.gather(*(trade_executor.handle(desk.deps, request) for _ in range(5)))

    assert {answer.state for answer in answers} == {OrderState.FILLED}
    assert len(desk.venue.sent) == 1
    assert desk.metrics.counts[("trade_executions_total", "filled", "BTC/USD")] == 1


async def test_found_and_never_sent_again_when_the_reply_was_lost(desk: Desk) -> None:
    """An unknown outcome is a state; the lookup finds the order and follows it to its fill."""
    desk.venue.error = LOST_REPLY
    request = await desk.request()

    answer = await trade_executor.handle(desk.deps, request)
    await trade_executor.step(desk.deps)

    assert answer.state is OrderState.UNKNOWN
    assert (await desk.order(request)).state is OrderState.FILLED
    assert len(desk.venue.sent) == 1


async def test_rejected_only_after_the_settle_window_when_it_never_arrived(desk: Desk) -> None:
    """Not found is believed twice and late, never at once."""
    desk.venue.error, desk.venue.arrives = LOST_REPLY, False
    request = await desk.request()
    await trade_executor.handle(desk.deps, request)

    for _ in range(3):
        await trade_executor.step(desk.deps)
    early = (await desk.order(request)).state
    desk.clock.advance_to(desk.clock.now_ms() + SETTLE_MS)
    await trade_executor.step(desk.deps)
    late = await desk.order(request)

    assert early is OrderState.UNKNOWN
    assert late.state is OrderState.REJECTED
    assert "never arrived" in late.execution.detail
    assert len(desk.venue.sent) == 1


async def test_still_unknown_when_the_venue_cannot_be_asked(desk: Desk) -> None:
    """A failed lookup is not "not found", however late it is."""
    desk.venue.error = LOST_REPLY
    request = await desk.request()
    await trade_executor.handle(desk.deps, request)
    desk.venue.unreachable = True
    desk.clock.advance_to(desk.clock.now_ms() + 10 * SETTLE_MS)

    for _ in range(3):
        with pytest.raises(ExchangeUnavailable):
            await trade_executor.step(desk.deps)

    assert (await desk.order(request)).state is OrderState.UNKNOWN


@pytest.mark.parametrize("error", [InsufficientFunds("no money"), None])
async def test_outcome_is_the_venues_word_when_it_answers(desk: Desk, error: Exception | None) -> None:
    """A refusal is rejected, by the venue; an acknowledgement is followed to the fill."""
    desk.venue.error, desk.venue.arrives = error, error is None

    answer = await trade_executor.handle(desk.deps, await desk.request())

    assert answer.state is (OrderState.REJECTED if error else OrderState.FILLED)


async def test_unknown_when_sending_fails_in_a_way_nobody_foresaw(desk: Desk) -> None:
    """A bug in an adapter says nothing about the venue."""
    desk.venue.error = KeyError("bug")

    answer = await trade_executor.handle(desk.deps, await desk.request())

    assert answer.state is OrderState.UNKNOWN


@pytest.mark.parametrize("units", range(8))
async def test_sent_at_most_once_when_the_database_dies_at_any_point(desk: Desk, units: int) -> None:
    """Whichever unit of work fails first, a new process ends with one fill or none, and one order at most."""
    request = await desk.request()
    desk.database.down_after = units
    with suppress(StoreUnavailable):
        await trade_executor.handle(desk.deps, request)
    desk.database.down, desk.database.down_after = False, None

    desk.reborn()
    await trade_executor.recover(desk.deps)
    answer = await trade_executor.handle(desk.deps, request)

    assert answer.state is OrderState.FILLED
    assert len(desk.venue.sent) == 1


async def test_symbol_blocked_when_an_earlier_outcome_is_unknown(desk: Desk) -> None:
    """Nothing is sent for a symbol while an order of it may or may not exist."""
    desk.venue.error, desk.venue.arrives = LOST_REPLY, False
    await trade_executor.handle(desk.deps, await desk.request(0))
    desk.venue.error, desk.venue.arrives = None, True

    blocked = await trade_executor.handle(desk.deps, await desk.request(1))
    desk.market.market = replace(desk.market.market, symbol="ETH/USD", base="ETH")
    other = await trade_executor.handle(desk.deps, await desk.request(1, symbol="ETH/USD"))

    assert (blocked.state, blocked.reason) == (OrderState.DENIED, DenyReason.SYMBOL_BLOCKED)
    assert other.state is OrderState.FILLED


@pytest.mark.parametrize(
    ("fields", "reason", "metric"),
    [
        ({"notional": Decimal("0.001")}, DenyReason.BELOW_MINIMUM, "order_precision_errors_total"),
        ({"notional": Decimal(5000)}, DenyReason.INSUFFICIENT_BALANCE, "balance_check_failures_total"),
        ({"expires_ms": START_MS}, DenyReason.RECOMMENDATION_EXPIRED, "trade_executions_total"),
    ],
)
async def test_denied_with_its_reason_when_it_must_not_be_sent(
    desk: Desk, fields: dict[str, object], reason: DenyReason, metric: str
) -> None:
    """Denied is by us: nothing is sent, the reason is kept and counted once."""
    request = await desk.request(**fields)

    answer = await trade_executor.handle(desk.deps, request)
    again = await trade_executor.handle(desk.deps, request)

    assert (answer.state, answer.reason) == (OrderState.DENIED, reason)
    assert again == answer
    assert desk.venue.sent == []
    assert sum(count for (name, *_), count in desk.metrics.counts.items() if name == metric) == 1


async def test_denied_when_the_market_carries_a_flag(desk: Desk) -> None:
    """A venue's flag forbids the order before the wire."""
    desk.market.flag("cancel_only")

    answer = await trade_executor.handle(desk.deps, await desk.request())

    assert (answer.reason, answer.detail) == (DenyReason.MARKET_UNAVAILABLE, "cancel_only")


async def test_no_row_when_the_recommendation_is_not_being_executed(desk: Desk) -> None:
    """A request that comes after its recommendation ended makes no order."""
    wanted = a_recommendation()
    request = ExecutionRequest(recommendation=wanted, assessment=an_assessment(wanted))

    answer = await trade_executor.handle(desk.deps, request)

    assert (answer.state, answer.reason) == (OrderState.DENIED, DenyReason.RECOMMENDATION_EXPIRED)
    assert await desk.order(request) is None


async def test_nothing_is_sent_when_halted_and_the_database_goes_down(desk: Desk) -> None:
    """After an acknowledged halt the memory alone keeps orders from being sent."""
    request = await desk.request()
    report = await desk.halt()
    desk.database.down = True

    with pytest.raises(StoreUnavailable):
        await trade_executor.handle(desk.deps, request)
    desk.database.down = False
    answer = await trade_executor.handle(desk.deps, request)

    assert report.state is TradingState.HALTED
    assert (answer.state, answer.reason) == (OrderState.DENIED, DenyReason.TRADING_HALTED)
    assert desk.venue.sent == []


async def test_halt_is_obeyed_and_not_acknowledged_when_it_cannot_be_saved(desk: Desk) -> None:
    """A stricter state works at once; it is made durable as soon as the database is back."""
    desk.database.down = True
    with pytest.raises(StoreUnavailable):
        await desk.halt()
    desk.database.down = False

    answer = await trade_executor.handle(desk.deps, await desk.request())
    await trade_executor.step(desk.deps)
    desk.reborn()
    await trade_executor.recover(desk.deps)

    assert answer.reason is DenyReason.TRADING_HALTED
    assert (await trade_executor.report_trading_state(desk.deps)).state is TradingState.HALTED


async def test_release_is_not_obeyed_when_it_cannot_be_saved(desk: Desk) -> None:
    """A laxer state must be durable first."""
    await desk.halt()
    desk.database.down = True
    with pytest.raises(StoreUnavailable):
        await desk.halt(TradingState.ACTIVE)
    desk.database.down = False

    answer = await trade_executor.handle(desk.deps, await desk.request())

    assert answer.reason is DenyReason.TRADING_HALTED


async def test_halt_waits_for_the_wire_when_an_order_is_being_sent(desk: Desk) -> None:
    """The acknowledgement comes after what was already on its way, and nothing follows it."""
    desk.venue.passes.clear()
    first, second = await desk.request(0), await desk.request(1)
    sending = asyncio.create_task(trade_executor.handle(desk.deps, first))
    await desk.venue.on_the_wire.wait()
    queued = asyncio.create_task(trade_executor.handle(desk.deps, second))
    halting = asyncio.create_task(desk.halt())
    for _ in range(50):
        await asyncio.sleep(0)
    waited = not halting.done()
    desk.venue.passes.set()
    await halting
    sent_at_acknowledgement = len(desk.venue.sent)

    answers = await asyncio.gather(sending, queued)

    assert waited
    assert sent_at_acknowledgement == len(desk.venue.sent) == 1
    assert answers[1].reason is DenyReason.TRADING_HALTED


async def test_halted_wins_when_a_release_is_being_saved_meanwhile(desk: Desk) -> None:
    """A halt asked for during a release is not lifted by that release."""
    await desk.halt(TradingState.REDUCING)

    await asyncio.gather(desk.halt(TradingState.ACTIVE), desk.halt())
    answer = await trade_executor.handle(desk.deps, await desk.request())

    assert answer.reason is DenyReason.TRADING_HALTED
    assert (await trade_executor.report_trading_state(desk.deps)).state is TradingState.HALTED


@pytest.mark.parametrize("side", list(Side))
async def test_only_sells_pass_when_reducing(desk: Desk, side: Side) -> None:
    """Reducing lets exposure go down and not up."""
    await desk.halt(TradingState.REDUCING)
    size = {"notional": Decimal(50)} if side is Side.BUY else {"notional": None, "amount": Decimal("0.5")}

    answer = await trade_executor.handle(desk.deps, await desk.request(side=side, **size))

    assert answer.reason is (DenyReason.TRADING_REDUCING if side is Side.BUY else DenyReason.NONE)


async def test_nothing_is_executed_when_the_state_cannot_be_loaded() -> None:
    """Fails closed: a new process that knows nothing sends nothing."""
    desk = Desk()
    request = await desk.request()
    desk.database.down = True
    with pytest.raises(StoreUnavailable):
        await trade_executor.step(desk.deps)

    with pytest.raises(StoreUnavailable, match="not recovered"):
        await trade_executor.handle(desk.deps, request)

    assert desk.venue.sent == []


async def restarted(desk: Desk, stored: tuple[TradingState, str], declared: TradingState | None) -> tuple[object, str]:
    """State and `who` that an executor reports first, after one was told `stored` and another was `declared` since."""
    state, who = stored
    await trade_executor.handle_trading_state(desk.deps, TradingStateChange(state=state, who=who))
    desk.declared = declared and TradingStateChange(state=declared, who=DECLARED_BY, why="spec.tradingState")
    desk.reborn()
    report = await trade_executor.report_trading_state(desk.deps)
    return report.state, report.who


@pytest.mark.parametrize(
    ("stored", "declared", "expected"),
    [
        ((ACTIVE, DECLARED_BY), HALTED, (HALTED, DECLARED_BY)),
        ((ACTIVE, DECLARED_BY), REDUCING, (REDUCING, DECLARED_BY)),
        ((REDUCING, DECLARED_BY), HALTED, (HALTED, DECLARED_BY)),
        ((HALTED, DECLARED_BY), ACTIVE, (HALTED, DECLARED_BY)),
        ((HALTED, DECLARED_BY), REDUCING, (HALTED, DECLARED_BY)),
        ((HALTED, "mia"), ACTIVE, (HALTED, "mia")),
        ((HALTED, "mia"), HALTED, (HALTED, "mia")),
        ((REDUCING, "mia"), ACTIVE, (REDUCING, "mia")),
        ((HALTED, DECLARED_BY), None, (HALTED, DECLARED_BY)),
    ],
)
async def test_stricter_of_stored_and_declared_is_reported_first_when_started(
    desk: Desk, stored: tuple[TradingState, str], declared: TradingState | None, expected: tuple[object, str]
) -> None:
    """A declaration tightens and never loosens; a person's halt stays that person's."""
    assert await restarted(desk, stored, declared) == expected
    durable = await desk.database.run(lambda store: store.trading_state())
    assert (durable.state, durable.who) == expected


async def test_stored_halt_holds_when_a_laxer_state_is_asked_for_and_cannot_be_saved(desk: Desk) -> None:
    """A new process is told Reducing while it reads Halted: until Reducing is durable, Halted is obeyed."""
    await desk.halt()
    desk.reborn()
    button = desk.deps.button
    desk.database.down_after = 1  # reading succeeds, saving does not
    reading = asyncio.create_task(button.load())
    await asyncio.sleep(0)
    with pytest.raises(StoreUnavailable):
        await button.put(TradingStateChange(state=TradingState.REDUCING, who="a person"))
    await reading

    assert button.refusal(Side.SELL) == (DenyReason.TRADING_HALTED, "trading state is Halted")


async def test_nothing_is_sent_when_halted_was_declared_while_no_executor_ran(desk: Desk) -> None:
    """The first request a new executor hears is denied, with nobody there to tell it."""
    await restarted(desk, (ACTIVE, DECLARED_BY), HALTED)
    await trade_executor.recover(desk.deps)

    answer = await trade_executor.handle(desk.deps, await desk.request())

    assert (answer.state, answer.reason) == (OrderState.DENIED, DenyReason.TRADING_HALTED)
    assert desk.venue.sent == []


async def test_older_declaration_changes_nothing_when_something_was_acknowledged_since(desk: Desk) -> None:
    """What is asked of this process outranks a file that lags, also before the first load."""
    desk.declared = TradingStateChange(state=TradingState.HALTED, who=DECLARED_BY)
    desk.reborn()
    await desk.halt(TradingState.ACTIVE)
    await trade_executor.recover(desk.deps)

    assert (await trade_executor.report_trading_state(desk.deps)).state is TradingState.ACTIVE
    assert (await trade_executor.handle(desk.deps, await desk.request())).state is OrderState.FILLED


async def test_release_counts_when_it_is_asked_for_after_a_declared_halt(desk: Desk) -> None:
    """The operator lifts what it declared itself."""
    await restarted(desk, (ACTIVE, DECLARED_BY), HALTED)
    await desk.halt(TradingState.ACTIVE)
    await trade_executor.recover(desk.deps)

    assert (await trade_executor.report_trading_state(desk.deps)).state is TradingState.ACTIVE


async def test_nothing_is_sent_when_a_declared_halt_cannot_be_saved(desk: Desk) -> None:
    """Not durable, not loaded: fails closed, and the next look tries again."""
    desk.declared = TradingStateChange(state=TradingState.HALTED, who=DECLARED_BY)
    desk.reborn()
    request = await desk.request()
    desk.database.down = True
    with pytest.raises(StoreUnavailable):
        await trade_executor.recover(desk.deps)
    loaded = desk.deps.button.loaded
    desk.database.down = False
    await trade_executor.recover(desk.deps)

    answer = await trade_executor.handle(desk.deps, request)

    assert not loaded
    assert answer.reason is DenyReason.TRADING_HALTED


async def test_open_until_its_fills_are_there_when_the_venue_shows_them_late(desk: Desk) -> None:
    """Positions are made of fills: a filled order without them is not done."""
    desk.venue.hidden_fills = True
    request = await desk.request()

    early = await trade_executor.handle(desk.deps, request)
    desk.venue.hidden_fills = False
    await trade_executor.step(desk.deps)

    assert early.state is OrderState.ACCEPTED
    assert (await desk.order(request)).execution.filled == Decimal("0.5")


@pytest.mark.parametrize(("factor", "state"), [("1.0000000001", OrderState.FILLED), ("0.9999", OrderState.ACCEPTED)])
async def test_done_when_fills_miss_the_venues_word_by_a_rounding_alone(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, factor: str, state: OrderState
) -> None:
    """Sizes given in quote are divisions in base; what is missing beyond that is a fill that is still to come."""
    fetch_fills = desk.venue.fetch_fills

    async def divided(venue_order_id: str, symbol: str) -> list[Fill]:
        fills = await fetch_fills(venue_order_id, symbol)
        return [replace(fill, amount=fill.amount * Decimal(factor)) for fill in fills]

    monkeypatch.setattr(desk.venue, "fetch_fills", divided)

    answer = await trade_executor.handle(desk.deps, await desk.request())

    assert answer.state is state


@pytest.mark.parametrize(
    "fields",
    [
        {"notional": Decimal("50.01")},
        {"notional": None},
        {"amount": Decimal(1)},
        {"decision": RiskDecision.REFUSED},
        {"recommendation_id": a_recommendation(9).id},
    ],
)
def test_refused_as_a_request_when_risk_did_not_allow_it(fields: dict[str, object]) -> None:
    """Nobody can ask the executor for more than risk allowed, or for another recommendation's order."""
    wanted = a_recommendation()

    with pytest.raises(ValidationError, match="assessment must"):
        ExecutionRequest(recommendation=wanted, assessment=an_assessment(wanted, **fields))
