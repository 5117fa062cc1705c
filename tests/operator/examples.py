"""Valid objects of both kinds that together use every field, and a way to break each CEL rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trading_engine.contract.workers import COLLECTORS, WORKERS
from trading_operator.kinds import GROUP, VERSION

Path = tuple[str | int, ...]
API_VERSION = f"{GROUP}/{VERSION}"


@dataclass(frozen=True)
class Change:
    """What to change in an example: path -> value, None takes the field away.

    `transition`: the rule is about changes, so the unchanged example is created first.
    """

    values: tuple[tuple[Path, Any], ...]
    example: int = 0
    transition: bool = False


def _condition() -> dict[str, Any]:
    return {
        "type": "Ready",
        "status": "True",
        "observedGeneration": 1,
        "lastTransitionTime": "2026-01-02T03:04:05Z",
        "reason": "AllWorkersReady",
        "message": "5/5 workers",
    }


def _collector() -> dict[str, Any]:
    amounts = {"cpu": "100m", "memory": "256Mi"}
    return {"resources": {"requests": dict(amounts), "limits": dict(amounts)}, "logLevel": "Debug"}


def _worker() -> dict[str, Any]:
    return {"image": "registry.example/trading-engine:1"} | _collector()


def _engine(name: str) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": "TradingEngine",
        "metadata": {"name": name, "namespace": "crypto-trading"},
        "spec": {
            "mode": "Live",
            "tradingState": "Active",
            "suspend": False,
            "symbols": ["BTC/USD"],
            "timeframe": "1m",
            "expireAfterCandles": 3,
            "orderNotional": "50",
            "exchange": {"id": "coinbase", "url": "https://api.example.com", "credentialsSecretRef": {"name": "keys"}},
            "database": {"secretRef": {"name": "database"}},
            "model": {"promotion": "Gate", "minimumConfidence": "0.5"},
            "llm": {
                "provider": "OpenAI",
                "url": "https://llm.example.com/v1",
                "model": "model-1",
                "timeoutSeconds": 20,
                "onUnavailable": "Reject",
                "apiKeySecretRef": {"name": "llm"},
            },
            "risk": {
                "maxOrderNotional": "100",
                "maxPositionNotional": "500",
                "maxDailyLoss": "50",
                "maxOrdersPerMinute": 10,
                "maxPriceAgeSeconds": 60,
            },
            "paper": {"balance": "10000", "fillRatio": "1", "feeRate": "0.001"},
            "workers": {worker.field: _worker() for worker in WORKERS},
            "collectors": {collector.field: _collector() for collector in COLLECTORS},
            "observability": {
                "scrape": "Annotations",
                "targets": "Enabled",
                "alerts": [
                    {
                        "name": "QueueGrowing",
                        "enabled": True,
                        "threshold": "10",
                        "severity": "Critical",
                        "forSeconds": 60,
                    }
                ],
                "receivers": [
                    {
                        "name": "pager",
                        "minimumSeverity": "Critical",
                        "watchdog": False,
                        "webhook": {"url": "https://pager.example.com/v1", "tokenSecretRef": {"name": "pager"}},
                    },
                ],
                "logs": {"agent": "OpenTelemetryCollector"},
            },
        },
        "status": {
            "observedGeneration": 1,
            "conditions": [_condition()],
            "tradingState": "Active",
            "workersReady": "5/5",
            "workers": [
                {
                    "name": "trade_executor",
                    "ready": True,
                    "image": "registry.example/trading-engine:1",
                    "restarts": 1,
                    "message": "",
                }
            ],
        },
    }


def _engine_with_storage() -> dict[str, Any]:
    engine = _engine("with-storage")
    engine["spec"]["database"] = {"storage": {"size": "2Gi", "storageClassName": "standard"}}
    return engine


def _engine_with_receiver(name: str, way: dict[str, Any]) -> dict[str, Any]:
    engine = _engine(name)
    engine["spec"]["observability"]["receivers"] = [
        {"name": "people", "minimumSeverity": "Warning", "watchdog": True} | way
    ]
    return engine


_SLACK = {"slack": {"urlSecretRef": {"name": "slack"}, "channel": "#trading"}}
_SECRET_WEBHOOK = {"webhook": {"urlSecretRef": {"name": "pager"}}}
_EMAIL = {
    "email": {
        "to": "people@example.com",
        "from": "engine@example.com",
        "server": "mail.example.com:587",
        "username": "engine",
        "passwordSecretRef": {"name": "mail"},
    }
}


def _target() -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": "MonitoringTarget",
        "metadata": {"name": "everything", "namespace": "crypto-trading"},
        "spec": {
            "namespaces": ["crypto-trading"],
            "selector": {"matchLabels": {"key": "value"}},
            "endpoints": [{"port": "http", "path": "/metrics", "scheme": "HTTP"}],
            "expectedMetrics": ["up"],
            "freshness": {"metric": "last_success_timestamp_seconds", "maxAgeSeconds": 60},
        },
        "status": {
            "observedGeneration": 1,
            "conditions": [_condition()],
            "targets": {"matched": 3, "up": 2},
            "lastScrape": "2026-01-02T03:04:05Z",
            "errors": [
                {"reason": "HttpStatus", "message": "status 404", "count": 1, "example": "http://10.0.0.1:80/metrics"}
            ],
            "evidenceTime": "2026-01-02T03:04:05Z",
        },
    }


def _importing_target() -> dict[str, Any]:
    target = _target()
    target["metadata"]["name"] = "imported"
    target["spec"] = {"namespaces": [], "annotations": "Import", "expectedMetrics": []}
    return target


#: Kind -> valid objects; together they have a value for every field.
EXAMPLES: dict[str, tuple[dict[str, Any], ...]] = {
    "TradingEngine": (
        _engine("everything"),
        _engine_with_storage(),
        _engine_with_receiver("with-slack", _SLACK),
        _engine_with_receiver("with-email", _EMAIL),
        _engine_with_receiver("with-secret-webhook", _SECRET_WEBHOOK),
    ),
    "MonitoringTarget": (_target(), _importing_target()),
}

_SPEC: Path = ("spec",)
_RECEIVER: Path = ("spec", "observability", "receivers", 0)
_RESOURCES: Path = ("spec", "workers", "signalGenerator", "resources", "requests")

#: Kind -> message of each CEL rule -> how to break it.
CEL: dict[str, dict[str, Change]] = {
    "TradingEngine": {
        "metadata.name must be at most 40 lower case letters, digits and hyphens, from a letter on": Change(
            ((("metadata", "name"), "a" * 41),)
        ),
        "exchange.credentialsSecretRef is required in mode Live": Change(
            (((*_SPEC, "exchange", "credentialsSecretRef"), None),)
        ),
        "risk is required in mode Live": Change((((*_SPEC, "risk"), None),)),
        "mode is immutable: simulated fills must never count as holdings; create another TradingEngine": Change(
            (((*_SPEC, "mode"), "Paper"),), transition=True
        ),
        "database.secretRef and database.storage exclude each other: either your database or one that we run": Change(
            (((*_SPEC, "database", "storage"), {"size": "1Gi"}),)
        ),
        "database.secretRef can be neither added nor removed: the rows would be left behind": Change(
            (((*_SPEC, "database"), {}),), transition=True
        ),
        "database.storage is immutable: the rows would be left behind": Change(
            (((*_SPEC, "database", "storage", "size"), "3Gi"),), example=1, transition=True
        ),
        "llm.url is required unless llm.provider is Disabled": Change((((*_SPEC, "llm", "url"), None),)),
        "llm.apiKeySecretRef is only for llm.provider OpenAI": Change((((*_SPEC, "llm", "provider"), "Ollama"),)),
        "risk.maxOrderNotional must not be greater than risk.maxPositionNotional": Change(
            (((*_SPEC, "risk", "maxOrderNotional"), "500.01"),)
        ),
        "alerts.threshold is only for alerts that have one: docs/reference/alerts.md lists them": Change(
            (((*_SPEC, "observability", "alerts", 0, "name"), "WorkerDown"),)
        ),
        "receivers needs exactly one of webhook, slack and email": Change((((*_RECEIVER, "email"), _EMAIL["email"]),)),
        "receivers.webhook needs exactly one of url and urlSecretRef": Change(
            (((*_RECEIVER, "webhook", "urlSecretRef"), {"name": "pager"}),)
        ),
        "resources.requests.cpu must not be greater than resources.limits.cpu": Change((((*_RESOURCES, "cpu"), "1"),)),
        "resources.requests.memory must not be greater than resources.limits.memory": Change(
            (((*_RESOURCES, "memory"), "1Gi"),)
        ),
    },
    "MonitoringTarget": {
        "selector.matchLabels: a key must be at most 317 characters": Change(
            (((*_SPEC, "selector", "matchLabels"), {"k" * 318: "value"}),)
        ),
        "exactly one of selector and annotations is required": Change((((*_SPEC, "annotations"), "Import"),)),
        "endpoints are required with selector, and belong to nothing else": Change((((*_SPEC, "endpoints"), None),)),
    },
}
