"""The names that boards and alerts of the first users are written against stay as they were."""

import pytest

from trading_engine.contract.metrics import of_worker
from trading_engine.contract.workers import WORKERS

#: Worker, port, and each of its metrics as `name{labels} kind`; written out here, for the catalogue may not drift.
SEEDS = {
    ("signal_generator", 8025): {
        "signals_generated_total{symbol,signal_type} counter",
        "signal_confidence{} histogram",
        "model_inference_time_seconds{} histogram",
        "model_load_status{} gauge",
        "database_query_time_seconds{} histogram",
    },
    ("trade_executor", 8024): {
        "trade_executions_total{status,symbol} counter",
        "trade_execution_time_seconds{} histogram",
        "coinbase_api_response_time_seconds{} histogram",
        "order_precision_errors_total{symbol} counter",
        "balance_check_failures_total{symbol} counter",
        "pending_recommendations{} gauge",
    },
    ("llm_validation", 8050): {
        "llm_validations_total{decision} counter",
        "llm_validation_time_seconds{} histogram",
        "llm_confidence_scores{} histogram",
        "ollama_api_latency_seconds{} histogram",
    },
    ("trade_orchestrator", 8023): {
        "recommendations_processed_total{status} counter",
        "pipeline_stage_duration_seconds{stage} histogram",
        "pending_recommendations_queue_size{} gauge",
        "orchestrator_cycle_duration_seconds{} histogram",
    },
    ("risk_management", 8027): {
        "risk_assessments_total{decision} counter",
        "risk_assessment_time_seconds{} histogram",
        "risk_scores{} histogram",
        "rejected_trades_by_risk_total{risk_level} counter",
    },
}


@pytest.mark.parametrize("worker", WORKERS, ids=lambda worker: worker.name.value)
def test_worker_has_its_seed_metrics_when_the_catalogue_grows(worker) -> None:
    """Names, labels and kinds verbatim, on the port they were scraped on."""
    exported = {
        f"{metric.name}{{{','.join(metric.label_names)}}} {metric.kind.value}" for metric in of_worker(worker.name)
    }

    assert SEEDS[worker.name.value, worker.port] <= exported


def test_all_seed_metrics_are_held_when_counted() -> None:
    """Five workers, twenty-three metrics."""
    assert len(SEEDS) == 5
    assert sum(map(len, SEEDS.values())) == 23
