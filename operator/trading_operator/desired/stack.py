"""All engines and targets -> the objects that they share in the observability namespace. Pure.

`reconcile_stack` calls it. One engine more or less changes its own part of these objects and no other; without any
engine or target there are none.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from trading_operator.api.v1alpha1 import MonitoringTarget, TradingEngine
from trading_operator.api.v1alpha1.observability import LogAgent
from trading_operator.desired import receivers, scrape
from trading_operator.desired.alerts import ALERTMANAGER_SECRET, alert_objects, alerting
from trading_operator.desired.dashboards import dashboard_objects
from trading_operator.desired.inputs import plain
from trading_operator.desired.labels import Object, digest_of, finished_stack
from trading_operator.desired.logs import log_objects
from trading_operator.desired.receivers import Secrets
from trading_operator.desired.selection import World
from trading_operator.settings import Settings

#: What Prometheus and Alertmanager load; written only after it was checked.
CHECKED: Final = frozenset({scrape.CONFIG_MAP, scrape.RULES_CONFIG_MAP, ALERTMANAGER_SECRET})


@dataclass(frozen=True)
class Declared:
    """Everything declared: `secrets` are those of receivers; `quarantined` (namespace and name) has no alerts."""

    engines: Sequence[TradingEngine] = ()
    targets: Sequence[MonitoringTarget] = ()
    secrets: Secrets = field(default_factory=lambda: MappingProxyType({}), repr=False)
    quarantined: Collection[tuple[str, str]] = ()


def desired_stack(declared: Declared, world: World, settings: Settings) -> tuple[Object, ...]:
    """Everything shared, in the order in which it is applied. Who is not observed at all has no part in it."""
    scraped = alerting(declared.engines)
    found: list[tuple[str, Object]] = []
    if scraped or declared.targets:
        sound = [each for each in scraped if (each.namespace, each.name) not in declared.quarantined]
        rules, alertmanager = alert_objects(sound, settings, declared.secrets)
        namespaces = allowed(declared.engines, world, settings)
        # The revision covers the rules too, so a change of them is a reload that is read back.
        configuration = scrape.prometheus_configuration(namespaces, settings, digest_of(rules["data"]))
        found += [("alertmanager", alertmanager), ("prometheus", rules)]
        found += [("prometheus", each) for each in scrape.scrape_objects(configuration, settings)]
        found += [("grafana", each) for each in dashboard_objects(settings)]
    if found or any(_has_chosen(each) for each in declared.engines):
        found += [("log-agent", each) for each in log_objects(declared.engines, settings)]
    return tuple(finished_stack(component, each, settings.monitoring_namespace) for component, each in found)


def _has_chosen(engine: TradingEngine) -> bool:
    """Whether its lines are shipped otherwise than by the agents' own configuration."""
    return engine.spec.observability.logs.agent is not LogAgent.OPEN_TELEMETRY_COLLECTOR


def allowed(engines: Sequence[TradingEngine], world: World, settings: Settings) -> tuple[str, ...]:
    """Namespaces that may be scraped: by setting, by their label's consent, and those that declare an engine."""
    return scrape.allowed_namespaces(engines, filter(world.consents, world.namespaces), settings)


def configuration_of(objects: Sequence[Object]) -> str:
    """The configuration of Prometheus among shared objects; "" without any."""
    return str(data_of(objects, scrape.CONFIG_MAP).get(scrape.CONFIG_KEY, ""))


def alertmanager_configuration_of(objects: Sequence[Object]) -> str:
    """The configuration of Alertmanager among shared objects; "" without any."""
    found = next((each for each in objects if each["metadata"]["name"] == ALERTMANAGER_SECRET), {})
    return plain(found).get(receivers.CONFIG_FILE, "")


def data_of(objects: Sequence[Object], name: str) -> Object:
    """Data of a ConfigMap among shared objects; empty without it."""
    found = (each for each in objects if each["kind"] == "ConfigMap" and each["metadata"]["name"] == name)
    return next((each["data"] for each in found), {})
