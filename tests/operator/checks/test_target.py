"""The chain of a MonitoringTarget: each link broken on its own, and what is never said without recent evidence."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.operator.targets import a_slice, a_target, a_target_manifest, a_world, an_endpoint
from trading_operator.api.v1alpha1 import MonitoringTarget, MonitoringTargetStatus
from trading_operator.checks.evidence import Evidence, Scrape
from trading_operator.checks.target import Seen, invalid_target_status, target_status
from trading_operator.desired.selection import World, select
from trading_operator.errors import InvalidResource

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
JOB = "monitoring-targets"
SOURCE = (JOB, "10.0.0.1:8080")
URL = "http://10.0.0.1:8080/metrics"
RECORDED = {
    each["labels"]["case"]: each["lastError"]
    for each in orjson.loads((Path(__file__).parents[1] / "recorded" / "targets.json").read_bytes())["data"][
        "activeTargets"
    ]
}
LINKS = ("ServicesFound", "EndpointsReady", "Discovered", "Scraped", "SeriesPresent", "Fresh")
FRESHNESS = {"metric": "last_success_timestamp_seconds", "maxAgeSeconds": 60}


def up(at: datetime = NOW) -> Scrape:
    return Scrape(SOURCE, "up", "", at)


def evidence(scrape: Scrape | None = None, at: datetime = NOW, **found: Any) -> Evidence:
    """A round in which the one endpoint is up."""
    return Evidence(at, **({"scrapes": {URL: scrape or up(at)}} | found))


def judged(
    target: MonitoringTarget, found: Evidence | None, world: World | None = None, now: datetime = NOW, **seen: Any
) -> MonitoringTargetStatus:
    selection = select(target, world or a_world(), frozenset())
    return target_status(target, Seen(selection, found, **seen), now)


def verdict(status: MonitoringTargetStatus, link: str = "Ready") -> tuple[str, str]:
    found = next(each for each in status.conditions if each.type == link)
    return found.status.value, found.reason


def message(status: MonitoringTargetStatus) -> str:
    return status.conditions[0].message


def after(status: MonitoringTargetStatus, **spec: Any) -> MonitoringTarget:
    """The target with the status that was written."""
    return a_target(status=status.to_dict(), **spec)


def test_ready_when_every_link_holds() -> None:
    """All links True, both counts, the time of the scrape and of the evidence."""
    target = a_target(expectedMetrics=["demo_total"], freshness=FRESHNESS)
    metric = FRESHNESS["metric"]
    found = evidence(
        asked=frozenset({"demo_total", metric}),
        present={"demo_total": frozenset({SOURCE}), metric: frozenset({SOURCE})},
        newest={metric: {SOURCE: NOW.timestamp() - 59}},
    )
    status = judged(target, found)
    assert [verdict(status, link)[0] for link in ("Ready", *LINKS)] == ["True"] * 7
    assert verdict(status) == ("True", "AllUp")
    assert (status.targets.matched, status.targets.up) == (1, 1)
    assert (status.last_scrape, status.evidence_time, status.errors) == (NOW, NOW, ())


@pytest.mark.parametrize(
    ("spec", "world", "link", "reason", "words"),
    [
        (
            {"namespaces": ["secret"]},
            a_world(),
            "ServicesFound",
            "NoConsent",
            "secret: it needs the label tradingengine",
        ),
        ({"selector": {"matchLabels": {"app": "x"}}}, a_world(), "ServicesFound", "NoServices", "has the labels app=x"),
        (
            {"selector": None, "endpoints": None, "annotations": "Import"},
            a_world(),
            "ServicesFound",
            "NoServices",
            'has the annotation prometheus.io/scrape: "true"',
        ),
        ({}, a_world(slices=[]), "EndpointsReady", "NoEndpoints", "Service crypto-trading/exporter: no endpoints"),
        (
            {"endpoints": [{"port": "typo"}]},
            a_world(),
            "EndpointsReady",
            "NoEndpoints",
            "no endpoint has port typo; there are http (8080)",
        ),
    ],
)
def test_what_the_cluster_lacks_is_the_reason(
    spec: dict[str, Any], world: World, link: str, reason: str, words: str
) -> None:
    """No Prometheus is needed to see it, and later links are not judged."""
    status = judged(a_target(**spec), evidence(), world)
    assert verdict(status) == ("False", reason) == verdict(status, link)
    assert words in message(status)
    later = LINKS[LINKS.index(link) + 1 :]
    assert {verdict(status, each) for each in later} == {("Unknown", "EarlierLink")}


@pytest.mark.parametrize(
    ("case", "reason", "words"),
    [
        ("refused", "ConnectionRefused", "connection refused"),
        ("silent", "Timeout", "context deadline exceeded"),
        ("hang", "Timeout", "context deadline exceeded"),
        ("slowbody", "Timeout", "context deadline exceeded"),
        ("s404", "HttpStatus", "HTTP status 404 Not Found"),
        ("s401", "HttpStatus", "HTTP status 401 Unauthorized"),
        ("s500", "HttpStatus", "HTTP status 500 Internal Server Error"),
        ("html", "BadExposition", 'expected a valid start token, got "<"'),
        ("json", "BadExposition", 'expected equal, got ":"'),
        ("bad", "BadExposition", "strconv.ParseFloat"),
        ("many", "SampleLimit", "sample limit exceeded"),
        ("labels", "SampleLimit", "label_limit exceeded"),
        ("big", "SampleLimit", "body size limit exceeded"),
        ("tls", "ScrapeFailed", "http: server gave HTTP response to HTTPS client"),
        ("drop", "ScrapeFailed", "EOF"),
    ],
)
def test_reason_is_what_prometheus_says_of_the_scrape(case: str, reason: str, words: str) -> None:
    """Each error as the real Prometheus words it; the message has them, the group counts."""
    status = judged(a_target(), evidence(Scrape(SOURCE, "down", RECORDED[case], NOW)))
    assert verdict(status) == ("False", reason) == verdict(status, "Scraped")
    assert words in message(status)
    (group,) = status.errors
    assert (group.reason, group.count, group.example) == (reason, 1, URL)
    assert (status.targets.matched, status.targets.up, status.last_scrape) == (1, 0, None)


def test_exporter_cannot_word_its_own_reason() -> None:
    """What it answered is quoted by Prometheus, and quotes do not count."""
    error = 'expected a valid start token, got "connect" ("INVALID") while parsing: "connect: connection refused"'
    assert verdict(judged(a_target(), evidence(Scrape(SOURCE, "down", error, NOW)))) == ("False", "BadExposition")


def test_errors_are_grouped_with_their_count() -> None:
    """Two endpoints that fail alike are one group, though their addresses differ; the largest group is the reason."""
    endpoints = [an_endpoint(f"10.0.0.{number}") for number in range(1, 5)]
    refused = RECORDED["refused"]
    scrapes = {
        f"http://10.0.0.{number}:8080/metrics": Scrape((JOB, f"10.0.0.{number}:8080"), "down", error, NOW)
        for number, error in enumerate([RECORDED["s404"], refused, refused.replace("127.0.0.1", "10.0.0.3")], 1)
    }
    scrapes["http://10.0.0.4:8080/metrics"] = Scrape((JOB, "10.0.0.4:8080"), "up", "", NOW)
    status = judged(a_target(), Evidence(NOW, scrapes=scrapes), a_world(slices=[a_slice(*endpoints)]))
    assert verdict(status) == ("False", "ConnectionRefused")
    assert [(each.reason, each.count) for each in status.errors] == [("ConnectionRefused", 2), ("HttpStatus", 1)]
    assert (status.targets.matched, status.targets.up, status.last_scrape) == (4, 1, NOW)
    assert message(status).startswith("3 of 4 endpoints fail: 2 x connection refused")


def test_unready_endpoint_is_not_judged() -> None:
    """A pod that starts fails its scrapes and breaks nothing."""
    endpoints = (an_endpoint(), an_endpoint("10.0.0.2", conditions={"ready": False}))
    status = judged(a_target(), evidence(), a_world(slices=[a_slice(*endpoints)]))
    assert verdict(status) == ("True", "AllUp")
    assert (status.targets.matched, status.targets.up) == (1, 1)


def test_new_endpoint_is_awaited_before_it_is_missed() -> None:
    """Prometheus needs its time to look; after that it is the reason."""
    fresh = evidence(scrapes={}, missing_since={URL: NOW - timedelta(seconds=19)})
    late = evidence(scrapes={}, missing_since={URL: NOW - timedelta(seconds=20)})
    assert verdict(judged(a_target(), fresh)) == ("Unknown", "AwaitingDiscovery")
    assert verdict(judged(a_target(), late)) == ("False", "NotDiscovered")
    assert URL in message(judged(a_target(), late))


def test_missed_endpoint_stays_missed_when_the_operator_starts_anew() -> None:
    """What was seen before is in the status: it is not awaited for a second time."""
    before = judged(a_target(), evidence(scrapes={}, missing_since={URL: NOW - timedelta(hours=1)}))
    anew = evidence(scrapes={}, missing_since={URL: NOW})
    assert judged(after(before), anew).to_dict() == before.to_dict()


def test_quarantine_is_the_reason() -> None:
    """Words of whoever refused the contribution."""
    status = judged(a_target(), evidence(), quarantined="promtool: no")
    assert (verdict(status), message(status)) == (("False", "Quarantined"), "promtool: no")


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (None, "AwaitingEvidence"),
        (Evidence(NOW, problem="it is away"), "PrometheusUnreachable"),
        (evidence(at=NOW - timedelta(seconds=61)), "PrometheusUnreachable"),
        (evidence(Scrape(SOURCE, "unknown")), "AwaitingScrape"),
        (evidence(up(NOW - timedelta(minutes=6))), "AwaitingScrape"),
    ],
)
def test_unknown_without_recent_evidence(found: Evidence | None, reason: str) -> None:
    """Never a stale True: not seen, not seen lately and not scraped lately are all Unknown."""
    status = judged(a_target(), found)
    assert verdict(status) == ("Unknown", reason)


def test_what_was_known_keeps_its_time_when_prometheus_is_away() -> None:
    """The last scrape and the evidence stay dated as they were; the count of what is up is gone."""
    before = judged(a_target(), evidence())
    status = judged(after(before), Evidence(NOW, problem="away"), now=NOW + timedelta(minutes=9))
    assert (status.last_scrape, status.evidence_time, status.targets.up) == (NOW, NOW, None)


def test_missing_metric_is_named() -> None:
    """Found at another endpoint is not found here; what was not asked yet is not missing."""
    target = a_target(expectedMetrics=["a_total", "b_total"])
    elsewhere = frozenset({(JOB, "10.9.9.9:1")})
    asked = frozenset({"a_total", "b_total"})
    status = judged(target, evidence(asked=asked, present={"a_total": frozenset({SOURCE}), "b_total": elsewhere}))
    assert (verdict(status), message(status)) == (("False", "MissingSeries"), "no endpoint serves b_total")
    status = judged(target, evidence(asked=frozenset({"a_total"}), present={"a_total": frozenset({SOURCE})}))
    assert verdict(status) == ("Unknown", "AwaitingEvidence")


def fresh(value: float) -> Evidence:
    metric = str(FRESHNESS["metric"])
    return evidence(asked=frozenset({metric}), present={metric: frozenset({SOURCE})}, newest={metric: {SOURCE: value}})


@pytest.mark.parametrize("value", [NOW.timestamp() - 61, 5.0, float("nan"), float("inf"), 1e12])
def test_stale_when_old_or_no_time(value: float) -> None:
    """A frozen exporter is found out, and a metric that is no Unix time is not taken for one."""
    status = judged(a_target(freshness=FRESHNESS), fresh(value))
    assert verdict(status) == ("False", "Stale")
    assert "10.0.0.1:8080" in message(status)


def test_stale_message_stays_while_nothing_moves() -> None:
    """It names the moment of the newest work and not its age, so that the status is not written at every look."""
    moment = NOW.timestamp() - 61
    before = judged(a_target(freshness=FRESHNESS), fresh(moment))
    later = dataclasses.replace(fresh(moment), at=NOW + timedelta(seconds=30))
    later = dataclasses.replace(later, scrapes={URL: up(later.at)})
    assert judged(after(before, freshness=FRESHNESS), later, now=later.at) == before


def test_freshness_metric_has_to_be_there() -> None:
    """It is one of those expected."""
    status = judged(a_target(freshness=FRESHNESS), evidence(asked=frozenset({FRESHNESS["metric"]})))
    assert verdict(status) == ("False", "MissingSeries")


def test_stalest_endpoint_counts() -> None:
    """One replica that froze is not hidden by one that works."""
    metric, other = str(FRESHNESS["metric"]), (JOB, "10.0.0.2:8080")
    found = Evidence(
        NOW,
        scrapes={URL: up(), "http://10.0.0.2:8080/metrics": Scrape(other, "up", "", NOW)},
        asked=frozenset({metric}),
        present={metric: frozenset({SOURCE, other})},
        newest={metric: {SOURCE: NOW.timestamp() - 1, other: NOW.timestamp() - 3600}},
    )
    world = a_world(slices=[a_slice(an_endpoint(), an_endpoint("10.0.0.2"))])
    assert "10.0.0.2:8080" in message(judged(a_target(freshness=FRESHNESS), found, world))


def test_status_is_the_stored_one_when_only_times_differ() -> None:
    """At rest nothing is written for five minutes; then times are, and conditions keep theirs."""
    before = judged(a_target(), evidence())
    soon, later = NOW + timedelta(minutes=4, seconds=59), NOW + timedelta(minutes=5)
    assert judged(after(before), evidence(at=soon), now=soon).to_dict() == before.to_dict()
    refreshed = judged(after(before), evidence(at=later), now=later)
    assert (refreshed.evidence_time, refreshed.last_scrape) == (later, later)
    assert refreshed.conditions == before.conditions


def test_status_is_quiet_when_only_the_exporter_s_words_change() -> None:
    """A hostile exporter that answers something else each time does not make us write each time."""
    first, second = (f'expected equal, got "{word}" ("INVALID") while parsing: "{word}"' for word in ("a", "b"))
    before = judged(a_target(), evidence(Scrape(SOURCE, "down", first, NOW)))
    assert judged(after(before), evidence(Scrape(SOURCE, "down", second, NOW))).to_dict() == before.to_dict()
    other = judged(after(before), evidence(Scrape(SOURCE, "down", RECORDED["s404"], NOW)))
    assert verdict(other) == ("False", "HttpStatus")


def test_transition_moves_the_time_of_what_changed_only() -> None:
    """Ready and Scraped flip; links that still hold keep their time."""
    before = judged(a_target(), evidence())
    later = NOW + timedelta(seconds=30)
    down = Scrape(SOURCE, "down", RECORDED["refused"], later)
    status = judged(after(before), evidence(down, at=later), now=later)
    since = {each.type: each.last_transition_time for each in status.conditions}
    assert (since["Ready"], since["Scraped"], since["Discovered"]) == (later, later, NOW)


def test_status_fits_its_schema_when_everything_is_long() -> None:
    """Names and errors as long as they may be stay within the bounds of the kind."""
    names = [f"{'m' * 190}_{number}" for number in range(64)]
    endpoints = [an_endpoint(f"10.0.{number // 250}.{number % 250 + 1}") for number in range(1000)]
    world = a_world(slices=[a_slice(*endpoints)])
    target = a_target(expectedMetrics=names)
    selection = select(target, world, frozenset())
    scrapes = {
        each.url: Scrape((JOB, each.instance), "down", f"{number} {'x' * 990}", NOW)
        for number, each in enumerate(selection.endpoints)
    }
    for found in (Evidence(NOW, scrapes=scrapes), Evidence(NOW), None):
        status = target_status(target, Seen(selection, found), NOW)
        assert MonitoringTargetStatus.model_validate(status.to_dict()) == status
    assert len(target_status(target, Seen(selection, Evidence(NOW, scrapes=scrapes)), NOW).errors) == 10


def test_invalid_target_says_what_is_wrong() -> None:
    """One stored before a rule came: Ready is False with the words of the rule."""
    manifest = a_target_manifest(annotations="Import")
    with pytest.raises(InvalidResource) as caught:
        MonitoringTarget.parse(manifest)
    status = invalid_target_status(manifest, caught.value, NOW)
    assert verdict(status) == ("False", "InvalidSpec")
    assert "exactly one of selector and annotations" in message(status)
