"""A person applies one TradingEngine and five real workers turn real candles into filled paper orders."""

from __future__ import annotations

import json
import uuid
from typing import Any

from tests.e2e.engine import Engine
from tests.e2e.log_collector import LogCollector
from tools.kubectl import until
from trading_engine.contract.messages import ORDER_NAMESPACE
from trading_engine.contract.metrics import Kind, of_worker
from trading_engine.contract.workers import WORKERS, WorkerName

FILL_SECONDS = 900


def filled(engine: Engine) -> list[dict[str, Any]]:
    """Recommendations whose order is filled, newest first."""
    return [row for row in engine.recommendations() if row["status"] == "filled"]


def test_engine_is_ready_when_applied(paper: Engine) -> None:
    """Five of five workers, in the columns a person reads."""
    printed = paper.kubectl("get", "tradingengine", paper.name, "-n", paper.namespace)
    status = paper.object()["status"]

    print(printed)
    assert status["workersReady"] == "5/5"
    assert all(worker["ready"] for worker in status["workers"])
    assert status["observedGeneration"] == paper.object()["metadata"]["generation"]


def test_order_is_filled_when_engine_runs(paper: Engine) -> None:
    """The newest closed candles are decided at start, so an order comes within minutes."""
    rows = until("a filled paper order", lambda: filled(paper), FILL_SECONDS, interval=3)

    print(json.dumps(rows[0], indent=1))


def test_client_order_id_is_recomputed_when_order_is_filled(paper: Engine) -> None:
    """Row and venue carry UUIDv5 of the recommendation's id, and nothing else."""
    for row in filled(paper):
        expected = uuid.uuid5(ORDER_NAMESPACE, row["id"])

        assert row["execution"]["client_order_id"] == str(expected)
    ids = paper.sql("select client_order_id from orders")
    assert len(ids) == len({row[0] for row in ids})


def test_one_id_is_in_all_logs_when_order_is_filled(paper: Engine, logs: LogCollector) -> None:
    """The recommendation's id is in log lines of all five workers."""
    wanted = filled(paper)[-1]["id"]

    def speaking() -> set[str]:
        return {
            worker.name
            for worker in WORKERS
            for name, lines in logs.lines().items()
            if f"{paper.name}-{worker.service}-" in name and any(wanted in line for line in lines)
        }

    until(f"{wanted} in the logs of all five", lambda: len(speaking()) == 5, 20)


def test_every_catalogue_metric_is_exported_when_engine_runs(paper: Engine) -> None:
    """Each worker serves each of its metrics; what cannot have happened yet is there at 0."""
    for worker in WORKERS:
        served = paper.metrics(worker.name)
        for metric in of_worker(worker.name):
            sample = f"{metric.name}_count" if metric.kind is Kind.HISTOGRAM else metric.name
            assert served.get(sample), f"{worker.name} does not export {sample}"


def test_counters_agree_with_rows_when_order_is_filled(paper: Engine) -> None:
    """What the metrics count is what the rows say, and each stage has counted something."""
    until("metrics and rows agree", lambda: counted(paper) == stored(paper), 30)
    print("filled orders by metrics and rows:", counted(paper))

    assert counted(paper) > 0
    assert paper.total(WorkerName.SIGNAL_GENERATOR, "signals_generated_total") > 0
    assert paper.total(WorkerName.LLM_VALIDATION, "llm_validations_total") > 0
    assert paper.total(WorkerName.RISK_MANAGEMENT, "risk_assessments_total") > 0
    assert paper.total(WorkerName.TRADE_ORCHESTRATOR, "recommendations_processed_total") > 0
    assert paper.total(WorkerName.SIGNAL_GENERATOR, "model_load_status") == 1


def counted(paper: Engine) -> int:
    """Filled orders by the executor's counter."""
    return int(paper.total(WorkerName.TRADE_EXECUTOR, "trade_executions_total", status="filled"))


def stored(paper: Engine) -> int:
    """Filled orders by its rows."""
    return int(paper.sql("select count(*) from orders where state = 'filled'")[0][0])
