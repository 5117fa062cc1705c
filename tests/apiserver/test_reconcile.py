"""One operator, as shipped, against a real API server: what it makes, mends, leaves alone and removes."""

from __future__ import annotations

import secrets
import time
from typing import Any

import pytest

from tests.apiserver.conftest import COLLECTORS, ENGINES, ROOT, World, documents
from tests.apiserver.kube import Manifest, eventually
from tests.apiserver.operator_process import short
from tests.apiserver.workloads import make_ready, run_pod
from trading_operator.api.v1alpha1 import TradingEngine
from trading_operator.desired import desired_objects, inputs_from, referenced_secrets
from trading_operator.plan import plan
from trading_operator.settings import Settings

pytestmark = pytest.mark.usefixtures("clean")
WITHIN = 2.0


def plan_now(world: World, name: str) -> Any:
    """The plan that a reconcile would make of what the API server holds now."""
    engine = TradingEngine.parse(world.kube.get("TradingEngine", ENGINES, name))
    objects = [each for each in world.kube.owned(ENGINES, name).values() if each["kind"] != "Pod"]
    wanted = {key: world.kube.find("Secret", ENGINES, key) for key in referenced_secrets(engine)}
    inputs = inputs_from(engine, objects, {k: v for k, v in wanted.items() if v}, secrets.token_urlsafe)
    return plan(desired_objects(engine, Settings(), inputs), objects)


@pytest.mark.parametrize("sample", ["minimal", "paper", "live"])
def test_plan_is_empty_when_the_operator_has_applied_a_sample(world: World, operator: Any, sample: str) -> None:
    """Each shipped sample is accepted, built, and then nothing differs from what was wanted."""
    for manifest in documents(ROOT / "manifests" / "samples" / f"{sample}.yaml"):
        world.kube.apply(manifest)
        if manifest["kind"] == "TradingEngine":
            name = manifest["metadata"]["name"]
    world.built(name)
    world.settle()
    assert plan_now(world, name).names == ()


def test_every_child_has_its_owner_when_an_engine_is_built(world: World, operator: Any) -> None:
    """In its namespace by ownerReference, so the garbage collector (absent here) removes it; elsewhere by labels."""
    engine = world.engine()
    owned = world.built(engine["metadata"]["name"])
    home = [each for (_, namespace, _), each in owned.items() if namespace == ENGINES]
    away = [each for (_, namespace, _), each in owned.items() if namespace == COLLECTORS]
    assert len(home) > 20
    assert len(away) >= 5
    for each in home:
        (reference,) = each["metadata"]["ownerReferences"]
        assert (reference["kind"], reference["uid"]) == ("TradingEngine", engine["metadata"]["uid"])
        assert not each["metadata"].get("finalizers") or each["kind"] == "PersistentVolumeClaim"
    for each in away:
        assert "ownerReferences" not in each["metadata"]
    found = world.kube.get("TradingEngine", ENGINES, engine["metadata"]["name"])
    assert "finalizers" not in found["metadata"]
    assert "annotations" not in found["metadata"]


def test_nothing_is_written_when_nothing_changes_and_the_operator_restarts(world: World, operator: Any) -> None:
    """Rest and restart cost reads only; then a deleted child comes back at once: quiet, not deaf."""
    name = world.engine()["metadata"]["name"]
    world.built(name)
    since = world.settle()
    time.sleep(3)
    assert operator.stop() == 0
    operator.start()
    eventually(operator.leads, 20)
    time.sleep(4)
    assert short(world.mutations(since)) == []
    world.kube.delete("Service", ENGINES, f"{name}-trade-executor")
    eventually(lambda: world.kube.find("Service", ENGINES, f"{name}-trade-executor"), WITHIN)


def test_every_child_comes_back_when_somebody_deletes_it(world: World, operator: Any) -> None:
    """Each kind within 2 s; a volume claim is held by its finalizer, and a Secret gets new values."""
    name = world.engine()["metadata"]["name"]
    owned = world.built(name)
    world.settle()
    slowest = 0.0
    for (kind, namespace, child), before in owned.items():
        if kind == "PersistentVolumeClaim":
            continue
        world.kube.delete(kind, namespace, child)
        started = time.monotonic()
        uid = before["metadata"]["uid"]

        def back(kind: str = kind, namespace: str = namespace, child: str = child, uid: str = uid) -> bool:
            found = world.kube.find(kind, namespace, child)
            return found is not None and found["metadata"]["uid"] != uid

        eventually(back, WITHIN, 0.01, f"{kind} {child}")
        slowest = max(slowest, time.monotonic() - started)
    print(f"\n{len(owned)} children deleted one by one; the slowest was back after {slowest:.2f} s")


