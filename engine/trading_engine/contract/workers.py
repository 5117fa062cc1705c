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
    """One worker: its name, its HTTP port, the worker-to-worker calls it makes and what configures it.

    `reads` are the parts of EngineConfig that this worker reads beside `SHARED`: the operator restarts it when one
    of them changes and leaves it alone otherwise. Whoever lets a worker read another part adds it here.
    """

    name: WorkerName
    port: int
    calls: tuple[WorkerName, ...] = ()
    reads: tuple[str, ...] = ()

    @property
    def service(self) -> str:
        """Name of its Service and Deployment, relative to the engine: `signal-generator`."""
        return self.name.value.replace("_", "-")

    @property
    def local_url(self) -> str:
        """Where it is found when nothing else is configured: on this machine."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def field(self) -> str:
        """Its key in `TradingEngine.spec.workers`: `signalGenerator`."""
        head, *tail = self.name.value.split("_")
        return head + "".join(part.capitalize() for part in tail)


#: Parts of EngineConfig that every worker reads; of `log_levels` only its own.
SHARED: tuple[str, ...] = ("engine", "mode", "symbols", "timeframe", "calls")

SIGNAL_GENERATOR = Worker(
    WorkerName.SIGNAL_GENERATOR,
    8025,
    calls=(WorkerName.TRADE_ORCHESTRATOR,),
    reads=("database", "model", "order_notional", "expire_after_candles"),
)
TRADE_EXECUTOR = Worker(WorkerName.TRADE_EXECUTOR, 8024, reads=("database", "exchange", "paper", "trading_state_file"))
TRADE_ORCHESTRATOR = Worker(
    WorkerName.TRADE_ORCHESTRATOR,
    8023,
    calls=(WorkerName.LLM_VALIDATION, WorkerName.RISK_MANAGEMENT, WorkerName.TRADE_EXECUTOR),
    reads=("database",),
)
RISK_MANAGEMENT = Worker(WorkerName.RISK_MANAGEMENT, 8027, reads=("database", "exchange", "risk"))
LLM_VALIDATION = Worker(WorkerName.LLM_VALIDATION, 8050, reads=("llm",))
EXCHANGE_DATA = Worker(WorkerName.EXCHANGE_DATA, 8030, reads=("database", "exchange"))

WORKERS: tuple[Worker, ...] = (
    SIGNAL_GENERATOR,
    TRADE_EXECUTOR,
    TRADE_ORCHESTRATOR,
    RISK_MANAGEMENT,
    LLM_VALIDATION,
)
COLLECTORS: tuple[Worker, ...] = (EXCHANGE_DATA,)
BY_NAME: dict[WorkerName, Worker] = {worker.name: worker for worker in (*WORKERS, *COLLECTORS)}
