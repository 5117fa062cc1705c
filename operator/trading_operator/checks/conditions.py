"""Drafts of conditions -> conditions with their times: `lastTransitionTime` moves only when the status flips. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from trading_operator.api.v1alpha1 import Condition, ConditionStatus
from trading_operator.checks.reasons import Reason

_MAX_MESSAGE: Final = 4000


@dataclass(frozen=True)
class Draft:
    """A condition before its times."""

    type: str
    status: ConditionStatus
    reason: Reason
    message: str


def dated(
    drafts: Iterable[Draft], before: Iterable[Condition], generation: int, now: datetime
) -> tuple[Condition, ...]:
    """Conditions of this generation; a status that did not change keeps its time."""
    since = {each.type: each for each in before}
    return tuple(_dated(draft, since.get(draft.type), generation, now) for draft in drafts)


def _dated(draft: Draft, before: Condition | None, generation: int, now: datetime) -> Condition:
    unchanged = before is not None and before.status == draft.status
    return Condition(
        type=draft.type,
        status=draft.status,
        observed_generation=generation,
        last_transition_time=before.last_transition_time if before and unchanged else now.replace(microsecond=0),
        reason=draft.reason.value,
        message=draft.message[:_MAX_MESSAGE],
    )