EDITS: list[tuple[str, str, Manifest]] = [
    ("Deployment", "trade-executor", {"spec": {"replicas": 3}}),
    ("Service", "trade-executor", {"metadata": {"annotations": {"prometheus.io/port": "1"}}}),
    ("ConfigMap", "config", {"data": {"config.json": "{}"}}),
    ("NetworkPolicy", "deny", {"spec": {"policyTypes": ["Ingress"]}}),
    ("ServiceAccount", "engine", {"automountServiceAccountToken": True}),
    ("Deployment", "risk-management", {"metadata": {"labels": {"app.kubernetes.io/component": "other"}}}),
]


@pytest.mark.parametrize(("kind", "suffix", "patch"), EDITS, ids=[f"{kind}-{suffix}" for kind, suffix, _ in EDITS])
def test_field_is_ours_again_when_somebody_edits_it(
    world: World, operator: Any, kind: str, suffix: str, patch: Manifest
) -> None:
    """An edit of a field that we own is undone within 2 s, by one write to that object."""
    name = world.engine()["metadata"]["name"]
    world.built(name)
    since = world.settle()
    world.kube.merge(kind, ENGINES, f"{name}-{suffix}", patch)
    eventually(lambda: not plan_now(world, name), WITHIN + 1, what="repair")
    world.settle()
    written = [event for event in world.mutations(since) if not event["objectRef"].get("subresource")]
    assert [event["objectRef"]["name"] for event in written] == [f"{name}-{suffix}"]


def test_foreign_fields_stay_when_somebody_adds_them(world: World, operator: Any) -> None:
    """Annotations of others are none of our business."""
    name = world.engine()["metadata"]["name"]
    world.built(name)
    since = world.settle()
    world.kube.merge("Deployment", ENGINES, f"{name}-trade-executor", {"metadata": {"annotations": {"x": "y"}}})
    time.sleep(1.5)
    found = world.kube.get("Deployment", ENGINES, f"{name}-trade-executor")
    assert found["metadata"]["annotations"]["x"] == "y"
    assert short(world.mutations(since)) == []


def test_only_the_changed_worker_is_written_when_its_spec_is_edited(world: World, operator: Any) -> None:
    """A worker's resources concern its Deployment and nothing else."""
    name = world.engine()["metadata"]["name"]
    world.built(name)
    since = world.settle()
    resources = {"workers": {"riskManagement": {"resources": {"limits": {"memory": "300Mi"}}}}}
    world.kube.merge("TradingEngine", ENGINES, name, {"spec": resources})
    eventually(lambda: world.status(name)["observedGeneration"] == 2)
    world.settle()
    written = {
        (event["objectRef"]["resource"], event["objectRef"]["name"])
        for event in world.mutations(since)
        if event["objectRef"]["resource"] not in ("tradingengines", "events")
    }
    assert written == {("deployments", f"{name}-risk-management")}


def test_world_is_left_alone_when_suspended(world: World, operator: Any) -> None:
    """Suspended says so, repairs nothing, and mends everything when it ends."""
    name = world.engine()["metadata"]["name"]
    world.built(name)
    world.kube.merge("TradingEngine", ENGINES, name, {"spec": {"suspend": True}})
    eventually(lambda: world.condition(name, "Suspended").get("status") == "True")
    since = world.settle()
    world.kube.delete("Service", ENGINES, f"{name}-trade-executor")
    world.kube.merge("Deployment", ENGINES, f"{name}-trade-executor", {"spec": {"replicas": 2}})
    time.sleep(2)
    assert short(made_of_it(world, since)) == []
    world.kube.merge("TradingEngine", ENGINES, name, {"spec": {"suspend": False}})
    eventually(lambda: world.kube.find("Service", ENGINES, f"{name}-trade-executor"), WITHIN)
    eventually(lambda: world.condition(name, "Suspended").get("status") == "False")
    eventually(lambda: not plan_now(world, name), WITHIN)


def test_ready_is_true_only_when_every_workload_is(world: World, operator: Any) -> None:
    """Deployment and StatefulSet statuses are written by the test: there is no kubelet here.

    A changed spec is not Ready until its rollout is: a status of the generation before never counts.
    """
    name = world.engine()["metadata"]["name"]
    world.built(name)
    assert world.condition(name, "Ready")["status"] == "False"
    make_ready(world.kube, ENGINES, name)
    deployment = world.kube.get("Deployment", ENGINES, f"{name}-trade-executor")
    run_pod(world.kube, deployment, "127.0.0.9")
    eventually(lambda: world.condition(name, "Ready").get("status") == "True", 5)
    assert world.status(name)["workersReady"] == "5/5"
    world.kube.merge("TradingEngine", ENGINES, name, {"spec": {"orderNotional": "60"}})
    eventually(lambda: world.status(name)["observedGeneration"] == 2)
    assert world.condition(name, "Ready")["status"] == "False"
    make_ready(world.kube, ENGINES, name)
    eventually(lambda: world.condition(name, "Ready").get("status") == "True", 5)


