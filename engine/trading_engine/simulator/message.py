"""A request and an answer, free of any HTTP library, and Coinbase's error bodies.

Passed between `server`, `exchange` and the routes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trading_engine.simulator.orders import Refused


@dataclass(frozen=True, slots=True)
class Request:
    """`path` without query; `query` keeps repeated keys; `body` is the raw bytes."""

    method: str
    path: str
    query: Mapping[str, Sequence[str]] = field(default_factory=dict)
    authorization: str = ""
    body: bytes = b""

    def one(self, name: str, default: str = "") -> str:
        """First value of a query key."""
        values = self.query.get(name)
        return values[0] if values else default

    def several(self, *names: str) -> frozenset[str]:
        """All values of these query keys."""
        return frozenset(value for name in names for value in self.query.get(name, ()))

    def number(self, name: str, default: int) -> int:
        """An integer query key.

        Raises:
            Wrong: it is not an integer.
        """
        text = self.one(name, str(default))
        if not text.isascii() or not text.lstrip("-").isdigit():
            raise Wrong(400, "INVALID_ARGUMENT", f"{name} must be an integer, got {text!r}")
        return int(text)

    def json(self) -> dict[str, Any]:
        """The body as an object.

        Raises:
            Wrong: it is not one.
        """
        try:
            body = json.loads(self.body)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise Wrong(400, "INVALID_ARGUMENT", "the body is not a JSON object")
        return body


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body: JSON, or a plain text."""

    body: dict[str, Any] | str
    status: int = 200


class Wrong(Exception):
    """A request that is answered by an HTTP error in Coinbase's form."""

    def __init__(self, status: int, error: str, message: str) -> None:
        super().__init__(message)
        self.status, self.error, self.message = status, error, message

    def answer(self) -> Answer:
        """`{"error": ..., "error_details": ..., "message": ...}`."""
        return Answer({"error": self.error, "error_details": self.message, "message": self.message}, self.status)


def refused(reason: Refused, configuration: object) -> Answer:
    """An order that was not taken: status 200 with `success: false`, as the real API answers."""
    error = {
        "error": reason.error, "message": reason.message, "error_details": "",
        "preview_failure_reason": reason.preview, "new_order_failure_reason": reason.error,
    }  # fmt: skip
    return Answer(
        {
            "success": False, "failure_reason": reason.error, "order_id": "", "error_response": error,
            "order_configuration": configuration,
        }
    )  # fmt: skip
