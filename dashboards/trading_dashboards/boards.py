"""All our dashboards: the one list, read by the operator (ConfigMaps), `tools.generate` and the tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from trading_dashboards import trading_engine, trading_money, unified_system
from trading_dashboards.model import Board

BOARDS: Final[tuple[Board, ...]] = (trading_engine.BOARD, unified_system.BOARD, trading_money.BOARD)
BY_UID: Final[dict[str, Board]] = {board.uid: board for board in BOARDS}


def clashes(dashboards: Iterable[Mapping[str, object]]) -> list[str]:
    """Every uid and title that several dashboards have, in words. Grafana then provisions none of them."""
    kept = list(dashboards)
    counted = Counter((field, str(each.get(field))) for each in kept for field in ("uid", "title"))
    return [f"{field} {value!r} is used {times} times" for (field, value), times in counted.items() if times > 1]
