"""The metric catalogue: name, kind, help, labels, buckets and worker of every series we export.

Instruments, panels, rules and reference docs come from here; nothing else may name a metric.
The seed names (those without the prefix `trading_`) are kept verbatim; new ones carry the prefix.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from trading_engine.contract.config import TradingState
from trading_engine.contract.messages import (
    TERMINAL,
    Decision,
    DenyReason,
    HoldReason,
    OrderState,
    RiskDecision,
    RiskLevel,
    RiskReason,
    Side,
    SignalType,
)
from trading_engine.contract.workers import WorkerName as W


class Kind(StrEnum):
    """Prometheus metric types in use."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


#: A label whose values are the engine's symbols; the instruments create all at start.
SYMBOL = "symbol"

FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
SLOW = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 60.0)
RATIO = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass(frozen=True)
class Metric:
    """One metric. `labels` maps a label to its closed set of values (empty: filled at run time)."""

    name: str
    kind: Kind
    help: str
    workers: tuple[W, ...]
    labels: tuple[tuple[str, tuple[str, ...]], ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names only, in order."""
        return tuple(name for name, _ in self.labels)

    @property
    def starts_at_zero(self) -> bool:
        """Whether 0 is true of every label before anything happened.

        It is of what counts, and of a time, where 0 is never. What is held or obeyed is unknown until it has been
        read, and then there is no series rather than a wrong one.
        """
        return self.kind is not Kind.GAUGE or not self.labels or self.name.endswith("_timestamp_seconds")


def _counter(name: str, help: str, worker: W, *labels: tuple[str, tuple[str, ...]]) -> Metric:
    return Metric(name, Kind.COUNTER, help, (worker,), labels)


def _gauge(name: str, help: str, worker: W, *labels: tuple[str, tuple[str, ...]]) -> Metric:
    return Metric(name, Kind.GAUGE, help, (worker,), labels)


def _histogram(
    name: str, help: str, worker: W, buckets: tuple[float, ...], *labels: tuple[str, tuple[str, ...]]
) -> Metric:
    return Metric(name, Kind.HISTOGRAM, help, (worker,), labels, buckets)


def _values(words: object) -> tuple[str, ...]:
    return tuple(sorted(str(word) for word in words))  # type: ignore[attr-defined]  # any iterable of StrEnum


_SYMBOLS: tuple[str, tuple[str, ...]] = (SYMBOL, ())
_SIDES = ("side", _values(Side))
_STAGES = ("stage", ("validate", "assess", "execute"))

CATALOGUE: tuple[Metric, ...] = (
    # signal_generator
    _counter("signals_generated_total", "Signals made of closed candles.", W.SIGNAL_GENERATOR,
             _SYMBOLS, ("signal_type", _values(SignalType))),
    _histogram("signal_confidence", "Confidence of signals, 0 to 1.", W.SIGNAL_GENERATOR, RATIO),
    _histogram("model_inference_time_seconds", "Time of one model prediction.", W.SIGNAL_GENERATOR,
               (0.000005, 0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.005, 0.025, 0.1)),
    _gauge("model_load_status", "1 when a promoted model is loaded for every symbol, else 0.", W.SIGNAL_GENERATOR),
    _histogram("database_query_time_seconds", "Time of one unit of work on the database.", W.SIGNAL_GENERATOR, FAST),
    _counter("trading_holds_total", "Signals that are hold, by why.", W.SIGNAL_GENERATOR,
             ("reason", _values(HoldReason))),
    # trade_executor
    _counter("trade_executions_total", "Orders by the state they ended in.", W.TRADE_EXECUTOR,
             ("status", _values([OrderState.FILLED, OrderState.CANCELED, OrderState.REJECTED, OrderState.DENIED,
                                 OrderState.EXPIRED])), _SYMBOLS),
    _histogram("trade_execution_time_seconds", "Time from the request to execute to the order's last word.",
               W.TRADE_EXECUTOR, SLOW),
    _histogram("coinbase_api_response_time_seconds", "Time of one call to the exchange.", W.TRADE_EXECUTOR, SLOW),
    _counter("order_precision_errors_total", "Orders below the venue's increments or minimum.", W.TRADE_EXECUTOR,
             _SYMBOLS),
    _counter("balance_check_failures_total", "Orders denied for lack of balance.", W.TRADE_EXECUTOR, _SYMBOLS),
    _gauge("pending_recommendations", "Approved recommendations without an order that has ended.", W.TRADE_EXECUTOR),
    _counter("trading_denials_total", "Orders that were not sent, by why.", W.TRADE_EXECUTOR,
             ("reason", _values(set(DenyReason) - {DenyReason.NONE}))),
    _counter("trading_fills_total", "Fills stored.", W.TRADE_EXECUTOR, _SYMBOLS, _SIDES),
    _counter("trading_filled_notional_total", "Price times amount of fills, in quote currency, fees not included.",
             W.TRADE_EXECUTOR, _SYMBOLS, _SIDES),
    _counter("trading_fees_paid_total", "Fees of fills, in quote currency.", W.TRADE_EXECUTOR, _SYMBOLS),
    _gauge("trading_position_amount", "What is held, in base currency, from fills.", W.TRADE_EXECUTOR, _SYMBOLS),
    _gauge("trading_position_average_cost", "What a unit held cost, fees included, in quote currency; 0: none held.",
           W.TRADE_EXECUTOR, _SYMBOLS),
    _gauge("trading_realized_pnl", "What all sales brought over their cost, fees included, in quote currency.",
           W.TRADE_EXECUTOR, _SYMBOLS),
    _gauge("trading_state", "1 for the trading state that is obeyed, else 0.", W.TRADE_EXECUTOR,
           ("state", _values(TradingState))),
    # llm_validation
    _counter("llm_validations_total", "Verdicts.", W.LLM_VALIDATION, ("decision", _values(Decision))),
    _histogram("llm_validation_time_seconds", "Time of one validation, repair attempt included.",
               W.LLM_VALIDATION, SLOW),
    _histogram("llm_confidence_scores", "Confidence of verdicts, 0 to 1.", W.LLM_VALIDATION, RATIO),
    _histogram("ollama_api_latency_seconds", "Time of one call to the language model's API.", W.LLM_VALIDATION, SLOW),
    # trade_orchestrator
    _counter("recommendations_processed_total", "Recommendations by the status they ended in.",
             W.TRADE_ORCHESTRATOR, ("status", _values(TERMINAL))),
    _histogram("pipeline_stage_duration_seconds", "Time of one stage of the pipeline.", W.TRADE_ORCHESTRATOR,
               SLOW, _STAGES),
    _gauge("pending_recommendations_queue_size", "Recommendations that have not ended.", W.TRADE_ORCHESTRATOR),
    _histogram("orchestrator_cycle_duration_seconds", "Time of one pass over all open recommendations.",
               W.TRADE_ORCHESTRATOR, SLOW),
    # risk_management
    _counter("risk_assessments_total", "Assessments.", W.RISK_MANAGEMENT, ("decision", _values(RiskDecision))),
    _histogram("risk_assessment_time_seconds", "Time of one assessment.", W.RISK_MANAGEMENT, FAST),
    _histogram("risk_scores", "Risk scores; 1 is at a limit.", W.RISK_MANAGEMENT, (*RATIO, 1.5, 2.0)),
    _counter("rejected_trades_by_risk_total", "Refused recommendations by the band of their risk score.",
             W.RISK_MANAGEMENT, ("risk_level", _values(RiskLevel))),
    _counter("trading_risk_refusals_total", "Refused recommendations, by why.", W.RISK_MANAGEMENT,
             ("reason", _values(set(RiskReason) - {RiskReason.NONE}))),
    # exchange_data
    _counter("trading_collected_candles_total", "Closed candles stored.", W.EXCHANGE_DATA, _SYMBOLS),
    _counter("trading_collection_errors_total", "Failed collections.", W.EXCHANGE_DATA, _SYMBOLS),
    _gauge("trading_last_candle_close_timestamp_seconds", "Close time of the newest stored candle.",
           W.EXCHANGE_DATA, _SYMBOLS),
    _gauge("trading_last_close_price", "Close of the newest stored candle, in quote currency.", W.EXCHANGE_DATA,
           _SYMBOLS),
    _gauge("trading_candle_holes_open", "Missing candles between stored ones.", W.EXCHANGE_DATA, _SYMBOLS),
    _histogram("trading_collection_time_seconds", "Time of one call for candles.", W.EXCHANGE_DATA, SLOW),
)  # fmt: skip


def of_worker(worker: W) -> tuple[Metric, ...]:
    """Metrics that one worker exports."""
    return tuple(metric for metric in CATALOGUE if worker in metric.workers)
