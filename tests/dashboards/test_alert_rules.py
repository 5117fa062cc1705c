"""Each alert fires when its thing breaks, is silent while it is well, resolves, and knows what missing data means."""

from __future__ import annotations

import dataclasses
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.dashboards.alert_scenarios import (
    PLACES,
    SCENARIOS,
    SCOPE,
    SENT,
    TUNED,
    Kind,
    Line,
    Scenario,
    at,
    group_tests,
    of_worker,
    series,
)
from tests.dashboards.promtool import said_of_rules, said_of_tests
from trading_dashboards.alert_names import AlertName, Severity
from trading_dashboards.alert_queries import Place, duration
from trading_dashboards.alerts import ALERTS, BY_NAME, Alert
from trading_dashboards.check import problems, result_labels
from trading_dashboards.rules import Tuning, literal, rule_group
from trading_engine.contract.workers import WorkerName

RUNBOOKS = "https://runbooks.example.com/alerts"
GROUP = rule_group(SCOPE, TUNED, RUNBOOKS)
RULES: dict[str, dict[str, Any]] = {rule["alert"]: rule for rule in GROUP["rules"]}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.alert)
def test_alert_fires_and_resolves_when_its_thing_breaks_and_is_mended(scenario: Scenario, tmp_path: Path) -> None:
    """Healthy, broken, mended, gone: what fires at the end of each, with all its labels."""
    assert said_of_tests(tmp_path, [RULES[scenario.alert]], [group_tests(scenario)]) == ""


def test_promtool_refuses_a_scenario_when_it_expects_the_wrong(tmp_path: Path) -> None:
    """A scenario that expects silence while broken fails: the tests above can fail."""
    scenario = next(each for each in SCENARIOS if each.alert is AlertName.QUEUE_GROWING)
    wrong = Scenario(scenario.alert, scenario.lines, fires=())

    assert "QueueGrowing" in said_of_tests(tmp_path, [RULES[scenario.alert]], [group_tests(wrong)])


def test_every_alert_has_a_scenario_when_listed() -> None:
    """An alert that nobody has seen firing is none."""
    assert [each.name for each in ALERTS] == list(AlertName)
    assert sorted(each.alert for each in SCENARIOS) == sorted(AlertName)


def test_rejections_are_no_jump_when_they_are_usual(tmp_path: Path) -> None:
    """As many as every hour of the day before: no alert, however many."""
    vetoed = of_worker(WorkerName.TRADE_ORCHESTRATOR, "recommendations_processed_total", status="vetoed")
    scenario = Scenario(AlertName.REJECTIONS_JUMP, (Line(vetoed, 0.5, 0.5, Kind.GROWTH),), fires=(), minutes=26 * 60)
    tests = group_tests(scenario)
    tests["promql_expr_test"] = tests["promql_expr_test"][1:]  # at first there is no day before

    assert said_of_tests(tmp_path, [RULES[AlertName.REJECTIONS_JUMP]], [tests], every="10m") == ""


def test_market_data_is_stale_when_no_candle_was_ever_stored(tmp_path: Path) -> None:
    """The exchange refuses from the first call on: there is no time of a newest candle that could be old."""
    collected = of_worker(WorkerName.EXCHANGE_DATA, "trading_collected_candles_total", symbol="BTC/USD")
    scenario = Scenario(
        AlertName.MARKET_DATA_STALE,
        (Line(collected, 0, 0, Kind.GROWTH),),
        fires=(at(WorkerName.EXCHANGE_DATA, symbol="BTC/USD"),),
        healthy=(at(WorkerName.EXCHANGE_DATA, symbol="BTC/USD"),),
    )

    assert said_of_tests(tmp_path, [RULES[scenario.alert]], [group_tests(scenario)]) == ""


def test_log_shipping_has_stopped_when_another_agent_runs_than_was_chosen(tmp_path: Path) -> None:
    """Lines of others arrive; this engine's are left to an agent that is not there."""
    scope = dataclasses.replace(SCOPE, lines_sent="promtail_sent_entries_total")
    rules = {rule["alert"]: rule for rule in rule_group(scope, TUNED, RUNBOOKS)["rules"]}
    arrive, sent = (
        Line(series(name, job=job), 10, 10, Kind.GROWTH)
        for name, job in (("loki_distributor_lines_received_total", "loki"), (SENT, "log-agent"))
    )
    told = ({"job": "log-agent"},)
    scenario = Scenario(AlertName.LOG_SHIPPING_STOPPED, (arrive, sent), fires=told, healthy=told, missing=told)

    assert said_of_tests(tmp_path, [rules[scenario.alert]], [group_tests(scenario)]) == ""


