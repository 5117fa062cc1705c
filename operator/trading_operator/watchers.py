"""kopf as the shell: its watch streams, and nothing else of it.

Only `on.event` handlers, so kopf writes nothing to any object: no annotation, no finalizer, no Event;
peering and its probes are off. `run.py` runs what `spawn` returns; each event goes to `handlers`.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from typing import Any, cast

import kopf
from kubernetes.aio.client import Configuration

from trading_operator.kinds import WATCHED, Kind
from trading_operator.ownership import selector_of

OnEvent = Callable[[Kind, str | None, dict[str, Any]], None]


class EndlessBackoffs:
    """Seconds between attempts to reach the API server, for ever: an outage must not end the process."""

    def __iter__(self) -> Iterator[float]:
        return itertools.chain((0.5, 1.0, 2.0, 3.0), itertools.repeat(5.0))


class NoDiffs(kopf.DiffBaseStorage):
    """Nothing of an object is remembered for a difference; copying all of each for it costs a millisecond."""

    def build(self, **_: object) -> kopf.BodyEssence:
        """An essence without anything."""
        return cast(kopf.BodyEssence, {})

    def fetch(self, **_: object) -> kopf.BodyEssence | None:
        """No former one."""
        return None

    def store(self, **_: object) -> None:
        """Nothing is written."""


class NoProgress(kopf.StatusProgressStorage):
    """No handler has progress to remember."""

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        """The essence as it is."""
        return essence


def settings() -> kopf.OperatorSettings:
    """Settings of kopf: quiet, patient, and watching only what is ours."""
    made = kopf.OperatorSettings()
    made.posting.enabled = False
    made.peering.standalone = True
    made.scanning.disabled = True
    made.networking.error_backoffs = EndlessBackoffs()
    made.networking.request_timeout = 30
    made.networking.connect_timeout = 5
    made.watching.chunk_size = 500
    made.persistence.diffbase_storage = NoDiffs()
    made.persistence.progress_storage = NoProgress()
    made.queueing.idle_timeout = 0.5
    made.queueing.exit_timeout = 0.5
    made.process.ultimate_exiting_timeout = None
    for kind in WATCHED:
        if selector := selector_of(kind):
            made.watching.label_selectors[kind.group, kind.version, kind.plural] = selector
    return made


def registry(configuration: Configuration, on_event: OnEvent) -> kopf.OperatorRegistry:
    """Handlers of kopf: one login, and one event handler per kind."""
    made = kopf.OperatorRegistry()
    kopf.on.login(registry=made, id="login")(_login(configuration))
    for kind in WATCHED:
        kopf.on.event(kind.group, kind.version, kind.plural, registry=made, id=kind.plural)(_handler(kind, on_event))
    return made


async def spawn(configuration: Configuration, on_event: OnEvent) -> Collection[asyncio.Task[Any]]:
    """Start the watches; hand the result to `kopf.run_tasks`, which ends when one of them fails."""
    return await kopf.spawn_tasks(
        registry=registry(configuration, on_event),
        settings=settings(),
        clusterwide=True,
        standalone=True,
        # kopf would name itself after the user, and the image's user has no name. Only its peering, which is off, asks.
        identity="trading-operator",  # type: ignore[arg-type]  # a NewType of str that kopf keeps to itself
    )


def _handler(kind: Kind, on_event: OnEvent) -> Callable[..., Awaitable[None]]:
    async def handle(event: Mapping[str, Any], **_: object) -> None:
        on_event(kind, event["type"], dict(event["object"]))

    return handle


def _login(configuration: Configuration) -> Callable[..., Awaitable[kopf.ConnectionInfo]]:
    async def login(**_: object) -> kopf.ConnectionInfo:
        header = await configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        scheme, _space, token = (header or "").partition(" ")
        return kopf.ConnectionInfo(
            server=configuration.host,
            ca_path=configuration.ssl_ca_cert,
            insecure=not configuration.verify_ssl,
            scheme=scheme.capitalize() or None,
            token=token or None,
            certificate_path=configuration.cert_file,
            private_key_path=configuration.key_file,
        )

    return login
