"""One suite for `ports.Store`: SQLite in memory, SQLite in a file, and a real PostgreSQL server."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.builders import (
    MINUTE_MS,
    a_candle,
    a_fill,
    a_recommendation,
    a_signal,
    a_validation,
    an_assessment,
    an_execution,
    an_intent,
)
from tests.engine.ports.conftest import KINDS, Connect, put_order, put_recommendation
from trading_engine.adapters.sql_database import SqlDatabase
from trading_engine.contract.config import TradingState
from trading_engine.contract.messages import (
    TERMINAL,
    OrderState,
    RecommendationStatus,
    Side,
    TradingStateChange,
)
from trading_engine.domain.orders import TRANSITIONS
from trading_engine.domain.portfolio import positions as fold
from trading_engine.ports import StoredModel

pytestmark = pytest.mark.parametrize("database_config", KINDS, indirect=True)

PENDING, VALIDATED, APPROVED = (
    RecommendationStatus.PENDING,
    RecommendationStatus.VALIDATED,
    RecommendationStatus.APPROVED,
)
INTENT, SUBMITTING, ACCEPTED, FILLED = OrderState.INTENT, OrderState.SUBMITTING, OrderState.ACCEPTED, OrderState.FILLED


# candles


async def test_candles_come_back_as_they_were_when_put(database: SqlDatabase) -> None:
    """Every digit and trailing zero of five figures survives, and the order is by time."""
    candles = [
        a_candle(2, open=Decimal("0.00000001"), low=Decimal("1E-8"), volume=Decimal("0E-8")),
        a_candle(0, volume=Decimal("123456789012345678901234567890.123456789012345678901234567890")),
        a_candle(1, "100.1000"),
    ]
    assert await database.run(lambda store: store.put_candles("BTC/USD", "1m", candles)) == 3
    stored = await database.run(lambda store: store.candles("BTC/USD", "1m"))
    assert [str(candle) for candle in stored] == [str(candle) for candle in (candles[1], candles[2], candles[0])]


async def test_a_stored_candle_stays_when_another_is_put_in_its_place(database: SqlDatabase) -> None:
    """A repeated open time is counted as not new and changes nothing."""
    await database.run(lambda store: store.put_candles("BTC/USD", "1m", [a_candle(0, "1")]))
    both = [a_candle(0, "2"), a_candle(1, "3")]
    assert await database.run(lambda store: store.put_candles("BTC/USD", "1m", both)) == 1
    assert await database.run(lambda store: store.put_candles("BTC/USD", "1m", [])) == 0
    stored = await database.run(lambda store: store.candles("BTC/USD", "1m"))
    assert [candle.close for candle in stored] == [Decimal("1"), Decimal("3")]


async def test_candles_are_the_newest_when_limited(database: SqlDatabase) -> None:
    """A limit keeps the newest, still oldest first; `since_ms` counts from open times."""
    candles = [a_candle(minute) for minute in range(5)]
    await database.run(lambda store: store.put_candles("BTC/USD", "1m", candles))
    await database.run(lambda store: store.put_candles("ETH/USD", "1m", candles[:1]))
    assert await database.run(lambda store: store.candles("BTC/USD", "1m", limit=2)) == candles[3:]
    assert await database.run(lambda store: store.candles("BTC/USD", "1m", since_ms=2 * MINUTE_MS)) == candles[2:]
    assert await database.run(lambda store: store.candles("BTC/USD", "1m", since_ms=MINUTE_MS, limit=9)) == candles[1:]
    assert await database.run(lambda store: store.last_candle_open_ms("BTC/USD", "1m")) == 4 * MINUTE_MS
    assert await database.run(lambda store: store.last_candle_open_ms("BTC/USD", "5m")) is None


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(close=st.decimals(min_value=Decimal("1E-12"), max_value=Decimal("1E12"), allow_nan=False, allow_infinity=False))
async def test_money_round_trips_to_the_last_digit(connect: Connect, close: Decimal) -> None:
    """What is read has the same digits and exponent as what was put, whatever the figure."""
    database = connect(f"default/{uuid4()}")
    recommendation = await put_recommendation(database, price=close, notional=close)
    stored = await database.run(lambda store: store.recommendation(recommendation.id))
    assert stored is not None
    assert stored.recommendation.price.as_tuple() == close.as_tuple()


# models


async def test_a_promoted_model_takes_the_place_of_its_predecessor(database: SqlDatabase) -> None:
    """One model per symbol and timeframe may trade: the one promoted last; ids put twice are no error."""
    first = StoredModel("a" * 16, "BTC/USD", "1m", "tree", "{}", 1, True, "first")
    second = replace(first, id="b" * 16, created_ms=2, reason="better")
    await database.run(lambda store: store.put_model(first))
    assert await database.run(lambda store: store.promoted_model("BTC/USD", "1m")) == first
    await database.run(lambda store: store.put_model(replace(second, promoted=False)))
    assert await database.run(lambda store: store.promoted_model("BTC/USD", "1m")) == first
    await database.run(lambda store: store.put_model(second))
    await database.run(lambda store: store.put_model(second))
    assert await database.run(lambda store: store.promoted_model("BTC/USD", "1m")) == second
    assert await database.run(lambda store: store.promoted_model_id("BTC/USD", "1m")) == second.id
    assert await database.run(lambda store: store.promoted_model("ETH/USD", "1m")) is None
    assert await database.run(lambda store: store.promoted_model_id("ETH/USD", "1m")) is None


# signals and recommendations


async def test_a_signal_is_put_once_when_its_candle_was_decided(database: SqlDatabase) -> None:
    """A second decision on the same candle writes nothing, not even its recommendation."""
    recommendation = a_recommendation(3)
    assert await database.run(lambda store: store.put_signal(a_signal(3), None))
    assert not await database.run(lambda store: store.put_signal(a_signal(3), recommendation))
    assert await database.run(lambda store: store.recommendation(recommendation.id)) is None
    assert await database.run(lambda store: store.last_signal_open_ms("BTC/USD", "1m")) == 3 * MINUTE_MS
    assert await database.run(lambda store: store.last_signal_open_ms("ETH/USD", "1m")) is None


async def test_a_recommendation_is_pending_with_an_event_when_put(database: SqlDatabase) -> None:
    """It comes back equal, stands at pending, and its journal begins with its birth."""
    recommendation = await put_recommendation(database)
    row = await database.run(lambda store: store.recommendation(recommendation.id))
    assert row is not None
    assert row.recommendation == recommendation
    assert (row.status, row.validation, row.assessment, row.execution) == (PENDING, None, None, None)
    (birth,) = await database.run(lambda store: store.recommendation_events(recommendation.id))
    assert (birth.subject, birth.before, birth.after) == (str(recommendation.id), "", "pending")
    assert birth.at_ms == recommendation.created_ms


async def test_stage_results_are_kept_when_a_recommendation_moves(database: SqlDatabase) -> None:
    """Each stage's message is read back as it was, and each move has its line in the journal."""
    recommendation = await put_recommendation(database)
    validation, assessment = a_validation(recommendation), an_assessment(recommendation)
    execution = an_execution(recommendation.id, FILLED, filled=Decimal("0.10"), average=Decimal("100.10"))
    moves = [
        (PENDING, VALIDATED, validation),
        (VALIDATED, APPROVED, assessment),
        (APPROVED, RecommendationStatus.EXECUTING, None),
        (RecommendationStatus.EXECUTING, RecommendationStatus.FILLED, execution),
    ]
    for at_ms, (before, after, result) in enumerate(moves):
        assert await database.run(
            lambda store, before=before, after=after, at_ms=at_ms, result=result: store.move_recommendation(
                recommendation.id, before, after, at_ms=at_ms, result=result, detail=f"to {after}"
            )
        )
    row = await database.run(lambda store: store.recommendation(recommendation.id))
    assert row is not None
    assert (row.status, row.updated_ms) == (RecommendationStatus.FILLED, 3)
    assert (row.validation, row.assessment, row.execution) == (validation, assessment, execution)
    events = await database.run(lambda store: store.recommendation_events(recommendation.id))
    assert [event.after for event in events] == ["pending", "validated", "approved", "executing", "filled"]
    assert [event.before for event in events[1:]] == [event.after for event in events[:-1]]
    assert [event.detail for event in events[1:]] == [f"to {event.after}" for event in events[1:]]
    assert [event.seq for event in events] == sorted({event.seq for event in events})


