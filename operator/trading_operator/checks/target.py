"""A MonitoringTarget as selected and as Prometheus sees it -> its status: a chain of conditions. Pure.

ServicesFound -> EndpointsReady -> Discovered -> Scraped -> SeriesPresent -> Fresh. The first link that does not hold
gives Ready its status and reason. Where nothing recent is known a link is Unknown, never still True.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from trading_operator.api.v1alpha1 import ConditionStatus, MonitoringTarget, MonitoringTargetStatus
from trading_operator.api.v1alpha1.monitoring_target import TargetCounts
from trading_operator.checks.conditions import Draft, dated
from trading_operator.checks.evidence import Evidence, Scrape
from trading_operator.checks.reasons import Reason
from trading_operator.checks.scrape_errors import VOLATILE, grouped
from trading_operator.desired.labels import CONSENT
from trading_operator.desired.selection import Endpoint, Selection
from trading_operator.errors import InvalidResource

TRUE, FALSE, UNKNOWN = ConditionStatus.TRUE, ConditionStatus.FALSE, ConditionStatus.UNKNOWN

#: How long Prometheus may take to list an endpoint that came.
DISCOVERY_GRACE: Final = timedelta(seconds=20)
#: How old the times in a status may grow while nothing else changes.
REFRESH: Final = timedelta(minutes=5)
#: Unix times before 2001 are none: the metric is something else.
_FIRST_TIME: Final = 1e9
#: What was last scraped longer ago than this, longer than any interval, is not known to be up.
_SILENT: Final = timedelta(minutes=5)
#: Reasons whose words may be others at every look without anything having changed.
_WORDY: Final = VOLATILE | {Reason.PROMETHEUS_UNREACHABLE}
_NAMED: Final = 5
_REASONS: Final = {reason.value: reason for reason in Reason}


@dataclass(frozen=True)
class Seen:
    """What is known of one target: what it selects, what Prometheus said, and why its contribution is kept out."""

    selection: Selection
    evidence: Evidence | None = None
    quarantined: str = ""


@dataclass(frozen=True)
class _Case:
    target: MonitoringTarget
    seen: Seen
    now: datetime

    @property
    def ready(self) -> tuple[Endpoint, ...]:
        return self.seen.selection.ready

    @property
    def evidence(self) -> Evidence:
        """Asked for by links after Discovered only, which needs one."""
        assert self.seen.evidence is not None  # noqa: S101  see above
        return self.seen.evidence

    @property
    def scrapes(self) -> list[tuple[Endpoint, Scrape]]:
        known = self.seen.evidence.scrapes if self.seen.evidence else {}
        return [(each, known[each.url]) for each in self.ready if each.url in known]


def target_status(target: MonitoringTarget, seen: Seen, now: datetime) -> MonitoringTargetStatus:
    """The status; the stored one where only times in it would differ and they are not old yet."""
    case = _Case(target, seen, now)
    links = _chain(case)
    made = _status(case, (_ready(case, links), *links))
    recent = target.status.evidence_time is None or now - target.status.evidence_time < REFRESH
    return target.status if recent and _essence(made) == _essence(target.status) else made


def invalid_target_status(manifest: Mapping[str, Any], error: InvalidResource, now: datetime) -> MonitoringTargetStatus:
    """Status of an object that its own kind does not accept (one written before its schema was tightened)."""
    generation = manifest["metadata"].get("generation", 0)
    stored = {"conditions": manifest.get("status", {}).get("conditions", ())}
    before = MonitoringTargetStatus.model_validate(stored).conditions
    drafts = (Draft("Ready", FALSE, Reason.INVALID_SPEC, str(error)),)
    return MonitoringTargetStatus(observed_generation=generation, conditions=dated(drafts, before, generation, now))


def expected_metrics(target: MonitoringTarget) -> tuple[str, ...]:
    """Every metric that has to be there."""
    fresh = target.spec.freshness
    return tuple(dict.fromkeys((*target.spec.expected_metrics, *((fresh.metric,) if fresh else ()))))


def _status(case: _Case, drafts: Iterable[Draft]) -> MonitoringTargetStatus:
    before, generation = case.target.status, case.target.metadata.generation
    evidence = case.seen.evidence
    usable = evidence is not None and not evidence.unusable(case.now)
    failed = [(endpoint.url, scrape.error) for endpoint, scrape in case.scrapes if scrape.health == "down"]
    times = [scrape.last for _, scrape in case.scrapes if scrape.health == "up" and scrape.last]
    return MonitoringTargetStatus(
        observed_generation=generation,
        conditions=dated(drafts, before.conditions, generation, case.now),
        targets=TargetCounts(matched=len(case.ready), up=len(times) if usable else None),
        last_scrape=max(times).replace(microsecond=0) if usable and times else before.last_scrape,
        errors=grouped(failed) if usable else (),
        evidence_time=evidence.at.replace(microsecond=0) if evidence and usable else before.evidence_time,
    )


def _essence(status: MonitoringTargetStatus) -> dict[str, object]:
    """A status without what is different at every look."""
    found = status.model_dump(exclude={"last_scrape", "evidence_time"})
    for each in (*found["conditions"], *found["errors"]):
        if each["reason"] in _WORDY:
            each["message"] = ""
    return found


def _chain(case: _Case) -> tuple[Draft, ...]:
    """Every link, in order; those after the first that does not hold are not judged."""
    found: list[Draft] = []
    for name, link in _LINKS.items():
        if found and found[-1].status is not TRUE:
            found.append(Draft(name, UNKNOWN, Reason.EARLIER_LINK, ""))
        else:
            found.append(Draft(name, *link(case)))
    return tuple(found)


def _ready(case: _Case, links: Iterable[Draft]) -> Draft:
    broken = next((each for each in links if each.status is not TRUE), None)
    if broken:
        return Draft("Ready", broken.status, broken.reason, broken.message)
    return Draft("Ready", TRUE, Reason.ALL_UP, f"{_counted(len(case.ready), 'endpoint')} up")


_Verdict = tuple[ConditionStatus, Reason, str]


def _services_found(case: _Case) -> _Verdict:
    selection = case.seen.selection
    if selection.unconsented:
        named = ", ".join(selection.unconsented)
        return FALSE, Reason.NO_CONSENT, f'no consent of namespace {named}: it needs the label {CONSENT}: "true"'
    if not selection.services:
        places = ", ".join(case.target.spec.namespaces or (case.target.namespace,))
        return FALSE, Reason.NO_SERVICES, f"no Service in {places} {_wanted(case.target)}"
    return TRUE, Reason.HOLDS, _counted(len(selection.services), "Service")


def _wanted(target: MonitoringTarget) -> str:
    if target.spec.selector is None:
        return 'has the annotation prometheus.io/scrape: "true"'
    return "has the labels " + ", ".join(f"{key}={value}" for key, value in target.spec.selector.match_labels.items())


def _endpoints_ready(case: _Case) -> _Verdict:
    if case.seen.selection.gaps:
        return FALSE, Reason.NO_ENDPOINTS, _listed(case.seen.selection.gaps)
    late = len(case.seen.selection.endpoints) - len(case.ready)
    return TRUE, Reason.HOLDS, f"{_counted(len(case.ready), 'endpoint')} ready" + (f", {late} not" if late else "")


def _discovered(case: _Case) -> _Verdict:
    if case.seen.quarantined:
        return FALSE, Reason.QUARANTINED, case.seen.quarantined
    evidence = case.seen.evidence
    if evidence is None:
        return UNKNOWN, Reason.AWAITING_EVIDENCE, "Prometheus has not been asked yet"
    if problem := evidence.unusable(case.now):
        return UNKNOWN, Reason.PROMETHEUS_UNREACHABLE, problem
    missing = [each.url for each in case.ready if each.url not in evidence.scrapes]
    if not missing:
        return TRUE, Reason.HOLDS, ""
    since = [evidence.missing_since.get(url) for url in missing]
    message = f"{len(missing)} of {len(case.ready)} endpoints are not among Prometheus's targets: {_listed(missing)}"
    if _was_missed(case) or any(each is not None and evidence.at - each >= DISCOVERY_GRACE for each in since):
        return FALSE, Reason.NOT_DISCOVERED, message
    return UNKNOWN, Reason.AWAITING_DISCOVERY, message


def _was_missed(case: _Case) -> bool:
    """Whether the status says so already: who starts anew does not grant the grace once more."""
    return any(each.reason == Reason.NOT_DISCOVERED.value for each in case.target.status.conditions)


def _scraped(case: _Case) -> _Verdict:
    down = [(endpoint.url, scrape.error) for endpoint, scrape in case.scrapes if scrape.health == "down"]
    if down:
        groups = grouped(down)
        said = "; ".join(f"{each.count} x {each.message} ({each.example})" for each in groups)
        return FALSE, _REASONS[groups[0].reason], f"{len(down)} of {len(case.ready)} endpoints fail: {said}"
    waiting = [endpoint.url for endpoint, scrape in case.scrapes if not _is_recent(scrape, case.evidence.at)]
    if waiting:
        return UNKNOWN, Reason.AWAITING_SCRAPE, f"not scraped yet, or not for long: {_listed(waiting)}"
    return TRUE, Reason.HOLDS, ""


def _series_present(case: _Case) -> _Verdict:
    wanted = expected_metrics(case.target)
    if not wanted:
        return TRUE, Reason.NOT_ASKED_FOR, ""
    sources = {scrape.source for _, scrape in case.scrapes}
    unknown = [each for each in wanted if each not in case.evidence.asked]
    missing = [each for each in wanted if sources.isdisjoint(case.evidence.present.get(each, ()))]
    missing = [each for each in missing if each not in unknown]
    if missing:
        return FALSE, Reason.MISSING_SERIES, f"no endpoint serves {', '.join(missing)}"
    if unknown:
        return UNKNOWN, Reason.AWAITING_EVIDENCE, f"Prometheus has not answered yet about {', '.join(unknown)}"
    return TRUE, Reason.HOLDS, _counted(len(wanted), "metric")


def _fresh(case: _Case) -> _Verdict:
    wanted = case.target.spec.freshness
    if wanted is None:
        return TRUE, Reason.NOT_ASKED_FOR, ""
    found = case.evidence.newest.get(wanted.metric, {})
    values = {endpoint.instance: found[scrape.source] for endpoint, scrape in case.scrapes if scrape.source in found}
    if not values:
        return UNKNOWN, Reason.AWAITING_EVIDENCE, f"Prometheus has not answered yet about {wanted.metric}"
    no_time = sorted(instance for instance, value in values.items() if not _is_time(value))
    if no_time:
        return FALSE, Reason.STALE, f"{wanted.metric} is no Unix time at {_listed(no_time)}"
    oldest = min(values, key=lambda instance: (values[instance], instance))
    # The message names a moment and not an age: while nothing moves, neither does the status.
    moment = f"{datetime.fromtimestamp(values[oldest], UTC):%Y-%m-%dT%H:%M:%SZ}"
    if case.evidence.at.timestamp() - values[oldest] > wanted.max_age_seconds:
        words = f"{wanted.metric} at {oldest} is from {moment}, more than {wanted.max_age_seconds} s ago"
        return FALSE, Reason.STALE, words
    return TRUE, Reason.HOLDS, ""


def _is_time(value: float) -> bool:
    return math.isfinite(value) and _FIRST_TIME < value < 4 * _FIRST_TIME


_LINKS: Final[dict[str, Callable[[_Case], _Verdict]]] = {
    "ServicesFound": _services_found,
    "EndpointsReady": _endpoints_ready,
    "Discovered": _discovered,
    "Scraped": _scraped,
    "SeriesPresent": _series_present,
    "Fresh": _fresh,
}


def _is_recent(scrape: Scrape, at: datetime) -> bool:
    return scrape.health == "up" and scrape.last is not None and at - scrape.last < _SILENT


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _listed(items: Iterable[str]) -> str:
    """The first few, and how many there are beside them."""
    found = list(items)
    beside = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return "; ".join(found[:_NAMED]) + beside
