"""Both kinds on a real API server: what must be refused is, each status field survives, each sample settles at once."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from tests.apiserver.conftest import ROOT, World
from tests.apiserver.kube import Manifest, Refused, path_of
from tests.operator.examples import EXAMPLES
from tests.operator.violations import Violation, violations
from trading_operator.api.v1alpha1 import TradingEngine
from trading_operator.desired import desired_objects, inputs_from, referenced_secrets
from trading_operator.desired.labels import secret
from trading_operator.plan import plan
from trading_operator.settings import Settings

SAMPLES = sorted(path.name for path in (ROOT / "manifests" / "samples").glob("*.yaml"))
VIOLATIONS = violations()


def put(world: World, manifest: Manifest, sub: str = "") -> Manifest:
    """Replace an object (or its status) as it is now."""
    path = path_of(manifest)
    version = world.kube.request("GET", path)["metadata"]["resourceVersion"]
    return world.kube.request(
        "PUT", path + sub, manifest | {"metadata": manifest["metadata"] | {"resourceVersion": version}}
    )


@pytest.fixture(scope="module")
def examples(world: World) -> None:
    """Every example, created, with its status."""
    for each in (each for kind in EXAMPLES.values() for each in kind):
        world.kube.apply({key: value for key, value in each.items() if key != "status"})


@pytest.mark.parametrize("example", [each for kind in EXAMPLES.values() for each in kind], ids=lambda e: e["kind"])
def test_every_status_field_survives_when_written(world: World, examples: None, example: dict[str, Any]) -> None:
    """What the status models can say, the API server keeps."""
    stored = put(world, example, "/status")

    assert stored["status"] == example["status"]


def test_each_violation_is_refused_when_sent(world: World, examples: None) -> None:
    """Each bound, pattern, enum, required field and rule, violated once; the refusal names field and limit."""
    wrong = [problem for each in VIOLATIONS if (problem := _tried(world, each))]
    print(f"\n{len(VIOLATIONS)} violations of both kinds, {len(VIOLATIONS) - len(wrong)} refused by name")

    assert not wrong, "\n".join(wrong)


def _tried(world: World, violation: Violation) -> str:
    manifest = copy.deepcopy(violation.manifest)
    try:
        if violation.status:
            put(world, manifest, "/status")
        elif violation.before:
            put(world, manifest)
        else:
            if not violation.path.startswith("metadata.name"):
                manifest["metadata"]["name"] = "violation"
            world.kube.create(manifest, "?dryRun=All")
    except Refused as error:
        missing = [each for each in violation.fragments if each not in error.message]
        return f"{violation.id}: the refusal lacks {missing}: {error.message}" if missing else ""
    return f"{violation.id}: was accepted"


@pytest.mark.parametrize("sample", SAMPLES)
def test_second_plan_is_empty_when_sample_was_applied(world: World, sample: str) -> None:
    """Apply a sample's objects, gather them, plan again: nothing to write, no secret made twice."""
    text = (ROOT / "manifests" / "samples" / sample).read_text()
    manifest = next(each for each in yaml.safe_load_all(text) if each["kind"] == "TradingEngine")
    manifest["metadata"]["name"] += "-sample"
    engine = TradingEngine.parse(world.kube.apply(manifest))
    user_secrets = {
        name: secret(name, engine.namespace, dict.fromkeys(keys, "made-up"))
        for name, keys in referenced_secrets(engine).items()
    }
    desired = desired_objects(engine, Settings(), inputs_from(engine, (), user_secrets, lambda: "first"))
    for each in desired:
        world.kube.apply(each, "trading-operator")
    observed = list(world.kube.owned(engine.namespace, engine.name).values())
    world.kube.delete("TradingEngine", engine.namespace, engine.name)  # operators of later tests would work on it
    again = desired_objects(engine, Settings(), inputs_from(engine, observed, user_secrets, lambda: "second"))

    assert len(observed) == len(desired)
    assert plan(again, observed).names == ()


def test_every_pod_is_admitted_when_namespace_is_restricted(world: World) -> None:
    """Pods of each workload pass the API server's own restricted Pod Security check."""
    engine = TradingEngine.parse(copy.deepcopy(EXAMPLES["TradingEngine"][1]) | {"status": {}})
    inputs = inputs_from(engine, (), {}, lambda: "made-up")
    templates = [
        (each["metadata"]["namespace"], each["spec"]["template"])
        for each in desired_objects(engine, Settings(), inputs)
        if "template" in each.get("spec", {})
    ]
    for namespace, template in templates:
        pod = {"apiVersion": "v1", "kind": "Pod", **template}
        pod["metadata"] = pod["metadata"] | {"generateName": "admitted-", "namespace": namespace}
        world.kube.create(pod, "?dryRun=All")

    assert len(templates) == 8
