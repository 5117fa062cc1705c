"""The PromQL of each alert, over the series of one engine's Services. Pure; the catalogue in `alerts` names them.

Each function takes the engine's scope and the threshold, and gives an expression that is true while the alert fires.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

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


def worker_down(scope: Scope, _: Decimal) -> str:
    """A worker or collector without a pod that answers."""
    up = (_of(scope, each.name, "up") for each in (*WORKERS, *COLLECTORS))
    # An average, so that a container that starts and falls again and again counts as down; max: one good pod suffices.
    averages = " or ".join(f"avg_over_time({each}[4m])" for each in up)
    return f"max by (namespace, service) ({averages}) < 0.5"


def worker_not_scraped(scope: Scope, _: Decimal) -> str:
    """One that Prometheus has no target of."""
    return " or ".join(f"absent({_of(scope, each.name, 'up')})" for each in (*WORKERS, *COLLECTORS))


def market_data_stale(scope: Scope, threshold: Decimal) -> str:
    """The newest is too old; or the collector has been there for a while and knows of none at all."""
    closed = _of(scope, WorkerName.EXCHANGE_DATA, "trading_last_candle_close_timestamp_seconds")
    collected = _of(scope, WorkerName.EXCHANGE_DATA, "trading_collected_candles_total")
    newest = f"max {_BY_SYMBOL} ({closed})"
    there = f"{_increase(collected, '5m', _BY_SYMBOL)} >= 0 and {_present(collected, '10m', _BY_SYMBOL)}"
    return f"time() - {newest} > {scope.timeframe_seconds} + {threshold} or {there} unless {newest}"


def no_signals(scope: Scope, threshold: Decimal) -> str:
    """Every closed candle makes a signal, a hold at least."""
    signals = _of(scope, _GENERATOR, "signals_generated_total")
    return _stood_still(signals, 2 * scope.timeframe_seconds + threshold, _BY_SYMBOL)


def llm_failing(scope: Scope, threshold: Decimal) -> str:
    """A verdict has a confidence only where the model itself gave it in time."""
    verdicts = _of(scope, _LLM, "llm_validation_time_seconds_count")
    given = _of(scope, _LLM, "llm_confidence_scores_count")
    return f"{_increase(verdicts, '30m')} - {_increase(given, '30m')} >= {threshold}"


def llm_slow(scope: Scope, threshold: Decimal) -> str:
    """Nine of ten calls, where there are a few at all."""
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


def rejections_jump(scope: Scope, threshold: Decimal) -> str:
    """Many in an hour, and far more than in an hour of the day before."""
    ended = _of(scope, _ORCHESTRATOR, "recommendations_processed_total", status="=~" + "|".join(_TURNED_DOWN))
    now, usual = _increase(ended, "1h"), f"sum(increase({ended}[1d] offset 1h)) / 24"
    # unless: an engine without a yesterday has nothing usual yet.
    return f"{now} >= {threshold} unless {now} <= 3 * {usual}"


def orders_failing(scope: Scope, threshold: Decimal) -> str:
    """Orders of a symbol that the exchange rejected."""
    rejected = _of(scope, _EXECUTOR, "trade_executions_total", status=OrderState.REJECTED.value)
    return f"{_increase(rejected, '1h', _BY_SYMBOL)} >= {threshold}"


def events(worker: WorkerName, metric: str) -> Callable[[Scope, Decimal], str]:
    """At least that many events of a symbol in an hour."""

    def expression(scope: Scope, threshold: Decimal) -> str:
        return f"{_increase(_of(scope, worker, metric), '1h', _BY_SYMBOL)} >= {threshold}"

    return expression


def recommendations_expiring(scope: Scope, threshold: Decimal) -> str:
    """Recommendations that got too old."""
    expired = RecommendationStatus.EXPIRED.value
    ended = _of(scope, _ORCHESTRATOR, "recommendations_processed_total", status=expired)
    return f"{_increase(ended, '1h')} >= {threshold}"


def cycle_slow(scope: Scope, threshold: Decimal) -> str:
    """Most passes find nothing to do, so an average says nothing; and a pass that never ends is in no histogram."""
    buckets = _of(scope, _ORCHESTRATOR, "orchestrator_cycle_duration_seconds_bucket")
    passes = _of(scope, _ORCHESTRATOR, "orchestrator_cycle_duration_seconds_count")
    slow = f"histogram_quantile(0.99, {_increase(buckets, '15m', 'by (le)')}) > {threshold}"
    stuck = f"{_increase(passes, '15m')} == 0"
    return f"{slow} or {stuck}"


def no_trades(scope: Scope, threshold: Decimal) -> str:
    """No order was filled."""
    filled = _of(scope, _EXECUTOR, "trade_executions_total", status=OrderState.FILLED.value)
    return _stood_still(filled, threshold)


def operator_down(_: Scope, __: Decimal) -> str:
    """No replica says that it leads, or none is seen."""
    return f"absent({select('leader_election_master_status')} == 1)"


def operator_deaf(_: Scope, threshold: Decimal) -> str:
    """Lists had to correct what watches had told."""
    return f"{_increase(select('trading_operator_relist_corrections_total'), '30m')} >= {threshold}"


def config_rejected(_: Scope, __: Decimal) -> str:
    """The last reload of one of the two failed."""
    programs = (PROMETHEUS, ALERTMANAGER)
    return " or ".join(f"{select(f'{each}_config_last_reload_successful')} == 0" for each in programs)


def target_not_ready(scope: Scope, _: Decimal) -> str:
    """MonitoringTargets of the engine's namespace."""
    ready = select("trading_monitoring_target_ready", namespace=scope.namespace)
    return f"min by (namespace, name) ({ready}) == 0"


def log_shipping_stopped(scope: Scope, _: Decimal) -> str:
    """Nothing arrives, nobody is there to receive it, an agent of a node is down, or none of this kind runs at all."""
    lines = select("loki_distributor_lines_received_total")
    loki, agents = (select("up", job=job) for job in (LOKI, LOG_AGENT))
    down = f"max({loki}) == 0 or max by (instance) ({agents}) == 0"
    return f"{_increase(lines, '10m')} == 0 or {down} or absent({select(scope.lines_sent)})"


def model_not_loaded(scope: Scope, _: Decimal) -> str:
    """A symbol has no promoted model."""
    return f"max({_of(scope, _GENERATOR, 'model_load_status')}) == 0"


def queue_growing(scope: Scope, threshold: Decimal) -> str:
    """Recommendations that have not ended."""
    return f"max({_of(scope, _ORCHESTRATOR, 'pending_recommendations_queue_size')}) >= {threshold}"


def trading_halted(scope: Scope, _: Decimal) -> str:
    """The executor's own word."""
    return f"max({_of(scope, _EXECUTOR, 'trading_state', state=TradingState.HALTED.value)}) == 1"
