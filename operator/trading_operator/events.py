"""Events for transitions of conditions: one per change, deduplicated, with a budget per object.

`reconcile` asks for them after it wrote a status. Pure but for its memory of what was told when.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

Manifest = Mapping[str, Any]

#: Told as warnings while a person is waited for; mere progress is none.
WARNED: Final = frozenset({"Ready", "Stalled"})
#: What every object starts as: nobody needs to be told.
NEW: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {"Stalled": {"status": "False"}, "Suspended": {"status": "False"}, "Halted": {"status": "Unknown"}}
)
NOTE_LENGTH: Final = 1000


@dataclass
class _Budget:
    tokens: float
    filled_at: float


class EventRecorder:
    """At most `burst` Events of one object at once, then one every `seconds`; the same words once in `quiet` s."""

    def __init__(
        self,
        identity: str,
        burst: int = 25,
        seconds: float = 300.0,
        quiet: float = 600.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._identity = identity
        self._burst = burst
        self._seconds = seconds
        self._quiet = quiet
        self._clock = clock
        self._budgets: dict[str, _Budget] = {}
        self._told: dict[tuple[str, str, str], float] = {}

    def transitions(self, manifest: Manifest, before: Manifest, after: Manifest) -> Iterator[dict[str, Any]]:
        """Events for each condition whose status or reason changed; what a new object is not is no change."""
        known = {each["type"]: each for each in before.get("conditions", ())}
        now = after.get("conditions", ())
        waits = _waits({each["type"]: each["status"] for each in now}, known)
        for condition in now:
            old = known.get(condition["type"], NEW.get(condition["type"], {}))
            same = all(condition.get(key) == value for key, value in old.items() if key in ("status", "reason"))
            if not (old and same) and self._may_tell(manifest["metadata"]["uid"], condition):
                yield self._event(manifest, condition, warns=waits and condition["type"] in WARNED)

    def _may_tell(self, uid: str, condition: Manifest) -> bool:
        now = self._clock()
        self._told = {key: at for key, at in self._told.items() if now - at < self._quiet}
        words = (uid, condition["type"], f"{condition['status']} {condition['reason']} {condition.get('message', '')}")
        if words in self._told or not self._spend(uid, now):
            return False
        self._told[words] = now
        return True

    def _spend(self, uid: str, now: float) -> bool:
        full = self._burst * self._seconds  # by then a budget is what a new one is
        self._budgets = {key: each for key, each in self._budgets.items() if now - each.filled_at < full}
        budget = self._budgets.setdefault(uid, _Budget(self._burst, now))
        budget.tokens = min(self._burst, budget.tokens + (now - budget.filled_at) / self._seconds)
        budget.filled_at = now
        if budget.tokens < 1:
            return False
        budget.tokens -= 1
        return True

    def _event(self, manifest: Manifest, condition: Manifest, *, warns: bool) -> dict[str, Any]:
        metadata = manifest["metadata"]
        kind, status = condition["type"], condition["status"]
        note = f"{kind} is {status}: {condition.get('message') or condition['reason']}"
        return {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": f"{metadata['name']}.{uuid.uuid4().hex[:16]}", "namespace": metadata["namespace"]},
            "eventTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "type": "Warning" if warns else "Normal",
            "reason": condition["reason"],
            "action": f"{kind}{status}",
            "note": note[:NOTE_LENGTH],
            "regarding": {
                "apiVersion": manifest["apiVersion"],
                "kind": manifest["kind"],
                "name": metadata["name"],
                "namespace": metadata["namespace"],
                "uid": metadata["uid"],
            },
            "reportingController": "tradingengine.io/trading-operator",
            "reportingInstance": self._identity[:128],
        }


def _waits(now: Mapping[str, str], known: Mapping[str, Manifest]) -> bool:
    """Whether somebody has to act: Stalled says so, and where there is no such condition, Ready that was lost."""
    if "Stalled" in now:
        return now["Stalled"] == "True"
    return now.get("Ready") == "False" and known.get("Ready", {}).get("status") == "True"
