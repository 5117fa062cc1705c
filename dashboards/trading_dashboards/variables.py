"""Template variables and annotations that boards share, as Grafana writes them."""

from __future__ import annotations

from typing import Any, Final

from trading_dashboards.model import LOKI_UID, PROMETHEUS_UID, Source
from trading_dashboards.promql import select
from trading_dashboards.series import SERVICES
from trading_engine.contract.config import TradingState

Variable = dict[str, Any]

#: A datasource as a panel names it: by variable, so that a board works with datasources of other uids.
DATASOURCES: Final = {
    Source.PROMETHEUS: {"type": "prometheus", "uid": "${datasource}"},
    Source.LOKI: {"type": "loki", "uid": "${logs}"},
}
#: Levels of log lines; unknown is that of a line that names none.
LEVELS: Final = ("debug", "info", "warning", "error", "critical", "unknown")

NAMESPACE: Final = "=~$namespace"
SYMBOL: Final = "=~$symbol"
#: What a multiple variable stands for when all is chosen: at least one character, so never a missing label.
_ALL: Final = ".+"


def _datasource(name: str, label: str, source: Source, uid: str) -> Variable:
    return {
        "name": name,
        "label": label,
        "type": "datasource",
        "query": source.value,
        "current": {"selected": True, "text": label, "value": uid},
        "hide": 0,
        "includeAll": False,
        "multi": False,
        "options": [],
        "refresh": 1,
        "regex": "",
        "skipUrlSync": False,
    }


def _choice(name: str, label: str, description: str) -> Variable:
    return {
        "name": name,
        "label": label,
        "description": description,
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "allValue": _ALL,
        "hide": 0,
        "includeAll": True,
        "multi": True,
        "options": [],
        "skipUrlSync": False,
    }


def _labels(name: str, description: str, series: str, label: str, regex: str = "") -> Variable:
    """A choice among the values of a label. Asked for again whenever the time range changes."""
    query = f"label_values({series}, {label})"
    return _choice(name, name.capitalize(), description) | {
        "type": "query",
        "datasource": DATASOURCES[Source.PROMETHEUS],
        "definition": query,
        "query": {"qryType": 1, "query": query, "refId": f"variable-{name}"},
        "refresh": 2,
        "regex": regex,
        "sort": 1,
    }


_GENERATORS: Final = {"namespace": NAMESPACE, "service": "=~$engine-signal-generator"}

DATASOURCE: Final = _datasource("datasource", "Prometheus", Source.PROMETHEUS, PROMETHEUS_UID)
LOGS: Final = _datasource("logs", "Loki", Source.LOKI, LOKI_UID)
ENGINE_NAMESPACES: Final = _labels(
    "namespace", "Namespaces with a TradingEngine.", select("model_load_status"), "namespace"
)
ALL_NAMESPACES: Final = _labels(
    "namespace", "Namespaces with a Service that is scraped.", select("up", job=SERVICES), "namespace"
)
ENGINES: Final = _labels(
    "engine",
    "TradingEngines in these namespaces.",
    select("model_load_status", namespace=NAMESPACE),
    "service",
    "/(.+)-signal-generator/",
)
#: On a board of all namespaces: those of the collectors must not hide the engines.
ALL_ENGINES: Final = _labels(
    "engine", "TradingEngines.", select("model_load_status"), "service", "/(.+)-signal-generator/"
)
SYMBOLS: Final = _labels(
    "symbol", "What these engines trade.", select("signals_generated_total", **_GENERATORS), "symbol"
)
WRITERS: Final = _labels(
    "service", "Whose log lines are shown.", select("up", job=SERVICES, namespace=NAMESPACE), "service"
)
LEVEL: Final = _choice("level", "Level", "Log levels that are shown.") | {
    "type": "custom",
    "query": ", ".join(LEVELS),
    "options": [],
}
SEARCH: Final = {
    "name": "search",
    "label": "Search",
    "description": "Regular expression that log lines must match, upper or lower case; a recommendation's id, say.",
    "type": "textbox",
    "query": "",
    "current": {"selected": True, "text": "", "value": ""},
    "hide": 0,
    "options": [{"selected": True, "text": "", "value": ""}],
    "skipUrlSync": False,
}


def _annotation(name: str, color: str, expr: str, title: str) -> dict[str, Any]:
    return {
        "name": name,
        "enable": True,
        "hide": False,
        "iconColor": color,
        "datasource": DATASOURCES[Source.PROMETHEUS],
        "target": {"refId": "Anno", "expr": expr, "interval": "30s"},
        "titleFormat": title,
    }


#: Grafana's own: what people mark by hand.
MARKS: Final = {
    "name": "Annotations & Alerts",
    "builtIn": 1,
    "datasource": {"type": "grafana", "uid": "-- Grafana --"},
    "enable": True,
    "hide": True,
    "iconColor": "rgba(0, 211, 255, 1)",
    "type": "dashboard",
}


def starts(service: str) -> dict[str, Any]:
    """A mark wherever a process of these services started: a rollout, or a crash. The value is the time."""
    series = select("process_start_time_seconds", job=SERVICES, namespace=NAMESPACE, service=f"=~{service}")
    expr = f"max by (namespace, service) ({series}) * 1000"
    return _annotation("Starts", "blue", expr, "{{service}} started") | {"useValueForTime": "on"}


def halts() -> dict[str, Any]:
    """A region while an executor obeys anything but Active."""
    stopped = select(
        "trading_state", namespace=NAMESPACE, service="=~$engine-trade-executor", state=f"!={TradingState.ACTIVE.value}"
    )
    return _annotation("Halts", "red", f"max by (namespace, service, state) ({stopped}) == 1", "{{service}}: {{state}}")


def alerts() -> dict[str, Any]:
    """A region while an alert of the chosen engines fires that a person has to look at."""
    firing = select("ALERTS", alertstate="firing", severity="!=info", engine="=~$engine")
    return _annotation(
        "Alerts", "orange", f"max by (alertname, engine, service) ({firing})", "{{alertname}} {{service}}"
    )
