"""Signals and recommendations in SQL: the generator puts them, the orchestrator moves them stage by stage."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, bindparam, func, insert, select, update

from trading_engine.adapters.sql_prepared import Prepared
from trading_engine.adapters.sql_rows import SqlRows, event_row
from trading_engine.adapters.sql_schema import recommendation_events as events
from trading_engine.adapters.sql_schema import recommendations, signals
from trading_engine.contract.messages import (
    TERMINAL,
    Assessment,
    Execution,
    Recommendation,
    RecommendationStatus,
    Validation,
)
from trading_engine.ports import EventRow, RecommendationRow, SignalRow

_SIGNAL: Final = tuple(field.name for field in fields(SignalRow))
_OPEN: Final = [status for status in RecommendationStatus if status not in TERMINAL]
_RESULTS: Final[dict[type[Validation | Assessment | Execution], str]] = {
    Validation: "validation",
    Assessment: "assessment",
    Execution: "execution",
}
_OURS = recommendations.c.engine == bindparam("of_engine")
_LAST_SIGNAL = select(func.max(signals.c.candle_open_ms)).where(
    signals.c.engine == bindparam("of_engine"),
    signals.c.symbol == bindparam("symbol"),
    signals.c.timeframe == bindparam("timeframe"),
)
_PUT = Prepared(insert(recommendations).inline())
_BY_ID = select(recommendations).where(_OURS, recommendations.c.id == bindparam("of_id"))
_NEWEST = (
    select(recommendations)
    .where(_OURS)
    .order_by(recommendations.c.created_ms.desc(), recommendations.c.id.desc())
    .limit(bindparam("rows"))
)
_IN_STATUS = (_OURS, recommendations.c.status.in_(bindparam("statuses", expanding=True)))
_OLDEST_OPEN = (
    select(recommendations)
    .where(*_IN_STATUS)
    .order_by(recommendations.c.created_ms, recommendations.c.id)
    .limit(bindparam("rows"))
)
_COUNT = select(func.count()).select_from(recommendations).where(*_IN_STATUS)
_MOVE = {
    column: Prepared(
        update(recommendations)
        .where(_OURS, recommendations.c.id == bindparam("of_id"), recommendations.c.status == bindparam("before"))
        .values(
            status=bindparam("after"),
            updated_ms=bindparam("at_ms"),
            **({column: bindparam("result")} if column else {}),
        )
    )
    for column in (None, *_RESULTS.values())
}
_EVENTS = (
    select(events.c.seq, events.c.recommendation_id, events.c.at_ms, events.c.before, events.c.after, events.c.detail)
    .join(recommendations)
    .where(_OURS, recommendations.c.id == bindparam("of_id"))
    .order_by(events.c.seq)
)


class SqlRecommendations(SqlRows):
    """The signal and recommendation methods of `ports.Store`."""

    def last_signal_open_ms(self, symbol: str, timeframe: str) -> int | None:
        """Open time of the newest candle that has been decided."""
        market = {"of_engine": self._engine, "symbol": symbol, "timeframe": timeframe}
        return self._connection.execute(_LAST_SIGNAL, market).scalar()

    def put_signal(self, signal: SignalRow, recommendation: Recommendation | None) -> bool:
        """Insert both, or nothing when that candle was decided already (False)."""
        if not self._insert_new(signals, {**{name: getattr(signal, name) for name in _SIGNAL}, "engine": self._engine}):
            return False
        if recommendation is not None:
            self._put_recommendation(recommendation)
        return True

    def _put_recommendation(self, recommendation: Recommendation) -> None:
        born = RecommendationStatus.PENDING
        at_ms = recommendation.created_ms
        row = {**dict(recommendation), "engine": self._engine, "status": born, "updated_ms": at_ms}
        _PUT.write(self._connection, row)
        self._put_event(events, recommendation.id, "", born, at_ms=at_ms, detail="")

    def recommendation(self, recommendation_id: UUID) -> RecommendationRow | None:
        """One recommendation."""
        key = {"of_engine": self._engine, "of_id": recommendation_id}
        row = self._connection.execute(_BY_ID, key).one_or_none()
        return None if row is None else _recommendation_row(row)

    def recommendations(self, *, limit: int) -> list[RecommendationRow]:
        """The newest ones, newest first."""
        rows = self._connection.execute(_NEWEST, {"of_engine": self._engine, "rows": limit})
        return [_recommendation_row(row) for row in rows]

    def open_recommendations(self, *, limit: int) -> list[RecommendationRow]:
        """Those that have not ended, oldest first."""
        wanted = {"of_engine": self._engine, "statuses": _OPEN, "rows": limit}
        return [_recommendation_row(row) for row in self._connection.execute(_OLDEST_OPEN, wanted)]

    def count_open_recommendations(self, *statuses: RecommendationStatus) -> int:
        """How many have not ended (in these statuses, if given)."""
        wanted = [status for status in statuses or _OPEN if status not in TERMINAL]
        return self._connection.execute(_COUNT, {"of_engine": self._engine, "statuses": wanted}).scalar_one()

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
        if before in TERMINAL:
            raise ValueError(f"recommendation {recommendation_id}: {before} is terminal, it cannot become {after}")
        move = {"of_engine": self._engine, "of_id": recommendation_id, "before": before, "after": after, "at_ms": at_ms}
        column = None
        if result is not None:
            column = _RESULTS[type(result)]
            move["result"] = result.model_dump_json()
        if _MOVE[column].write(self._connection, move) != 1:
            return False
        self._put_event(events, recommendation_id, before, after, at_ms=at_ms, detail=detail)
        return True

    def recommendation_events(self, recommendation_id: UUID) -> list[EventRow]:
        """Its journal, oldest first."""
        rows = self._connection.execute(_EVENTS, {"of_engine": self._engine, "of_id": recommendation_id})
        return [event_row(row) for row in rows]


def _recommendation_row(row: Row[Any]) -> RecommendationRow:
    values = row._mapping
    return RecommendationRow(
        recommendation=Recommendation(**{name: values[name] for name in Recommendation.model_fields}),
        status=row.status,
        validation=row.validation and Validation.model_validate_json(row.validation),
        assessment=row.assessment and Assessment.model_validate_json(row.assessment),
        execution=row.execution and Execution.model_validate_json(row.execution),
        updated_ms=row.updated_ms,
    )
