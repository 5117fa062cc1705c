"""One authenticated connection to the API server: bytes out, parsed JSON in, failures named.

`cluster`, `relist` and the lease use it. Configuration, authentication and TLS are the `kubernetes`
client's; the requests are raw, because its generated models cost three times the CPU per apply.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import aiohttp
import orjson
from kubernetes.aio import config
from kubernetes.aio.client import Configuration
from kubernetes.aio.client.rest import RESTClientObject

from trading_operator.errors import ApiRefused, ClusterUnavailable, OperatorError
from trading_operator.kinds import Kind

APPLY: Final = "application/apply-patch+yaml"
JSON_PATCH: Final = "application/json-patch+json"
MERGE_PATCH: Final = "application/merge-patch+json"
JSON: Final = "application/json"
PAGE: Final = 500
READS: Final = frozenset({"GET"})
NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True)
class Limits:
    """Seconds for one request, and how many run at once."""

    timeout: float = 5.0
    in_flight: int = 16


class Connection:
    """The session. `guard` is called before each request that changes something, and raises to forbid it."""

    def __init__(
        self,
        configuration: Configuration,
        session: aiohttp.ClientSession,
        limits: Limits,
        on_request: Callable[[str, int], None],
    ) -> None:
        self.configuration = configuration
        self.guard: Callable[[], None] = lambda: None
        self._session = session
        self._timeout = aiohttp.ClientTimeout(total=limits.timeout)
        self._slots = asyncio.Semaphore(limits.in_flight)
        self._on_request = on_request

    async def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        content_type: str = JSON,
        query: Mapping[str, str] = NOTHING,
    ) -> dict[str, Any]:
        """The parsed answer; ApiRefused for a 4xx, ClusterUnavailable for 429, 5xx or no answer."""
        async with self._slots:
            if method not in READS:
                self.guard()
            return await self._send(method, path, body, content_type, query)

    async def unguarded(self, method: str, path: str, body: bytes | None = None) -> dict[str, Any]:
        """A request of the leader election: not guarded by it, and not queued behind others."""
        return await self._send(method, path, body, JSON, NOTHING)

    async def pages(self, kind: Kind, selector: str = "") -> AsyncIterator[tuple[list[dict[str, Any]], str]]:
        """All objects of a kind in all namespaces, page by page, each page with the list's resourceVersion."""
        query = {"limit": str(PAGE)} | ({"labelSelector": selector} if selector else {})
        while True:
            page = await self.request("GET", kind.path(), query=query)
            metadata = page["metadata"]
            for item in page["items"]:  # a list leaves these two out of its items
                item |= {"apiVersion": kind.api_version, "kind": kind.name}
            yield page["items"], metadata["resourceVersion"]
            if not metadata.get("continue"):
                return
            query["continue"] = metadata["continue"]

    async def _send(
        self,
        method: str,
        path: str,
        body: bytes | None,
        content_type: str,
        query: Mapping[str, str],
    ) -> dict[str, Any]:
        headers = await self._headers() | ({"Content-Type": content_type} if body is not None else {})
        url = self.configuration.host + path
        status = 0
        try:
            async with self._session.request(
                method, url, data=body, params=query, headers=headers, timeout=self._timeout
            ) as response:
                status = response.status
                content = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ClusterUnavailable(f"{method} {path}: {type(error).__name__} {error}") from error
        finally:
            self._on_request(method, status)
        return _parsed(f"{method} {path}", status, content)

    async def _headers(self) -> dict[str, str]:
        token = await self.configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        return {"Authorization": token} if token else {}


@asynccontextmanager
async def connect(user_agent: str, limits: Limits, on_request: Callable[[str, int], None]) -> AsyncIterator[Connection]:
    """Connect as the pod's service account, or as KUBECONFIG says; OperatorError where there is neither."""
    configuration = await load_configuration()
    client = RESTClientObject(configuration)
    connector = aiohttp.TCPConnector(ssl=client.ssl_context, limit=2 * limits.in_flight)
    async with aiohttp.ClientSession(connector=connector, headers={"User-Agent": user_agent}) as session:
        yield Connection(configuration, session, limits, on_request)


async def load_configuration() -> Configuration:
    """The client's configuration, with a token that is read again as it rotates."""
    configuration = Configuration()
    try:
        if os.environ.get("KUBECONFIG"):
            await config.load_kube_config(client_configuration=configuration)
        else:
            config.load_incluster_config(client_configuration=configuration)
    except (config.ConfigException, ssl.SSLError, OSError) as error:
        raise OperatorError(f"no access to a cluster: {error}; run in a pod, or set KUBECONFIG to a file") from error
    return configuration


def _parsed(what: str, status: int, content: bytes) -> dict[str, Any]:
    answer = _json(content)
    if status < 300 and answer is not None:
        return answer
    # What the API server does not serve at all it answers in plain text.
    told = answer or {"message": content[:200].decode(errors="replace").strip()}
    if status < 300 or status == 429 or status >= 500:
        raise ClusterUnavailable(f"{what}: {status} {told.get('message', '')}")
    raise ApiRefused(status, told.get("reason") or str(status), f"{what}: {told.get('message', '')}")


def _json(content: bytes) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = orjson.loads(content or b"{}")
    except orjson.JSONDecodeError:
        return None
    return found
