"""Both agents give each line the same labels and structured metadata, and no line is read by two of them."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.operator import log_agents
from tests.operator.engines import ROOT, SETTINGS, engine
from tests.operator.log_agents import Sent
from trading_engine.contract.workers import COLLECTORS, WORKERS
from trading_operator.api.v1alpha1 import TradingEngine
from trading_operator.api.v1alpha1.observability import LogAgent
from trading_operator.desired import names
from trading_operator.desired.labels import CONFIG_HASH
from trading_operator.desired.logs import (
    ALIASES,
    CONFIG_MAP,
    LABELS,
    METADATA,
    OTELCOL_FILE,
    PROMTAIL_FILE,
    agent_revision,
    log_objects,
    otelcol,
    pipeline,
    promtail,
)

UUID = "0b6f1c9e-5a0e-5d5c-9a55-3c0f5a1c6a01"
UID = "2f1f6c56-3c0b-4e8e-8d3e-0f9f8a7b6c5d"
LEVELS = ["debug", "info", "warning", "error", "critical"]


def path(pod: str, container: str = "trade-executor", namespace: str = "crypto-trading") -> str:
    """Where the kubelet keeps the output of a container."""
    return f"/var/log/pods/{namespace}_{pod}_{UID}/{container}/0.log"


def sent(file: str, line: str) -> tuple[Sent | None, Sent | None]:
    """What each agent sends, where it is the one that an engine has chosen."""
    return (
        log_agents.otelcol(otelcol(pipeline(LogAgent.OPEN_TELEMETRY_COLLECTOR, (), SETTINGS)), file, line),
        log_agents.promtail(promtail(pipeline(LogAgent.PROMTAIL, (), SETTINGS)), file, line),
    )


def readers(file: str, *engines: TradingEngine) -> list[str]:
    """The agents that read a file while these engines are declared."""
    (config_map,) = log_objects(engines, SETTINGS)
    agents = {OTELCOL_FILE: log_agents.otelcol, PROMTAIL_FILE: log_agents.promtail}
    return [
        name for name, agent in agents.items() if agent(yaml.safe_load(config_map["data"][name]), file, "") is not None
    ]


@pytest.mark.parametrize(
    ("pod", "service"),
    [
        ("paper-trade-executor-6d4f5b8c9d-x7x2k", "paper-trade-executor"),
        ("crypto-trading-paper-exchange-data-7d0b2c63-6d4f5b8c9d-x7x2k", "crypto-trading-paper-exchange-data-7d0b2c63"),
        ("crypto-trading-paper-exchange-data-4bc7d28f-6d4f5b8c9d-x7x2k", "crypto-trading-paper-exchange-data-4bc7d28f"),
        ("paper-postgresql-0", "paper-postgresql"),
        ("paper-training-1a2b3c4d-kx2zq", "paper-training-1a2b3c4d"),
        ("log-agent-kx2zq", "log-agent"),
        ("etcd-control-plane", "etcd-control-plane"),
        # Names that Kubernetes had to cut to 58 characters before the five random ones.
        ("a-long-namespace-and-a-long-engine-exchange-data-1a2b3c4d-6d4f5b8x7x2k",
         "a-long-namespace-and-a-long-engine-exchange-data-1a2b3c4d"),
        ("a-long-namespace-and-a-longer-engine-exchange-data-1a2b3c4d-x7x2k",
         "a-long-namespace-and-a-longer-engine-exchange-data-1a2b3c4d"),
    ],
)  # fmt: skip
def test_service_is_what_the_pod_is_of_when_labelled(pod: str, service: str) -> None:
    """Deployment, StatefulSet, Job, DaemonSet, or a pod by itself."""
    for each in sent(path(pod), "a line"):
        assert each == Sent(
            {"namespace": "crypto-trading", "service": service, "container": "trade-executor", "level": "unknown"},
            {"pod": pod},
        )


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ('{"event":"order filled","level":"info"}', "info"),
        ('{"time": "t", "level": "warning", "message": "m"}', "warning"),
        ('ts=2026-01-02T03:04:05Z level=warn msg="slow"', "warning"),
        ('level=fatal msg="gone"', "critical"),
        ('{"event":"said \\"level\\":\\"error\\"","level":"debug"}', "debug"),
        ('{"level":"information"}', "unknown"),
        ('{"level":"made-up-by-a-tenant"}', "unknown"),
        ("LOG:  database system is ready", "unknown"),
        ("", "unknown"),
    ],
)
def test_level_is_one_of_few_words_when_labelled(line: str, level: str) -> None:
    """Whatever a line says: a label has a bound."""
    for each in sent(path("paper-trade-executor-6d4f5b8c9d-x7x2k"), line):
        assert each is not None
        assert each.labels["level"] == level


def test_ids_are_beside_the_line_when_it_has_them() -> None:
    """Structured metadata finds a recommendation without being an index of its own."""
    line = f'{{"recommendation_id":"{UUID}","client_order_id":"{UID}","event":"order filled","level":"info"}}'
    for each in sent(path("paper-trade-executor-6d4f5b8c9d-x7x2k"), line):
        assert each is not None
        assert each.labels.keys() == set(LABELS)
        assert each.metadata == {
            "pod": "paper-trade-executor-6d4f5b8c9d-x7x2k",
            "recommendation_id": UUID,
            "client_order_id": UID,
        }


_NAMES = st.from_regex(r"[a-z]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
_LINES = st.one_of(
    st.text(max_size=80),
    st.builds(
        '{{"level":"{}","recommendation_id":"{}"}}'.format,
        st.sampled_from([*LEVELS, *ALIASES, "trace", ""]),
        st.one_of(st.uuids().map(str), st.text(alphabet="0123456789abcdef-", max_size=40)),
    ),
)


@settings(max_examples=150, deadline=None)
@given(_NAMES, _NAMES, _LINES)
def test_both_agents_send_the_same_when_the_line_is_the_same(namespace: str, pod: str, line: str) -> None:
    """Whatever the names and the line are; no label but the four, no metadata but the three."""
    one, other = sent(path(pod, namespace=namespace), line)

    assert one == other
    assert one is not None
    assert one.labels.keys() == set(LABELS)
    assert one.metadata.keys() <= set(METADATA)
    assert one.labels["level"] in {*LEVELS, "unknown"}


def pods_of(of: TradingEngine) -> list[str]:
    """Files of an engine's pods."""
    home = [names.deployment(of, each) for each in WORKERS]
    files = [path(f"{each}-6d4f5b8c9d-x7x2k", namespace=of.namespace) for each in home]
    files += [path(f"{of.name}-postgresql-0", namespace=of.namespace)]
    files += [path(f"{of.name}-training-1a2b3c4d-kx2zq", namespace=of.namespace)]
    away = [names.deployment(of, each) for each in COLLECTORS]
    return files + [path(f"{each}-6d4f5b8c9d-x7x2k", namespace=SETTINGS.collectors_namespace) for each in away]


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        ("OpenTelemetryCollector", [OTELCOL_FILE]),
        ("Promtail", [PROMTAIL_FILE]),
        ("Disabled", []),
    ],
)
def test_one_agent_reads_an_engines_pods_when_it_is_chosen(agent: str, expected: list[str]) -> None:
    """Never two, and none where none is wanted; another engine whose name begins alike is not concerned."""
    chosen, other = engine("paper", observability={"logs": {"agent": agent}}), engine("paper-2")
    for file in pods_of(chosen):
        assert readers(file, chosen, other) == expected, file
    for file in pods_of(other):
        assert readers(file, chosen, other) == [OTELCOL_FILE], file