async def test_a_move_writes_nothing_when_somebody_else_moved_first(database: SqlDatabase) -> None:
    """A guard that does not hold answers False and leaves row and journal alone."""
    recommendation = await put_recommendation(database)

    def move_late(store: Any) -> bool:
        return bool(store.move_recommendation(recommendation.id, VALIDATED, APPROVED, at_ms=9))

    assert not await database.run(move_late)
    row = await database.run(lambda store: store.recommendation(recommendation.id))
    assert row is not None
    assert (row.status, row.updated_ms) == (PENDING, recommendation.created_ms)
    assert len(await database.run(lambda store: store.recommendation_events(recommendation.id))) == 1


async def test_a_terminal_recommendation_never_moves(database: SqlDatabase) -> None:
    """Leaving any of the terminal statuses is refused before it reaches the database."""

    def leave_each(store: Any) -> None:
        for ended in TERMINAL:
            with pytest.raises(ValueError, match="is terminal"):
                store.move_recommendation(uuid4(), ended, PENDING, at_ms=1)

    await database.run(leave_each)


async def test_open_recommendations_are_listed_oldest_first(database: SqlDatabase) -> None:
    """Lists and counts leave out what has ended; the newest come first only in `recommendations`."""
    put = [await put_recommendation(database, minute) for minute in (2, 0, 1)]
    await database.run(
        lambda store: store.move_recommendation(put[0].id, PENDING, RecommendationStatus.EXPIRED, at_ms=1)
    )
    await database.run(lambda store: store.move_recommendation(put[1].id, PENDING, VALIDATED, at_ms=1))
    opened = await database.run(lambda store: store.open_recommendations(limit=9))
    newest = await database.run(lambda store: store.recommendations(limit=2))
    assert [row.recommendation for row in opened] == [put[1], put[2]]
    assert [row.recommendation for row in newest] == [put[0], put[2]]
    assert len(await database.run(lambda store: store.open_recommendations(limit=1))) == 1
    count = [(), (PENDING,), (VALIDATED, PENDING), (APPROVED,), (RecommendationStatus.EXPIRED,)]
    counted = [await database.run(lambda store, s=s: store.count_open_recommendations(*s)) for s in count]
    assert counted == [2, 1, 2, 0, 0]


