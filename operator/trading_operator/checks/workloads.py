"""Workers, collectors and the database as seen in the cluster -> their status and findings. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from trading_engine.contract.workers import COLLECTORS, WORKERS, Worker
from trading_operator.api.v1alpha1 import TradingEngine, WorkerStatus
from trading_operator.checks.findings import Finding, Manifest, pod_finding, refused_pods
from trading_operator.checks.reasons import Reason
from trading_operator.desired import names
from trading_operator.desired.labels import COMPONENT
from trading_operator.observed import Observed


@dataclass(frozen=True)
class Workload:
    """A worker, a collector or the database: what it is called here and what was found."""

    subject: str
    component: str
    kind: str
    name: str


def worker_statuses(engine: TradingEngine, observed: Observed) -> tuple[tuple[WorkerStatus, ...], list[Finding]]:
    """Status of each worker and collector, and what is wrong with them."""
    statuses, findings = [], []
    for worker in (*WORKERS, *COLLECTORS):
        workload = Workload(worker.name.value, worker.service, "Deployment", names.deployment(engine, worker))
        found = workload_finding(engine, workload, observed)
        statuses.append(_status(worker, workload, found, observed))
        findings += [found] if found else []
    return tuple(statuses), findings


def database_finding(engine: TradingEngine, observed: Observed) -> Finding | None:
    """What is wrong with the database that we run; None for the user's own, which the workers judge."""
    if engine.spec.database.secret_ref:
        return None
    workload = Workload("database", names.DATABASE, "StatefulSet", names.database(engine))
    found = workload_finding(engine, workload, observed)
    if found and found.reason is Reason.PROGRESSING:
        return Finding(Reason.DATABASE_NOT_READY, found.subject, found.message)
    return found


def workload_finding(engine: TradingEngine, workload: Workload, observed: Observed) -> Finding | None:
    """What keeps a workload from running what is wanted; None where it does."""
    manifest = _find(workload, observed)
    if manifest is None:
        reason = Reason.SUSPENDED if engine.spec.suspend else Reason.PROGRESSING
        return Finding(reason, workload.subject, f"{workload.kind} {workload.name} is not there")
    if is_rolled(manifest):
        return None
    refused = refused_pods(workload.subject, manifest)
    if refused:
        return refused
    for pod in _pods(workload, observed):
        found = pod_finding(workload.subject, pod)
        if found:
            return found
    return Finding(Reason.PROGRESSING, workload.subject, f"{workload.kind} {workload.name} is being rolled")


def is_rolled(manifest: Manifest) -> bool:
    """Whether all pods of a Deployment or StatefulSet run its newest template and are ready."""
    status, wanted = manifest.get("status", {}), manifest["spec"].get("replicas", 1)
    counts = (status.get(key, 0) for key in ("replicas", "updatedReplicas", "readyReplicas"))
    return status.get("observedGeneration") == manifest["metadata"].get("generation") and all(
        count == wanted for count in counts
    )


def _status(worker: Worker, workload: Workload, found: Finding | None, observed: Observed) -> WorkerStatus:
    manifest = _find(workload, observed)
    containers = manifest["spec"]["template"]["spec"]["containers"] if manifest else [{"image": ""}]
    return WorkerStatus(
        name=worker.name,
        ready=found is None,
        image=containers[0]["image"],
        restarts=sum(_restarts(pod) for pod in _pods(workload, observed)),
        message=found.message if found else "",
    )


def _find(workload: Workload, observed: Observed) -> Manifest | None:
    return next(
        (
            each
            for each in observed.objects
            if each["kind"] == workload.kind and each["metadata"]["name"] == workload.name
        ),
        None,
    )


def _pods(workload: Workload, observed: Observed) -> list[Manifest]:
    """Pods of a workload that are to stay, newest first: the newest is the one that rolls in."""
    return newest_first(
        pod
        for pod in observed.pods
        if pod["metadata"]["labels"].get(COMPONENT) == workload.component
        and not pod["metadata"].get("deletionTimestamp")
    )


def newest_first(pods: Iterable[Manifest]) -> list[Manifest]:
    """By creation time; the name decides among equals, so that the answer does not depend on the order of a list."""
    return sorted(
        pods, key=lambda pod: (pod["metadata"].get("creationTimestamp", ""), pod["metadata"]["name"]), reverse=True
    )


def _restarts(pod: Manifest) -> int:
    return sum(each.get("restartCount", 0) for each in pod.get("status", {}).get("containerStatuses", ()))
