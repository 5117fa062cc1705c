"""Expressions over the catalogue: what is written right passes, each way to be silently wrong is named."""

from __future__ import annotations

import pytest

from trading_dashboards.check import checked, problems, result_labels, variables_in, window_problems
from trading_dashboards.promql import BadQuery, increase, mean, quantile, rate, select
from trading_dashboards.series import KNOWN, SERVICES
from trading_engine.contract.metrics import CATALOGUE, Kind

JOB = f'job="{SERVICES}"'


def test_every_metric_of_the_catalogue_can_be_queried() -> None:
    """Whatever its kind, the builders write an expression without a problem."""
    for metric in CATALOGUE:
        by = metric.label_names
        match metric.kind:
            case Kind.COUNTER:
                expressions = [rate(metric.name, *by), increase(metric.name, *by, window="10m")]
            case Kind.HISTOGRAM:
                expressions = [quantile(0.95, metric.name, *by), mean(metric.name, *by)]
            case _:
                expressions = [select(metric.name)]
        for expression in expressions:
            assert problems(expression) == []
            assert {"namespace", "service", *by} <= result_labels(expression)


def test_select_writes_operators_and_escapes() -> None:
    """A value may bring its operator; quotes and backslashes in it stay inside the string."""
    written = select("pending_recommendations", service='=~a"b\\d', namespace="!=x")
    assert written == f'pending_recommendations{{{JOB},service=~"a\\"b\\\\d",namespace!="x"}}'
    assert problems(written) == []


@pytest.mark.parametrize("metric", ["trading_orders_total", "trade_execution_time_seconds"])
def test_select_refuses_when_nobody_exports_it(metric: str) -> None:
    """Unknown names, and a histogram without its suffix, which is no series."""
    with pytest.raises(BadQuery, match="nobody exports it"):
        select(metric)


def test_select_asks_for_the_job_when_several_export_it() -> None:
    """`up` is made for every job: it must be said which is meant."""
    with pytest.raises(BadQuery, match="name its job"):
        select("up")
    assert problems(select("up", job="=~prometheus|loki")) == []


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("sum(", "no PromQL"),
        ("rate(pending_recommendations)", "no PromQL"),
        (f"never_exported{{{JOB}}}", "nobody exports it"),
        ('{__name__=~"trade.*"}', "nobody exports it"),
        (f'pending_recommendations{{{JOB},color="red"}}', "has no label color"),
        ("pending_recommendations", "must be selected with a job"),
        ('pending_recommendations{job="prometheus"}', "must be selected with a job"),
        ('up{job=~"prometheus|typo"}', "must be selected with a job"),
        ('up{job!="prometheus"}', "must be selected with a job"),
        (f"trade_executions_total{{{JOB}}}", "only ever grows"),
        (f"sum(trade_executions_total{{{JOB}}})", "only ever grows"),
        (f"delta(trade_executions_total{{{JOB}}}[5m])", "only ever grows"),
        (f"rate(pending_recommendations{{{JOB}}}[5m])", "is no counter"),
        (f"sum(rate(risk_scores_bucket{{{JOB}}}[5m]))", "summed over le"),
        (f"sum without (le) (rate(risk_scores_bucket{{{JOB}}}[5m]))", "summed over le"),
        (f"histogram_quantile(0.9, rate(risk_scores_sum{{{JOB}}}[5m]))", "no label le"),
        (f"sum by (symbol) (pending_recommendations{{{JOB}}})", "no label symbol"),
        (f"pending_recommendations{{{JOB}}} or vector(0)", "a finding, not a zero"),
        (
            f"sum by (service) (pending_recommendations{{{JOB}}}) / on (symbol) model_load_status{{{JOB}}}",
            "no label symbol",
        ),
        (f"sum by (service) (pending_recommendations{{{JOB}}}) / model_load_status{{{JOB}}}", "never match"),
        (
            f"model_load_status{{{JOB}}} * on (service) group_left (symbol) pending_recommendations{{{JOB}}}",
            "group_left: no label symbol",
        ),
    ],
)
def test_problems_are_named_when_an_expression_is_wrong(expression: str, complaint: str) -> None:
    """Each of these is either refused by Prometheus or, worse, accepted and empty or wrong."""
    assert any(complaint in problem for problem in problems(expression)), problems(expression)
    with pytest.raises(BadQuery):
        checked(expression)


@pytest.mark.parametrize(
    ("expression", "labels"),
    [
        (f"time() - trading_last_candle_close_timestamp_seconds{{{JOB}}} > 60", {"namespace", "service", "symbol"}),
        (f'sum by (le) (increase(risk_scores_bucket{{{JOB}}}[5m]))', {"le"}),
        (f'sum(rate(risk_scores_bucket{{{JOB},le="0.5"}}[5m]))', set()),
        (f"absent(trade_executions_total{{{JOB}}})", set()),
        (f"topk(3, sum by (symbol) (increase(trade_executions_total{{{JOB}}}[5m])))", {"symbol"}),
        (f"sum without (pod, instance) (pending_recommendations{{{JOB}}})", {"service", "node"}),
        (f'label_replace(model_load_status{{{JOB}}}, "engine", "$1", "service", "(.*)-signal.*")', {"engine"}),
        ('ALERTS{alertstate="firing"} unless on (alertname) ALERTS{severity="info"}', {"alertname", "severity"}),
        (
            f"model_load_status{{{JOB}}} * on (namespace) group_right () pending_recommendations{{{JOB}}}",
            {"namespace", "service"},
        ),
        ("max_over_time(up{job=\"prometheus\"}[5m:30s])", {"job"}),
        ("(1 + 2) * 3", set()),
    ],
)  # fmt: skip
def test_result_labels_are_known_when_an_expression_is_right(expression: str, labels: set[str]) -> None:
    """What legends and links may name is worked out from the tree."""
    assert problems(expression) == []
    assert labels <= result_labels(expression)
    assert "le" not in result_labels(expression) - labels


def test_windows_are_refused_when_they_do_not_follow_the_scrape_interval() -> None:
    """A fixed window on a board is empty after a longer scrape interval; brackets in a regex are none."""
    fixed = f'rate(trade_executions_total{{{JOB},symbol=~"[A-Z]+/USD"}}[1m])'
    assert window_problems(fixed) == ["window [1m]: must be $__rate_interval or $__range"]
    assert window_problems(fixed.replace("[1m]", "[$__rate_interval]")) == []


def test_variables_are_found_when_written_either_way() -> None:
    """`$name`, `${name}` and `${name:regex}`; Grafana's own and a replacement's $1 are none."""
    assert variables_in('a{b=~"$one-${two}-${three:regex}"}[$__range] $1') == {"one", "two", "three"}


def test_third_parties_do_not_shadow_the_catalogue() -> None:
    """A foreign series of the name of one of ours would hide it."""
    ours = {
        series.name for series in KNOWN.values() if series.name.startswith("trading_") or "recommend" in series.name
    }
    assert ours
    assert all(KNOWN[name].jobs <= {SERVICES, "trading-operator"} for name in ours)
