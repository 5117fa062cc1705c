"""The workers of an engine: the one list of their names and ports.

Read by the engine (which server listens where), the operator (Deployments, Services,
NetworkPolicies) and the dashboards (service names).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class WorkerName(StrEnum):
    """Names as they appear on the command line, in logs and in metrics."""

    SIGNAL_GENERATOR = "signal_generator"
    TRADE_EXECUTOR = "trade_executor"
    TRADE_ORCHESTRATOR = "trade_orchestrator"
    RISK_MANAGEMENT = "risk_management"
    LLM_VALIDATION = "llm_validation"
    EXCHANGE_DATA = "exchange_data"


@dataclass(frozen=True)
class Worker:
    """One worker: its name, its HTTP port and the worker-to-worker calls it makes."""

    name: WorkerName
    port: int
    calls: tuple[WorkerName, ...] = ()

    @property
    def service(self) -> str:
        """Name of its Service and Deployment, relative to the engine: `signal-generator`."""
        return self.name.value.replace("_", "-")

    @property
    def field(self) -> str:
        """Its key in `TradingEngine.spec.workers`: `signalGenerator`."""
        head, *tail = self.name.value.split("_")
        return head + "".join(part.capitalize() for part in tail)


SIGNAL_GENERATOR = Worker(WorkerName.SIGNAL_GENERATOR, 8025, calls=(WorkerName.TRADE_ORCHESTRATOR,))
TRADE_EXECUTOR = Worker(WorkerName.TRADE_EXECUTOR, 8024)
TRADE_ORCHESTRATOR = Worker(
    WorkerName.TRADE_ORCHESTRATOR,
    8023,
    calls=(WorkerName.LLM_VALIDATION, WorkerName.RISK_MANAGEMENT, WorkerName.TRADE_EXECUTOR),
)
RISK_MANAGEMENT = Worker(WorkerName.RISK_MANAGEMENT, 8027)
LLM_VALIDATION = Worker(WorkerName.LLM_VALIDATION, 8050)
EXCHANGE_DATA = Worker(WorkerName.EXCHANGE_DATA, 8030)

WORKERS: tuple[Worker, ...] = (
    SIGNAL_GENERATOR,
    TRADE_EXECUTOR,
    TRADE_ORCHESTRATOR,
    RISK_MANAGEMENT,
    LLM_VALIDATION,
)
COLLECTORS: tuple[Worker, ...] = (EXCHANGE_DATA,)
BY_NAME: dict[WorkerName, Worker] = {worker.name: worker for worker in (*WORKERS, *COLLECTORS)}
