"""What an edit of the spec changes, and what may never be in an object."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.operator.engines import SAMPLES, SETTINGS, by_name, changed, edited, engine, inputs, live, objects, sample
from trading_engine.contract.config import EngineConfig, TradingState
from trading_engine.contract.messages import DECLARED_BY, TradingStateChange
from trading_engine.contract.workers import COLLECTORS, WORKERS
from trading_operator.desired import Inputs, desired_objects, inputs_from
from trading_operator.desired.labels import secret
from trading_operator.kinds import kind_of

COLLECTOR = "crypto-trading-paper-exchange-data-47d01378"
CONFIG = ("ConfigMap", "paper-config")
TARGETS = {("MonitoringTarget", f"paper-{worker.service}") for worker in (*WORKERS, *COLLECTORS)}
TRADING_STATE = ("ConfigMap", "paper-trading-state")


def deployments(*services: str) -> set[tuple[str, str]]:
    """Deployments of workers of the engine `paper`."""
    return {("Deployment", f"paper-{service}") for service in services}


def pods() -> list[tuple[str, dict[str, Any]]]:
    """Name of the workload and pod spec of everything that runs, in all samples."""
    return [
        (each["metadata"]["name"], each["spec"]["template"]["spec"])
        for name in SAMPLES
        for each in objects(sample(name))
        if "template" in each.get("spec", {})
    ]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"tradingState": "Halted"}, {TRADING_STATE}),
        ({"suspend": True}, set()),
        ({"workers": {"riskManagement": {"logLevel": "Debug"}}}, {CONFIG, *deployments("risk-management")}),
        ({"workers": {"llmValidation": {"image": "registry.example/x:1"}}}, deployments("llm-validation")),
        (
            {"workers": {"tradeOrchestrator": {"resources": {"limits": {"cpu": "2"}}}}},
            deployments("trade-orchestrator"),
        ),
        (
            {"risk": {"maxOrderNotional": "1", "maxPositionNotional": "2", "maxDailyLoss": "3"}},
            {CONFIG, *deployments("risk-management")},
        ),
        ({"paper": {"balance": "5000"}}, {CONFIG, *deployments("trade-executor")}),
        ({"orderNotional": "60"}, {CONFIG, *deployments("signal-generator")}),
        (
            {"llm": {"provider": "Ollama", "url": "http://ollama.llm.svc:11434"}},
            {CONFIG, *deployments("llm-validation"), ("NetworkPolicy", "paper-llm-validation")},
        ),
        ({"collectors": {"exchangeData": {"resources": {"limits": {"memory": "1Gi"}}}}}, {("Deployment", COLLECTOR)}),
        (
            {"observability": {"scrape": "Disabled"}},
            {
                *((kind, f"paper-{worker.service}") for worker in WORKERS for kind in ("Service", "NetworkPolicy")),
                ("Service", COLLECTOR),
                ("NetworkPolicy", COLLECTOR),
                *TARGETS,
            },
        ),
        ({"observability": {"targets": "Disabled"}}, TARGETS),
    ],
    ids=lambda value: next(iter(value), "nothing") if isinstance(value, dict) else "",
)
def test_only_what_reads_it_changes_when_spec_is_edited(spec: dict[str, Any], expected: set[tuple[str, str]]) -> None:
    """An edit reaches the objects that it is about, and no worker that does not read it."""
    before = engine()

    assert changed(before, edited(before, spec)) == expected


def test_new_training_and_every_worker_follow_when_symbols_change() -> None:
    """Another symbol is another model: a new Job, and everybody reads the symbols."""
    before = engine()
    found = changed(before, edited(before, {"symbols": ["BTC/USD", "ETH/USD"]}))

    assert len([key for key in found if key[0] == "Job"]) == 2
    assert {name for kind, name in found if kind == "Deployment"} == {
        COLLECTOR,
        *(f"paper-{worker.service}" for worker in WORKERS),
    }


def test_order_of_symbols_changes_nothing_when_spec_is_edited() -> None:
    """A list that is a set."""
    one, other = engine(symbols=["BTC/USD", "ETH/USD"]), engine(symbols=["ETH/USD", "BTC/USD"])

    assert objects(one) == objects(other)


def test_objects_share_no_name_when_two_engines_are_alike() -> None:
    """Same name in two namespaces; and two that spell the same when joined by a hyphen."""
    pairs = [
        (engine("paper", "one"), engine("paper", "two")),
        (engine("b-c", "a"), engine("c", "a-b")),
        (engine("a" * 40, "n" * 63), engine("a" * 39 + "b", "n" * 63)),
    ]
    for left, right in pairs:
        names = [{(each["kind"], each["metadata"]["namespace"], each["metadata"]["name"]) for each in objects(each)}
                 for each in (left, right)]  # fmt: skip

        assert not names[0] & names[1]


@pytest.mark.parametrize("namespace", ["a", "n" * 63])
def test_names_fit_when_engine_and_namespace_are_long(namespace: str) -> None:
    """Every name is a DNS label of at most 63, with room for what controllers append to a StatefulSet's."""
    for each in objects(engine("e" * 40, namespace)):
        room = 11 if each["kind"] == "StatefulSet" else 0

        assert len(each["metadata"]["name"]) + room <= 63
        assert not each["metadata"]["name"].endswith("-")