# orders


async def test_an_intent_is_put_once_when_the_recommendation_has_an_order(database: SqlDatabase) -> None:
    """The first intent stands; a second, even with other figures, writes nothing."""
    recommendation = await put_order(database)
    again = an_intent(recommendation, venue="elsewhere")
    assert not await database.run(lambda store: store.put_intent(again))
    assert await database.run(lambda store: store.order(recommendation.id)) == an_intent(recommendation)
    (birth,) = await database.run(lambda store: store.order_events(recommendation.id))
    assert (birth.subject, birth.before, birth.after) == (str(recommendation.id), "", "intent")


async def test_put_intent_refuses_what_is_no_intent(database: SqlDatabase) -> None:
    """Orders are born as intent or denied, and request and execution name the same order."""
    recommendation = await put_recommendation(database)
    sent = an_intent(recommendation, state=SUBMITTING, execution=an_execution(recommendation.id, SUBMITTING))
    stranger = an_intent(recommendation, execution=an_execution(uuid4(), INTENT))
    torn = an_intent(recommendation, execution=an_execution(recommendation.id, OrderState.DENIED))
    for wrong in (sent, stranger, torn):
        with pytest.raises(ValueError, match=str(recommendation.id)):
            await database.run(lambda store, wrong=wrong: store.put_intent(wrong))
    assert await database.run(lambda store: store.order(recommendation.id)) is None


