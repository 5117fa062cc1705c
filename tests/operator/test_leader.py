"""Leader election against a lease in memory and a clock the test moves."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Mapping
from typing import Any

import pytest

from trading_operator.errors import ApiRefused, ClusterUnavailable, LeadershipLost
from trading_operator.leader import Leader, Timings

TIMINGS = Timings(lease=15, renew=10, retry=2)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class MemoryLease:
    """One lease with the API server's optimistic locking."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.version = 0
        self.down = False

    async def read(self) -> dict[str, Any] | None:
        self._reach()
        return copy.deepcopy(self.lease)

    async def create(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        self._reach()
        if self.lease is not None:
            raise ApiRefused(409, "AlreadyExists", "lease")
        return self._store({"metadata": {}, "spec": dict(spec)})

    async def update(self, lease: Mapping[str, Any]) -> dict[str, Any]:
        self._reach()
        if lease["metadata"]["resourceVersion"] != str(self.version):
            raise ApiRefused(409, "Conflict", "lease")
        return self._store(copy.deepcopy(dict(lease)))

    def _store(self, lease: dict[str, Any]) -> dict[str, Any]:
        self.version += 1
        lease["metadata"]["resourceVersion"] = str(self.version)
        self.lease = lease
        return copy.deepcopy(lease)

    def _reach(self) -> None:
        if self.down:
            raise ClusterUnavailable("down")


class World:
    """Candidates that share one lease and one clock; `pass_time` lets each of them act every retry period."""

    def __init__(self) -> None:
        self.clock, self.store = Clock(), MemoryLease()
        self.gates: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    def candidate(self, name: str) -> Leader:
        leader = Leader(self.store, name, TIMINGS, self.clock)
        self.gates[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(leader.run(lambda _: self._sleep(name)))
        return leader

    async def _sleep(self, name: str) -> None:
        await self.gates[name].wait()
        self.gates[name].clear()

    async def pass_time(self, seconds: float, asleep: tuple[str, ...] = ()) -> None:
        for _ in range(round(seconds / TIMINGS.retry)):
            self.clock.now += TIMINGS.retry
            for name, gate in self.gates.items():
                if name not in asleep:
                    gate.set()
            await asyncio.sleep(0)
            for _ in range(10):
                await asyncio.sleep(0)

    async def settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    async def close(self) -> None:
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)


@pytest.fixture
async def world():
    world = World()
    yield world
    await world.close()


async def test_first_leads_and_second_waits_when_both_start(world: World) -> None:
    """Only one of two may write, for as long as it renews."""
    first, second = world.candidate("first"), world.candidate("second")
    await world.settle()
    assert (first.leads(), second.leads()) == (True, False)
    await world.pass_time(120)
    assert (first.leads(), second.leads()) == (True, False)
    assert first.elected.is_set()
    assert not second.elected.is_set()


async def test_second_takes_over_when_first_is_silent_for_the_lease(world: World) -> None:
    """A dead leader is replaced after the 15 s of its lease and at most one retry."""
    world.candidate("first")
    await world.settle()
    second = world.candidate("second")
    await world.pass_time(12, asleep=("first",))
    assert not second.leads()
    await world.pass_time(6, asleep=("first",))
    assert second.leads()
    assert world.store.lease is not None
    assert world.store.lease["spec"]["leaseTransitions"] == 1


async def test_sleeper_may_not_write_when_it_wakes_after_its_lease(world: World) -> None:
    """Woken from a long pause, the old leader refuses to write before it has looked at anything."""
    first = world.candidate("first")
    await world.settle()
    second = world.candidate("second")
    await world.pass_time(20, asleep=("first",))
    with pytest.raises(LeadershipLost):
        first.require()
    second.require()
    await world.pass_time(2)
    with pytest.raises(LeadershipLost):
        await world.tasks["first"]


async def test_leader_ends_when_the_api_server_stays_away(world: World) -> None:
    """Ten seconds without renewal, five before anybody else may take the lease, and it is over."""
    first = world.candidate("first")
    await world.settle()
    world.store.down = True
    await world.pass_time(8)
    assert first.leads()
    await world.pass_time(4)
    assert not first.leads()
    with pytest.raises(LeadershipLost):
        await world.tasks["first"]


async def test_leader_stays_when_the_api_server_is_away_shortly(world: World) -> None:
    """A short outage costs nothing."""
    first = world.candidate("first")
    await world.settle()
    world.store.down = True
    await world.pass_time(6)
    world.store.down = False
    await world.pass_time(2)
    assert first.leads()


async def test_standby_survives_when_the_api_server_stays_away(world: World) -> None:
    """A standby has nothing to lose."""
    world.candidate("first")
    await world.settle()
    second = world.candidate("second")
    world.store.down = True
    await world.pass_time(60)
    assert not world.tasks["second"].done()
    world.store.down = False
    await world.pass_time(20)
    assert second.leads()


async def test_second_takes_over_at_once_when_first_releases(world: World) -> None:
    """A stopped leader gives the lease back."""
    first = world.candidate("first")
    await world.settle()
    second = world.candidate("second")
    await world.settle()
    world.tasks["first"].cancel()
    await first.release()
    await world.pass_time(2)
    assert second.leads()


async def test_lease_is_given_back_when_its_last_renewal_was_cut_off(world: World) -> None:
    """The API server took a renewal whose answer nobody waited for: the version has moved on."""
    first = world.candidate("first")
    await world.settle()
    world.tasks["first"].cancel()
    lease = await world.store.read()
    assert lease is not None
    await world.store.update(lease)
    await first.release()
    assert world.store.lease is not None
    assert world.store.lease["spec"]["holderIdentity"] == ""


async def test_release_does_nothing_when_not_leading(world: World) -> None:
    """A standby that stops leaves the lease alone."""
    world.candidate("first")
    await world.settle()
    second = world.candidate("second")
    await second.release()
    assert world.store.lease is not None
    assert world.store.lease["spec"]["holderIdentity"] == "first"


async def test_candidate_goes_on_when_another_was_quicker(world: World) -> None:
    """A conflict while taking the lease is a lost race, not an error."""
    world.candidate("first")
    second = world.candidate("second")
    await world.settle()
    await world.pass_time(10)
    assert not second.leads()
    assert not world.tasks["second"].done()
