"""Kinds of another operator, which the cluster may lack: listed, never watched, not written where they are absent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from tests.operator.engines import SETTINGS, engine
from trading_operator.cache import Cache, Ref
from trading_operator.cluster import Cluster
from trading_operator.desired.service_monitor import monitor_objects
from trading_operator.errors import ApiRefused
from trading_operator.handlers import Handlers
from trading_operator.kinds import OPTIONAL, PROMETHEUS_RULE, SERVICE_MONITOR, TRADING_ENGINE, Kind
from trading_operator.observed import Observed
from trading_operator.ownership import owner_of
from trading_operator.plan import Plan
from trading_operator.relist import Relist
from trading_operator.target_index import TargetIndex

MONITORED = engine(observability={"scrape": "ServiceMonitor"})
MONITOR = monitor_objects(MONITORED, SETTINGS)[0]
REF = Ref(SERVICE_MONITOR, "crypto-trading", "paper-engine")


class Api:
    """Lists and writes; `known` are the optional kinds that it serves."""

    def __init__(self) -> None:
        self.known: set[Kind] = set(OPTIONAL)
        self.items: dict[Kind, list[dict[str, Any]]] = {}
        self.written: list[str] = []
        self.status = 404

    async def pages(self, kind: Kind, _: str = "") -> AsyncIterator[tuple[list[dict[str, Any]], str]]:
        if kind in OPTIONAL and kind not in self.known:
            raise ApiRefused(self.status, str(self.status), "page not found")
        yield self.items.get(kind, []), "100"

    async def request(self, method: str, path: str, body: bytes = b"", *_: Any, **__: Any) -> dict[str, Any]:
        if method == "GET":
            raise ApiRefused(404, "NotFound", path)
        manifest: dict[str, Any] = orjson.loads(body)
        self.written.append(manifest["kind"])
        return manifest | {"metadata": manifest["metadata"] | {"resourceVersion": "101", "uid": "u"}}


class Bench:
    """A relist with its cache."""

    def __init__(self) -> None:
        self.api, self.cache = Api(), Cache(owner_of)
        self.woken: list[Ref] = []
        self.handlers = Handlers(self.cache, self.woken.append, lambda _: None, "monitoring", TargetIndex())
        self.cluster = Cluster(self.api, self.cache, "crypto-collectors")  # type: ignore[arg-type]
        self.relist = Relist(
            self.api,  # type: ignore[arg-type]
            self.cache,
            self.handlers.deliveries,
            self.handlers.changed,
            lambda _: None,
        )

    def hold(self, version: str) -> None:
        self.api.items[SERVICE_MONITOR] = [MONITOR | {"metadata": MONITOR["metadata"] | {"resourceVersion": version}}]


async def test_first_list_is_complete_when_the_kinds_are_absent() -> None:
    """They are noted as absent, and known as soon as a list shows them."""
    bench = Bench()
    bench.api.known = set()
    await bench.relist.once()
    assert bench.relist.complete.is_set()
    assert bench.cache.absent == frozenset(OPTIONAL)
    bench.api.known = {SERVICE_MONITOR}
    await bench.relist.once()
    assert bench.cache.absent == {PROMETHEUS_RULE}


async def test_refusal_is_no_absence_when_listed() -> None:
    """A right that is missing has to be loud."""
    bench = Bench()
    bench.api.known, bench.api.status = set(), 403
    with pytest.raises(ApiRefused):
        await bench.relist.once()


async def test_nobody_is_deaf_when_a_list_shows_what_is_not_watched() -> None:
    """Each new version wakes the engine; no watch owes it."""
    bench = Bench()
    bench.hold("5")
    await bench.relist.once()
    assert bench.woken == [Ref(TRADING_ENGINE, "crypto-trading", "paper")]
    assert bench.relist.deliveries.overdue(float("inf")) == []
    bench.hold("6")
    await bench.relist.once()
    assert len(bench.woken) == 2


async def test_objects_are_forgotten_when_their_kind_goes() -> None:
    """They went with it."""
    bench = Bench()
    bench.hold("5")
    await bench.relist.once()
    assert bench.cache.get(REF) is not None
    bench.api.known = set()
    await bench.relist.once()
    assert bench.cache.get(REF) is None


@pytest.mark.parametrize(("known", "written"), [(OPTIONAL, ["PrometheusRule", "ServiceMonitor"]), ((), [])])
async def test_only_known_kinds_are_written_when_planned(known: tuple[Kind, ...], written: list[str]) -> None:
    """Nothing is refused for it."""
    bench = Bench()
    bench.api.known = set(known)
    await bench.relist.once()
    assert await bench.cluster.execute(Plan(tuple(monitor_objects(MONITORED, SETTINGS))), Observed()) == ()
    assert sorted(bench.api.written) == written
