"""Engines -> alert rules and who is told: ConfigMap `trading-prometheus-rules`, Secret `trading-alertmanager`. Pure.

`desired.stack` calls `alert_objects`; where prometheus-operator is used, a PrometheusRule is made of `rule_group_of`.
Every engine has a file of its own, which selects the series of that engine's Services and of no other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import yaml

from trading_dashboards.alert_queries import Place, Scope
from trading_dashboards.rules import Tuning, rule_group
from trading_engine.contract.config import LlmProvider
from trading_engine.contract.workers import COLLECTORS, WORKERS
from trading_operator.api.v1alpha1 import TradingEngine
from trading_operator.api.v1alpha1.observability import AlertSpec, Scrape
from trading_operator.desired import names
from trading_operator.desired.labels import Object, secret
from trading_operator.desired.logs import LINES_SENT
from trading_operator.desired.receivers import Secrets, alertmanager_files
from trading_operator.desired.scrape import RULES_CONFIG_MAP
from trading_operator.settings import Settings

ALERTMANAGER_SECRET: Final = "trading-alertmanager"  # noqa: S105  a name, not a value

#: The API server refuses an object of more than 1 MiB; names, labels and the managed fields need some of it.
_MOST_BYTES: Final = 900_000


@dataclass(frozen=True)
class RuleFiles:
    """File name -> rules. `left_out` are engines whose rules would make the ConfigMap too large."""

    files: dict[str, str]
    left_out: tuple[TradingEngine, ...] = ()


def alert_objects(engines: Iterable[TradingEngine], settings: Settings, secrets: Secrets) -> list[Object]:
    """Rules and Alertmanager's configuration of all engines that are scraped, without labels of ownership.

    `secrets` has the plain values of the Secrets that `receivers.receiver_secrets` asks for.
    """
    observed = alerting(engines)
    namespace = settings.monitoring_namespace
    rules = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": RULES_CONFIG_MAP, "namespace": namespace},
        "data": rule_files(observed, settings).files,
    }
    return [rules, secret(ALERTMANAGER_SECRET, namespace, alertmanager_files(observed, secrets))]


def alerting(engines: Iterable[TradingEngine]) -> list[TradingEngine]:
    """Engines that have alerts here: of one that is not scraped nothing is known, others have a PrometheusRule."""
    return [each for each in engines if each.spec.observability.scrape is Scrape.ANNOTATIONS]


def rule_files(engines: Iterable[TradingEngine], settings: Settings) -> RuleFiles:
    """A file for each engine, as long as they fit; those that came first alphabetically stay."""
    ordered = sorted(engines, key=lambda each: (each.namespace, each.name))
    files: dict[str, str] = {}
    size = 0
    for number, engine in enumerate(ordered):
        text = rules_text(engine, settings)
        size += len(text)
        if size > _MOST_BYTES:
            return RuleFiles(files, tuple(ordered[number:]))
        files[rule_file(engine)] = text
    return RuleFiles(files)


def rule_file(engine: TradingEngine) -> str:
    """Name of an engine's file. Neither name has a dot in it, so no two engines share one."""
    return f"{engine.namespace}.{engine.name}.yaml"


def rules_text(engine: TradingEngine, settings: Settings) -> str:
    """The rule file of one engine."""
    return yaml.dump(
        {"groups": [rule_group_of(engine, settings)]}, Dumper=yaml.CSafeDumper, sort_keys=False, width=1_000
    )


def rule_group_of(engine: TradingEngine, settings: Settings) -> dict[str, Any]:
    """The rule group of one engine."""
    tuned = {each.name: _tuning(each) for each in engine.spec.observability.alerts}
    return rule_group(scope_of(engine, settings), tuned, settings.runbooks)


def scope_of(engine: TradingEngine, settings: Settings) -> Scope:
    """What rules have to know of an engine."""
    spec = engine.spec
    homes = {each.name: Place(engine.namespace, names.deployment(engine, each)) for each in WORKERS}
    away = {each.name: Place(settings.collectors_namespace, names.deployment(engine, each)) for each in COLLECTORS}
    return Scope(
        namespace=engine.namespace,
        engine=engine.name,
        timeframe_seconds=spec.timeframe.seconds,
        asks_language_model=spec.llm.provider is not LlmProvider.DISABLED,
        lines_sent=LINES_SENT.get(spec.observability.logs.agent, ""),
        places=homes | away,
    )


def _tuning(wanted: AlertSpec) -> Tuning:
    return Tuning(
        enabled=wanted.enabled,
        threshold=Decimal(wanted.threshold) if wanted.threshold else None,
        severity=wanted.severity,
        waits=wanted.for_seconds,
    )
