"""The red button through a real API server: from the spec to an executor (played here) and back into the status."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest

from tests.apiserver.conftest import ENGINES, World
from tests.apiserver.kube import eventually
from tests.apiserver.workloads import executor_at, run_pod

pytestmark = pytest.mark.usefixtures("clean")


@pytest.mark.parametrize("suspended", [False, True], ids=["running", "suspended"])
def test_halt_reaches_the_executor_at_once_and_shows_after_its_word(
    world: World, operator: Any, suspended: bool
) -> None:
    """Halted=True only after the executor acknowledged, also while suspended; the executor and its pod are played.

    The executor answers at the pod's own address, on the port that all executors have.
    """
    ip = f"127.0.1.{1 + suspended}"
    name = world.engine()["metadata"]["name"]
    world.built(name)
    token = base64.b64decode(world.kube.get("Secret", ENGINES, f"{name}-token")["data"]["token"]).decode()
    with executor_at(ip, token) as executor:
        executor.answers = False
        run_pod(world.kube, world.kube.get("Deployment", ENGINES, f"{name}-trade-executor"), ip)
        world.kube.merge("TradingEngine", ENGINES, name, {"spec": {"suspend": suspended}})
        world.settle()
        world.kube.merge("TradingEngine", ENGINES, name, {"spec": {"tradingState": "Halted"}})
        eventually(lambda: world.status(name)["observedGeneration"] >= 2)
        time.sleep(1)
        assert world.condition(name, "Halted")["status"] == "Unknown"
        executor.answers = True
        eventually(lambda: executor.puts, 5, what="PUT")
        assert executor.puts[0][1]["state"] == "Halted"
        eventually(lambda: world.condition(name, "Halted")["status"] == "True", 5)
        pressed = time.monotonic()
        world.kube.merge("TradingEngine", ENGINES, name, {"spec": {"tradingState": "Active"}})
        eventually(lambda: executor.state["state"] == "Active", 5)
        print(f"\nActive again after {executor.puts[-1][0] - pressed:.3f} s")
        eventually(lambda: world.condition(name, "Halted")["status"] == "False", 5)
        assert executor.refused == 0


def test_person_keeps_the_halt_when_the_spec_says_active(world: World, operator: Any) -> None:
    """What somebody halted at the executor itself is not resumed by the operator, and the status says who."""
    name = world.engine()["metadata"]["name"]
    world.built(name)
    token = base64.b64decode(world.kube.get("Secret", ENGINES, f"{name}-token")["data"]["token"]).decode()
    with executor_at("127.0.1.9", token) as executor:
        executor.state |= {"state": "Halted", "who": "mia", "why": "odd fills"}
        run_pod(world.kube, world.kube.get("Deployment", ENGINES, f"{name}-trade-executor"), "127.0.1.9")
        eventually(lambda: world.condition(name, "Halted").get("status") == "True", 5)
        assert "mia" in world.condition(name, "Halted")["message"]
        assert executor.puts == []


def test_halt_is_obeyed_at_once_when_the_engine_fails_and_waits_its_back_off(world: World, operator: Any) -> None:
    """A namesake of somebody else is refused, not taken over; the halt does not wait for that to be mended."""
    name, namesake = "beside-a-namesake", "beside-a-namesake-risk-management"
    pods = world.kube.list("Deployment")[0]["spec"]
    theirs = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": namesake, "namespace": ENGINES}}
    before = world.kube.create(theirs | {"spec": pods})
    world.engine(name)
    eventually(lambda: world.condition(name, "Ready").get("reason") == "ApplyRefused")
    assert f"Deployment {ENGINES}/{namesake}" in world.condition(name, "Ready")["message"]
    token = base64.b64decode(world.kube.get("Secret", ENGINES, f"{name}-token")["data"]["token"]).decode()
    with executor_at("127.0.1.11", token) as executor:
        run_pod(world.kube, world.kube.get("Deployment", ENGINES, f"{name}-trade-executor"), "127.0.1.11")
        eventually(lambda: world.condition(name, "Halted").get("status") == "False")
        time.sleep(3)  # now it waits several seconds
        pressed = time.monotonic()
        world.kube.merge("TradingEngine", ENGINES, name, {"spec": {"tradingState": "Halted"}})
        eventually(lambda: executor.puts, 2, what="PUT")
        print(f"\nhalted {executor.puts[0][0] - pressed:.3f} s after the edit")
        eventually(lambda: world.condition(name, "Halted")["status"] == "True", 5)
    assert world.kube.get("Deployment", ENGINES, namesake) == before
    world.kube.delete("Deployment", ENGINES, namesake)
    world.kube.merge("TradingEngine", ENGINES, name, {"spec": {"orderNotional": "60"}})
    eventually(lambda: (ENGINES, namesake) in [key[1:] for key in world.kube.owned(ENGINES, name)])


@pytest.mark.parametrize("suspended", [False, True], ids=["running", "suspended"])
def test_state_is_where_a_new_executor_looks_when_edited_while_none_runs(
    world: World, operator: Any, suspended: bool
) -> None:
    """Nobody can be told: the file of the next executor says Halted, and nothing else is written for it."""
    name = world.engine(suspend=False)["metadata"]["name"]
    world.built(name)
    world.kube.merge("TradingEngine", ENGINES, name, {"spec": {"suspend": suspended}})
    world.settle()
    assert declared(world, name) == "Active"
    template = world.kube.get("Deployment", ENGINES, f"{name}-trade-executor")["spec"]["template"]
    since = world.now()
    pressed = time.monotonic()
    world.kube.merge("TradingEngine", ENGINES, name, {"spec": {"tradingState": "Halted"}})
    eventually(lambda: declared(world, name) == "Halted", 2, 0.01, "the declared state")
    print(f"\ndeclared {time.monotonic() - pressed:.3f} s after the edit")
    world.settle()
    written = [each["objectRef"] for each in world.mutations(since)]
    assert {each["name"] for each in written if each["resource"] not in ("tradingengines", "events")} == {
        f"{name}-trading-state"
    }
    assert world.kube.get("Deployment", ENGINES, f"{name}-trade-executor")["spec"]["template"] == template
    assert "trading-state" not in world.condition(name, "Ready")["message"]
    world.kube.delete("ConfigMap", ENGINES, f"{name}-trading-state")
    eventually(lambda: declared(world, name) == "Halted", 2, 0.01, "repair")


def declared(world: World, name: str) -> str:
    """The state in the file of the next executor; empty where there is none."""
    found = world.kube.find("ConfigMap", ENGINES, f"{name}-trading-state")
    return json.loads(found["data"]["declared.json"])["state"] if found else ""
