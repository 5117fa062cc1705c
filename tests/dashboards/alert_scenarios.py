"""What happens to an engine's series when something breaks, minute by minute, for each alert.

Every scenario has four stages of the same length: healthy, broken, mended, gone (no series at all). The alert is looked
for at the end of each.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, auto
from typing import Any

from trading_dashboards.alert_names import AlertName as Name
from trading_dashboards.alert_queries import Place, Scope
from trading_dashboards.alerts import BY_NAME
from trading_dashboards.rules import ENGINE, ENGINE_NAMESPACE, Tuning
from trading_engine.contract.workers import COLLECTORS, WORKERS, WorkerName

COLLECTOR = "crypto-trading-paper-exchange-data-0a1b2c3d"
PLACES = {worker.name: Place("crypto-trading", f"paper-{worker.service}") for worker in WORKERS} | {
    worker.name: Place("crypto-collectors", COLLECTOR) for worker in COLLECTORS
}
SENT = "otelcol_exporter_sent_log_records_total"
SCOPE = Scope("crypto-trading", "paper", 60, asks_language_model=True, lines_sent=SENT, places=PLACES)

#: What the rules under test are set to: NoTrades is off by default, and its window a day.
TUNED = {Name.NO_TRADES: Tuning(enabled=True, threshold=Decimal(3600))}

Labels = dict[str, str]


class Kind(Enum):
    """What the numbers of a line are: values, growth a minute, or (1 and 0) whether it keeps up with the clock."""

    VALUE = auto()
    GROWTH = auto()
    TIME = auto()


@dataclass(frozen=True)
class Line:
    """One series: its name with labels, and what it does in the healthy and the broken stage."""

    series: str
    healthy: float
    broken: float
    kind: Kind = Kind.VALUE

    def values(self, minutes: int) -> list[float | None]:
        """A value a minute over all four stages. promtool's clock begins at 0."""
        found: list[float | None] = []
        last = 0.0
        for minute in range(3 * minutes):
            now = self.broken if minute // minutes == 1 else self.healthy
            if self.kind is Kind.VALUE:
                last = now
            elif self.kind is Kind.GROWTH:
                last += now
            elif now:
                last = 60.0 * minute
            found.append(last)
        return found + [None] * minutes


@dataclass(frozen=True)
class Scenario:
    """`fires` are the labels, beyond those every alert of the engine has, of each alert that fires while broken."""

    alert: Name
    lines: tuple[Line, ...]
    fires: tuple[Labels, ...] = ({},)
    missing: tuple[Labels, ...] = ()
    minutes: int = 70
    healthy: tuple[Labels, ...] = ()


def of_worker(worker: WorkerName, metric: str, **labels: str) -> str:
    """A series as scraped from one worker's pod."""
    place = PLACES[worker]
    return series(
        metric,
        job="kubernetes-services-metrics",
        namespace=place.namespace,
        service=place.service,
        pod=f"{place.service}-6d4f5b8c9d-x7x2k",
        instance="10.0.0.7:8000",
        **labels,
    )


def series(metric: str, **labels: str) -> str:
    """A series in promtool's notation."""
    return metric + "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}"


def at(worker: WorkerName, **labels: str) -> Labels:
    """Labels of an alert about a worker."""
    place = PLACES[worker]
    return {"namespace": place.namespace, "service": place.service, **labels}


def group_tests(scenario: Scenario) -> dict[str, Any]:
    """The scenario as one test group of promtool."""
    checks = (
        (1, scenario.healthy),
        (2, scenario.fires),
        (3, scenario.healthy),
        (4, scenario.missing),
    )
    return {
        "interval": "1m",
        "input_series": [
            {"series": line.series, "values": " ".join(map(_written, line.values(scenario.minutes)))}
            for line in scenario.lines
        ],
        "promql_expr_test": [_check(scenario, stage * scenario.minutes - 1, expected) for stage, expected in checks],
    }


def _check(scenario: Scenario, minute: int, expected: Iterable[Labels]) -> dict[str, Any]:
    return {
        "expr": f'ALERTS{{alertname="{scenario.alert}",alertstate="firing"}}',
        "eval_time": f"{minute}m",
        "exp_samples": [{"labels": series("ALERTS", **_all_labels(scenario, each)), "value": 1} for each in expected],
    }


