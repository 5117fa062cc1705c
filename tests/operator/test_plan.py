"""The plan: empty where the cluster is as wanted, exactly the difference where it is not."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.operator.engines import SAMPLES, by_name, echoed, engine, objects, sample
from trading_operator.plan import Plan, holds, plan

Edit = Callable[[dict[str, Any]], object]


def one(kind: str, name: str) -> tuple[tuple[dict[str, Any], ...], list[dict[str, Any]], dict[str, Any]]:
    """Desired objects, their echo, and one object of the echo to meddle with."""
    desired = objects(engine())
    observed = echoed(desired)
    return desired, observed, by_name(tuple(observed))[kind, name]


@pytest.mark.parametrize("name", SAMPLES)
def test_plan_is_empty_when_cluster_echoes_what_is_desired(name: str) -> None:
    """A server that fills in defaults gives no reason to write."""
    desired = objects(sample(name))

    assert plan(desired, echoed(desired)) == Plan()


@pytest.mark.parametrize("name", SAMPLES)
def test_everything_is_applied_when_cluster_is_empty(name: str) -> None:
    """All objects, in the order of the builders."""
    desired = objects(sample(name))

    assert plan(desired, ()).apply == desired


@pytest.mark.parametrize(
    ("kind", "name", "edit"),
    [
        ("Deployment", "paper-trade-executor", lambda found: found["spec"].update(replicas=3)),
        ("Deployment", "paper-trade-executor", lambda found: container(found).update(image="other")),
        ("Deployment", "paper-trade-executor", lambda found: container(found)["command"].append("--more")),
        ("Deployment", "paper-trade-executor", lambda found: container(found)["resources"]["limits"].update(cpu="3")),
        ("Deployment", "paper-trade-executor", lambda found: container(found).pop("livenessProbe")),
        ("Service", "paper-trade-executor", lambda found: found["spec"]["selector"].update(more="1")),
        ("Service", "paper-trade-executor", lambda found: found["metadata"]["annotations"].pop("prometheus.io/port")),
        ("ConfigMap", "paper-config", lambda found: found["data"].update({"config.json": "{}"})),
        ("Secret", "paper-token", lambda found: found["data"].update(token="b3RoZXI=")),
        ("NetworkPolicy", "paper-deny", lambda found: found["spec"].update(policyTypes=["Ingress"])),
        ("NetworkPolicy", "paper-trade-executor", lambda found: found["spec"]["egress"].append({})),
        ("NetworkPolicy", "paper-deny", lambda found: found["spec"]["podSelector"].update(matchExpressions=[{}])),
        ("ServiceAccount", "paper-engine", lambda found: found.update(automountServiceAccountToken=True)),
        ("Deployment", "paper-trade-executor", lambda found: found["metadata"]["labels"].clear()),
        ("Deployment", "paper-trade-executor", lambda found: found["metadata"].pop("ownerReferences")),
    ],
)
def test_object_is_applied_when_somebody_edited_it(kind: str, name: str, edit: Edit) -> None:
    """One edit of a field that we own: that object, and no other, is applied again."""
    desired, observed, found = one(kind, name)
    edit(found)
    result = plan(desired, observed)

    assert [(each["kind"], each["metadata"]["name"]) for each in result.apply] == [(kind, name)]
    assert result.delete == ()


@pytest.mark.parametrize(
    "edit",
    [
        lambda found: found["metadata"]["labels"].update(team="trading"),
        lambda found: found["metadata"]["annotations"].update(note="by hand"),
        lambda found: found["spec"].update(minReadySeconds=3),
        lambda found: container(found)["resources"]["limits"].update(cpu="2000m"),
        lambda found: container(found)["volumeMounts"].reverse(),
        lambda found: found["spec"]["template"]["spec"]["volumes"].append({"name": "injected", "emptyDir": {}}),
    ],
)
def test_plan_is_empty_when_edit_is_not_ours_to_judge(edit: Edit) -> None:
    """Other people's fields, another spelling of a quantity, another order of a keyed list."""
    desired, observed, found = one("Deployment", "paper-trade-executor")
    edit(found)

    assert plan(desired, observed) == Plan()


def test_object_is_deleted_when_it_is_not_desired_any_more() -> None:
    """With what the deletion's preconditions need."""
    desired = objects(engine())
    observed = echoed(desired)
    left = copy.deepcopy(observed[0])
    left["metadata"] |= {"name": "paper-left-over", "uid": "uid-left", "resourceVersion": "99"}

    assert plan(desired, [*observed, left]) == Plan(delete=(left,))


def test_claim_is_kept_when_it_is_not_desired_any_more() -> None:
    """A plan never deletes rows."""
    claim = next(each for each in echoed(objects(engine())) if each["kind"] == "PersistentVolumeClaim")

    assert plan((), [claim]) == Plan()


@pytest.mark.parametrize(("size", "applied"), [("10Gi", False), ("1Gi", True), ("2048Mi", False), ("a lot", True)])
def test_claim_keeps_its_size_when_somebody_made_it_larger(size: str, applied: bool) -> None:
    """A volume grows by hand, its spec being immutable; asking it to shrink would be refused for ever."""
    desired, observed, found = one("PersistentVolumeClaim", "paper-postgresql")
    found["spec"]["resources"]["requests"]["storage"] = size

    assert bool(plan(desired, observed)) == applied


def test_object_is_left_alone_when_it_is_being_deleted() -> None:
    """It is made again when it is gone, not while it goes."""
    desired, observed, found = one("Service", "paper-trade-executor")
    found["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z"
    found["spec"]["ports"] = []

    assert plan(desired, observed) == Plan()


def test_object_is_applied_when_hash_alone_differs() -> None:
    """A field that we stopped wanting is only visible in the hash."""
    desired, observed, found = one("Service", "paper-trade-executor")
    found["metadata"]["annotations"]["tradingengine.io/desired-hash"] = "of another version"

    assert plan(desired, observed).names == ("Service paper-trade-executor",)


def container(deployment: dict[str, Any]) -> dict[str, Any]:
    """Its one container."""
    found: dict[str, Any] = deployment["spec"]["template"]["spec"]["containers"][0]
    return found


@pytest.mark.parametrize("empty", [{}, []])
def test_nothing_is_applied_when_the_api_server_dropped_what_is_empty(empty: object) -> None:
    """A ConfigMap without any key comes back without `data`: that is no edit of somebody, time and again."""
    assert holds({"data": empty}, {})
    assert not holds({"data": empty}, {"data": None})
    assert not holds({"data": {"key": ""}}, {})
