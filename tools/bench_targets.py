"""`make bench`, the part of MonitoringTargets: what one round of evidence costs for 10, 500 and 5,000 of them.

Prometheus is played by a process of its own that answers with as much as a real one says of an annotated Service's
endpoint; so the processor time is ours alone. Beside it: the time that reading the same bytes takes without looking
into them. Called by `tools/bench.py`.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from tests.operator.targets import a_service, a_slice, a_target, an_endpoint
from trading_operator.cache import Ref
from trading_operator.checks.target import Seen, target_status
from trading_operator.desired.selection import World, select
from trading_operator.evidence_rounds import EvidenceRounds, Interest
from trading_operator.kinds import MONITORING_TARGET
from trading_operator.prometheus import Prometheus

SIZES = (10, 500, 5000)
METRICS = ("demo_total", "demo_seconds_count")
ROUNDS = 5
NOW = "2026-01-02T03:04:05.123456789Z"


def address(number: int) -> str:
    """Of the endpoint of one target."""
    return f"10.{number // 62500}.{number // 250 % 250}.{number % 250 + 1}"


def listed(number: int) -> dict[str, Any]:
    """What Prometheus says of one target: about 2.5 KiB, most of it discovered labels."""
    discovered = {f"__meta_kubernetes_pod_label_app_kubernetes_io_{at}": f"a-usual-value-{at}" for at in range(24)}
    return {
        "discoveredLabels": discovered | {"__address__": f"{address(number)}:8080"},
        "labels": {"job": "monitoring-targets", "instance": f"{address(number)}:8080", "namespace": "crypto-trading"},
        "scrapePool": "monitoring-targets",
        "scrapeUrl": f"http://{address(number)}:8080/metrics",
        "globalUrl": f"http://{address(number)}:8080/metrics",
        "lastError": "",
        "lastScrape": NOW,
        "lastScrapeDuration": 0.0012,
        "health": "up",
        "scrapeInterval": "15s",
        "scrapeTimeout": "10s",
    }


def sampled(number: int, metric: str) -> dict[str, Any]:
    """One series of an instant query."""
    labels = {"__name__": metric, "job": "monitoring-targets", "instance": f"{address(number)}:8080"}
    return {"metric": labels, "value": [1767323045.123, "1"]}


def answers(size: int) -> dict[str, bytes]:
    """Path -> the whole answer for so many targets."""
    data = {"activeTargets": [listed(number) for number in range(size)], "droppedTargets": []}
    series = [sampled(number, metric) for metric in METRICS for number in range(size)]
    return {
        "/api/v1/targets": orjson.dumps({"status": "success", "data": data}),
        "/api/v1/query": orjson.dumps({"status": "success", "data": {"resultType": "vector", "result": series}}),
    }


def play(size: int, port: Connection) -> None:
    """A process that answers until it is ended; it says on which port."""

    async def serve() -> None:
        made, app = answers(size), web.Application()

        async def answer(request: web.Request) -> web.Response:
            return web.Response(body=made[request.path], content_type="application/json")

        app.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port.send(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(serve())


@contextmanager
def played(size: int) -> Iterator[str]:
    """The URL of a Prometheus that is played."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=play, args=(size, theirs), daemon=True)
    process.start()
    theirs.close()  # so that its end is noticed here
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()
        process.join()


async def rounds(url: str, size: int) -> tuple[float, float]:
    """Seconds, and seconds of processor time, of one round for so many targets; medians."""
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        asking = EvidenceRounds(Prometheus(session, url), lambda _: None, lambda: datetime.now(UTC), lambda _: None)
        for number in range(size):
            interest = Interest((f"http://{address(number)}:8080/metrics",), frozenset(METRICS))
            asking.expect(Ref(MONITORING_TARGET, "crypto-trading", f"t{number}"), interest)
        measured = []
        for _ in range(ROUNDS):
            began, used = time.perf_counter(), time.process_time()
            await asking.once()
            measured.append((time.perf_counter() - began, time.process_time() - used))
        if asking.evidence is None or asking.evidence.problem or len(asking.evidence.scrapes) != size:
            raise RuntimeError("the round did not see every target")
    seconds, processor = zip(*measured, strict=True)
    return statistics.median(seconds), statistics.median(processor)


async def reading(url: str) -> float:
    """Seconds to read the same answers and throw them away; median."""
    measured = []
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        for _ in range(ROUNDS):
            began = time.perf_counter()
            for path in ("/api/v1/targets", "/api/v1/query"):
                async with session.get(url + path) as response:
                    async for _chunk in response.content.iter_chunked(64 * 1024):
                        pass
            measured.append(time.perf_counter() - began)
    return statistics.median(measured)


def judging() -> float:
    """Microseconds to select the endpoints of one target among 500 Services and to judge it."""
    services = [a_service(f"s{number}") for number in range(500)]
    for number, each in enumerate(services):
        each["metadata"]["labels"] = {"app": f"s{number}"}
    slices = [a_slice(an_endpoint(address(number)), service=f"s{number}") for number in range(500)]
    world, now = World.of([], services, slices), datetime.now(UTC)
    target = a_target(selector={"matchLabels": {"app": "s250"}}, expectedMetrics=list(METRICS))
    began = time.perf_counter()
    for _ in range(200):
        target_status(target, Seen(select(target, world, frozenset())), now)
    return (time.perf_counter() - began) / 200 * 1e6


def show() -> None:
    """Print the table."""
    print(f"\n{'MonitoringTargets':>17} {'requests':>9} {'answers':>10} {'round':>10} {'processor':>11} "
          f"{'just reading':>13}   of a period of 10 s")  # fmt: skip
    for size in SIZES:
        mebibytes = sum(map(len, answers(size).values())) / 2**20
        with played(size) as url:
            seconds, processor = asyncio.run(rounds(url, size))
            floor = asyncio.run(reading(url))
        print(f"{size:17,} {2:9} {mebibytes:6.1f} MiB {seconds * 1000:7.1f} ms {processor * 1000:8.1f} ms "
              f"{floor * 1000:10.1f} ms   {processor / 10:.2%} of a processor", flush=True)  # fmt: skip
    print(f"selecting and judging one of them, 500 Services in its namespace: {judging():.0f} us")


if __name__ == "__main__":
    show()
