"""The declared series of others are those that are exported and scraped, asked of our own processes and jobs."""

from __future__ import annotations

import re
from pathlib import Path

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from trading_dashboards.execution import SCRAPE_SECONDS
from trading_dashboards.log_panels import STREAM_LABELS
from trading_dashboards.rules import ENGINE, ENGINE_NAMESPACE
from trading_dashboards.series import API_SERVER, CONTAINERS, FOREIGN, JOBS, KNOWN, OPERATOR, PROCESS, SERVICES, TARGETS
from trading_dashboards.variables import LEVELS
from trading_engine.contract.metrics import CATALOGUE, Kind
from trading_engine.contract.workers import WorkerName
from trading_engine.runtime.instruments import Instruments
from trading_operator.api.v1alpha1.observability import LogAgent
from trading_operator.desired import logs, scrape_jobs
from trading_operator.metrics import OperatorMetrics
from trading_operator.resource_metrics import ResourceMetrics
from trading_operator.settings import Settings


def exported(text: str) -> dict[str, Kind]:
    """Series names -> kind, as in an exposition."""
    kinds = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            suffixed = family.type == "histogram" or family.type == "counter"
            kinds[sample.name] = Kind.COUNTER if suffixed else Kind.GAUGE
        kinds.setdefault(family.name, Kind(family.type) if family.type in set(Kind) else Kind.GAUGE)
    return kinds


ROOT = Path(__file__).resolve().parents[2]
#: A resource as the cache has it.
TARGET = {
    "kind": "MonitoringTarget",
    "metadata": {"namespace": "shop", "name": "web"},
    "status": {"conditions": [{"type": "Ready", "status": "True", "reason": "Fresh"}]},
}


def test_operator_exports_what_is_declared_of_it() -> None:
    """Names and kinds; controller-runtime's names are easily misspelt."""
    registry = OperatorMetrics("engines").registry
    registry.register(ResourceMetrics(lambda: (TARGET,)))
    there = exported(generate_latest(registry).decode())
    for foreign in (each for each in FOREIGN if each.job == OPERATOR):
        for name in foreign.names.split():
            family = name.removesuffix("_total")
            assert name in there or family in there, name


def test_processes_export_what_is_declared_of_them() -> None:
    """prometheus_client's own collector, in every worker."""
    body, _ = Instruments(WorkerName.RISK_MANAGEMENT, ()).exposition("")
    there = exported(body.decode())
    for series in PROCESS:
        assert there[series.name] is series.kind


def test_every_series_has_jobs_that_are_scraped() -> None:
    """A job that no configuration has would make a panel that is always empty."""
    for series in KNOWN.values():
        assert series.jobs <= set(JOBS)
    assert all(KNOWN[name].jobs == {SERVICES} for metric in CATALOGUE if (name := metric.name) in KNOWN)


def test_names_are_those_of_prometheus() -> None:
    """Counters end in _total or are parts of a histogram; nothing else does."""
    for series in KNOWN.values():
        assert re.fullmatch("[a-zA-Z_][a-zA-Z0-9_]*", series.name)
        assert series.is_counted == bool(re.search("_(total|bucket|sum|count)$", series.name)), series.name


def test_jobs_are_those_of_the_prometheus_configuration() -> None:
    """Boards and rules select by job: the operator writes these names and no others, the stack's by label."""
    settings = Settings.model_construct()
    made = [scrape_jobs.annotated(()), scrape_jobs.monitoring_targets(settings), scrape_jobs.operator(settings)]
    written = {job["job_name"] for job in (*made, *scrape_jobs.cluster())}
    observers = next(
        rule["regex"] for rule in scrape_jobs.stack(settings)["relabel_configs"] if rule["action"] == "keep"
    )
    of_stack = {component.split(";")[0] for component in observers.split("|")}
    assert written | of_stack == set(JOBS)
    assert {SERVICES, TARGETS} == {job["job_name"] for job in made[:2]}


def test_series_of_the_cluster_are_kept_when_they_are_scraped() -> None:
    """Most of what the kubelet and the API server export is dropped: what is drawn must not be."""
    kept = {
        job["job_name"]: next(rule["regex"] for rule in job["metric_relabel_configs"]) for job in scrape_jobs.cluster()
    }
    for foreign in (each for each in FOREIGN if each.job in (CONTAINERS, API_SERVER)):
        for series in foreign.series():
            assert re.fullmatch(kept[foreign.job], series.name), series.name


def test_log_streams_have_the_labels_that_the_agents_give_them() -> None:
    """Panels select by these; a level that no line has would be a choice of nothing."""
    assert STREAM_LABELS == logs.LABELS
    pipeline = logs.pipeline(LogAgent.OPEN_TELEMETRY_COLLECTOR, (), Settings.model_construct())
    for level in set(LEVELS) - {logs.NO_LEVEL}:
        assert re.search(pipeline.level, f'{{"level":"{level}"}}')
    assert logs.NO_LEVEL in LEVELS


def test_alerts_have_the_labels_that_rules_give_them() -> None:
    """The table of firing alerts says whose each is."""
    assert {ENGINE, ENGINE_NAMESPACE, "severity"} <= KNOWN["ALERTS"].labels


def test_scrape_interval_is_the_same_wherever_it_is_said() -> None:
    """Grafana makes windows of what its datasource is told; a shorter one than the truth would be empty."""
    provisioned = (ROOT / "manifests" / "monitoring" / "grafana").rglob("*.yaml")
    assert any(f"timeInterval: {SCRAPE_SECONDS}s" in path.read_text() for path in provisioned)
    assert Settings.model_construct().scrape_seconds == SCRAPE_SECONDS
