"""The operator's own metrics, under the names controller-runtime uses, so existing boards and alerts fit.

Made once by `run.py`, served by `health.py`, fed by the queue, the reconcile loop and the watches.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
RESULTS = ("success", "requeue_after", "error")


class OperatorMetrics:
    """All instruments of one operator process in a registry of their own."""

    def __init__(self, controller: str) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.queue = WorkQueueMetrics(controller, self.registry)
        self._controller = controller
        self._reconciles = Counter(
            "controller_runtime_reconcile", "Reconciles by result.", ["controller", "result"], registry=self.registry
        )
        self._seconds = Histogram(
            "controller_runtime_reconcile_time_seconds",
            "Length of one reconcile.",
            ["controller"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self._requests = Counter(
            "rest_client_requests",
            "Requests to the API server by status code, 0 without an answer.",
            ["code", "method"],
            registry=self.registry,
        )
        self._leader = Gauge("leader_election_master_status", "1 while this process leads.", registry=self.registry)
        self._watch_age = Gauge(
            "trading_operator_watch_last_event_age_seconds",
            "Age of the last event a watch delivered, by kind.",
            ["kind"],
            registry=self.registry,
        )
        self._ghosts = Counter(
            "trading_operator_relist_corrections",
            "Objects that an authoritative list had to correct in the cache.",
            ["kind"],
            registry=self.registry,
        )
        self._round = Histogram(
            "trading_operator_evidence_round_seconds",
            "Length of one round of questions to Prometheus, for all MonitoringTargets.",
            buckets=SECONDS,
            registry=self.registry,
        )
        self._evidence_age = Gauge(
            "trading_operator_evidence_age_seconds",
            "Age of the last round, whether Prometheus answered or not; 0 before the first.",
            registry=self.registry,
        )
        for result in RESULTS:
            self._reconciles.labels(controller, result)

    def reconciled(self, result: str, seconds: float) -> None:
        """One reconcile ended with a result out of RESULTS."""
        self._reconciles.labels(self._controller, result).inc()
        self._seconds.labels(self._controller).observe(seconds)

    def requested(self, method: str, code: int) -> None:
        """One request to the API server was answered, or not (0)."""
        self._requests.labels(str(code), method).inc()

    def leading(self, leads: bool) -> None:
        """Leadership began or ended."""
        self._leader.set(int(leads))

    def watched(self, kind: str) -> None:
        """A watch of a kind delivered an event now; from here on the gauge shows its age."""
        now = time.monotonic()
        self._watch_age.labels(kind).set_function(lambda: time.monotonic() - now)

    def asked(self, seconds: float) -> None:
        """A round of questions to Prometheus ended; from here on the gauge shows its age."""
        now = time.monotonic()
        self._round.observe(seconds)
        self._evidence_age.set_function(lambda: time.monotonic() - now)

    def corrected(self, kind: str) -> None:
        """A relist found an object of a kind that the cache had wrong."""
        self._ghosts.labels(kind).inc()


class WorkQueueMetrics:
    """client-go's workqueue metrics for one queue."""

    def __init__(self, name: str, registry: CollectorRegistry) -> None:
        def counter(what: str, text: str) -> Counter:
            return Counter(f"workqueue_{what}", text, ["name"], registry=registry).labels(name)

        def histogram(what: str, text: str) -> Histogram:
            return Histogram(f"workqueue_{what}", text, ["name"], buckets=SECONDS, registry=registry).labels(name)

        def gauge(what: str, text: str) -> Gauge:
            return Gauge(f"workqueue_{what}", text, ["name"], registry=registry).labels(name)

        self._depth = gauge("depth", "Keys that wait.")
        self._adds = counter("adds", "Keys added.")
        self._retries = counter("retries", "Keys that failed and will come back.")
        self._waited = histogram("queue_duration_seconds", "How long a key waited.")
        self._worked = histogram("work_duration_seconds", "How long a key was worked on.")
        self._unfinished = gauge("unfinished_work_seconds", "Seconds of work in progress, summed.")
        self._longest = gauge("longest_running_processor_seconds", "Seconds of the longest work in progress.")

    def added(self, depth: int) -> None:
        """See `queue.QueueMetrics`."""
        self._adds.inc()
        self._depth.set(depth)

    def taken(self, depth: int, waited: float) -> None:
        """See `queue.QueueMetrics`."""
        self._depth.set(depth)
        self._waited.observe(waited)

    def finished(self, worked: float) -> None:
        """See `queue.QueueMetrics`."""
        self._worked.observe(worked)

    def retried(self) -> None:
        """See `queue.QueueMetrics`."""
        self._retries.inc()

    def follow(self, unfinished: Callable[[], list[float]]) -> None:
        """Ask the queue for its work in progress at each scrape."""
        self._unfinished.set_function(lambda: sum(unfinished()))
        self._longest.set_function(lambda: max(unfinished(), default=0.0))