@pytest.mark.parametrize("name", SAMPLES)
def test_every_object_is_marked_and_watched_when_built(name: str) -> None:
    """Label, owner mark and hash on each; an owner inside the namespace; a kind that the operator watches."""
    of = sample(name)
    for each in objects(of):
        metadata = each["metadata"]

        assert metadata["labels"]["app.kubernetes.io/managed-by"] == "trading-operator"
        assert metadata["labels"]["tradingengine.io/engine"] == of.name
        assert metadata["labels"]["tradingengine.io/engine-namespace"] == of.namespace
        assert metadata["annotations"]["tradingengine.io/desired-hash"]
        assert ("ownerReferences" in metadata) == (metadata["namespace"] == of.namespace)
        assert kind_of(each)


def test_secrets_are_files_only_when_built() -> None:
    """No environment variable comes from a Secret; exchange and model keys only where they are used."""
    mounted: dict[str, set[str]] = {}
    for name, pod in pods():
        assert "secretKeyRef" not in json.dumps(pod), name
        assert "envFrom" not in json.dumps(pod), name
        for volume in pod["volumes"]:
            if "secret" in volume:
                mounted.setdefault(volume["secret"]["secretName"], set()).add(name)

    assert mounted["coinbase"] == {"live-trade-executor"}
    assert mounted["llm"] == {"live-llm-validation"}


def test_every_pod_is_confined_when_built() -> None:
    """Not root, nothing writable but its own volumes, no token, probes and resources on what serves."""
    for name, pod in pods():
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        for container in (*pod.get("initContainers", ()), *pod["containers"]):
            assert container["securityContext"]["readOnlyRootFilesystem"] is True, name
            assert container["resources"]["requests"], name
            assert {"startupProbe", "livenessProbe", "readinessProbe"} <= container.keys() or "ports" not in container


def test_executor_is_single_and_never_overlaps_when_built() -> None:
    """Its old pod ends before the new one starts."""
    spec = by_name(objects(engine()))["Deployment", "paper-trade-executor"]["spec"]

    assert spec["replicas"] == 1
    assert spec["strategy"] == {"type": "Recreate"}


@pytest.mark.parametrize("name", SAMPLES)
def test_workers_can_read_config_when_built(name: str) -> None:
    """config.json is an EngineConfig, for the workers and for the collector, without a secret in it."""
    maps = [each["data"] for each in objects(sample(name)) if each["kind"] == "ConfigMap"]
    configs = [data["config.json"] for data in maps if "config.json" in data]
    for text in configs:
        config = EngineConfig.model_validate_json(text)

        assert config.engine == f"crypto-trading/{name}"
        assert "made-up" not in text
    assert len(configs) == 2


