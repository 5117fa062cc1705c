"""How long a worker waits for another: never less than what a verdict may take."""

from __future__ import annotations

import pytest

from trading_engine.contract.config import CallsConfig, EngineConfig, LlmConfig, LlmProvider


@pytest.mark.parametrize(
    ("provider", "verdict", "call", "expected"),
    [
        (LlmProvider.OLLAMA, 20, 30, 30),
        (LlmProvider.OLLAMA, 60, 30, 70),
        (LlmProvider.OPENAI, 600, 30, 610),
        (LlmProvider.DISABLED, 600, 30, 30),
    ],
)
def test_waits_longer_than_a_verdict_may_take(provider: LlmProvider, verdict: int, call: int, expected: int) -> None:
    """Else the caller would hang up before `onUnavailable` could decide, and ask again for ever."""
    config = EngineConfig(
        llm=LlmConfig(provider=provider, timeout_seconds=verdict), calls=CallsConfig(timeout_seconds=call)
    )
    assert config.call_seconds == expected
