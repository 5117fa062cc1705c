"""Engines as they are observed: all runs, or one pod does not."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

from tests.operator.engines import echoed, objects
from trading_engine.contract.config import TradingState
from trading_engine.contract.messages import TradingStateReport
from trading_operator.api.v1alpha1 import Condition, TradingEngine, TradingEngineStatus
from trading_operator.observed import Observed

NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)


def report(state: TradingState = TradingState.ACTIVE) -> TradingStateReport:
    """The executor's word."""
    return TradingStateReport(state=state, who="operator", why="", since_ms=0, orders_sent_since=0)


def rolled(of: TradingEngine) -> Observed:
    """Everything runs."""
    found = echoed(objects(of))
    for each in found:
        if each["kind"] in ("Deployment", "StatefulSet"):
            each["status"] = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1}
    pods = tuple(pod(each) for each in found if each["kind"] == "Deployment")
    return Observed(objects=tuple(found), pods=pods, trading=report())


def pod(deployment: dict[str, Any], **status: Any) -> dict[str, Any]:
    """A pod of a Deployment, ready unless a status says otherwise."""
    template = deployment["spec"]["template"]
    ready = {"conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": [container(ready=True)]}
    return {
        "kind": "Pod",
        "metadata": {
            "name": deployment["metadata"]["name"] + "-abc",
            "namespace": deployment["metadata"]["namespace"],
            "labels": template["metadata"]["labels"],
            "creationTimestamp": "2026-01-02T03:00:00Z",
        },
        "spec": template["spec"],
        "status": status or ready,
    }


def container(ready: bool = False, **fields: Any) -> dict[str, Any]:
    """Status of the risk worker's container."""
    return {"name": "risk-management", "ready": ready, "restartCount": 0, "state": {}} | fields


def waiting(reason: str, message: str = "", **fields: Any) -> dict[str, Any]:
    """Status of a pod whose container waits."""
    state = {"waiting": {"reason": reason, "message": message}}
    return {"containerStatuses": [container(state=state, **fields)]}


def with_failing_pod(of: TradingEngine, **status: Any) -> Observed:
    """All runs but the risk worker, whose new pod has this status."""
    observed = rolled(of)
    name = ("Deployment", f"{of.name}-risk-management")
    risk = next(each for each in observed.objects if (each["kind"], each["metadata"]["name"]) == name)
    risk["status"]["updatedReplicas"] = 0  # type: ignore[index]  # an echo is a plain dictionary
    newer = pod(dict(risk), **status)
    newer["metadata"] |= {"name": "newer", "creationTimestamp": "2026-01-02T03:03:00Z"}
    return dataclasses.replace(observed, pods=(*observed.pods, newer))


def condition(status: TradingEngineStatus, type_: str) -> Condition:
    """One condition."""
    return next(each for each in status.conditions if each.type == type_)
