"""Prometheus's API as `Prometheus` reads it: real answers, recorded, and answers that no Prometheus should give."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import orjson
import pytest
from aiohttp import web

from trading_operator.errors import PrometheusRefused, PrometheusUnavailable
from trading_operator.prometheus import Limits, Prometheus

RECORDED = (Path(__file__).parent / "recorded" / "targets.json").read_bytes()
VECTOR = (
    b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"b"},"value":[1763779540.1,"2.5"]}]}}'
)
NO_TARGETS = b'{"status":"success","data":{"activeTargets":[],"droppedTargets":[],"droppedTargetCounts":null}}'


class Answers:
    """A server that says what a test tells it to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.status, self.content, self.hangs = 200, b"", False
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.encodings: set[str] = set()

    async def handle(self, request: web.Request) -> web.Response:
        form = {key: str(value) for key, value in (await request.post()).items()}
        self.asked.append((request.method, request.path, dict(request.query) | form))
        self.encodings.add(request.headers.get("Accept-Encoding", ""))
        if self.hangs:
            await asyncio.sleep(5)
        return web.Response(status=self.status, body=self.content)

    def say(self, content: bytes, status: int = 200) -> None:
        self.content, self.status = content, status


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
async def prometheus(answers: Answers) -> AsyncIterator[Prometheus]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answers.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    limits = Limits(connect=0.5, total=0.5, answer=4096, targets=100_000, target=2_000)
    async with aiohttp.ClientSession() as session:
        yield Prometheus(session, f"http://127.0.0.1:{runner.addresses[0][1]}/", limits)
    await runner.cleanup()


async def test_query_gives_labels_and_values(prometheus: Prometheus, answers: Answers) -> None:
    """A vector becomes samples; the query travels as a form, where its length is no problem."""
    answers.say(VECTOR)
    (sample,) = await prometheus.query("up")
    assert (dict(sample.labels), sample.value) == ({"a": "b"}, 2.5)
    assert answers.asked == [("POST", "/api/v1/query", {"query": "up"})]
    assert answers.encodings == {"identity"}


async def test_targets_are_those_of_a_real_answer(prometheus: Prometheus, answers: Answers) -> None:
    """Every target of a recorded answer is there once, with what its last scrape brought."""
    answers.say(RECORDED)
    found = await prometheus.targets()
    listed = orjson.loads(RECORDED)["data"]["activeTargets"]
    assert [(each.url, each.health, each.error) for each in found] == [
        (each["scrapeUrl"], each["health"], each["lastError"]) for each in listed
    ]
    assert all(each.last_scrape and each.last_scrape.year >= 2025 and "job" in each.labels for each in found)
    assert answers.asked == [("GET", "/api/v1/targets", {"state": "active"})]


async def test_no_targets_are_none(prometheus: Prometheus, answers: Answers) -> None:
    """An empty list is an answer too."""
    answers.say(NO_TARGETS)
    assert await prometheus.targets() == ()


async def test_target_is_complete_wherever_chunks_end(prometheus: Prometheus, answers: Answers) -> None:
    """Labels that contain what the list is cut at change nothing."""
    listed = orjson.loads(RECORDED)
    for each in listed["data"]["activeTargets"]:
        each["labels"]["trap"] = '{"discoveredLabels":],"droppedTargets":'
    listed["data"]["activeTargets"] *= 3
    answers.say(orjson.dumps(listed))
    found = await prometheus.targets()
    assert [each.labels for each in found] == [each["labels"] for each in listed["data"]["activeTargets"]]


async def test_target_that_is_too_large_is_left_out_alone(prometheus: Prometheus, answers: Answers) -> None:
    """One Service with a mebibyte of annotations costs the others nothing."""
    listed = orjson.loads(RECORDED)
    first, second, third, *_ = listed["data"]["activeTargets"]
    second["discoveredLabels"]["__meta_kubernetes_service_annotation_note"] = "x" * 80_000
    listed["data"]["activeTargets"] = [first, second, third]
    answers.say(orjson.dumps(listed))
    assert [each.url for each in await prometheus.targets()] == [first["scrapeUrl"], third["scrapeUrl"]]


