"""What a language model is asked about a recommendation, and what counts as an answer. Called by llm_validation.

The answer is a verdict and nothing else: side, size, symbol and price are not in it, so a model can
veto and never create, enlarge, re-price or re-target. The prompt holds only figures of our own, no
text that others could write. The schema is also in the prompt: servers that ignore it still see it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trading_engine.contract.messages import Decision, Recommendation, ValidationRequest

#: Longest reason that is accepted, and the shorter one that is asked for: a small model on one thread
#: writes 20 tokens a second, and fills whatever room it is given.
REASON_LENGTH: Final = 200
ASKED_REASON_LENGTH: Final = 60
CONFIDENCE_STEP: Final = Decimal("0.0001")
#: Longest part of a wrong answer that is shown back to the model.
QUOTED_LENGTH: Final = 500
#: Closes shown to the model. Each is about nine tokens, which a small model reads in 70 ms.
SHOWN_CLOSES: Final = 12

VERDICT_SCHEMA: Final[dict[str, object]] = {
    "type": "object",
    "properties": {
        "decision": {"type": "string", "enum": [Decision.APPROVE.value, Decision.REJECT.value]},
        # Without the step a grammar lets a small model write zeros until its tokens are used up.
        "confidence": {"type": "number", "minimum": 0, "maximum": 1, "multipleOf": 0.01},
        "reason": {"type": "string", "maxLength": ASKED_REASON_LENGTH},
    },
    "required": ["decision", "confidence", "reason"],
    "additionalProperties": False,
}

_SYSTEM: Final = (
    "You review one trade that a statistical model recommends. Approve it, or reject it if the figures "
    "speak against it. You cannot change it. Answer with one JSON object and nothing else, of this schema: "
    + json.dumps(VERDICT_SCHEMA, sort_keys=True)
)

#: What some models wrap around an answer: thoughts, and a Markdown fence.
_WRAPPING: Final = re.compile(r"\A\s*(?:<think>.*?</think>)?\s*(?:```(?:json)?)?\s*(.*?)\s*(?:```)?\s*\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A valid answer."""

    decision: Decision
    confidence: Decimal
    reason: str


@dataclass(frozen=True, slots=True)
class InvalidVerdict:
    """Why a text is no verdict, in words the model can be shown."""

    error: str


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    decision: Literal["approve", "reject"]
    confidence: float = Field(ge=0, le=1, allow_inf_nan=False)
    reason: str = Field(max_length=REASON_LENGTH)


def prompt(request: ValidationRequest) -> list[dict[str, str]]:
    """Chat messages that ask for a verdict."""
    return [
        {"role": "system", "content": _SYSTEM},
        {"role": "user", "content": json.dumps(_facts(request), sort_keys=True)},
    ]


def repair_prompt(messages: list[dict[str, str]], answer: str, invalid: InvalidVerdict) -> list[dict[str, str]]:
    """Chat messages of the one repair attempt: the wrong answer and what is wrong with it."""
    return [
        *messages,
        {"role": "assistant", "content": answer[:QUOTED_LENGTH]},
        {"role": "user", "content": f"That is not valid: {invalid.error}. Answer with the JSON object only."},
    ]


def parse_verdict(answer: str) -> Verdict | InvalidVerdict:
    """A verdict, or why the text is none. A fence or thoughts around the object are forgiven."""
    found = _WRAPPING.match(answer)
    try:
        parsed = _Answer.model_validate_json(found.group(1) if found else answer)
    except ValidationError as error:
        return InvalidVerdict("; ".join(_words(item["loc"], item["msg"]) for item in error.errors()))
    confidence = Decimal(repr(parsed.confidence)).quantize(CONFIDENCE_STEP)
    return Verdict(Decision(parsed.decision), confidence, parsed.reason)


def _words(location: tuple[int | str, ...], message: str) -> str:
    return f"{'.'.join(map(str, location))}: {message}" if location else message


def _facts(request: ValidationRequest) -> dict[str, object]:
    wanted: Recommendation = request.recommendation
    facts: dict[str, object] = {
        "side": wanted.side.value,
        "symbol": wanted.symbol,
        "timeframe": wanted.timeframe.value,
        "close": str(wanted.price),
        "model_confidence": str(wanted.confidence),
        "last_closes_oldest_first": [str(close) for close in request.closes[-SHOWN_CLOSES:]],
    }
    asked = {"spend_in_quote_currency": wanted.notional, "sell_in_base_currency": wanted.amount}
    return facts | {name: str(figure) for name, figure in asked.items() if figure is not None}
