"""The scan that guards the end-to-end tests finds planted errors and excuses only what has a reason."""

import json

from tests.e2e.log_scan import ALLOWED, Allowed, is_error, unexpected


def test_line_is_error_when_json_level_is_error() -> None:
    """Workers and operator log JSON with a level."""
    assert is_error(json.dumps({"level": "error", "event": "boom"}))
    assert not is_error(json.dumps({"level": "info", "event": "an error was avoided"}))


def test_line_is_error_when_traceback_starts() -> None:
    """A traceback is unexpected in whatever format it comes."""
    assert is_error("Traceback (most recent call last):")


def test_planted_error_is_found_when_nothing_excuses_it() -> None:
    """The planted line comes back with the pod that wrote it."""
    planted = json.dumps({"level": "critical", "event": "planted"})

    assert unexpected("crypto-trading_paper-x", ["fine", planted]) == [f"crypto-trading_paper-x: {planted}"]


def test_line_is_excused_when_pod_and_text_match() -> None:
    """An entry excuses its own pod only."""
    entry = Allowed("executor", "planted", "this test planted it")
    planted = json.dumps({"level": "error", "event": "planted"})

    assert unexpected("crypto-trading_paper-executor", [planted], (entry,)) == []
    assert unexpected("crypto-trading_paper-risk", [planted], (entry,)) != []


def test_allowed_lines_have_reasons() -> None:
    """A line is excused only with a reason that a reader can judge."""
    assert all(len(entry.reason) > 20 for entry in ALLOWED)