async def test_never_scraped_has_no_time(prometheus: Prometheus, answers: Answers) -> None:
    """Go's zero time is no time."""
    listed = orjson.loads(RECORDED)
    listed["data"]["activeTargets"] = listed["data"]["activeTargets"][:1]
    listed["data"]["activeTargets"][0] |= {"lastScrape": "0001-01-01T00:00:00Z", "health": "unknown", "lastError": ""}
    answers.say(orjson.dumps(listed))
    (found,) = await prometheus.targets()
    assert (found.last_scrape, found.health) == (None, "unknown")


async def test_refusal_has_its_words(prometheus: Prometheus, answers: Answers) -> None:
    """What is wrong with a query, or with a configuration, is said as Prometheus says it."""
    answers.say(b'{"status":"error","errorType":"bad_data","error":"parse error: no"}', 400)
    with pytest.raises(PrometheusRefused, match="parse error: no"):
        await prometheus.query("up{")
    answers.say(b"x" * 5000)
    with pytest.raises(PrometheusRefused, match="more than 4096 bytes"):
        await prometheus.query("up")
    answers.say(b"failed to reload config: couldn't load configuration", 500)
    with pytest.raises(PrometheusRefused, match="couldn't load configuration"):
        await prometheus.reload()


async def test_reload_and_configuration(prometheus: Prometheus, answers: Answers) -> None:
    """A reload that worked says nothing; the configuration is what is loaded."""
    answers.say(b"")
    await prometheus.reload()
    answers.say(b'{"status":"success","data":{"yaml":"global: {}\\n"}}')
    assert await prometheus.status_config() == "global: {}\n"
    assert [each[:2] for each in answers.asked] == [("POST", "/-/reload"), ("GET", "/api/v1/status/config")]


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"<html>", 200),
        (b"{}", 200),
        (b"[]", 200),
        (b'{"status":"success","data":{"resultType":"matrix","result":[]}}', 200),
        (b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{}}]}}', 200),
        (b"down for maintenance", 503),
        (b"slow down", 429),
    ],
)
async def test_query_is_unavailable_when_the_answer_is_none(
    prometheus: Prometheus, answers: Answers, content: bytes, status: int
) -> None:
    """Nonsense and a server in trouble both mean that nothing is known."""
    answers.say(content, status)
    with pytest.raises(PrometheusUnavailable):
        await prometheus.query("up")


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"<html>", 200),
        (RECORDED[:5000], 200),
        (RECORDED * 20, 200),
        (b'{"status":"success","data":{"activeTargets":[{"discoveredLabels":{}}],"droppedTargets":[]}}', 200),
        (b"down for maintenance", 503),
    ],
)
async def test_targets_are_unavailable_when_the_answer_is_none(
    prometheus: Prometheus, answers: Answers, content: bytes, status: int
) -> None:
    """Half a list is no list: what is missing in it would look as if it were not scraped."""
    answers.say(content, status)
    with pytest.raises(PrometheusUnavailable):
        await prometheus.targets()


async def test_silence_is_bounded(prometheus: Prometheus, answers: Answers) -> None:
    """A Prometheus that never answers holds nobody up for longer than the limit."""
    answers.hangs = True
    began = asyncio.get_running_loop().time()
    with pytest.raises(PrometheusUnavailable, match="TimeoutError"):
        await prometheus.query("up")
    assert asyncio.get_running_loop().time() - began < 2


async def test_nobody_there_is_unavailable() -> None:
    """Neither is a refused connection a bug."""
    async with aiohttp.ClientSession() as session:
        with pytest.raises(PrometheusUnavailable, match=r"127\.0\.0\.1:1/"):
            await Prometheus(session, "http://127.0.0.1:1").targets()
