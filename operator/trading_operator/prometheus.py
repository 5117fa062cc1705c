"""Prometheus's HTTP API: what it scrapes, what it stores, what it was configured with. HTTP only here.

`evidence.py` asks for targets and series, the shared configuration's reconcile for the loaded configuration and a
reload. Time and size of each answer are bounded: what others make Prometheus say must not cost us our memory.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import aiohttp
import orjson

from trading_operator.errors import PrometheusRefused, PrometheusUnavailable

#: What begins each element of `activeTargets`, and what follows the last. Within a JSON string the quotes would be
#: escaped, so neither is found anywhere else.
_BEGINS: Final = b'{"discoveredLabels":'
_ENDS: Final = b'],"droppedTargets":'
#: Of what is too large to keep, as much as may hold the beginning of either.
_LONGEST_END: Final = 4096
_CHUNK: Final = 64 * 1024
#: Asked not to pack its answers: how large one is must be seen while it arrives.
_PLAIN: Final = {"Accept-Encoding": "identity"}
#: Status of an answer that is larger than we read.
TOO_LARGE: Final = 413
_LONGEST_ERROR: Final = 1000


@dataclass(frozen=True)
class Limits:
    """Seconds to connect and for a whole answer; bytes of an answer, of the targets, and of one target among them."""

    connect: float = 2.0
    total: float = 8.0
    answer: int = 4 * 1024 * 1024
    targets: int = 128 * 1024 * 1024
    target: int = 512 * 1024


@dataclass(frozen=True)
class Sample:
    """One series of an instant query: its labels and its value."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True)
class ScrapedTarget:
    """One active target: `health` is up, down, or unknown before the first scrape; `error` is of the last scrape.

    `url` is what was asked, `labels` are those that its series carry.
    """

    url: str
    labels: Mapping[str, str]
    health: str
    error: str
    last_scrape: datetime | None