def test_agents_own_lines_are_not_read_when_it_runs() -> None:
    """They would feed on themselves."""
    assert readers(path("log-agent-kx2zq", "log-agent", SETTINGS.monitoring_namespace)) == []


def test_expressions_are_gos_when_written() -> None:
    """Go's regular expressions know neither look-around nor back references."""
    wanted = pipeline(LogAgent.PROMTAIL, (), SETTINGS)
    for each in (wanted.path, wanted.level, *wanted.ids):
        assert not re.search(r"\(\?(?!P<|:)|\\[1-9]", each)


def test_configuration_is_the_same_when_engines_keep_the_default() -> None:
    """An agent reads it when it starts: an engine more is no reason to start it anew."""
    (before,), (after,) = log_objects([], SETTINGS), log_objects([engine()], SETTINGS)

    assert before["metadata"] == {"name": CONFIG_MAP, "namespace": SETTINGS.monitoring_namespace}
    assert before["data"][OTELCOL_FILE] == after["data"][OTELCOL_FILE]


def test_loki_makes_labels_of_what_the_collector_says_when_configured() -> None:
    """Loki's own configuration names the same four, and adds none."""
    limits = yaml.safe_load((ROOT / "manifests/monitoring/loki/config.yaml").read_text())["limits_config"]
    attributes = limits["otlp_config"]["resource_attributes"]

    assert attributes["ignore_defaults"] is True
    assert attributes["attributes_config"] == [{"action": "index_label", "attributes": list(LABELS)}]
    assert (limits["discover_service_name"], limits["discover_log_levels"]) == ([], False)


def daemon_set(file: str, revision: str = "") -> dict[str, Any]:
    """The agent's DaemonSet, whose pods read a file."""
    annotations = {"annotations": {CONFIG_HASH: revision}} if revision else {}
    container = {"name": "log-agent", "args": [f"--config=/etc/log-agent/{file}"]}
    return {"spec": {"template": {"metadata": annotations, "spec": {"containers": [container]}}}}


@pytest.mark.parametrize("file", [OTELCOL_FILE, PROMTAIL_FILE])
def test_agents_start_anew_when_the_file_they_read_has_changed(file: str) -> None:
    """Once; and not for the other agent's file, nor for engines that change nothing for this one."""
    by_promtail = engine("promtailed", observability={"logs": {"agent": "Promtail"}})
    by_nobody = engine("unheard", observability={"logs": {"agent": "Disabled"}})
    (before,), (after,) = log_objects([by_promtail], SETTINGS), log_objects([by_promtail, by_nobody], SETTINGS)
    first = agent_revision(daemon_set(file), before["data"], SETTINGS)
    second = agent_revision(daemon_set(file, first), after["data"], SETTINGS)

    assert bool(first) is (file == OTELCOL_FILE)
    assert second not in ("", first)
    assert agent_revision(daemon_set(file, second), after["data"], SETTINGS) == ""
    assert agent_revision(daemon_set(file, second), {}, SETTINGS) not in ("", second)


def test_agents_go_on_when_the_first_engine_keeps_the_default() -> None:
    """They were started with the manifests' file, which says the same."""
    (found,) = log_objects([engine()], SETTINGS)

    assert agent_revision(daemon_set(OTELCOL_FILE), found["data"], SETTINGS) == ""
    assert agent_revision(daemon_set(OTELCOL_FILE), {}, SETTINGS) == ""


def test_manifests_have_our_file_when_there_is_no_engine() -> None:
    """What the agents read before the first engine and after the last one."""
    found = yaml.safe_load((ROOT / "manifests/monitoring/log-agent/otelcol.yaml").read_text())

    assert found == otelcol(pipeline(LogAgent.OPEN_TELEMETRY_COLLECTOR, (), SETTINGS))
