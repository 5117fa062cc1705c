"""HTTP for the kubelet and Prometheus: /healthz, /readyz, /metrics, and /targets, which is Prometheus's http_sd.

/healthz is not "the process runs": it means the watches are alive, the queue moves and the relist comes
round. An API server that is away fails none of the three, for a restart would not bring it back.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

Problem = Callable[[], str]
Targets = Callable[[], bytes | None]
Handler = Callable[[web.Request], Awaitable[web.Response]]


@asynccontextmanager
async def serving(
    port: int, registry: CollectorRegistry, unhealthy: Problem, unready: Problem, targets: Targets
) -> AsyncIterator[int]:
    """Serve on a port (0 picks one) inside the block; the port.

    `unhealthy` and `unready` say why, or ""; `targets` gives what Prometheus shall scrape as JSON, or None while that
    is not known: an empty answer would end every scrape.
    """
    app = web.Application()
    app.add_routes(
        [
            web.get("/healthz", _probe(unhealthy)),
            web.get("/readyz", _probe(unready)),
            web.get("/metrics", _metrics(registry)),
            web.get("/targets", _targets(targets)),
        ]
    )
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "0.0.0.0", port)  # noqa: S104 - the kubelet and Prometheus come from outside the pod
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def _probe(problem: Problem) -> Handler:
    async def answer(_: web.Request) -> web.Response:
        found = problem()
        return web.Response(status=503, text=f"{found}\n") if found else web.Response(text="ok\n")

    return answer


def _targets(targets: Targets) -> Handler:
    async def answer(_: web.Request) -> web.Response:
        found = targets()
        if found is None:
            return web.Response(status=503, text="the cluster has not been listed yet\n")
        return web.Response(body=found, content_type="application/json")

    return answer


def _metrics(registry: CollectorRegistry) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(registry), headers={"Content-Type": content_type})

    return answer