async def test_put_intent_refuses_a_client_order_id_of_another_recommendation(database: SqlDatabase) -> None:
    """The one id that the venue knows an order by is never given to two."""
    first, second = await put_order(database, 0), await put_recommendation(database, 1)
    taken = an_intent(first).request.client_order_id
    thief = an_intent(
        second,
        request=replace(an_intent(second).request, client_order_id=taken),
        execution=an_execution(second.id, INTENT).model_copy(update={"client_order_id": taken}),
    )
    with pytest.raises(ValueError, match="belongs to another"):
        await database.run(lambda store: store.put_intent(thief))


async def test_an_order_without_its_recommendation_is_refused(database: SqlDatabase) -> None:
    """An intent for a recommendation that this database does not hold never becomes a row."""
    with pytest.raises((sqlite3.IntegrityError, psycopg.IntegrityError), match=r"(?i)foreign key"):
        await database.run(lambda store: store.put_intent(an_intent(a_recommendation())))


async def test_an_order_keeps_what_each_answer_said_when_it_moves(database: SqlDatabase) -> None:
    """Figures of the last answer are in the row, `sent_ms` is the time of submitting, and the journal has each move."""
    recommendation = await put_order(database)
    answers = [
        (INTENT, an_execution(recommendation.id, SUBMITTING, amount=Decimal("0.50"))),
        (SUBMITTING, an_execution(recommendation.id, ACCEPTED, venue_order_id="v-1")),
        (ACCEPTED, an_execution(recommendation.id, OrderState.PARTIAL, venue_order_id="v-1", filled=Decimal("0.20"))),
        (OrderState.PARTIAL, an_execution(recommendation.id, OrderState.PARTIAL, filled=Decimal("0.30"))),
        (OrderState.PARTIAL, an_execution(recommendation.id, FILLED, filled=Decimal("0.50"), fee=Decimal("0.30"))),
    ]
    for at_ms, (before, execution) in enumerate(answers, start=100):
        assert await database.run(
            lambda store, before=before, execution=execution, at_ms=at_ms: store.move_order(
                recommendation.id, before, execution, at_ms=at_ms
            )
        )
    order = await database.run(lambda store: store.order(recommendation.id))
    assert order is not None
    assert (order.state, order.execution) == (FILLED, answers[-1][1])
    assert (order.sent_ms, order.updated_ms) == (100, 104)
    assert order.request == an_intent(recommendation).request
    events = await database.run(lambda store: store.order_events(recommendation.id))
    assert [event.after for event in events] == ["intent", "submitting", "accepted", "partial", "partial", "filled"]


async def test_an_order_move_writes_nothing_when_somebody_else_moved_first(database: SqlDatabase) -> None:
    """A guard that does not hold answers False and leaves row and journal alone."""
    recommendation = await put_order(database)
    accepted = an_execution(recommendation.id, ACCEPTED)
    assert not await database.run(lambda store: store.move_order(recommendation.id, SUBMITTING, accepted, at_ms=9))
    assert await database.run(lambda store: store.order(recommendation.id)) == an_intent(recommendation)
    assert len(await database.run(lambda store: store.order_events(recommendation.id))) == 1


