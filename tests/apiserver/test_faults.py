"""Operators under fault: two at once, a sleeper, an API server that goes away, a schema that changes."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.apiserver.conftest import COLLECTORS, ENGINES, Operators, World, shipped_crds
from tests.apiserver.kube import Kube, eventually
from tests.apiserver.operator_process import OperatorProcess, short
from tests.cluster import apiserver

#: Shorter than the 15 s of an installation, in the same proportions.
LEASE = 8
LEASE_AND_RETRY = LEASE + 2 + 3


@pytest.fixture(autouse=True)
def heal(world: World, clean: None) -> Iterator[None]:
    """Leave the world to the next test as it was."""
    yield
    if not world.server.ready():
        world.server.stop_server()
        world.server.start_server()
    for crd in shipped_crds():
        world.kube.apply(crd)


@pytest.fixture
def pair(world: World, start_for_test: Operators) -> tuple[OperatorProcess, OperatorProcess]:
    """A leader and a standby."""
    first = start_for_test("operator-a", LEASE_SECONDS=str(LEASE))
    eventually(first.leads, 20)
    return first, start_for_test("operator-b", LEASE_SECONDS=str(LEASE))


def by(events: list[dict[str, Any]], process: OperatorProcess) -> list[dict[str, Any]]:
    """What one replica sent; each names itself in its user agent."""
    return [event for event in events if event["userAgent"].endswith(f"/{process.name}")]


def test_none_doubles_when_a_leader_sleeps_through_its_lease_and_wakes(
    world: World, pair: tuple[OperatorProcess, OperatorProcess]
) -> None:
    """Only one writes at any time; the sleeper writes nothing when it wakes, and ends.

    Each object of the second engine is created exactly once, though both knew of it.
    """
    first, second = pair
    since = world.now()
    one = world.engine("one")["metadata"]["name"]
    world.built(one)
    world.settle()
    assert by(world.mutations(since), second) == []
    # Work is in its queue when it falls asleep.
    world.engine("two")
    first.signal(signal.SIGSTOP)
    slept_at = world.now()
    started = time.monotonic()
    eventually(second.leads, LEASE_AND_RETRY, what="take-over")
    print(f"\ntaken over after {time.monotonic() - started:.1f} s")
    world.built("two")
    world.kube.merge("TradingEngine", ENGINES, one, {"spec": {"orderNotional": "60"}})
    eventually(lambda: world.status(one)["observedGeneration"] == 2, 5)
    woken_at = world.settle()
    first.signal(signal.SIGCONT)
    assert first.process.wait(10) == 1
    time.sleep(2)
    assert short(by(world.mutations(woken_at), first)) == []
    creations = [
        (event["objectRef"]["resource"], event["objectRef"]["namespace"], event["objectRef"]["name"])
        for event in world.mutations(slept_at)
        if event.get("responseStatus", {}).get("code") == 201 and event["objectRef"]["resource"] != "events"
    ]
    assert len(creations) == len(set(creations))
    assert short([event for event in world.mutations(woken_at) if event["objectRef"]["resource"] != "events"]) == []


def test_standby_takes_over_at_once_when_the_leader_is_stopped(
    world: World, pair: tuple[OperatorProcess, OperatorProcess]
) -> None:
    """A stopped leader releases the lease: a rolling update of the operator leaves no gap of 15 s."""
    first, second = pair
    assert first.stop() == 0
    started = time.monotonic()
    eventually(second.leads, 6)
    print(f"\ntaken over after {time.monotonic() - started:.1f} s")
    world.built(world.engine()["metadata"]["name"])


def test_operator_goes_on_when_the_api_server_was_away_for_seconds(world: World, start_for_test: Operators) -> None:
    """Within the renew deadline the same process goes on, and sees what was deleted before the API server crashed.

    The new server refuses the old resourceVersion (410): kopf lists anew and never tells of the deletion, so the
    engine's collectors would stay for ever if the relist did not find the ghost.
    """
    operator = start_for_test("operator-a", RELIST_SECONDS="4", DEAF_SECONDS="25", LEASE_SECONDS="90")
    eventually(operator.leads, 20)
    gone, stays = world.engine("gone")["metadata"]["name"], world.engine("stays")["metadata"]["name"]
    world.built(gone)
    world.built(stays)
    world.settle()
    operator.signal(signal.SIGSTOP)
    world.kube.delete("TradingEngine", ENGINES, gone)
    world.kube.delete("Service", ENGINES, f"{stays}-trade-executor")
    world.server.restart()
    operator.signal(signal.SIGCONT)
    eventually(lambda: world.kube.find("Service", ENGINES, f"{stays}-trade-executor"), 20)
    eventually(lambda: not [key for key in world.kube.owned(ENGINES, gone) if key[1] == COLLECTORS], 20)
    assert operator.process.poll() is None
    assert operator.http("/healthz") == (200, "ok\n")


def test_operator_ends_and_its_successor_recovers_when_the_api_server_stays_away(
    world: World, start_for_test: Operators
) -> None:
    """Beyond the renew deadline the leader ends with status 1; started again, it mends what happened meanwhile."""
    operator = start_for_test("operator-a", LEASE_SECONDS="6")
    eventually(operator.leads, 20)
    name = world.engine()["metadata"]["name"]
    world.built(name)
    world.settle()
    world.server.stop_server(signal.SIGKILL)
    assert operator.process.wait(20) == 1
    assert operator.lines()[-1]["message"].startswith("LeadershipLost")
    world.server.start_server()
    operator.start()
    eventually(operator.leads, LEASE_AND_RETRY)
    world.kube.delete("Service", ENGINES, f"{name}-trade-executor")
    eventually(lambda: world.kube.find("Service", ENGINES, f"{name}-trade-executor"), 5)


def test_stored_object_is_a_condition_when_the_schema_was_tightened_since(
    world: World, start_for_test: Operators
) -> None:
    """An object that its own kind would refuse today is said to be invalid, naming the field; nothing else breaks."""
    (engines,) = [each for each in shipped_crds() if each["spec"]["names"]["kind"] == "TradingEngine"]
    schema = engines["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    pattern = schema["properties"]["spec"]["properties"]["symbols"]["items"].pop("pattern")
    world.kube.apply(engines)
    eventually(lambda: _created(world, symbols=["nonsense"]), 10)
    schema["properties"]["spec"]["properties"]["symbols"]["items"]["pattern"] = pattern
    world.kube.apply(engines)
    operator = start_for_test("operator-a")
    eventually(operator.leads, 20)
    eventually(lambda: world.condition("old", "Ready").get("reason") == "InvalidSpec", 10)
    assert "symbols" in world.condition("old", "Ready")["message"]
    assert "nonsense" in world.condition("old", "Ready")["message"]
    world.built(world.engine("new")["metadata"]["name"])
    # The red button needs no valid spec: where an executor would look for its state is all that is made.
    assert set(world.kube.owned(ENGINES, "old")) == {("ConfigMap", ENGINES, "old-trading-state")}


def _created(world: World, **spec: Any) -> bool:
    try:
        world.engine("old", **spec)
    except Exception:
        return False
    return True


def test_operator_says_what_is_missing_when_the_kinds_are_not_installed(tmp_path: Any) -> None:
    """Without CRDs the process ends with status 1 and says what to install."""
    with apiserver.running() as server:
        kube = Kube(server)
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "trading-operator-system"}}
        account = {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": "trading-operator", "namespace": "trading-operator-system"},
        }
        everything = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "everything"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [
                {"kind": "ServiceAccount", "name": "trading-operator", "namespace": "trading-operator-system"}
            ],
        }
        for manifest in (namespace, account, everything):
            kube.apply(manifest)
        operator = OperatorProcess(server, kube, tmp_path, "operator-a").start(ready=False)
        try:
            assert operator.process.wait(20) == 1
        finally:
            operator.kill()
        assert "install the CRDs" in operator.lines()[-1]["message"]
