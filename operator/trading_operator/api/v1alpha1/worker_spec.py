"""Settings of workers and collectors in a TradingEngine: image, resources, log level."""

from __future__ import annotations

from pydantic import ConfigDict

from trading_engine.contract.config import LogLevel
from trading_operator.api.v1alpha1.base import ApiModel, Bytes, Cpu, Image, rule, rules


class ResourceAmounts(ApiModel):
    """Processor time and memory."""

    cpu: Cpu | None = None
    """`500m` or whole cores."""
    memory: Bytes | None = None
    """`256Mi`."""


class ResourcesSpec(ApiModel):
    """What a container asks for and may use; an amount left out keeps the default."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.requests.cpu) || !has(self.limits.cpu)"
                " || quantity(self.requests.cpu).compareTo(quantity(self.limits.cpu)) <= 0",
                "resources.requests.cpu must not be greater than resources.limits.cpu",
            ),
            rule(
                "!has(self.requests.memory) || !has(self.limits.memory)"
                " || quantity(self.requests.memory).compareTo(quantity(self.limits.memory)) <= 0",
                "resources.requests.memory must not be greater than resources.limits.memory",
            ),
        )
    )

    requests: ResourceAmounts = ResourceAmounts()
    """Reserved on the node."""
    limits: ResourceAmounts = ResourceAmounts()
    """Upper bound."""


class CollectorSpec(ApiModel):
    """One collector's own settings. Its image is the operator's: it runs in a namespace that engines share."""

    resources: ResourcesSpec = ResourcesSpec()
    """Resources of the container."""
    log_level: LogLevel = LogLevel.INFO
    """Lowest level that is written."""


class WorkerSpec(CollectorSpec):
    """One worker's own settings."""

    image: Image | None = None
    """Image in place of the operator's default."""


class WorkersSpec(ApiModel):
    """Settings of each worker."""

    signal_generator: WorkerSpec = WorkerSpec()
    """Turns closed candles into signals and recommendations."""
    trade_executor: WorkerSpec = WorkerSpec()
    """Turns approved recommendations into orders. Always exactly one."""
    trade_orchestrator: WorkerSpec = WorkerSpec()
    """Leads each recommendation through the stages."""
    risk_management: WorkerSpec = WorkerSpec()
    """Holds each recommendation against the limits."""
    llm_validation: WorkerSpec = WorkerSpec()
    """Asks the language model for a verdict."""


class CollectorsSpec(ApiModel):
    """Settings of each collector."""

    exchange_data: CollectorSpec = CollectorSpec()
    """Stores the closed candles of the exchange."""