class Prometheus:
    """One Prometheus. Raises PrometheusUnavailable where it does not answer, PrometheusRefused where it says no."""

    def __init__(self, session: aiohttp.ClientSession, url: str, limits: Limits | None = None) -> None:
        self.url = url.rstrip("/")
        self._session = session
        self._limits = limits or Limits()

    async def query(self, promql: str) -> tuple[Sample, ...]:
        """The series of an instant query now, as a POST: a query may be longer than a URL."""
        return _samples(await self._data("POST", "/api/v1/query", {"query": promql}))

    async def targets(self) -> tuple[ScrapedTarget, ...]:
        """Every active target, parsed one by one: what Prometheus knows of each beyond this is not kept."""
        async with self._asked("GET", "/api/v1/targets", {"state": "active"}) as response:
            if response.status != 200:
                raise _refusal("/api/v1/targets", response.status, await self._content(response))
            return tuple([_target(piece) async for piece in self._pieces(response)])

    async def status_config(self) -> str:
        """The configuration that is loaded, as YAML."""
        return str((await self._data("GET", "/api/v1/status/config")).get("yaml", ""))

    async def reload(self) -> None:
        """Make it read its configuration; PrometheusRefused with its words where that is not valid."""
        async with self._asked("POST", "/-/reload") as response:
            content = await self._content(response)
        if response.status != 200:
            raise PrometheusRefused(response.status, f"reload: {_words(content)}")

    async def _data(self, method: str, path: str, form: Mapping[str, str] | None = None) -> dict[str, Any]:
        async with self._asked(method, path, form) as response:
            content = await self._content(response)
        if response.status != 200:
            raise _refusal(path, response.status, content)
        try:
            return dict(orjson.loads(content)["data"])
        except (ValueError, KeyError, TypeError) as error:
            raise _nonsense(path, content) from error

    @asynccontextmanager
    async def _asked(
        self, method: str, path: str, form: Mapping[str, str] | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One request; what goes wrong on the way, also while the answer is read, is PrometheusUnavailable."""
        limits = aiohttp.ClientTimeout(total=self._limits.total, sock_connect=self._limits.connect)
        query, body = (form, None) if method == "GET" else (None, form)
        try:
            async with self._session.request(
                method, self.url + path, params=query, data=body, timeout=limits, headers=_PLAIN, allow_redirects=False
            ) as response:
                yield response
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise PrometheusUnavailable(f"{self.url}{path}: {type(error).__name__} {error}".rstrip()) from error

    async def _content(self, response: aiohttp.ClientResponse) -> bytes:
        content = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK):
            content += chunk
            if len(content) > self._limits.answer:
                raise PrometheusRefused(TOO_LARGE, f"{response.url.path}: more than {self._limits.answer} bytes")
        return bytes(content)

    async def _pieces(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        """The elements of `activeTargets`, each as soon as it is whole. One that is too large is left out."""
        rest, total, inside = b"", 0, False
        async for chunk in response.content.iter_chunked(_CHUNK):
            total += len(chunk)
            if total > self._limits.targets:
                raise PrometheusUnavailable(f"it lists its targets with more than {self._limits.targets} bytes")
            *whole, rest = (rest + chunk).split(_BEGINS)
            for piece in whole:
                if inside and len(piece) <= self._limits.target:
                    yield _BEGINS + piece.removesuffix(b",")
                inside = True
            if len(rest) > self._limits.target:
                rest, inside = rest[-_LONGEST_END:], False
        last, end, _ = rest.rpartition(_ENDS)
        if not end:
            raise _nonsense("/api/v1/targets", rest[:200])
        if inside:
            yield _BEGINS + last


def _samples(data: Mapping[str, Any]) -> tuple[Sample, ...]:
    if data.get("resultType") != "vector":
        raise PrometheusUnavailable(f"a query was answered with {data.get('resultType')!r}, not with a vector")
    try:
        return tuple(Sample(each["metric"], float(each["value"][1])) for each in data["result"])
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise _nonsense("/api/v1/query", orjson.dumps(data)) from error


class Alertmanager(Prometheus):
    """One Alertmanager, which has Prometheus's manners: errors, limits and reload are the same."""

    async def status_config(self) -> str:
        """The configuration that is loaded, as YAML without its secrets."""
        path = "/api/v2/status"
        async with self._asked("GET", path) as response:
            content = await self._content(response)
        if response.status != 200:
            raise _refusal(path, response.status, content)
        try:
            return str(orjson.loads(content)["config"]["original"])
        except (ValueError, KeyError, TypeError) as error:
            raise _nonsense(path, content) from error


def _target(piece: bytes) -> ScrapedTarget:
    try:
        found = orjson.loads(piece)
        return ScrapedTarget(
            url=found["scrapeUrl"],
            labels=found["labels"],
            health=found["health"],
            error=found["lastError"][:_LONGEST_ERROR],
            last_scrape=_time(found["lastScrape"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise _nonsense("/api/v1/targets", piece) from error


def _time(text: str) -> datetime | None:
    """Go's zero time stands for never."""
    return None if text.startswith("0001-") else datetime.fromisoformat(text).astimezone(UTC)


def _refusal(path: str, status: int, content: bytes) -> PrometheusRefused | PrometheusUnavailable:
    if 400 <= status < 500 and status != 429:
        return PrometheusRefused(status, f"{path}: {_words(content)}")
    return PrometheusUnavailable(f"{path}: {status} {_words(content)}")


def _nonsense(path: str, content: bytes) -> PrometheusUnavailable:
    return PrometheusUnavailable(f"{path} answered with something else than Prometheus's API: {_words(content[:200])}")


def _words(content: bytes) -> str:
    """What it says is wrong: the `error` of its API's answers, or the plain text."""
    try:
        return str(orjson.loads(content)["error"])[:_LONGEST_ERROR]
    except (ValueError, KeyError, TypeError):
        return content[:_LONGEST_ERROR].decode(errors="replace").strip()