def test_worker_is_down_when_it_starts_and_falls_again_and_again(tmp_path: Path) -> None:
    """A container that answers one scrape in four is down, though never for long at a time."""
    name = WorkerName.RISK_MANAGEMENT
    tests = {
        "interval": "30s",
        "input_series": [{"series": of_worker(name, "up"), "values": "1x20 " + "0 0 0 1 " * 20}],
        "promql_expr_test": [
            {
                "expr": 'count by (service) (ALERTS{alertname="WorkerDown",alertstate="firing"})',
                "eval_time": minute,
                "exp_samples": [{"labels": '{service="paper-risk-management"}', "value": 1}],
            }
            for minute in ("20m", "23m", "26m", "29m")
        ],
    }

    assert said_of_tests(tmp_path, [RULES[AlertName.WORKER_DOWN]], [tests]) == ""


def test_promtool_has_nothing_against_the_rules_when_linted(tmp_path: Path) -> None:
    """Duplicate rules and bad templates are found here."""
    assert said_of_rules(tmp_path, GROUP["rules"]) == ""


@pytest.mark.parametrize(
    "alert", [each for each in ALERTS if each.name is not AlertName.WATCHDOG], ids=lambda a: a.name
)
def test_expression_asks_for_what_is_exported_when_checked(alert: Alert) -> None:
    """Every metric, label and job is in the catalogue; the Watchdog alone asks for nothing."""
    assert problems(RULES[alert.name]["expr"]) == []


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_text_shows_labels_that_are_there_when_rendered(alert: Alert) -> None:
    """A label in a text is one that the expression's answer carries: else it would be empty."""
    used = set(re.findall(r"\$labels\.(\w+)", alert.summary + alert.description))

    assert not used or used <= result_labels(RULES[alert.name]["expr"])
    assert alert.description.endswith(".")


def test_no_bucket_is_matched_when_rules_are_rendered() -> None:
    """Prometheus 3 writes le="1.0" where 2 wrote le="1": a rule that matches one is dead on the other."""
    assert not re.search(r'le=~?"', yaml.safe_dump(GROUP))


def test_owner_decides_when_an_alert_is_tuned() -> None:
    """Switch, threshold, severity and patience."""
    tuned = {
        AlertName.WORKER_DOWN: Tuning(enabled=False),
        AlertName.NO_TRADES: Tuning(enabled=True),
        AlertName.QUEUE_GROWING: Tuning(threshold=Decimal("12"), severity=Severity.CRITICAL, waits=30),
    }
    rules = {rule["alert"]: rule for rule in rule_group(SCOPE, tuned, RUNBOOKS)["rules"]}

    assert AlertName.WORKER_DOWN not in rules
    assert AlertName.NO_TRADES in rules
    growing = rules[AlertName.QUEUE_GROWING]
    assert growing["expr"].endswith(">= 12")
    assert (growing["for"], growing["labels"]["severity"]) == ("30s", "critical")


def test_rule_is_left_out_when_the_engine_lacks_what_it_is_about() -> None:
    """No language model, no alert about it; no logs, none about their shipping."""
    scope = dataclasses.replace(SCOPE, asks_language_model=False, lines_sent="")
    left = {rule["alert"] for rule in rule_group(scope, TUNED, RUNBOOKS)["rules"]}

    assert set(AlertName) - left == {AlertName.LLM_FAILING, AlertName.LLM_SLOW, AlertName.LOG_SHIPPING_STOPPED}


def test_alert_is_off_when_nobody_asked_for_it() -> None:
    """Days without a trade are normal for many engines."""
    rules = rule_group(SCOPE, {}, RUNBOOKS)["rules"]

    assert {rule["alert"] for rule in rules} == set(AlertName) - {AlertName.NO_TRADES}
    assert not BY_NAME[AlertName.NO_TRADES].enabled


def test_runbook_is_linked_when_rendered() -> None:
    """Every alert says where to read on."""
    assert {rule["annotations"]["runbook_url"] for rule in GROUP["rules"]} == {
        f"{RUNBOOKS}/{name}.md" for name in AlertName
    }


def test_words_stay_words_when_they_look_like_syntax() -> None:
    """No value ends its string or begins a template, whatever an object's name might be one day."""
    hostile = Place('a"} or up{x="', "b\\")
    scope = dataclasses.replace(SCOPE, places=dict.fromkeys(PLACES, hostile))
    for rule in rule_group(scope, TUNED, RUNBOOKS)["rules"]:
        assert problems(rule["expr"]) == [] or rule["alert"] == AlertName.WATCHDOG

    assert literal("{{ $value }}") == '{{ "{{" }} $value }}'


@pytest.mark.parametrize(("seconds", "text"), [("300", "300s"), ("1.5", "1500ms"), ("86400", "86400s")])
def test_duration_is_promql_when_written(seconds: str, text: str) -> None:
    """Whole seconds, or milliseconds."""
    assert duration(Decimal(seconds)) == text
