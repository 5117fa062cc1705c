"""What a language model is asked, and what counts as an answer."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import a_recommendation
from trading_engine.contract.messages import Decision, ValidationRequest
from trading_engine.domain.validation import (
    QUOTED_LENGTH,
    VERDICT_SCHEMA,
    InvalidVerdict,
    Verdict,
    parse_verdict,
    prompt,
    repair_prompt,
)

REQUEST = ValidationRequest(recommendation=a_recommendation(), closes=(Decimal("100.1"), Decimal("100.2")))
GOOD = '{"decision": "reject", "confidence": 0.8, "reason": "thin volume"}'


@pytest.mark.parametrize(
    "answer",
    [
        GOOD,
        f"  {GOOD}\n",
        f"```json\n{GOOD}\n```",
        f"```\n{GOOD}\n```",
        f"<think>the {{price}} looks odd</think>\n{GOOD}",
    ],
)
def test_verdict_is_read_when_the_object_is_wrapped_or_bare(answer: str) -> None:
    """A fence or thoughts around a valid object are forgiven."""
    assert parse_verdict(answer) == Verdict(Decision.REJECT, Decimal("0.8000"), "thin volume")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("", "JSON"),
        ("I approve.", "JSON"),
        ('{"decision": "approve", "confidence": 0.8', "JSON"),
        ('{"confidence": 0.8, "reason": "x"}', "decision: Field required"),
        ('{"decision": "skipped", "confidence": 0.8, "reason": "x"}', "decision:"),
        ('{"decision": "APPROVE", "confidence": 0.8, "reason": "x"}', "decision:"),
        ('{"decision": "approve", "confidence": 1.01, "reason": "x"}', "confidence:"),
        ('{"decision": "approve", "confidence": -0.1, "reason": "x"}', "confidence:"),
        ('{"decision": "approve", "confidence": NaN, "reason": "x"}', ""),
        ('{"decision": "approve", "confidence": "0.8", "reason": "x"}', "confidence:"),
        ('{"decision": "approve", "confidence": 0.8, "reason": "' + "x" * 201 + '"}', "reason:"),
        ('{"decision": "approve", "confidence": 0.8, "reason": "x", "notional": 9}', "notional:"),
        (f"[{GOOD}]", "object"),
        (f"{GOOD} {GOOD}", "JSON"),
    ],
)
def test_answer_is_invalid_when_it_breaks_the_schema(answer: str, words: str) -> None:
    """Anything but the object asked for is no verdict, and the error says why."""
    verdict = parse_verdict(answer)
    assert isinstance(verdict, InvalidVerdict)
    assert words in verdict.error


@given(st.text(max_size=300))
def test_parsing_never_raises_when_the_answer_is_any_text(answer: str) -> None:
    """A model can say anything."""
    assert isinstance(parse_verdict(answer), (Verdict, InvalidVerdict))


@given(
    st.sampled_from(["approve", "reject"]),
    st.floats(min_value=0, max_value=1),
    st.text(max_size=200),
)
def test_verdict_survives_when_written_as_json(decision: str, confidence: float, reason: str) -> None:
    """Every answer that fits the schema is taken as it is."""
    verdict = parse_verdict(json.dumps({"decision": decision, "confidence": confidence, "reason": reason}))
    assert isinstance(verdict, Verdict)
    assert (verdict.decision.value, verdict.reason) == (decision, reason)
    assert abs(float(verdict.confidence) - confidence) < 1e-4


def test_prompt_holds_schema_and_figures_and_nothing_else() -> None:
    """Servers that ignore `format` still see the schema; the figures are data, as JSON."""
    system, user = prompt(REQUEST)
    assert json.dumps(VERDICT_SCHEMA, sort_keys=True) in system["content"]
    assert json.loads(user["content"]) == {
        "side": "buy",
        "symbol": "BTC/USD",
        "timeframe": "1m",
        "close": "100.10",
        "model_confidence": "0.70",
        "last_closes_oldest_first": ["100.1", "100.2"],
        "spend_in_quote_currency": "50.00",
    }


def test_repair_shows_answer_and_error_when_the_first_was_invalid() -> None:
    """The model is told what was wrong; a long answer is cut."""
    first = prompt(REQUEST)
    messages = repair_prompt(first, "y" * 1000, InvalidVerdict("decision: Field required"))
    assert messages[:2] == first
    assert messages[2] == {"role": "assistant", "content": "y" * QUOTED_LENGTH}
    assert "decision: Field required" in messages[3]["content"]
