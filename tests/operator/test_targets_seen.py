"""Targets judged by what a real Prometheus says of real exporters: each link broken once, one spoofing the others."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
import yaml
from aiohttp import web

from tests.observer_programs import program
from tests.operator.targets import NAMESPACE, a_service, a_slice, a_target, an_endpoint
from trading_operator.api.v1alpha1 import MonitoringTarget
from trading_operator.cache import Ref
from trading_operator.checks import Seen, expected_metrics, target_status
from trading_operator.desired.selection import World, select
from trading_operator.evidence_rounds import EvidenceRounds, Interest
from trading_operator.kinds import MONITORING_TARGET
from trading_operator.prometheus import Prometheus

pytestmark = pytest.mark.slow

MOVED = "moved_timestamp_seconds"
#: Exporter -> the reason of a target that wants `a_total` of it, and work not older than ten seconds.
EXPECTED = {
    "good": "AllUp",
    "spoofing": "MissingSeries",
    "lacking": "MissingSeries",
    "frozen": "Stale",
    "absent": "HttpStatus",
    "closed": "HttpStatus",
    "html": "BadExposition",
    "many": "SampleLimit",
    "labelled": "SampleLimit",
    "silent": "Timeout",
    "refused": "ConnectionRefused",
    "unlisted": "NotDiscovered",
}
ADDRESSES = {name: f"127.0.1.{number}" for number, name in enumerate(EXPECTED, 1)}


async def exporter(request: web.Request) -> web.Response:
    """What the exporter of that name answers."""
    name, now = request.path.strip("/"), time.time()
    if name in ("absent", "closed"):
        return web.Response(status=404 if name == "absent" else 401)
    if name == "silent":
        await asyncio.sleep(3)
    # Says that its series are the good one's: Prometheus's own labels stand.
    theirs = f'{{job="monitoring-targets",instance="{ADDRESSES["good"]}:{request.url.port}"}}'
    text = {
        "html": "<html></html>",
        "many": "".join(f'a_total{{n="{number}"}} 1\n' for number in range(200)),
        "labelled": "a_total{" + ",".join(f'l{number}="v"' for number in range(1000)) + "} 1\n",
        "spoofing": f"b_total{theirs} 1\n{MOVED}{theirs} 1000000001\n",
        "lacking": f"b_total 1\n{MOVED} {now}\n",
        "frozen": f"a_total 1\n{MOVED} {now - 11}\n",
    }
    return web.Response(text=text.get(name, f"a_total 1\n{MOVED} {now}\n"), content_type="text/plain")


@asynccontextmanager
async def exporters() -> AsyncIterator[int]:
    """One on each address, all on the same port: that port. Nobody listens at the refused one's."""
    app = web.Application()
    app.router.add_get("/{name}", exporter)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    port = 0
    for name, address in ADDRESSES.items():
        if name != "refused":
            await web.TCPSite(runner, address, port).start()
            port = runner.addresses[0][1]
    yield port
    await runner.cleanup()


@asynccontextmanager
async def prometheus(folder: Path, exported: int) -> AsyncIterator[Prometheus]:
    """A real one that scrapes all but the unlisted exporter every second."""
    listed = [
        {"targets": [f"{address}:{exported}"], "labels": {"__metrics_path__": f"/{name}"}}
        for name, address in ADDRESSES.items()
        if name != "unlisted"
    ]
    job = {"job_name": "monitoring-targets", "sample_limit": 100, "label_limit": 100, "static_configs": listed}
    times = {"scrape_interval": "1s", "scrape_timeout": "1s"}
    (folder / "prometheus.yml").write_text(yaml.safe_dump({"global": times, "scrape_configs": [job]}))
    with socket.create_server(("127.0.0.1", 0)) as found:
        address = f"127.0.0.1:{found.getsockname()[1]}"
    command = [program("prometheus"), f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    command.append(f"--web.listen-address={address}")
    with (folder / "prometheus.log").open("w") as log:
        process = await asyncio.create_subprocess_exec(*map(str, command), stdout=log, stderr=log)
    try:
        async with aiohttp.ClientSession(auto_decompress=False) as session:
            yield Prometheus(session, f"http://{address}")
    finally:
        process.kill()
        await process.wait()


def a_target_of(name: str) -> MonitoringTarget:
    return a_target(
        name,
        selector={"matchLabels": {"app": name}},
        endpoints=[{"port": "http", "path": f"/{name}"}],
        expectedMetrics=["a_total"],
        freshness={"metric": MOVED, "maxAgeSeconds": 10},
    )


def a_world_of(port: int) -> World:
    services = [a_service(name) for name in EXPECTED]
    for each in services:
        each["metadata"]["labels"] = {"app": each["metadata"]["name"]}
    slices = [a_slice(an_endpoint(address), service=name, ports={"http": port}) for name, address in ADDRESSES.items()]
    return World.of([], services, slices)


def reasons(world: World, rounds: EvidenceRounds) -> dict[str, str]:
    """Name -> reason of Ready, by the last round; each target is looked for in the next one."""
    found = {}
    for name in EXPECTED:
        target = a_target_of(name)
        selection = select(target, world, frozenset())
        interest = Interest(
            tuple(each.url for each in selection.ready), frozenset(expected_metrics(target)), target.spec.freshness
        )
        rounds.expect(Ref(MONITORING_TARGET, NAMESPACE, name), interest)
        status = target_status(target, Seen(selection, rounds.evidence), datetime.now(UTC))
        found[name] = status.conditions[0].reason
    return found


async def test_reason_is_the_broken_link_of_each_exporter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them beside each other: none changes what is said of another one."""
    monkeypatch.setattr("trading_operator.checks.target.DISCOVERY_GRACE", datetime.resolution)
    async with exporters() as port, prometheus(tmp_path, port) as asked:
        rounds = EvidenceRounds(asked, lambda _: None, lambda: datetime.now(UTC), lambda _: None)
        world = a_world_of(port)
        found: dict[str, str] = {}
        deadline = time.monotonic() + 30
        while found != EXPECTED and time.monotonic() < deadline:
            await asyncio.sleep(0.3)
            await rounds.once()
            found = reasons(world, rounds)
    assert found == EXPECTED