async def test_every_forbidden_move_of_an_order_is_refused(database: SqlDatabase) -> None:
    """All pairs of states: those that the domain does not allow raise, and no terminal state is ever left or kept."""

    def try_each(store: Any) -> int:
        refused = 0
        for before in OrderState:
            for after in OrderState:
                if after in TRANSITIONS[before] or (after is before and TRANSITIONS[before]):
                    continue
                with pytest.raises(ValueError, match=f"{before} cannot become {after}"):
                    store.move_order(uuid4(), before, an_execution(uuid4(), after), at_ms=1)
                refused += 1
        return refused

    assert await database.run(try_each) >= 50


async def test_orders_are_found_by_state_and_counted_when_sent(database: SqlDatabase) -> None:
    """Lists are oldest first; an order counts as sent from when it is about to go out until denied."""
    put = [await put_order(database, minute) for minute in (1, 0, 2)]
    for at_ms, recommendation in ((500, put[0]), (600, put[1])):
        submitting = an_execution(recommendation.id, SUBMITTING)
        await database.run(
            lambda store, r=recommendation, s=submitting, at_ms=at_ms: store.move_order(r.id, INTENT, s, at_ms=at_ms)
        )
    submitting_orders = await database.run(lambda store: store.orders_in(SUBMITTING))
    assert [order.recommendation_id for order in submitting_orders] == [put[1].id, put[0].id]
    assert len(await database.run(lambda store: store.orders_in(SUBMITTING, INTENT))) == 3
    assert await database.run(lambda store: store.orders_in()) == []
    sent = [await database.run(lambda store, s=s: store.count_orders_sent(since_ms=s)) for s in (0, 501, 601)]
    assert sent == [2, 1, 0]

    denied = an_execution(put[1].id, OrderState.DENIED)
    await database.run(lambda store: store.move_order(put[1].id, SUBMITTING, denied, at_ms=700))
    assert await database.run(lambda store: store.count_orders_sent(since_ms=0)) == 1


# fills and positions


async def test_a_fill_is_put_once_when_the_venue_repeats_it(database: SqlDatabase) -> None:
    """The key is venue, order and trade: repeats are not new and do not move the position."""
    recommendation = await put_order(database)
    first, second = a_fill("1", timestamp_ms=10), a_fill("2", timestamp_ms=20)
    assert await database.run(lambda store: store.put_fills(recommendation.id, [first])) == [first]
    assert await database.run(lambda store: store.put_fills(recommendation.id, [first, second, second])) == [second]
    assert await database.run(lambda store: store.fills()) == [first, second]
    assert await database.run(lambda store: store.fills(since_ms=11)) == [second]
    held = await database.run(lambda store: store.positions())
    assert held["BTC/USD"].amount == Decimal("1.00000000")
    assert held["BTC/USD"].average_cost == Decimal("100.70")


amounts = st.decimals(min_value=Decimal("0.00000001"), max_value=Decimal("1000"), places=8)
trades = st.lists(
    st.builds(
        lambda side, price, amount, fee, at: {
            "side": side, "price": price, "amount": amount, "fee": fee, "timestamp_ms": at
        },
        st.sampled_from(Side), amounts, amounts, amounts, st.integers(0, 5),
    ),
    max_size=5,
)  # fmt: skip


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(trades=trades)
async def test_positions_are_the_fold_of_the_fills_in_whatever_order_they_came(
    connect: Connect, trades: list[dict[str, Any]]
) -> None:
    """The position that is kept equals folding all fills by time, late ones included."""
    database = connect(f"default/{uuid4()}")
    recommendation = await put_order(database)
    for number, fields in enumerate(trades):
        fill = a_fill(str(number), venue_order_id=database.engine, **fields)
        await database.run(lambda store, fill=fill: store.put_fills(recommendation.id, [fill]))
    fills = await database.run(lambda store: store.fills())
    assert [fill.timestamp_ms for fill in fills] == sorted(fields["timestamp_ms"] for fields in trades)
    assert await database.run(lambda store: store.positions()) == fold(fills)
    await database.close()  # one of many examples: their connections would pile up until the end of the test


# the red button


