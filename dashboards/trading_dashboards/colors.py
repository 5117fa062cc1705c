"""Colours that mean the same on every board: red is bad, orange is to look at, green is good, grey is nothing to do.

Called by `classic` for panels whose series are told apart by a word such as an order's status or a log line's level.
"""

from __future__ import annotations

import re
from typing import Any, Final

from trading_dashboards.model import Panel

#: Label -> its words by colour. A word that is not here keeps the colour that Grafana gives it.
MEANING: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "status": {
        "green": ("filled",),
        "red": ("rejected",),
        "orange": ("denied", "expired", "canceled"),
        "purple": ("vetoed", "refused"),
    },
    "decision": {"green": ("approve", "approved"), "red": ("reject", "refused"), "text": ("skipped",)},
    "signal_type": {"green": ("buy",), "blue": ("sell",), "text": ("hold",)},
    "side": {"green": ("buy",), "blue": ("sell",)},
    "risk_level": {"green": ("low",), "yellow": ("medium",), "orange": ("high",), "red": ("critical",)},
    "level": {"red": ("error", "critical"), "orange": ("warning",), "green": ("info",), "text": ("debug", "unknown")},
    "severity": {"red": ("critical",), "orange": ("warning",), "blue": ("info",)},
    "result": {"green": ("success",), "red": ("error",), "text": ("requeue_after",)},
}
_LABEL: Final = re.compile(r"{{(\w+)}}")


def overrides(panel: Panel) -> list[dict[str, Any]]:
    """Grafana's overrides for the series of a panel: one for each colour that a word in its legends has."""
    labels = {label for query in panel.queries for label in _LABEL.findall(query.legend)}
    meanings = [MEANING[label] for label in sorted(labels & MEANING.keys())]
    return [_override(color, words) for meaning in meanings for color, words in meaning.items()]


def _override(color: str, words: tuple[str, ...]) -> dict[str, Any]:
    """Series in whose name one of the words stands by itself."""
    return {
        "matcher": {"id": "byRegexp", "options": f"/(^|\\s)({'|'.join(words)})(\\s|$)/"},
        "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": color}}],
    }
