"""All engines and targets -> the objects that they share in the observability namespace. Pure.

`reconcile_stack` and `render` call it. One engine more or less changes its own part of these objects and no other;
without any engine or target there are none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from trading_operator.api.v1alpha1 import MonitoringTarget, TradingEngine
from trading_operator.api.v1alpha1.observability import Scrape
from trading_operator.desired import scrape
from trading_operator.desired.labels import Object, digest_of, finished_stack
from trading_operator.desired.selection import World
from trading_operator.settings import Settings

#: What Prometheus loads; written only after it was checked.
CHECKED: Final = frozenset({scrape.CONFIG_MAP, scrape.RULES_CONFIG_MAP})


def desired_stack(
    engines: Sequence[TradingEngine], targets: Sequence[MonitoringTarget], world: World, settings: Settings
) -> tuple[Object, ...]:
    """Everything shared, in the order in which it is applied. Who is not observed at all has no part in it."""
    observed = [each for each in engines if each.spec.observability.scrape is not Scrape.DISABLED]
    if not observed and not targets:
        return ()
    namespaces = allowed(engines, world, settings)
    configuration = scrape.prometheus_configuration(namespaces, settings, digest_of([]))
    namespace = settings.monitoring_namespace
    return tuple(
        finished_stack("prometheus", each, namespace) for each in scrape.scrape_objects(configuration, settings)
    )


def allowed(engines: Sequence[TradingEngine], world: World, settings: Settings) -> tuple[str, ...]:
    """Namespaces that may be scraped: by setting, by their label's consent, and those that declare an engine."""
    return scrape.allowed_namespaces(engines, filter(world.consents, world.namespaces), settings)


def configuration_of(objects: Sequence[Object]) -> str:
    """The configuration of Prometheus among shared objects; "" without any."""
    found = (each for each in objects if each["kind"] == "ConfigMap" and each["metadata"]["name"] == scrape.CONFIG_MAP)
    return next((str(each["data"][scrape.CONFIG_KEY]) for each in found), "")
