"""What an answer of Coinbase means to us. Called by `ccxt_client`; pure.

ccxt's classes mislead (an internal error of the venue reads as a final refusal, most refusals as one
nameless class), so an answer is judged by its status and body alone. The rule for writes: whatever is
not a clear refusal may have arrived.
"""

from __future__ import annotations

from typing import Any, Final

from trading_engine.errors import (
    AuthenticationFailed,
    EngineError,
    ExchangeRefused,
    ExchangeUnavailable,
    InsufficientFunds,
    InvalidOrder,
    OutcomeUnknown,
)

#: `error_response.error` or `preview_failure_reason` -> what it means. Words of the API reference, "Create Order".
REFUSALS: Final[dict[str, type[ExchangeRefused]]] = {
    **dict.fromkeys(
        (
            "INSUFFICIENT_FUND",
            "INSUFFICIENT_FUNDS",
            "INVALID_LEDGER_BALANCE",
            "PREVIEW_INSUFFICIENT_FUND",
            "PREVIEW_INSUFFICIENT_FUNDS",
            "PREVIEW_INSUFFICIENT_LEDGER_BALANCE",
            "PREVIEW_INVALID_LEDGER_BALANCE",
        ),
        InsufficientFunds,
    ),
    **dict.fromkeys(
        (
            "UNSUPPORTED_ORDER_CONFIGURATION",
            "INVALID_SIDE",
            "INVALID_PRODUCT_ID",
            "INVALID_SIZE_PRECISION",
            "INVALID_PRICE_PRECISION",
            "INVALID_LIMIT_PRICE",
            "INVALID_LIMIT_PRICE_POST_ONLY",
            "INVALID_NO_LIQUIDITY",
            "INVALID_REQUEST",
            "INVALID_ARGUMENT",
            "INELIGIBLE_PAIR",
            "ORDER_ENTRY_DISABLED",
            "PREVIEW_INVALID_SIDE",
            "PREVIEW_INVALID_PRODUCT_ID",
            "PREVIEW_INVALID_ORDER_CONFIG",
            "PREVIEW_INVALID_SIZE_PRECISION",
            "PREVIEW_INVALID_PRICE_PRECISION",
            "PREVIEW_INVALID_LIMIT_PRICE",
            "PREVIEW_INVALID_LIMIT_PRICE_POST_ONLY",
            "PREVIEW_INVALID_NO_LIQUIDITY",
            "PREVIEW_INVALID_BASE_SIZE_TOO_SMALL",
            "PREVIEW_INVALID_BASE_SIZE_TOO_LARGE",
            "PREVIEW_INVALID_QUOTE_SIZE_PRECISION",
            "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL",
            "PREVIEW_INVALID_QUOTE_SIZE_TOO_LARGE",
            "PREVIEW_STOP_PRICE_ABOVE_LAST_TRADE_PRICE",
        ),
        InvalidOrder,
    ),
    **dict.fromkeys(("PERMISSION_DENIED", "UNAUTHENTICATED", "unauthorized"), AuthenticationFailed),
}
#: Reasons that say nothing: whether the order exists must be looked up.
_SAYS_NOTHING: Final = frozenset(
    {"", "UNKNOWN_FAILURE_REASON", "UNKNOWN_PREVIEW_FAILURE_REASON", "INTERNAL", "UNKNOWN", "internal_server_error"}
)
_LONGEST_BODY: Final = 300


class Answered(Exception):  # named for what happened
    """The venue answered with an error status, or with something that is not a JSON object."""

    def __init__(self, status: int, body: str, parsed: object) -> None:
        super().__init__(f"HTTP {status} {body[:_LONGEST_BODY]}")
        self.status = status
        self.body: dict[str, Any] | None = parsed if isinstance(parsed, dict) else None


def read_error(call: str, answer: Answered) -> EngineError:
    """The error of a read: refused for good only where asking again cannot help."""
    if answer.status in (401, 403):
        return AuthenticationFailed(f"{call}: {answer}")
    if answer.body is None or answer.status == 429 or not 400 <= answer.status < 500:
        return ExchangeUnavailable(f"{call}: {answer}")
    return _refusal(call, (_text(answer.body, "error"),), str(answer))


def write_error(call: str, answer: Answered) -> EngineError:
    """The error of a write: unknown, unless the answer is clear that nothing was done."""
    if answer.status in (401, 403):
        return AuthenticationFailed(f"{call}: {answer}")
    if answer.status == 429:
        return ExchangeRefused(f"{call}: {answer}")
    reason = _text(answer.body, "error")
    if answer.body is None or not 400 <= answer.status < 500 or answer.status == 408 or reason in _SAYS_NOTHING:
        return OutcomeUnknown(f"{call}: {answer}")
    return _refusal(call, (reason,), str(answer))


def refusal(call: str, body: dict[str, Any]) -> EngineError:
    """The error of a write that was answered with status 200 and no `success`."""
    response = body.get("error_response")
    details = response if isinstance(response, dict) else {}
    reasons = tuple(
        reason
        for reason in (_text(details, "preview_failure_reason"), _text(details, "error"))
        if reason not in _SAYS_NOTHING
    )
    said = f"{', '.join(reasons)} {_text(details, 'message')}".strip()
    if body.get("success") is not False or not reasons:
        return OutcomeUnknown(f"{call}: neither success nor a reason: {str(body)[:_LONGEST_BODY]}")
    return _refusal(call, reasons, said)


def _refusal(call: str, reasons: tuple[str, ...], said: str) -> ExchangeRefused:
    kinds = [REFUSALS[reason] for reason in reasons if reason in REFUSALS]
    return (kinds[0] if kinds else ExchangeRefused)(f"{call}: {said}")


def _text(body: dict[str, Any] | None, key: str) -> str:
    value = (body or {}).get(key)
    return value if isinstance(value, str) else ""