def test_collector_has_its_own_role_when_database_is_ours() -> None:
    """Not the engine's password, not its user."""
    found = by_name(desired_objects(engine(), SETTINGS, Inputs("t", {"password": "one", "collectorPassword": "two"})))
    access = next(each for (kind, name), each in found.items() if kind == "Secret" and "-trading-" in name)
    config = next(each for (kind, name), each in found.items() if kind == "ConfigMap" and "exchange-data" in name)

    assert base64.b64decode(access["data"]["password"]) == b"two"
    assert "://collector@paper-postgresql.crypto-trading.svc:5432/" in config["data"]["config.json"]


@pytest.mark.parametrize("state", list(TradingState))
def test_declared_state_is_where_the_executor_looks_when_built(state: TradingState) -> None:
    """The file that its configuration names, through a folder that the kubelet keeps fresh; nobody else has it."""
    found = by_name(objects(engine(tradingState=state.value)))
    config = EngineConfig.model_validate_json(found[CONFIG]["data"]["config.json"])
    volumes, files = {}, {}
    for (kind, name), each in found.items():
        for volume in (
            each["spec"]["template"]["spec"]["volumes"] if kind in ("Deployment", "Job", "StatefulSet") else ()
        ):
            if volume.get("configMap", {}).get("name") == "paper-trading-state":
                volumes[name] = volume
    pod = found["Deployment", "paper-trade-executor"]["spec"]["template"]["spec"]
    for container in (*pod["initContainers"], *pod["containers"]):
        for mount in container["volumeMounts"]:
            if mount["name"] == "trading-state":
                files[container["name"]] = mount

    assert list(volumes) == ["paper-trade-executor"]
    assert list(files) == ["trade-executor"]
    assert "subPath" not in files["trade-executor"]
    assert "optional" not in volumes["paper-trade-executor"]["configMap"]
    assert config.trading_state_file is not None
    assert str(config.trading_state_file.parent) == files["trade-executor"]["mountPath"]
    content = found[TRADING_STATE]["data"][config.trading_state_file.name]
    declared = TradingStateChange.model_validate_json(content)
    assert (declared.state, declared.who) == (state, DECLARED_BY)


def test_collector_is_absent_when_nobody_gave_it_access() -> None:
    """The user's Secret has no collectorUrl: the status says so, and no half collector runs."""
    of = live(database={"secretRef": {"name": "database"}})
    found = desired_objects(of, SETTINGS, inputs_from(of, (), {}, lambda: "x"))

    assert {each["kind"] for each in found if each["metadata"]["namespace"] == "crypto-collectors"} == {
        "NetworkPolicy",
        "ServiceAccount",
    }


def test_generated_secrets_are_kept_when_they_are_there() -> None:
    """A second look makes nothing new; a broken one is replaced."""
    of = engine()
    observed = [each for each in objects(of) if each["kind"] == "Secret"]

    assert inputs_from(of, observed, {}, lambda: "new") == inputs(of)
    observed = [each | {"data": {}} for each in observed]
    assert inputs_from(of, observed, {}, lambda: "new").token == "new"


def test_strangers_secret_is_not_used_when_it_has_our_name() -> None:
    """Only a Secret with our mark is believed."""
    stranger = secret("paper-token", "crypto-trading", {"token": "theirs"})

    assert inputs_from(engine(), [stranger], {}, lambda: "new").token == "new"


def test_limits_give_way_when_request_is_larger_than_default() -> None:
    """A default limit never makes a request invalid."""
    of = engine(workers={"riskManagement": {"resources": {"requests": {"cpu": "4000m", "memory": "2048Mi"}}}})
    spec = by_name(objects(of))["Deployment", "paper-risk-management"]["spec"]["template"]["spec"]

    assert spec["containers"][0]["resources"] == {
        "requests": {"cpu": "4", "memory": "2Gi"},
        "limits": {"cpu": "4", "memory": "2Gi"},
    }
