"""Reading a resource: what is wrong is named with field, value and what is allowed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.operator.engines import SAMPLES, engine, sample
from trading_operator.api.v1alpha1 import TradingEngine
from trading_operator.errors import InvalidResource


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"symbols": ["btc-usd"]}, "spec.symbols.0: String should match pattern"),
        ({"mode": "Real"}, "spec.mode: Input should be 'Paper' or 'Live' (got 'Real')"),
        ({"orderNotional": 50}, "spec.orderNotional: Input should be a valid string (got 50)"),
        ({"risk": {"maxDailyLoss": "0"}}, "spec.risk.maxOrderNotional: Field required"),
        ({"mode": "Live"}, "exchange.credentialsSecretRef is required in mode Live"),
        ({"mode": "Live", "exchange": {"credentialsSecretRef": {"name": "k"}}}, "risk is required in mode Live"),
        ({"llm": {"provider": "Ollama"}}, "llm.url is required unless llm.provider is Disabled"),
        ({"exchange": {"url": "https://user:secret@host"}}, "spec.exchange.url: String should match pattern"),
    ],
)
def test_mistake_is_named_when_parsed(spec: dict[str, Any], words: str) -> None:
    """Field, value, what is allowed."""
    with pytest.raises(InvalidResource) as caught:
        engine(**spec)

    assert words in str(caught.value)


def test_defaults_are_safe_when_only_symbols_are_given() -> None:
    """Paper, and no model that did not pass the gate."""
    spec = engine().spec

    assert (spec.mode, spec.model.promotion, spec.llm.on_unavailable) == ("Paper", "Gate", "Reject")


def test_field_of_a_newer_version_is_ignored_when_parsed() -> None:
    """An older operator reads what a newer one wrote."""
    manifest = engine().to_dict()
    manifest["spec"]["fromTheFuture"] = True

    assert TradingEngine.parse(manifest) == engine()


@pytest.mark.parametrize("name", SAMPLES)
def test_sample_is_read_back_when_dumped(name: str) -> None:
    """CamelCase out and in again."""
    of = sample(name)

    assert TradingEngine.parse(of.to_dict()) == of
