"""The alert catalogue: for each alert what it means, when it fires by default and which query asks for it. Pure.

`rules` turns it into Prometheus rules for one engine, the operator's API takes names and defaults from here, and the
reference page lists it. Trades are rare: what counts events has a number of them as threshold, never a rate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from trading_dashboards import alert_queries as queries
from trading_dashboards.alert_names import AlertName as Name
from trading_dashboards.alert_names import Severity
from trading_dashboards.alert_queries import Scope
from trading_engine.contract.workers import WorkerName


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


_EXECUTOR, _GENERATOR = WorkerName.TRADE_EXECUTOR, WorkerName.SIGNAL_GENERATOR
_ORCHESTRATOR, _LLM = WorkerName.TRADE_ORCHESTRATOR, WorkerName.LLM_VALIDATION

ALERTS: Final[tuple[Alert, ...]] = (
    Alert(
        Name.WORKER_DOWN, Severity.CRITICAL, 60,
        "{{ $labels.service }} is down",
        "No pod of {{ $labels.namespace }}/{{ $labels.service }} answered half of its scrapes in 4 minutes.",
        queries.worker_down,
    ),
    Alert(
        Name.WORKER_NOT_SCRAPED, Severity.WARNING, 300,
        "{{ $labels.service }} is not scraped",
        "Prometheus knows no target of {{ $labels.namespace }}/{{ $labels.service }}: nothing is known about it.",
        queries.worker_not_scraped,
    ),
    Alert(
        Name.MARKET_DATA_STALE, Severity.CRITICAL, 60,
        "No new candle of {{ $labels.symbol }}",
        "The newest stored candle of {{ $labels.symbol }} is older than it may be, or there is none.",
        queries.market_data_stale, WorkerName.EXCHANGE_DATA, Decimal(300),
        "seconds that a candle is late",
    ),
    Alert(
        Name.MODEL_NOT_LOADED, Severity.WARNING, 900,
        "A symbol has no promoted model",
        "At least one symbol has no promoted model: its signals are hold.",
        queries.model_not_loaded, _GENERATOR,
    ),
    Alert(
        Name.NO_SIGNALS, Severity.WARNING, 60,
        "No signals of {{ $labels.symbol }}",
        "Every closed candle makes a signal, a hold at least; {{ $labels.symbol }} had none for two candles and more.",
        queries.no_signals, _GENERATOR, Decimal(300),
        "seconds without a signal, beyond two candles",
    ),
    Alert(
        Name.LLM_FAILING, Severity.WARNING, 0,
        "The language model gives no verdicts",
        "{{ $value | humanize }} verdicts in 30 minutes were not the model's own: onUnavailable decided.",
        queries.llm_failing, _LLM, Decimal(3), "verdicts without the model, in 30 minutes",
        applies=lambda scope: scope.asks_language_model,
    ),
    Alert(
        Name.LLM_SLOW, Severity.WARNING, 300,
        "The language model is slow",
        "One call in ten took more than {{ $value | humanizeDuration }} over 30 minutes.",
        queries.llm_slow, _LLM, Decimal(10), "seconds that 9 of 10 calls take",
        applies=lambda scope: scope.asks_language_model,
    ),
    Alert(
        Name.REJECTIONS_JUMP, Severity.WARNING, 0,
        "Many recommendations are turned down",
        "{{ $value | humanize }} recommendations were vetoed, refused, denied or rejected in an hour, over three times"
        " the usual.",
        queries.rejections_jump, _ORCHESTRATOR, Decimal(5), "recommendations turned down in an hour",
    ),
    Alert(
        Name.ORDERS_FAILING, Severity.CRITICAL, 0,
        "The exchange rejects orders of {{ $labels.symbol }}",
        "The exchange rejected {{ $value | humanize }} orders of {{ $labels.symbol }} in an hour.",
        queries.orders_failing, _EXECUTOR, Decimal(2), "orders of a symbol rejected in an hour",
    ),
    Alert(
        Name.ORDER_PRECISION_ERRORS, Severity.WARNING, 0,
        "Orders of {{ $labels.symbol }} are too small",
        "{{ $value | humanize }} orders of {{ $labels.symbol }} were below the exchange's increments or minimum.",
        queries.events(_EXECUTOR, "order_precision_errors_total"), _EXECUTOR, Decimal(1),
        "errors of a symbol in an hour",
    ),
    Alert(
        Name.BALANCE_CHECK_FAILURES, Severity.WARNING, 0,
        "No balance for orders of {{ $labels.symbol }}",
        "{{ $value | humanize }} orders of {{ $labels.symbol }} were denied for lack of balance in an hour.",
        queries.events(_EXECUTOR, "balance_check_failures_total"), _EXECUTOR, Decimal(3),
        "denials of a symbol in an hour",
    ),
    Alert(
        Name.QUEUE_GROWING, Severity.WARNING, 600,
        "Recommendations pile up",
        "{{ $value | humanize }} recommendations have not ended.",
        queries.queue_growing,
        _ORCHESTRATOR, Decimal(5), "open recommendations",
    ),
    Alert(
        Name.RECOMMENDATIONS_EXPIRING, Severity.WARNING, 0,
        "Recommendations expire",
        "{{ $value | humanize }} recommendations expired in an hour before the pipeline could end them.",
        queries.recommendations_expiring, _ORCHESTRATOR, Decimal(3), "expired recommendations in an hour",
    ),
    Alert(
        Name.CYCLE_SLOW, Severity.WARNING, 300,
        "The orchestrator's passes take long",
        "One pass in a hundred takes more than {{ $value | humanizeDuration }}; 0: none has ended for 15 minutes.",
        queries.cycle_slow, _ORCHESTRATOR, Decimal(30), "seconds that 99 of 100 passes take, up to 60",
    ),
    Alert(
        Name.TRADING_HALTED, Severity.INFO, 0,
        "Trading is halted",
        "The executor obeys Halted: it sends no order.",
        queries.trading_halted,
        _EXECUTOR,
    ),
    Alert(
        Name.NO_TRADES, Severity.INFO, 0,
        "No order was filled",
        "No order was filled in the time that the threshold allows.",
        queries.no_trades, _EXECUTOR, Decimal(86400), "seconds without a filled order",
        enabled=False,
    ),
    Alert(
        Name.OPERATOR_DOWN, Severity.CRITICAL, 120,
        "No operator leads",
        "No replica of the operator leads: what changes is not acted on, and no status is kept up to date.",
        queries.operator_down,
    ),
    Alert(
        Name.OPERATOR_DEAF, Severity.WARNING, 0,
        "The operator misses events",
        "{{ $value | humanize }} objects in 30 minutes were not as the operator's watches had told it.",
        queries.operator_deaf, None, Decimal(10), "corrections in 30 minutes",
    ),
    Alert(
        Name.MONITORING_CONFIG_REJECTED, Severity.WARNING, 120,
        "{{ $labels.job }} rejected its configuration",
        "{{ $labels.job }} could not load its configuration and goes on with the last good one.",
        queries.config_rejected,
    ),
    Alert(
        Name.TARGET_NOT_READY, Severity.WARNING, 600,
        "MonitoringTarget {{ $labels.name }} is not ready",
        "MonitoringTarget {{ $labels.namespace }}/{{ $labels.name }} is not seen as it should be.",
        queries.target_not_ready,
    ),
    Alert(
        Name.LOG_SHIPPING_STOPPED, Severity.WARNING, 300,
        "Log lines do not arrive",
        "Loki received no line for 10 minutes, it is down, an agent of a node is, or no agent of the chosen kind runs.",
        queries.log_shipping_stopped, applies=lambda scope: bool(scope.lines_sent),
    ),
    Alert(
        Name.WATCHDOG, Severity.INFO, 0,
        "Alerting works",
        "Always firing: who stops hearing it knows that alerts do not arrive.",
        lambda _, __: "vector(1)",
    ),
)  # fmt: skip

BY_NAME: Final[dict[Name, Alert]] = {alert.name: alert for alert in ALERTS}
