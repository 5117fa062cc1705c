"""The alert catalogue -> the Prometheus rule group of one engine. Pure; the operator's `desired.alerts` calls it.

Every engine has a group of its own, the alerts about the operator and the stack included: each owner has his own
switches, thresholds and receivers, and no two engines share a rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from trading_dashboards.alert_names import AlertName, Severity
from trading_dashboards.alert_queries import Scope
from trading_dashboards.alerts import ALERTS, Alert

#: Labels that say whose alert it is; routes and inhibitions match on them.
ENGINE: Final = "engine"
ENGINE_NAMESPACE: Final = "engine_namespace"

Rule = dict[str, Any]


@dataclass(frozen=True)
class Tuning:
    """What an engine's owner set of one alert; None keeps the catalogue's own."""

    enabled: bool | None = None
    threshold: Decimal | None = None
    severity: Severity | None = None
    waits: int | None = None


def rule_group(scope: Scope, tuned: dict[AlertName, Tuning], runbooks: str) -> dict[str, Any]:
    """The group of an engine. `runbooks` is the folder or URL that has `<AlertName>.md`."""
    return {"name": f"{scope.namespace}/{scope.engine}", "rules": list(_rules(scope, tuned, runbooks))}


def _rules(scope: Scope, tuned: dict[AlertName, Tuning], runbooks: str) -> Iterator[Rule]:
    for alert in ALERTS:
        tuning = tuned.get(alert.name, Tuning())
        enabled = alert.enabled if tuning.enabled is None else tuning.enabled
        if enabled and alert.applies(scope):
            yield _rule(scope, alert, tuning, runbooks)


def _rule(scope: Scope, alert: Alert, tuning: Tuning, runbooks: str) -> Rule:
    waits = alert.waits if tuning.waits is None else tuning.waits
    threshold = tuning.threshold or alert.threshold or Decimal(0)
    return {
        "alert": alert.name.value,
        "expr": alert.expression(scope, threshold),
        **({"for": f"{waits}s"} if waits else {}),
        "labels": _labels(scope, alert, tuning.severity or alert.severity),
        "annotations": {
            "summary": alert.summary,
            "description": alert.description,
            "runbook_url": literal(f"{runbooks.rstrip('/')}/{alert.name}.md"),
        },
    }


def _labels(scope: Scope, alert: Alert, severity: Severity) -> dict[str, str]:
    place = scope.places[alert.worker] if alert.worker else None
    where = {"namespace": place.namespace, "service": place.service} if place else {}
    whose = {ENGINE_NAMESPACE: scope.namespace, ENGINE: scope.engine, "severity": severity.label}
    return {name: literal(value) for name, value in (whose | where).items()}


def literal(text: str) -> str:
    """Text that Prometheus's templates leave as it is."""
    return text.replace("{{", '{{ "{{" }}')
