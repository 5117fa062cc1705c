"""Which log lines of operator and workers are errors nobody expects.

Every allowed line carries its reason; `test_log_scan.py` plants errors and sees them found.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

BAD_LEVELS: Final = frozenset({"error", "critical", "fatal"})
TRACEBACK: Final = re.compile(r"Traceback \(most recent call last\)|^panic:|Unhandled exception")


@dataclass(frozen=True)
class Allowed:
    """A line that may appear: where (a pod's name), what, and why it is no fault."""

    pod: str
    line: str
    reason: str

    def matches(self, pod: str, line: str) -> bool:
        """Whether this entry excuses that line."""
        return re.search(self.pod, pod) is not None and re.search(self.line, line) is not None


#: Nothing is excused today.
ALLOWED: tuple[Allowed, ...] = ()


def is_error(line: str) -> bool:
    """A JSON line of a bad level, or a traceback in any line."""
    if TRACEBACK.search(line):
        return True
    try:
        record = json.loads(line)
    except ValueError:
        return False
    return isinstance(record, dict) and str(record.get("level", "")).lower() in BAD_LEVELS


def unexpected(pod: str, lines: Iterable[str], allowed: tuple[Allowed, ...] = ALLOWED) -> list[str]:
    """The error lines of one pod that no entry excuses, as `pod: line`."""
    errors = (line for line in lines if is_error(line))
    return [f"{pod}: {line}" for line in errors if not any(entry.matches(pod, line) for entry in allowed)]
