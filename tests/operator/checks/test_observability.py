"""Condition Observed: what became of the shared configuration, and never a green that nobody has seen."""

from __future__ import annotations

import dataclasses

import pytest

from tests.operator.engines import engine
from tests.operator.observations import NOW, condition, rolled
from trading_operator.api.v1alpha1 import TradingEngine
from trading_operator.checks import engine_status
from trading_operator.observed import StackState

LOADED = StackState(loaded=True, tells=True)
HERE = frozenset({engine().uid})


def seen(stack: StackState | None, of: TradingEngine | None = None, **observed: object) -> tuple[str, str, str]:
    """Status, reason and message of Observed."""
    of = of or engine()
    stack = dataclasses.replace(stack, engines=HERE) if stack else None
    found = condition(engine_status(of, dataclasses.replace(rolled(of), stack=stack, **observed), NOW), "Observed")
    return found.status.value, found.reason, found.message


@pytest.mark.parametrize(
    ("stack", "status", "reason", "words"),
    [
        (LOADED, "True", "Observed", "has loaded"),
        (StackState(), "False", "ReloadPending", ""),
        (StackState(unreachable="no route"), "Unknown", "PrometheusUnreachable", "no route"),
        (StackState(invalid="line 3"), "False", "ConfigurationInvalid", "line 3"),
        (StackState(unchecked="not there"), "False", "PromtoolMissing", "not there"),
        (StackState(refused=("a", "b")), "False", "SharedObjectRefused", "a; b"),
        (None, "Unknown", "NotLookedAt", ""),
    ],
)
def test_reason_is_the_first_thing_wrong_when_the_shared_configuration_is(
    stack: StackState | None, status: str, reason: str, words: str
) -> None:
    """Each with its words."""
    found = seen(stack)
    assert found[:2] == (status, reason)
    assert words in found[2]


def test_engine_is_ready_when_nobody_observes_it() -> None:
    """It trades without Prometheus."""
    status = engine_status(engine(), dataclasses.replace(rolled(engine()), stack=StackState(unreachable="x")), NOW)
    assert condition(status, "Ready").status == "True"


def test_finding_is_told_when_an_annotated_service_cannot_be_scraped() -> None:
    """Prometheus drops it without a word; a greater trouble comes first."""
    words = ("Service a/b: it has no annotation prometheus.io/port",)
    assert seen(LOADED, unscraped=words) == ("False", "ServiceNotScraped", words[0])
    assert seen(StackState(), unscraped=words)[1] == "ReloadPending"


def test_condition_stays_when_the_operator_has_just_started() -> None:
    """Nothing is written for a restart of ours."""
    loaded = dataclasses.replace(LOADED, engines=HERE)
    first = engine_status(engine(), dataclasses.replace(rolled(engine()), stack=loaded), NOW)
    again = TradingEngine.parse(engine().to_dict() | {"status": first.to_dict()})
    assert seen(None, again) == seen(LOADED)


def test_nothing_is_claimed_when_what_is_loaded_was_made_for_others() -> None:
    """A new engine beside one that is observed: its namespace is not in the configuration yet."""
    new = engine("new", "another")
    status = engine_status(new, dataclasses.replace(rolled(new), stack=dataclasses.replace(LOADED, engines=HERE)), NOW)
    assert condition(status, "Observed").reason == "NotLookedAt"
    assert condition(status, "Alerting").status == "Unknown"


def test_nothing_is_claimed_when_scraping_is_left_to_others() -> None:
    """Disabled is False; of another operator's Prometheus nothing is known; without its kinds nothing is written."""
    disabled = engine(observability={"scrape": "Disabled"})
    monitor = engine(observability={"scrape": "ServiceMonitor"})
    assert seen(LOADED, disabled)[:2] == ("False", "ScrapeDisabled")
    assert seen(LOADED, monitor)[:2] == ("Unknown", "LeftToPrometheusOperator")
    absent = frozenset({"ServiceMonitor", "PrometheusRule"})
    assert seen(LOADED, monitor, absent=absent) == (
        "False",
        "PrometheusOperatorMissing",
        "the cluster does not know PrometheusRule, ServiceMonitor",
    )
