"""Rules of several engines: each selects its own Services only, none disturbs another, and promtool takes them all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import promql_parser as ast
import pytest
import yaml

from tests.dashboards.promtool import said_of_rules
from tests.operator.engines import SAMPLES, SETTINGS, engine, sample
from trading_dashboards.alert_names import AlertName
from trading_dashboards.check import parsed, selectors
from trading_dashboards.series import SERVICES
from trading_engine.contract.workers import COLLECTORS, WORKERS
from trading_operator.api.v1alpha1 import TradingEngine
from trading_operator.api.v1alpha1.observability import WITH_THRESHOLD
from trading_operator.desired import names
from trading_operator.desired.alerts import RULES_CONFIG_MAP, alert_objects, rule_file, rule_files, rule_group_of

OLLAMA = {"provider": "Ollama", "url": "http://ollama.llm.svc:11434"}


def rules(of: TradingEngine) -> dict[str, dict[str, Any]]:
    """Alert -> rule."""
    return {rule["alert"]: rule for rule in rule_group_of(of, SETTINGS)["rules"]}


def selected(of: TradingEngine) -> set[tuple[str, str]]:
    """Every (namespace, service) that an engine's rules select among the workers' series."""
    found = set()
    for rule in rules(of).values():
        for selector, _ in selectors(parsed(rule["expr"])):
            matchers = {each.name: each for each in selector.matchers.matchers}
            if matchers["job"].value == SERVICES:
                assert matchers["namespace"].op == matchers["service"].op == ast.MatchOp.Equal
                found.add((matchers["namespace"].value, matchers["service"].value))
    return found


def places(of: TradingEngine) -> set[tuple[str, str]]:
    """Where the Services of an engine are."""
    return {(of.namespace, names.deployment(of, each)) for each in WORKERS} | {
        (SETTINGS.collectors_namespace, names.deployment(of, each)) for each in COLLECTORS
    }


@pytest.mark.parametrize("name", SAMPLES)
def test_promtool_has_nothing_against_the_rules_of_a_sample(name: str, tmp_path: Path) -> None:
    """As they are written into the ConfigMap."""
    assert said_of_rules(tmp_path, list(rules(sample(name)).values())) == ""


def test_rules_select_one_engines_services_when_there_are_several() -> None:
    """Names that run into each other when joined are kept apart."""
    one, other = engine("c", "a-b"), engine("b-c", "a")

    assert selected(one) == places(one)
    assert selected(other) == places(other)
    assert not selected(one) & selected(other)


def test_files_and_groups_have_names_of_their_own_when_engines_are_alike() -> None:
    """Prometheus refuses a group name twice in a file; here not even two files share one."""
    engines = [engine("c", "a-b"), engine("b-c", "a"), engine("c", "a")]
    files = rule_files(engines, SETTINGS).files
    groups = [group["name"] for text in files.values() for group in yaml.safe_load(text)["groups"]]

    assert len(files) == len(set(groups)) == 3


def test_file_of_an_engine_is_the_same_when_another_comes_or_goes() -> None:
    """Byte for byte."""
    one, other = engine("one"), engine("other", llm=OLLAMA)

    assert rule_files([one, other], SETTINGS).files[rule_file(one)] == rule_files([one], SETTINGS).files[rule_file(one)]


def test_engine_has_no_rules_when_it_is_not_scraped() -> None:
    """Nothing of it is in Prometheus: every rule would call it dead."""
    rules_map, _ = alert_objects([engine(observability={"scrape": "Disabled"})], SETTINGS, {})

    assert rules_map["metadata"] == {"name": RULES_CONFIG_MAP, "namespace": SETTINGS.monitoring_namespace}
    assert rules_map["data"] == {}


def test_owner_decides_when_alerts_are_tuned() -> None:
    """Every field of `observability.alerts`, and what is not named stays."""
    tuned = engine(
        observability={
            "alerts": [
                {"name": "NoTrades", "enabled": True, "threshold": "7200.5"},
                {"name": "CycleSlow", "severity": "Info", "forSeconds": 0},
                {"name": "Watchdog", "enabled": False},
            ]
        }
    )
    found, default = rules(tuned), rules(engine())

    assert "[7200500ms]" in found["NoTrades"]["expr"]
    assert "for" not in found["CycleSlow"]
    assert found["CycleSlow"]["labels"]["severity"] == "info"
    assert "Watchdog" not in found
    assert {name: found[name] for name in default if name not in ("CycleSlow", "Watchdog")} == {
        name: rule for name, rule in default.items() if name not in ("CycleSlow", "Watchdog")
    }


@pytest.mark.parametrize("threshold", ["0.001", "999999999.999"])
def test_promtool_takes_the_rules_when_thresholds_are_at_their_bounds(threshold: str, tmp_path: Path) -> None:
    """What the API server lets through must never make Prometheus refuse its rules."""
    alerts = [{"name": name, "threshold": threshold} for name in WITH_THRESHOLD]
    found = rules(engine(llm=OLLAMA, observability={"alerts": alerts}))

    assert said_of_rules(tmp_path, list(found.values())) == ""
    assert set(WITH_THRESHOLD) - {"NoTrades"} <= found.keys()


def test_candles_set_the_pace_when_they_are_longer() -> None:
    """An hour without a signal is normal where candles take an hour."""
    hourly = rules(engine(timeframe="1h"))

    assert hourly["MarketDataStale"]["expr"].count("> 3600 + 300 or") == 1
    assert "[7500s]" in hourly["NoSignals"]["expr"]


def test_alerts_about_the_model_are_there_when_one_is_asked() -> None:
    """And only then."""
    about = {AlertName.LLM_FAILING, AlertName.LLM_SLOW}

    assert about <= rules(engine(llm=OLLAMA)).keys()
    assert not about & rules(engine()).keys()


def test_alert_about_logs_is_gone_when_none_are_shipped() -> None:
    """`logs.agent: Disabled`."""
    assert "LogShippingStopped" not in rules(engine(observability={"logs": {"agent": "Disabled"}}))


def test_last_engines_are_left_out_when_rules_outgrow_a_configmap() -> None:
    """The API server would refuse all of it otherwise."""
    engines = [engine(f"engine-{number:03}") for number in range(90)]
    found = rule_files(engines, SETTINGS)

    assert sum(map(len, found.files.values())) < 1024 * 1024
    assert found.left_out == tuple(engines[len(found.files) :])
    assert found.left_out