async def test_trading_is_active_by_default(database: SqlDatabase) -> None:
    """Before anybody set it: Active, by `default`, since 0, and setting Active changes nothing."""
    report = await database.run(lambda store: store.trading_state())
    assert (report.state, report.who, report.why, report.since_ms) == (TradingState.ACTIVE, "default", "", 0)
    same = TradingStateChange(state=TradingState.ACTIVE, who="operator")
    assert await database.run(lambda store: store.put_trading_state(same, at_ms=9)) == report


async def test_the_trading_state_stays_since_when_it_was_set(database: SqlDatabase) -> None:
    """Setting it again keeps who, why and since; orders sent since then are counted, those before are not."""
    for minute, at_ms in ((0, 99), (1, 101)):
        recommendation = await put_order(database, minute)
        submitting = an_execution(recommendation.id, SUBMITTING)
        await database.run(
            lambda store, r=recommendation, s=submitting, at_ms=at_ms: store.move_order(r.id, INTENT, s, at_ms=at_ms)
        )
    halt = TradingStateChange(state=TradingState.HALTED, who="alice", why="odd prices")
    again = TradingStateChange(state=TradingState.HALTED, who="bob", why="me too")
    first = await database.run(lambda store: store.put_trading_state(halt, at_ms=100))
    assert (first.state, first.who, first.why, first.since_ms) == (TradingState.HALTED, "alice", "odd prices", 100)
    assert first.orders_sent_since == 1
    assert await database.run(lambda store: store.put_trading_state(again, at_ms=200)) == first
    active = TradingStateChange(state=TradingState.ACTIVE, who="bob")
    back = await database.run(lambda store: store.put_trading_state(active, at_ms=300))
    assert (back.state, back.since_ms, back.orders_sent_since) == (TradingState.ACTIVE, 300, 0)


# transactions, journals, words


async def test_a_unit_of_work_leaves_nothing_when_it_raises(database: SqlDatabase) -> None:
    """What was done before the exception is rolled back, and the next unit of work runs."""
    recommendation = a_recommendation()

    def half(store: Any) -> None:
        store.put_signal(a_signal(), recommendation)
        raise LookupError("half way")

    with pytest.raises(LookupError, match="half way"):
        await database.run(half)
    assert await database.run(lambda store: store.recommendation(recommendation.id)) is None
    assert await database.run(lambda store: store.put_signal(a_signal(), recommendation))


@pytest.mark.parametrize("change", ["UPDATE {} SET detail = 'forged'", "DELETE FROM {}"])
@pytest.mark.parametrize("journal", ["recommendation_events", "order_events"])
async def test_a_journal_is_append_only(database: SqlDatabase, journal: str, change: str) -> None:
    """The database itself refuses to change or delete a line."""
    await put_order(database)
    with pytest.raises(DBAPIError, match="append-only"):
        await database.run_sql(lambda connection: connection.execute(text(change.format(journal))))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE recommendations SET status = 'lost'",
        "UPDATE recommendations SET side = 'hold'",
        "UPDATE orders SET state = 'lost'",
        "INSERT INTO trading_state (engine, state, who, why, since_ms) VALUES ('e', 'Paused', 'x', '', 0)",
    ],
)
async def test_a_word_that_is_none_of_the_contract_is_refused(database: SqlDatabase, statement: str) -> None:
    """The database checks the closed sets of words by itself."""
    await put_order(database)
    with pytest.raises(DBAPIError, match=r"(?i)check constraint"):
        await database.run_sql(lambda connection: connection.execute(text(statement)))


async def test_a_float_is_refused_as_money(database: SqlDatabase) -> None:
    """A float has lost digits before it gets here, so it is an error, not a row."""
    recommendation = await put_order(database)
    with pytest.raises(Exception, match="finite Decimal"):
        await database.run(lambda store: store.put_fills(recommendation.id, [a_fill(price=0.1)]))