def test_events_tell_of_transitions_when_conditions_change(world: World, operator: Any) -> None:
    """One Event per changed condition, naming the object."""
    engine = world.engine()
    name = engine["metadata"]["name"]
    world.built(name)
    world.settle()
    told = [each for each in world.kube.list("Event", ENGINES) if each["regarding"]["uid"] == engine["metadata"]["uid"]]
    assert {each["action"] for each in told} >= {"ReadyFalse", "ProgressingTrue"}
    assert len(told) == len({each["note"] for each in told})


def test_generated_values_stay_when_the_operator_restarts(world: World, operator: Any) -> None:
    """A token or a password is made once."""
    name = world.engine()["metadata"]["name"]
    world.built(name)
    before = {each: world.kube.get("Secret", ENGINES, f"{name}-{each}")["data"] for each in ("token", "database")}
    operator.stop()
    operator.start()
    eventually(operator.leads, 20)
    world.kube.merge("TradingEngine", ENGINES, name, {"spec": {"orderNotional": "60"}})
    eventually(lambda: world.status(name)["observedGeneration"] == 2)
    after = {each: world.kube.get("Secret", ENGINES, f"{name}-{each}")["data"] for each in ("token", "database")}
    assert after == before


def test_collectors_are_swept_when_the_engine_was_deleted_while_the_operator_was_down(
    world: World, operator: Any
) -> None:
    """Applied, edited and deleted without an operator: nothing stays in the collectors' namespace.

    What is in the engine's own namespace has ownerReferences; their garbage collector is not here.
    """
    first, second = world.engine()["metadata"]["name"], world.engine()["metadata"]["name"]
    world.built(first)
    world.built(second)
    world.settle()
    operator.stop()
    world.kube.merge("TradingEngine", ENGINES, first, {"spec": {"orderNotional": "60"}})
    world.kube.delete("TradingEngine", ENGINES, first)
    third = world.engine()["metadata"]["name"]
    world.kube.delete("TradingEngine", ENGINES, third)
    operator.start()
    eventually(operator.leads, 20)
    eventually(lambda: not away(world, first), 10, what="sweep")
    assert away(world, second)
    assert not away(world, third)


def test_collectors_are_swept_when_the_engine_is_deleted(world: World, operator: Any) -> None:
    """And a second engine of the same name in another namespace keeps everything."""
    if not world.kube.find("Namespace", None, "other"):
        world.kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}})
    name = world.engine()["metadata"]["name"]
    world.engine(name, "other")
    world.built(name)
    world.built(name, "other")
    world.settle()
    others = {key: each["metadata"]["uid"] for key, each in world.kube.owned("other", name).items()}
    since = world.now()
    world.kube.delete("TradingEngine", ENGINES, name)
    eventually(lambda: not away(world, name), 5)
    world.settle()
    assert {key: each["metadata"]["uid"] for key, each in world.kube.owned("other", name).items()} == others
    assert {event["verb"] for event in made_of_it(world, since)} == {"delete"}


def made_of_it(world: World, since: int) -> list[Any]:
    """What was changed but for words (statuses and Events tell what is seen, of targets too) and what engines share."""
    return [
        event
        for event in world.mutations(since)
        if (target := event["objectRef"])["resource"] != "events"
        and target.get("subresource") != "status"
        and target.get("namespace") != "monitoring"
    ]


def away(world: World, name: str) -> list[Any]:
    return [key for key in world.kube.owned(ENGINES, name) if key[1] == COLLECTORS]


def test_healthy_engine_is_built_at_once_when_32_others_are_refused(world: World, operator: Any) -> None:
    """Engines in a namespace without room for workloads wait their own back-off and say why."""
    if not world.kube.find("Namespace", None, "full"):
        world.kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "full"}})
        quota = {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "none", "namespace": "full"},
            "spec": {"hard": {"count/deployments.apps": "0"}},
        }
        world.kube.request("POST", "/api/v1/namespaces/full/resourcequotas", quota)
        status = {"status": {"hard": {"count/deployments.apps": "0"}, "used": {"count/deployments.apps": "0"}}}
        world.kube.request(
            "PATCH", "/api/v1/namespaces/full/resourcequotas/none/status", status, "application/merge-patch+json"
        )
    broken = [world.engine(namespace="full")["metadata"]["name"] for _ in range(32)]
    eventually(lambda: world.condition(broken[-1], "Ready", "full").get("reason") == "ApplyRefused", 60)
    started = time.monotonic()
    name = world.engine()["metadata"]["name"]
    world.built(name)
    elapsed = time.monotonic() - started
    assert elapsed < 10
    print(f"\nbuilt after {elapsed:.2f} s beside 32 refused ones")
    message = world.condition(broken[0], "Ready", "full")["message"]
    assert "quota" in message
