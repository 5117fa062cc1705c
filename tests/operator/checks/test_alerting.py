"""The conditions Alerting and LogAgentSupported: never True on anybody's word but Alertmanager's."""

from __future__ import annotations

import dataclasses

import pytest

from tests.operator.engines import edited, engine
from trading_operator.api.v1alpha1 import ConditionStatus, TradingEngine
from trading_operator.checks.alerting import alerting_condition, log_agent_conditions
from trading_operator.checks.reasons import Reason
from trading_operator.observed import Observed, StackState

HERE = frozenset({engine().uid})
GOOD = StackState(engines=HERE, loaded=True, tells=True)
TRUE, FALSE, UNKNOWN = ConditionStatus.TRUE, ConditionStatus.FALSE, ConditionStatus.UNKNOWN
PAGER = {"name": "pager", "webhook": {"url": "http://pager.ops.svc:8080"}}


@pytest.mark.parametrize(
    ("state", "status", "reason"),
    [
        (GOOD, TRUE, Reason.ALERTING),
        (dataclasses.replace(GOOD, loaded=False), FALSE, Reason.RELOAD_PENDING),
        (dataclasses.replace(GOOD, loaded=False, unreachable="no route"), UNKNOWN, Reason.PROMETHEUS_UNREACHABLE),
        (dataclasses.replace(GOOD, tells=False), FALSE, Reason.RELOAD_PENDING),
        (dataclasses.replace(GOOD, tells=False, untold="no answer"), UNKNOWN, Reason.ALERTMANAGER_UNREACHABLE),
        (StackState(unchecked="amtool cannot be started"), FALSE, Reason.PROMTOOL_MISSING),
        (StackState(invalid="amtool says no"), FALSE, Reason.CONFIGURATION_INVALID),
        (StackState(refused=("Secret",)), FALSE, Reason.SHARED_OBJECT_REFUSED),
        (dataclasses.replace(GOOD, quarantined={"TradingEngine crypto-trading/paper": "x"}), FALSE, Reason.QUARANTINED),
        (dataclasses.replace(GOOD, quarantined={"TradingEngine crypto-trading/pape": "x"}), TRUE, Reason.ALERTING),
    ],
)
def test_condition_says_the_first_thing_that_is_wrong(
    state: StackState, status: ConditionStatus, reason: Reason
) -> None:
    """What is wrong with another engine is not this one's."""
    found = alerting_condition(engine(), Observed(stack=dataclasses.replace(state, engines=HERE)))

    assert (found.status, found.reason) == (status, reason)


def test_condition_is_as_it_was_when_nothing_was_looked_at_yet() -> None:
    """An operator that has just started says neither yes nor no."""
    known = {
        "type": "Alerting",
        "status": "True",
        "lastTransitionTime": "2026-01-02T03:04:05Z",
        "reason": "Alerting",
        "message": "m",
    }
    before = TradingEngine.parse(engine().to_dict() | {"status": {"conditions": [known]}})

    assert alerting_condition(before, Observed()).status is TRUE
    assert alerting_condition(engine(), Observed()).status is UNKNOWN


def test_condition_names_who_is_told_when_all_is_well() -> None:
    """Nobody is an answer that a person should read."""
    told = edited(engine(), {"observability": {"receivers": [PAGER]}})

    assert alerting_condition(told, Observed(stack=GOOD)).message == "receivers: pager"
    assert alerting_condition(engine(), Observed(stack=GOOD)).message.startswith("nobody is told")


def test_condition_is_false_when_nothing_is_scraped() -> None:
    """No series, no alerts."""
    found = alerting_condition(engine(observability={"scrape": "Disabled"}), Observed(stack=GOOD))

    assert (found.status, found.reason) == (FALSE, Reason.SCRAPE_DISABLED)


@pytest.mark.parametrize(("agent", "said"), [("Promtail", 1), ("OpenTelemetryCollector", 0), ("Disabled", 0)])
def test_end_of_life_is_said_when_promtail_is_chosen(agent: str, said: int) -> None:
    """And of no other agent."""
    found = log_agent_conditions(engine(observability={"logs": {"agent": agent}}))

    assert len(found) == said
    assert all((each.status, each.reason) == (FALSE, Reason.LOG_AGENT_END_OF_LIFE) for each in found)
