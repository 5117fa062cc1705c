"""Row Alerts & Anomalies of the system board: what fires, what is unlike itself, and whether alerting works at all."""

from __future__ import annotations

from typing import Final

from trading_dashboards import foreign
from trading_dashboards.exporters import COLLECTORS, EXECUTOR, GENERATOR, ORCHESTRATOR, Exporter, labelled
from trading_dashboards.model import Drawing, Panel, Query, Row, Word
from trading_dashboards.promql import WINDOW, select

WELL: Final = ((0.0, "red"), (1.0, "green"))
_FIRING: Final = select("ALERTS", alertstate="firing")
_LOADED: Final = (Word("1", "loaded", "green"), Word("0", "REJECTED", "red"))


def _against_usual(exporter: Exporter, metric: str, what: str) -> Query:
    """Events now, as a multiple of their mean over the time shown: 1 is usual, 0 is silence."""
    now = f"sum by (namespace, service) (rate({exporter.select(metric)}[{WINDOW}]))"
    return exporter.query(f"{now} / {exporter.mean_rate(metric)}", what)


ALERTS: Final = Row(
    500,
    "Alerts & Anomalies",
    (
        Panel(
            501, "Firing alerts",
            "Watchdog always fires: when it is not here, alerting is broken. Each alert's runbook says what to do.",
            "none",
            (
                Query(
                    f"sum by (alertname, severity, engine_namespace, engine, service, symbol) ({_FIRING})",
                    "{{alertname}}", instant=True,
                ),
            ),
            Drawing.TABLE, width=12, height=8, sane=(1, 1000),
        ),
        Panel(
            502, "Alerts over time",
            "How many fire, by severity.",
            "short",
            (Query(f"count by (severity) ({_FIRING})", labelled("severity")),),
            width=12, height=8, sane=(1, 1000),
        ),
        Panel(
            503, "Activity against its own mean",
            "1 is the mean of the time shown. 0 while the others go on is silence: the detector that needs no"
            " threshold. A spike is a backfill or a loop.",
            "none",
            (
                _against_usual(COLLECTORS, "trading_collected_candles_total", "candles"),
                _against_usual(GENERATOR, "signals_generated_total", "signals"),
                _against_usual(ORCHESTRATOR, "orchestrator_cycle_duration_seconds_count", "passes of the orchestrator"),
            ),
            width=12, sane=(0, 1000),
        ),
        Panel(
            504, "Error trends",
            "What went wrong, in columns of five minutes, over all systems.",
            "short",
            (
                COLLECTORS.query(COLLECTORS.increase("trading_collection_errors_total"), "collections failed"),
                EXECUTOR.query(EXECUTOR.increase("trade_executions_total", status="rejected"), "orders rejected"),
                EXECUTOR.query(EXECUTOR.increase("order_precision_errors_total"), "precision errors"),
                ORCHESTRATOR.query(
                    ORCHESTRATOR.increase("recommendations_processed_total", status="expired"),
                    "recommendations expired",
                ),
            ),
            width=12, events=True, rare=True,
        ),
        Panel(
            505, "Configuration",
            "Whether Prometheus and Alertmanager could load what the operator wrote last; else they go on with the"
            " former one.",
            "none",
            (
                Query(select("prometheus_config_last_reload_successful"), labelled("job"), instant=True),
                Query(select("alertmanager_config_last_reload_successful"), labelled("job"), instant=True),
            ),
            Drawing.FIGURE, width=6, height=5, sane=(0, 1), steps=WELL, words=_LOADED,
        ),
        Panel(
            506, "Notifications",
            "What Alertmanager sent, and what it could not.",
            "short",
            (
                Query(foreign.increase("alertmanager_notifications_total", "integration"), labelled("integration")),
                Query(
                    foreign.increase("alertmanager_notifications_failed_total", "integration"),
                    "{{integration}} FAILED",
                ),
            ),
            width=9, height=5, events=True, rare=True,
        ),
        Panel(
            507, "Series in Prometheus",
            "How many series it holds. It grows with symbols, engines and targets; a jump is a label that should not"
            " be one.",
            "short", (Query(select("prometheus_tsdb_head_series"), "series"),), width=9, height=5, sane=(1, 10_000_000),
        ),
    ),
)  # fmt: skip
