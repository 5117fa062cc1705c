"""The alert catalogue: for each alert what it means, when it fires by default and its PromQL. Pure.

`rules` turns it into Prometheus rules for one engine, the operator's API takes names and defaults from here, and the
reference page lists it. Trades are rare: what counts events has a number of them as threshold, never a rate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from trading_dashboards.alert_names import AlertName as Name
from trading_dashboards.alert_names import Severity
from trading_dashboards.promql import select
from trading_dashboards.series import ALERTMANAGER, LOG_AGENT, LOKI, PROMETHEUS, SERVICES
from trading_engine.contract.config import TradingState
from trading_engine.contract.messages import OrderState, RecommendationStatus
from trading_engine.contract.workers import COLLECTORS, WORKERS, WorkerName


@dataclass(frozen=True)
class Place:
    """Where the series of a worker are: the `namespace` and `service` labels that scraping gives them."""

    namespace: str
    service: str


@dataclass(frozen=True)
class Scope:
    """The engine that rules are made for. `places` has every worker and collector of it.

    `lines_sent` is the counter of the agent that the engine has chosen to ship its logs; "" for none.
    """

    namespace: str
    engine: str
    timeframe_seconds: int
    asks_language_model: bool
    lines_sent: str
    places: Mapping[WorkerName, Place]


@dataclass(frozen=True)
class Alert:
    """One alert. `expression(scope, threshold)` is true while it fires; `threshold` is None where it has none.

    `worker` is the one that it is about. `unit` says what the threshold counts, `waits` for how long the expression
    must be true, in seconds.
    """

    name: Name
    severity: Severity
    waits: int
    summary: str
    description: str
    expression: Callable[[Scope, Decimal], str]
    worker: WorkerName | None = None
    threshold: Decimal | None = None
    unit: str = ""
    enabled: bool = True
    applies: Callable[[Scope], bool] = lambda _: True


def duration(seconds: Decimal | int) -> str:
    """A PromQL duration, to the millisecond: `300s`, `1500ms`."""
    milliseconds = int(Decimal(seconds) * 1000)
    return f"{milliseconds}ms" if milliseconds % 1000 else f"{milliseconds // 1000}s"


def _of(scope: Scope, worker: WorkerName, metric: str, **labels: str) -> str:
    """A metric as exported by one worker of the engine."""
    place = scope.places[worker]
    return select(metric, job=SERVICES, namespace=place.namespace, service=place.service, **labels)


def _increase(series: str, window: str, by: str = "") -> str:
    return f"sum {by}{' ' if by else ''}(increase({series}[{window}]))"


def _stood_still(counter: str, seconds: Decimal, by: str = "") -> str:
    """A counter that has not grown for so long; who was not there yet that long ago has had no time to grow."""
    window = duration(seconds)
    return f"{_increase(counter, window, by)} == 0 and {_present(counter, window, by)}"


def _present(series: str, ago: str, by: str = "") -> str:
    return f"count {by}{' ' if by else ''}(present_over_time({series}[5m] offset {ago}))"


_EXECUTOR, _GENERATOR = WorkerName.TRADE_EXECUTOR, WorkerName.SIGNAL_GENERATOR
_ORCHESTRATOR, _LLM = WorkerName.TRADE_ORCHESTRATOR, WorkerName.LLM_VALIDATION
_BY_SYMBOL: Final = "by (symbol)"


def _worker_down(scope: Scope, _: Decimal) -> str:
    up = (_of(scope, each.name, "up") for each in (*WORKERS, *COLLECTORS))
    # An average, so that a container that starts and falls again and again counts as down; max: one good pod suffices.
    averages = " or ".join(f"avg_over_time({each}[4m])" for each in up)
    return f"max by (namespace, service) ({averages}) < 0.5"


def _worker_not_scraped(scope: Scope, _: Decimal) -> str:
    return " or ".join(f"absent({_of(scope, each.name, 'up')})" for each in (*WORKERS, *COLLECTORS))


def _market_data_stale(scope: Scope, threshold: Decimal) -> str:
    """The newest is too old; or the collector has been there for a while and knows of none at all."""
    closed = _of(scope, WorkerName.EXCHANGE_DATA, "trading_last_candle_close_timestamp_seconds")
    collected = _of(scope, WorkerName.EXCHANGE_DATA, "trading_collected_candles_total")
    newest = f"max {_BY_SYMBOL} ({closed})"
    there = f"{_increase(collected, '5m', _BY_SYMBOL)} >= 0 and {_present(collected, '10m', _BY_SYMBOL)}"
    return f"time() - {newest} > {scope.timeframe_seconds} + {threshold} or {there} unless {newest}"


def _no_signals(scope: Scope, threshold: Decimal) -> str:
    """Every closed candle makes a signal, a hold at least."""
    signals = _of(scope, _GENERATOR, "signals_generated_total")
    return _stood_still(signals, 2 * scope.timeframe_seconds + threshold, _BY_SYMBOL)


def _llm_failing(scope: Scope, threshold: Decimal) -> str:
    """A verdict has a confidence only where the model itself gave it in time."""
    verdicts = _of(scope, _LLM, "llm_validation_time_seconds_count")
    given = _of(scope, _LLM, "llm_confidence_scores_count")
    return f"{_increase(verdicts, '30m')} - {_increase(given, '30m')} >= {threshold}"


def _llm_slow(scope: Scope, threshold: Decimal) -> str:
    buckets = _of(scope, _LLM, "ollama_api_latency_seconds_bucket")
    calls = _of(scope, _LLM, "ollama_api_latency_seconds_count")
    slow = f"histogram_quantile(0.9, {_increase(buckets, '30m', 'by (le)')}) > {threshold}"
    return f"{slow} and {_increase(calls, '30m')} >= 3"


_TURNED_DOWN: Final = (
    RecommendationStatus.VETOED,
    RecommendationStatus.REFUSED,
    RecommendationStatus.DENIED,
    RecommendationStatus.REJECTED,
)


def _rejections_jump(scope: Scope, threshold: Decimal) -> str:
    ended = _of(scope, _ORCHESTRATOR, "recommendations_processed_total", status="=~" + "|".join(_TURNED_DOWN))
    now, usual = _increase(ended, "1h"), f"sum(increase({ended}[1d] offset 1h)) / 24"
    # unless: an engine without a yesterday has nothing usual yet.
    return f"{now} >= {threshold} unless {now} <= 3 * {usual}"


def _orders_failing(scope: Scope, threshold: Decimal) -> str:
    rejected = _of(scope, _EXECUTOR, "trade_executions_total", status=OrderState.REJECTED.value)
    return f"{_increase(rejected, '1h', _BY_SYMBOL)} >= {threshold}"


def _events(worker: WorkerName, metric: str) -> Callable[[Scope, Decimal], str]:
    """At least that many events of a symbol in an hour."""

    def expression(scope: Scope, threshold: Decimal) -> str:
        return f"{_increase(_of(scope, worker, metric), '1h', _BY_SYMBOL)} >= {threshold}"

    return expression


def _recommendations_expiring(scope: Scope, threshold: Decimal) -> str:
    expired = RecommendationStatus.EXPIRED.value
    ended = _of(scope, _ORCHESTRATOR, "recommendations_processed_total", status=expired)
    return f"{_increase(ended, '1h')} >= {threshold}"


def _cycle_slow(scope: Scope, threshold: Decimal) -> str:
    """Most passes find nothing to do, so an average says nothing; and a pass that never ends is in no histogram."""
    buckets = _of(scope, _ORCHESTRATOR, "orchestrator_cycle_duration_seconds_bucket")
    passes = _of(scope, _ORCHESTRATOR, "orchestrator_cycle_duration_seconds_count")
    slow = f"histogram_quantile(0.99, {_increase(buckets, '15m', 'by (le)')}) > {threshold}"
    stuck = f"{_increase(passes, '15m')} == 0"
    return f"{slow} or {stuck}"


def _no_trades(scope: Scope, threshold: Decimal) -> str:
    filled = _of(scope, _EXECUTOR, "trade_executions_total", status=OrderState.FILLED.value)
    return _stood_still(filled, threshold)


def _operator_down(_: Scope, __: Decimal) -> str:
    return f"absent({select('leader_election_master_status')} == 1)"


def _operator_deaf(_: Scope, threshold: Decimal) -> str:
    return f"{_increase(select('trading_operator_relist_corrections_total'), '30m')} >= {threshold}"


def _config_rejected(_: Scope, __: Decimal) -> str:
    programs = (PROMETHEUS, ALERTMANAGER)
    return " or ".join(f"{select(f'{each}_config_last_reload_successful')} == 0" for each in programs)


def _target_not_ready(scope: Scope, _: Decimal) -> str:
    ready = select("trading_monitoring_target_ready", namespace=scope.namespace)
    return f"min by (namespace, name) ({ready}) == 0"


def _log_shipping_stopped(scope: Scope, _: Decimal) -> str:
    """Nothing arrives, nobody is there to receive it, an agent of a node is down, or none of this kind runs at all."""
    lines = select("loki_distributor_lines_received_total")
    loki, agents = (select("up", job=job) for job in (LOKI, LOG_AGENT))
    down = f"max({loki}) == 0 or max by (instance) ({agents}) == 0"
    return f"{_increase(lines, '10m')} == 0 or {down} or absent({select(scope.lines_sent)})"


ALERTS: Final[tuple[Alert, ...]] = (
    Alert(
        Name.WORKER_DOWN, Severity.CRITICAL, 60,
        "{{ $labels.service }} is down",
        "No pod of {{ $labels.namespace }}/{{ $labels.service }} answered half of its scrapes in 4 minutes.",
        _worker_down,
    ),
    Alert(
        Name.WORKER_NOT_SCRAPED, Severity.WARNING, 300,
        "{{ $labels.service }} is not scraped",
        "Prometheus knows no target of {{ $labels.namespace }}/{{ $labels.service }}: nothing is known about it.",
        _worker_not_scraped,
    ),
    Alert(
        Name.MARKET_DATA_STALE, Severity.CRITICAL, 60,
        "No new candle of {{ $labels.symbol }}",
        "The newest stored candle of {{ $labels.symbol }} is older than it may be, or there is none.",
        _market_data_stale, WorkerName.EXCHANGE_DATA, Decimal(300),
        "seconds that a candle is late",
    ),
    Alert(
        Name.MODEL_NOT_LOADED, Severity.WARNING, 900,
        "A symbol has no promoted model",
        "At least one symbol has no promoted model: its signals are hold.",
        lambda scope, _: f"max({_of(scope, _GENERATOR, 'model_load_status')}) == 0", _GENERATOR,
    ),
    Alert(
        Name.NO_SIGNALS, Severity.WARNING, 60,
        "No signals of {{ $labels.symbol }}",
        "Every closed candle makes a signal, a hold at least; {{ $labels.symbol }} had none for two candles and more.",
        _no_signals, _GENERATOR, Decimal(300),
        "seconds without a signal, beyond two candles",
    ),
    Alert(
        Name.LLM_FAILING, Severity.WARNING, 0,
        "The language model gives no verdicts",
        "{{ $value | humanize }} verdicts in 30 minutes were not the model's own: onUnavailable decided.",
        _llm_failing, _LLM, Decimal(3), "verdicts without the model, in 30 minutes",
        applies=lambda scope: scope.asks_language_model,
    ),
    Alert(
        Name.LLM_SLOW, Severity.WARNING, 300,
        "The language model is slow",
        "One call in ten took more than {{ $value | humanizeDuration }} over 30 minutes.",
        _llm_slow, _LLM, Decimal(10), "seconds that 9 of 10 calls take",
        applies=lambda scope: scope.asks_language_model,
    ),
    Alert(
        Name.REJECTIONS_JUMP, Severity.WARNING, 0,
        "Many recommendations are turned down",
        "{{ $value | humanize }} recommendations were vetoed, refused, denied or rejected in an hour, over three times"
        " the usual.",
        _rejections_jump, _ORCHESTRATOR, Decimal(5), "recommendations turned down in an hour",
    ),
    Alert(
        Name.ORDERS_FAILING, Severity.CRITICAL, 0,
        "The exchange rejects orders of {{ $labels.symbol }}",
        "The exchange rejected {{ $value | humanize }} orders of {{ $labels.symbol }} in an hour.",
        _orders_failing, _EXECUTOR, Decimal(2), "orders of a symbol rejected in an hour",
    ),
    Alert(
        Name.ORDER_PRECISION_ERRORS, Severity.WARNING, 0,
        "Orders of {{ $labels.symbol }} are too small",
        "{{ $value | humanize }} orders of {{ $labels.symbol }} were below the exchange's increments or minimum.",
        _events(_EXECUTOR, "order_precision_errors_total"), _EXECUTOR, Decimal(1), "errors of a symbol in an hour",
    ),
    Alert(
        Name.BALANCE_CHECK_FAILURES, Severity.WARNING, 0,
        "No balance for orders of {{ $labels.symbol }}",
        "{{ $value | humanize }} orders of {{ $labels.symbol }} were denied for lack of balance in an hour.",
        _events(_EXECUTOR, "balance_check_failures_total"), _EXECUTOR, Decimal(3), "denials of a symbol in an hour",
    ),
    Alert(
        Name.QUEUE_GROWING, Severity.WARNING, 600,
        "Recommendations pile up",
        "{{ $value | humanize }} recommendations have not ended.",
        lambda scope, least: f"max({_of(scope, _ORCHESTRATOR, 'pending_recommendations_queue_size')}) >= {least}",
        _ORCHESTRATOR, Decimal(5), "open recommendations",
    ),
    Alert(
        Name.RECOMMENDATIONS_EXPIRING, Severity.WARNING, 0,
        "Recommendations expire",
        "{{ $value | humanize }} recommendations expired in an hour before the pipeline could end them.",
        _recommendations_expiring, _ORCHESTRATOR, Decimal(3), "expired recommendations in an hour",
    ),
    Alert(
        Name.CYCLE_SLOW, Severity.WARNING, 300,
        "The orchestrator's passes take long",
        "One pass in a hundred takes more than {{ $value | humanizeDuration }}; 0: none has ended for 15 minutes.",
        _cycle_slow, _ORCHESTRATOR, Decimal(30), "seconds that 99 of 100 passes take, up to 60",
    ),
    Alert(
        Name.TRADING_HALTED, Severity.INFO, 0,
        "Trading is halted",
        "The executor obeys Halted: it sends no order.",
        lambda scope, _: f"max({_of(scope, _EXECUTOR, 'trading_state', state=TradingState.HALTED.value)}) == 1",
        _EXECUTOR,
    ),
    Alert(
        Name.NO_TRADES, Severity.INFO, 0,
        "No order was filled",
        "No order was filled in the time that the threshold allows.",
        _no_trades, _EXECUTOR, Decimal(86400), "seconds without a filled order",
        enabled=False,
    ),
    Alert(
        Name.OPERATOR_DOWN, Severity.CRITICAL, 120,
        "No operator leads",
        "No replica of the operator leads: what changes is not acted on, and no status is kept up to date.",
        _operator_down,
    ),
    Alert(
        Name.OPERATOR_DEAF, Severity.WARNING, 0,
        "The operator misses events",
        "{{ $value | humanize }} objects in 30 minutes were not as the operator's watches had told it.",
        _operator_deaf, None, Decimal(10), "corrections in 30 minutes",
    ),
    Alert(
        Name.MONITORING_CONFIG_REJECTED, Severity.WARNING, 120,
        "{{ $labels.job }} rejected its configuration",
        "{{ $labels.job }} could not load its configuration and goes on with the last good one.",
        _config_rejected,
    ),
    Alert(
        Name.TARGET_NOT_READY, Severity.WARNING, 600,
        "MonitoringTarget {{ $labels.name }} is not ready",
        "MonitoringTarget {{ $labels.namespace }}/{{ $labels.name }} is not seen as it should be.",
        _target_not_ready,
    ),
    Alert(
        Name.LOG_SHIPPING_STOPPED, Severity.WARNING, 300,
        "Log lines do not arrive",
        "Loki received no line for 10 minutes, it is down, an agent of a node is, or no agent of the chosen kind runs.",
        _log_shipping_stopped, applies=lambda scope: bool(scope.lines_sent),
    ),
    Alert(
        Name.WATCHDOG, Severity.INFO, 0,
        "Alerting works",
        "Always firing: who stops hearing it knows that alerts do not arrive.",
        lambda _, __: "vector(1)",
    ),
)  # fmt: skip

BY_NAME: Final[dict[Name, Alert]] = {alert.name: alert for alert in ALERTS}