def _all_labels(scenario: Scenario, labels: Labels) -> Labels:
    return {
        "alertname": scenario.alert.value,
        "alertstate": "firing",
        "severity": BY_NAME[scenario.alert].severity.label,
        ENGINE: "paper",
        ENGINE_NAMESPACE: "crypto-trading",
    } | labels


def _written(value: float | None) -> str:
    return "_" if value is None else f"{value:g}" if value < 1e6 else f"{value:.0f}"


_W = WorkerName
_BTC = "BTC/USD"
_UPS = {worker.name: of_worker(worker.name, "up") for worker in (*WORKERS, *COLLECTORS)}
_NOTHING_SCRAPED = tuple(at(name, job="kubernetes-services-metrics") for name in _UPS)


def _counter(worker: WorkerName, metric: str, healthy: float, broken: float, **labels: str) -> Line:
    return Line(of_worker(worker, metric, **labels), healthy, broken, Kind.GROWTH)


def _gauge(worker: WorkerName, metric: str, healthy: float, broken: float, **labels: str) -> Line:
    return Line(of_worker(worker, metric, **labels), healthy, broken)


def _histogram(worker: WorkerName, metric: str, fast: float, slow: float) -> tuple[Line, ...]:
    """Observations in the buckets of 1 s and 60 s: all fast while healthy, all slow while broken."""
    return (
        _counter(worker, f"{metric}_bucket", fast, 0, le="1.0"),
        _counter(worker, f"{metric}_bucket", fast, slow, le="60.0"),
        _counter(worker, f"{metric}_bucket", fast, slow, le="+Inf"),
        _counter(worker, f"{metric}_count", fast, slow),
    )


_CLOSED = "trading_last_candle_close_timestamp_seconds"
_LOADED = "prometheus_config_last_reload_successful"
_LEADS = "leader_election_master_status"
_TARGET = {"job": "trading-operator", "namespace": "crypto-trading", "name": "database", "reason": "Ready"}

SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        Name.WORKER_DOWN,
        (Line(_UPS[_W.TRADE_EXECUTOR], 1, 0), Line(_UPS[_W.EXCHANGE_DATA], 1, 1)),
        (at(_W.TRADE_EXECUTOR),),
    ),
    Scenario(
        Name.WORKER_NOT_SCRAPED,
        tuple(Line(each, 1, 1) for each in _UPS.values()),
        fires=(),
        missing=_NOTHING_SCRAPED,
    ),
    Scenario(
        Name.MARKET_DATA_STALE,
        (
            Line(of_worker(_W.EXCHANGE_DATA, _CLOSED, symbol=_BTC), 1, 0, Kind.TIME),
            Line(of_worker(_W.EXCHANGE_DATA, _CLOSED, symbol="ETH/USD"), 1, 1, Kind.TIME),
            _counter(_W.EXCHANGE_DATA, "trading_collected_candles_total", 1, 0, symbol=_BTC),
        ),
        (at(_W.EXCHANGE_DATA, symbol=_BTC),),
    ),
    Scenario(
        Name.MODEL_NOT_LOADED,
        (_gauge(_W.SIGNAL_GENERATOR, "model_load_status", 1, 0),),
        (at(_W.SIGNAL_GENERATOR),),
    ),
    Scenario(
        Name.NO_SIGNALS,
        (
            _counter(_W.SIGNAL_GENERATOR, "signals_generated_total", 1, 0, symbol=_BTC, signal_type="hold"),
            _counter(_W.SIGNAL_GENERATOR, "signals_generated_total", 0, 0, symbol=_BTC, signal_type="buy"),
        ),
        (at(_W.SIGNAL_GENERATOR, symbol=_BTC),),
    ),
    Scenario(
        Name.LLM_FAILING,
        (
            _counter(_W.LLM_VALIDATION, "llm_validation_time_seconds_count", 0.5, 0.5),
            _counter(_W.LLM_VALIDATION, "llm_confidence_scores_count", 0.5, 0),
        ),
        (at(_W.LLM_VALIDATION),),
    ),
    Scenario(
        Name.LLM_SLOW,
        _histogram(_W.LLM_VALIDATION, "ollama_api_latency_seconds", 1, 1),
        (at(_W.LLM_VALIDATION),),
    ),
    Scenario(
        Name.REJECTIONS_JUMP,
        (
            _counter(_W.TRADE_ORCHESTRATOR, "recommendations_processed_total", 0.01, 0.1, status="vetoed"),
            _counter(_W.TRADE_ORCHESTRATOR, "recommendations_processed_total", 0.01, 0.1, status="refused"),
            _counter(_W.TRADE_ORCHESTRATOR, "recommendations_processed_total", 1, 1, status="filled"),
        ),
        (at(_W.TRADE_ORCHESTRATOR),),
        minutes=130,
    ),
    Scenario(
        Name.ORDERS_FAILING,
        (
            _counter(_W.TRADE_EXECUTOR, "trade_executions_total", 0, 0.1, symbol=_BTC, status="rejected"),
            _counter(_W.TRADE_EXECUTOR, "trade_executions_total", 1, 1, symbol=_BTC, status="filled"),
            _counter(_W.TRADE_EXECUTOR, "trade_executions_total", 0.005, 0.005, symbol="ETH/USD", status="rejected"),
        ),
        (at(_W.TRADE_EXECUTOR, symbol=_BTC),),
        minutes=130,
    ),
    Scenario(
        Name.ORDER_PRECISION_ERRORS,
        (_counter(_W.TRADE_EXECUTOR, "order_precision_errors_total", 0, 0.05, symbol=_BTC),),
        (at(_W.TRADE_EXECUTOR, symbol=_BTC),),
        minutes=130,
    ),
    Scenario(
        Name.BALANCE_CHECK_FAILURES,
        (_counter(_W.TRADE_EXECUTOR, "balance_check_failures_total", 0.02, 0.1, symbol=_BTC),),
        (at(_W.TRADE_EXECUTOR, symbol=_BTC),),
        minutes=130,
    ),
    Scenario(
        Name.QUEUE_GROWING,
        (_gauge(_W.TRADE_ORCHESTRATOR, "pending_recommendations_queue_size", 2, 7),),
        (at(_W.TRADE_ORCHESTRATOR),),
    ),
    Scenario(
        Name.RECOMMENDATIONS_EXPIRING,
        (_counter(_W.TRADE_ORCHESTRATOR, "recommendations_processed_total", 0.02, 0.1, status="expired"),),
        (at(_W.TRADE_ORCHESTRATOR),),
        minutes=130,
    ),
    Scenario(
        Name.CYCLE_SLOW,
        _histogram(_W.TRADE_ORCHESTRATOR, "orchestrator_cycle_duration_seconds", 60, 1),
        (at(_W.TRADE_ORCHESTRATOR),),
    ),
    Scenario(
        Name.TRADING_HALTED,
        (
            _gauge(_W.TRADE_EXECUTOR, "trading_state", 0, 1, state="Halted"),
            _gauge(_W.TRADE_EXECUTOR, "trading_state", 1, 0, state="Active"),
        ),
        (at(_W.TRADE_EXECUTOR),),
    ),
    Scenario(
        Name.NO_TRADES,
        (_counter(_W.TRADE_EXECUTOR, "trade_executions_total", 0.1, 0, symbol=_BTC, status="filled"),),
        (at(_W.TRADE_EXECUTOR),),
        minutes=130,
    ),
    Scenario(
        Name.OPERATOR_DOWN,
        (
            Line(series(_LEADS, job="trading-operator", pod="a"), 1, 0),
            Line(series(_LEADS, job="trading-operator", pod="b"), 0, 0),
        ),
        missing=({},),
    ),
    Scenario(
        Name.OPERATOR_DEAF,
        (
            Line(
                series("trading_operator_relist_corrections_total", job="trading-operator", kind="Pod"),
                0.1,
                1,
                Kind.GROWTH,
            ),
        ),
    ),
    Scenario(
        Name.MONITORING_CONFIG_REJECTED,
        (Line(series(_LOADED, job="prometheus", pod="p"), 1, 0),),
        ({"job": "prometheus", "pod": "p"},),
    ),
    Scenario(
        Name.TARGET_NOT_READY,
        (Line(series("trading_monitoring_target_ready", **_TARGET), 1, 0),),
        ({"namespace": "crypto-trading", "name": "database"},),
    ),
    Scenario(
        Name.LOG_SHIPPING_STOPPED,
        (
            Line(series("loki_distributor_lines_received_total", job="loki", pod="l"), 10, 0, Kind.GROWTH),
            Line(series(SENT, job="log-agent", instance="10.0.0.9:8888"), 10, 0, Kind.GROWTH),
        ),
        missing=({"job": "log-agent"},),
    ),
    Scenario(Name.WATCHDOG, (), healthy=({},), missing=({},)),
)
