"""What is seen of a TradingEngine: `checks` fills it, `kubectl get` shows it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from trading_engine.contract.workers import WorkerName
from trading_operator.api.v1alpha1.base import ApiModel, Conditions, Text


class WorkerStatus(ApiModel):
    """What is seen of one worker."""

    name: WorkerName
    """The worker."""
    ready: bool
    """All its pods run the wanted configuration and are ready."""
    image: Annotated[str, StringConstraints(max_length=512)] = ""
    """Image of its container."""
    restarts: Annotated[int, Field(ge=0)] = 0
    """Restarts of the containers of its pods."""
    message: Text = ""
    """Why it is not ready, from the failing pod."""


class AcknowledgedState(StrEnum):
    """What the executor last acknowledged; Unknown where it could not be asked."""

    ACTIVE = "Active"
    REDUCING = "Reducing"
    HALTED = "Halted"
    UNKNOWN = "Unknown"


class TradingEngineStatus(ApiModel):
    """What is seen of the engine."""

    observed_generation: Annotated[int, Field(ge=0)] = 0
    """Generation of the spec that this status was computed for."""
    conditions: Conditions = ()
    """Ready, Progressing, Stalled, Halted, Suspended, ModelReady, Observed, Alerting; LogAgentSupported where not."""
    trading_state: AcknowledgedState = AcknowledgedState.UNKNOWN
    """The trading state that the executor acknowledged."""
    workers_ready: Annotated[str, StringConstraints(max_length=16)] = ""
    """Ready workers of all, as 5/5."""
    workers: Annotated[
        tuple[WorkerStatus, ...],
        Field(
            max_length=16,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = ()
    """Each worker and collector."""
