"""Who keeps whom quiet: symptoms of a cause that fires for the same engine, and nothing else.

The rules are read as Alertmanager reads them: an alert is inhibited by another that matches the source, where it
matches the target itself, the labels named are the same on both (one that both lack counts as the same), and it is no
source too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from tests.operator.engines import engine
from trading_operator.desired.receivers import configuration

RULES = configuration([engine("one")], {})["inhibit_rules"]
HERE = {"engine": "one", "engine_namespace": "crypto-trading"}
EXECUTOR, RISK, COLLECTOR = ({"service": name} for name in ("one-trade-executor", "one-risk-management", "collector"))
BTC, ETH = {"symbol": "BTC/USD"}, {"symbol": "ETH/USD"}


def alert(name: str, *labels: dict[str, str]) -> dict[str, str]:
    """Labels of an alert of engine one, unless said otherwise."""
    found = {"alertname": name, "severity": "warning"} | HERE
    for each in labels:
        found |= each
    return found


def inhibited(alert: Mapping[str, str], by: Mapping[str, str]) -> bool:
    """Whether one alert is quiet while the other fires."""
    return any(_inhibits(rule, by, alert) for rule in RULES)


def _inhibits(rule: Mapping[str, Any], source: Mapping[str, str], target: Mapping[str, str]) -> bool:
    if not _matches(rule["source_matchers"], source) or not _matches(rule["target_matchers"], target):
        return False
    both = _matches(rule["source_matchers"], target) and _matches(rule["target_matchers"], source)
    return not both and all(source.get(label, "") == target.get(label, "") for label in rule["equal"])


def _matches(matchers: list[str], labels: Mapping[str, str]) -> bool:
    return all(_match(matcher, labels) for matcher in matchers)


def _match(matcher: str, labels: Mapping[str, str]) -> bool:
    found = re.fullmatch(r'(\w+)(=~|!=)"(.*)"', matcher)
    assert found, matcher
    label, operator, value = found.groups()
    is_value = re.fullmatch(value, labels.get(label, "")) is not None
    return is_value if operator == "=~" else not is_value


@pytest.mark.parametrize(
    ("cause", "symptom", "quiet"),
    [
        (alert("WorkerDown", EXECUTOR), alert("OrdersFailing", EXECUTOR, BTC), True),
        (alert("WorkerNotScraped", EXECUTOR), alert("TradingHalted", EXECUTOR), True),
        (alert("WorkerDown", RISK), alert("OrdersFailing", EXECUTOR, BTC), False),
        (alert("WorkerDown", RISK), alert("QueueGrowing", {"service": "one-trade-orchestrator"}), True),
        (alert("WorkerDown", COLLECTOR), alert("MarketDataStale", COLLECTOR, BTC), True),
        (alert("MarketDataStale", COLLECTOR, BTC), alert("NoSignals", RISK, BTC), True),
        (alert("MarketDataStale", COLLECTOR, BTC), alert("NoSignals", RISK, ETH), False),
        (alert("LlmFailing"), alert("RejectionsJump"), True),
        (alert("TradingHalted", EXECUTOR), alert("NoTrades", EXECUTOR), True),
        (alert("TradingHalted", EXECUTOR), alert("RejectionsJump"), True),
        (alert("TradingHalted", EXECUTOR), alert("OrdersFailing", EXECUTOR, BTC), False),
        (alert("TradingHalted", EXECUTOR), alert("OperatorDown"), False),
    ],
    ids=lambda each: each["alertname"] if isinstance(each, dict) else str(each),
)
@pytest.mark.parametrize("same", [True, False], ids=["same engine", "another engine"])
def test_symptom_is_quiet_when_its_cause_fires_for_the_same_engine(
    cause: dict[str, str], symptom: dict[str, str], quiet: bool, same: bool
) -> None:
    """And never by the cause of another engine, nor the cause by its symptom."""
    other = cause if same else cause | {"engine": "another"}

    assert inhibited(symptom, by=other) is (quiet and same)
    assert not inhibited(other, by=symptom)


def test_alert_without_an_engine_is_told_when_another_without_one_fires() -> None:
    """Two labels that both lack are equal to Alertmanager: somebody else's WorkerDown must not silence somebody."""
    assert not inhibited({"alertname": "OrdersFailing"}, by={"alertname": "WorkerDown"})
