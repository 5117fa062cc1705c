"""Several processes on one database: a file of SQLite's and a real PostgreSQL server."""

from __future__ import annotations

import asyncio

import pytest

from tests.builders import ENGINE, a_candle, a_fill, an_execution, an_intent
from tests.engine.ports.conftest import SHARED_KINDS, Connect, put_order, put_recommendation
from trading_engine.adapters.sql_database import SqlDatabase
from trading_engine.contract.config import TradingState
from trading_engine.contract.messages import OrderState, RecommendationStatus, TradingStateChange

pytestmark = pytest.mark.parametrize("database_config", SHARED_KINDS, indirect=True)

PENDING, VALIDATED = RecommendationStatus.PENDING, RecommendationStatus.VALIDATED


async def test_an_engine_sees_only_its_rows_when_two_share_a_database(connect: Connect, database: SqlDatabase) -> None:
    """Nothing but candles is visible to, or moved by, another engine."""
    other = connect("default/other")
    recommendation = await put_order(database)
    await database.run(lambda store: store.put_fills(recommendation.id, [a_fill()]))
    await database.run(lambda store: store.put_candles("BTC/USD", "1m", [a_candle()]))
    halt = TradingStateChange(state=TradingState.HALTED, who="alice")
    await database.run(lambda store: store.put_trading_state(halt, at_ms=1))
    submitting = an_execution(recommendation.id, OrderState.SUBMITTING)
    seen = await other.run(
        lambda store: [
            store.recommendation(recommendation.id),
            store.recommendations(limit=9),
            store.open_recommendations(limit=9),
            store.recommendation_events(recommendation.id),
            store.order(recommendation.id),
            store.orders_in(*OrderState),
            store.order_events(recommendation.id),
            store.fills(),
            store.positions(),
            store.last_signal_open_ms("BTC/USD", "1m"),
            store.count_open_recommendations(),
            store.move_recommendation(recommendation.id, PENDING, VALIDATED, at_ms=1),
            store.move_order(recommendation.id, OrderState.INTENT, submitting, at_ms=1),
        ]
    )
    assert not any(seen), seen
    assert (await other.run(lambda store: store.trading_state())).state is TradingState.ACTIVE
    assert await other.run(lambda store: store.candles("BTC/USD", "1m")) == [a_candle()]


async def test_exactly_one_wins_when_two_move_the_same_recommendation(connect: Connect) -> None:
    """Of two handles that move at the same time one gets True, and the journal has one line more."""
    first, second = connect(), connect()
    for minute in range(20):
        recommendation = await put_recommendation(first, minute)
        moved = await asyncio.gather(
            *(
                handle.run(lambda store, r=recommendation: store.move_recommendation(r.id, PENDING, VALIDATED, at_ms=1))
                for handle in (first, second)
            )
        )
        assert sorted(moved) == [False, True]
        assert len(await first.run(lambda store, r=recommendation: store.recommendation_events(r.id))) == 2


async def test_exactly_one_wins_when_two_put_the_same_intent(connect: Connect) -> None:
    """Two executors that are handed the same recommendation make one order between them."""
    first, second = connect(), connect()
    for minute in range(20):
        recommendation = await put_recommendation(first, minute)
        put = await asyncio.gather(
            *(handle.run(lambda store, r=recommendation: store.put_intent(an_intent(r))) for handle in (first, second))
        )
        assert sorted(put) == [False, True]
        assert len(await first.run(lambda store, r=recommendation: store.order_events(r.id))) == 1


async def test_no_fill_is_lost_from_the_position_when_two_put_fills_at_once(connect: Connect) -> None:
    """Two writers that fold the same symbol at once wait for each other; repeats still count once."""
    first, second = connect(), connect()
    recommendation = await put_order(first)

    async def put(handle: SqlDatabase, trade_ids: range) -> int:
        return sum(
            [
                len(await handle.run(lambda store, n=n: store.put_fills(recommendation.id, [a_fill(str(n))])))
                for n in trade_ids
            ]
        )

    new = await asyncio.gather(put(first, range(20)), put(second, range(10, 30)))
    assert sum(new) == 30
    held = await first.run(lambda store: store.positions())
    assert held["BTC/USD"].amount == 15


async def test_rows_are_there_when_another_process_opens_the_database(connect: Connect) -> None:
    """What one handle committed the next one reads."""
    first = connect()
    recommendation = await put_order(first)
    await first.close()
    assert await connect(ENGINE).run(lambda store: store.order(recommendation.id)) == an_intent(recommendation)
