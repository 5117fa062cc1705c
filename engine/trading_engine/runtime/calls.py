"""Worker-to-worker calls: over HTTP with a bearer token, or straight to the handler in one process.

`Route` is one endpoint of a worker. The server answers requests with it and `LocalCalls` calls it
directly, so both speak exactly the same JSON (port `WorkerClient`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import aiohttp
from pydantic import BaseModel, ValidationError

from trading_engine.contract.workers import BY_NAME, WorkerName
from trading_engine.errors import ConfigError, EngineError, WorkerUnavailable
from trading_engine.runtime import logs

#: What of an error body is repeated in our own message.
EXCERPT = 200


class RequestInvalid(Exception):
    """A request body that is not the message the route wants; the message names field and value."""


@dataclass(frozen=True)
class Route:
    """One endpoint: `request` is the message its body must be, None for a GET."""

    method: str
    path: str
    request: type[BaseModel] | None
    handle: Callable[[Any], Awaitable[BaseModel | None]]

    async def answer(self, body: bytes) -> bytes:
        """JSON of the answer to a JSON body.

        Raises:
            RequestInvalid: the body is not a valid message.
        """
        result = await self.handle(self._parse(body))
        return b"{}" if result is None else result.model_dump_json().encode()

    def _parse(self, body: bytes) -> BaseModel | None:
        if self.request is None:
            return None
        try:
            return self.request.model_validate_json(body)
        except ValidationError as error:
            raise RequestInvalid(explain(error)) from error


def explain(error: ValidationError) -> str:
    """Every mistake as `field: what is allowed, got value`."""
    return "; ".join(
        f"{'.'.join(map(str, mistake['loc'])) or 'body'}: {mistake['msg']}, got {repr(mistake['input'])[:EXCERPT]}"
        for mistake in error.errors(include_url=False, include_context=False)
    )


class Token(Protocol):
    """The bearer token as it is now."""

    def read(self) -> str:
        """The token; an empty one admits nobody."""


class TokenFile:
    """A token in a file, read again for each use: a mounted Secret changes under us."""

    def __init__(self, path: Path) -> None:
        self._path = path
        if not self.read():
            raise ConfigError(f"calls.token_file: {path} must be a readable file with a token in it")

    def read(self) -> str:
        """The token; empty when the file is gone, so that nobody is let in."""
        try:
            return self._path.read_text().strip()
        except OSError:
            return ""


class HttpCalls:
    """Calls over HTTP."""

    def __init__(self, urls: Mapping[WorkerName, str], token: Token, timeout_seconds: float) -> None:
        self._urls = urls
        self._token = token
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._session: aiohttp.ClientSession | None = None

    async def call(self, worker: WorkerName, method: str, path: str, body: bytes | None = None) -> bytes:
        """Body of a 2xx answer.

        Raises:
            WorkerUnavailable: anything else.
        """
        session = self._session = self._session or aiohttp.ClientSession(timeout=self._timeout)
        headers = {"Authorization": f"Bearer {self._token.read()}", "Content-Type": "application/json"}
        try:
            async with session.request(method, self._url(worker) + path, data=body, headers=headers) as response:
                answer = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise WorkerUnavailable(f"{worker}: {method} {path}: {type(error).__name__} {error}") from error
        if response.status // 100 != 2:
            raise WorkerUnavailable(f"{worker}: {method} {path}: {response.status} {_excerpt(answer)}")
        return answer

    def _url(self, worker: WorkerName) -> str:
        return self._urls.get(worker) or BY_NAME[worker].local_url

    async def close(self) -> None:
        """Release connections."""
        if self._session:
            await self._session.close()


class LocalCalls:
    """Calls within one process, without a wire. Routes are added once all workers are wired."""

    def __init__(self) -> None:
        self._routes: dict[tuple[WorkerName, str, str], Route] = {}

    def serve(self, worker: WorkerName, routes: Iterable[Route]) -> None:
        """Make a worker reachable."""
        self._routes.update({(worker, route.method, route.path): route for route in routes})

    async def call(self, worker: WorkerName, method: str, path: str, body: bytes | None = None) -> bytes:
        """Body of the answer.

        Raises:
            WorkerUnavailable: no such route, or the handler failed in an expected way.
        """
        route = self._routes.get((worker, method, path))
        if route is None:
            raise WorkerUnavailable(f"{worker}: {method} {path}: not served in this process")
        try:
            with logs.speaking(worker):
                return await route.answer(body or b"")
        except (EngineError, RequestInvalid) as error:
            raise WorkerUnavailable(f"{worker}: {method} {path}: {error}") from error

    async def close(self) -> None:
        """Nothing to release."""


def _excerpt(body: bytes) -> str:
    return body[:EXCERPT].decode(errors="replace")
