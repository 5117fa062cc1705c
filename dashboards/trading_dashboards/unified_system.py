"""`/d/unified-crypto-system`: every namespace at one glance, and how data flows from one system to the next.

The board to open first: which system is ill, then down to the engine's board or to the log lines.
"""

from __future__ import annotations

from typing import Final

from trading_dashboards import variables
from trading_dashboards.exporters import (
    COLLECTORS,
    EXECUTOR,
    GENERATOR,
    LLM,
    ORCHESTRATOR,
    RISK,
    Exporter,
    labelled,
)
from trading_dashboards.log_panels import lines, volume
from trading_dashboards.model import Board, Drawing, Panel, Query, Row, Word
from trading_dashboards.promql import select
from trading_dashboards.series import (
    ALERTMANAGER,
    LOKI,
    NODES,
    OPERATOR,
    PROMETHEUS,
    SERVICES,
)
from trading_dashboards.trading_engine import OBEYED, UP_OR_DOWN, trading_state
from trading_dashboards.unified_alerts import ALERTS, WELL
from trading_dashboards.unified_infrastructure import INFRASTRUCTURE
from trading_dashboards.variables import NAMESPACE

_STACK: Final = "|".join((OPERATOR, PROMETHEUS, ALERTMANAGER, LOKI, NODES))


def _hop(exporter: Exporter, metric: str, step: str, **matchers: str) -> Query:
    """Events of one hop of the data flow, per minute over the time shown."""
    return exporter.query(f"60 * {exporter.mean_rate(metric, **matchers)}", step, instant=True)


_NAMED: Final = "{{namespace}} {{name}}: {{reason}}"
_READY: Final = (Word("1", "ready", "green"), Word("0", "NOT READY", "red"))
_TARGETS_READY: Final = (
    f"min by (namespace, name, reason) ({select('trading_monitoring_target_ready', namespace=NAMESPACE)})"
)


def _engines(status: str) -> str:
    series = select(
        "trading_resource_condition", namespace=NAMESPACE, kind="TradingEngine", type="Ready", status=status
    )
    return f"max by (namespace, name, reason) ({series})"


#: 1 where Ready is True, 0 where it is anything else: each engine is in one of the two.
_ENGINES_READY: Final = f"{_engines('True')} or 0 * {_engines('!=True')}"

HEALTH: Final = Row(
    100,
    "Cross-System Health",
    (
        Panel(
            101, "Services",
            "Every Service with prometheus.io/scrape in the chosen namespaces: 1 while it answers. One that is missing"
            " is not discovered: see the MonitoringTargets.",
            "none",
            (
                Query(
                    f"max by (namespace, service) ({select('up', job=SERVICES, namespace=NAMESPACE)})",
                    "{{namespace}} {{service}}", ".+", instant=True,
                ),
            ),
            Drawing.FIGURE, width=12, height=8, sane=(0, 1), steps=WELL, words=UP_OR_DOWN,
        ),
        Panel(
            102, "Data flow between systems",
            "Events per minute, from the market to the order, over the time shown. The first hop that is 0 while the"
            " one above it is not is where the flow stops.",
            "cpm",
            (
                _hop(COLLECTORS, "trading_collected_candles_total", "1 candles stored"),
                _hop(GENERATOR, "signals_generated_total", "2 signals"),
                _hop(GENERATOR, "signals_generated_total", "3 of them buy or sell", signal_type="!=hold"),
                _hop(LLM, "llm_validations_total", "4 verdicts"),
                _hop(RISK, "risk_assessments_total", "5 assessments"),
                _hop(EXECUTOR, "trade_executions_total", "6 orders ended"),
                _hop(EXECUTOR, "trading_fills_total", "7 fills"),
            ),
            Drawing.BARS, width=12, height=8,
        ),
        Panel(
            103, "Trading state",
            "What each engine's executor obeys (the red button).", "none", (trading_state(),),
            Drawing.FIGURE, width=6, height=5, sane=(0, 2), words=OBEYED,
        ),
        Panel(
            104, "Operator and monitoring",
            "Share of the scraped processes of each job that answer.",
            "percentunit",
            (Query(f"avg by (job) ({select('up', job=f'=~{_STACK}')})", labelled("job"), instant=True),),
            Drawing.FIGURE, width=12, height=5, sane=(0, 1), steps=WELL,
        ),
        Panel(
            105, "Leader",
            "How many operators lead: 1. With none nothing is repaired, and no status is kept up to date.",
            "none",
            (Query(f"sum({select('leader_election_master_status')})", "leading", instant=True),),
            Drawing.FIGURE, width=6, height=5, sane=(1, 1), steps=((0, "red"), (1, "green"), (2, "red")),
        ),
        Panel(
            106, "TradingEngines",
            "Ready as the operator's status says it, and why not. kubectl describe says the rest.",
            "none", (Query(_ENGINES_READY, _NAMED, instant=True),), Drawing.FIGURE, width=12, height=5, sane=(0, 1),
            steps=WELL, words=_READY,
        ),
        Panel(
            107, "MonitoringTargets",
            "Ready where Prometheus sees all that the target asks for; else the reason is the first broken link of its"
            " chain.",
            "none", (Query(_TARGETS_READY, _NAMED, instant=True),), Drawing.FIGURE, width=12, height=5, sane=(0, 1),
            steps=WELL, words=_READY,
        ),
    ),
)  # fmt: skip

COLLECTION: Final = Row(
    200,
    "Data Collection",
    (
        Panel(
            201, "Age of the newest candle",
            "Seconds since the newest stored candle closed; no line: none was ever stored. It climbs to one candle's"
            " length and falls again; a line that keeps climbing is an exchange or a collector that stands.",
            "s",
            (
                COLLECTORS.query(
                    f"time() - ({COLLECTORS.gauge('trading_last_candle_close_timestamp_seconds', 'symbol')} > 0)",
                    labelled("symbol"),
                ),
            ),
            sane=(0, 3600),
        ),
        Panel(
            202, "Candles stored",
            "New closed candles in each minute; a backfill is a tall column.",
            "short",
            (COLLECTORS.query(COLLECTORS.increase("trading_collected_candles_total", "symbol"), labelled("symbol")),),
            events=True,
        ),
        Panel(
            203, "Failed collections",
            "Calls that brought no candles. Each is tried again; many in a row show as age.",
            "short",
            (COLLECTORS.query(COLLECTORS.increase("trading_collection_errors_total", "symbol"), labelled("symbol")),),
            events=True,
        ),
        Panel(
            204, "Missing candles",
            "Minutes without a candle between stored ones. Normal for what is seldom traded; a sudden rise is an"
            " outage.",
            "short", (COLLECTORS.query(COLLECTORS.gauge("trading_candle_holes_open", "symbol"), labelled("symbol")),),
            sane=(0, 3000),
        ),
        Panel(
            205, "Time of one call for candles",
            "One request to the exchange's public API.", "s",
            COLLECTORS.quantiles("trading_collection_time_seconds", 0.5, 0.95), sane=(0, 60),
        ),
        Panel(
            206, "Market data in use",
            "Signals that were hold because their candle came too late, in each minute: collection seen from the"
            " engine.",
            "short",
            (GENERATOR.query(GENERATOR.increase("trading_holds_total", reason="stale_candle"), "stale"),), events=True,
        ),
    ),
)  # fmt: skip

ENGINE: Final = Row(
    300,
    "Trading Engine",
    (
        Panel(
            301, "Buys and sells",
            "Signals that are not hold, in each minute, of all engines chosen.",
            "short",
            (
                GENERATOR.query(
                    GENERATOR.increase("signals_generated_total", "symbol", "signal_type", signal_type="!=hold"),
                    "{{symbol}} {{signal_type}}",
                ),
            ),
            events=True,
        ),
        Panel(
            302, "Orders by outcome",
            "Orders that ended, in columns of five minutes.",
            "short",
            (EXECUTOR.query(EXECUTOR.increase("trade_executions_total", "status"), labelled("status")),),
            events=True, rare=True,
        ),
        Panel(
            303, "How recommendations ended",
            "In columns of five minutes. Only vetoed, refused or expired: look at that stage on the engine's board.",
            "short",
            (
                ORCHESTRATOR.query(
                    ORCHESTRATOR.increase("recommendations_processed_total", "status"), labelled("status")
                ),
            ),
            events=True, rare=True,
        ),
        Panel(
            304, "Recommendations that wait",
            "Open recommendations of each engine.",
            "short",
            (ORCHESTRATOR.query(ORCHESTRATOR.gauge("pending_recommendations_queue_size")),), width=12,
        ),
        Panel(
            305, "Models",
            "1 when a promoted model is loaded for every symbol of the engine.",
            "none",
            (GENERATOR.query(GENERATOR.gauge("model_load_status"), instant=True),),
            Drawing.FIGURE, width=12, sane=(0, 1), steps=WELL,
            words=(Word("1", "loaded", "green"), Word("0", "MISSING", "red")),
        ),
    ),
)  # fmt: skip

LOGS: Final = Row(
    600,
    "Unified Logs",
    (
        volume(601, "Log lines by level", ".+"),
        lines(602, "Log lines of all systems", ".+"),
    ),
)

BOARD: Final = Board(
    uid="unified-crypto-system",
    title="Unified Crypto System",
    description="Collectors, engines, operator, monitoring and cluster at one glance.",
    rows=(HEALTH, COLLECTION, ENGINE, INFRASTRUCTURE, ALERTS, LOGS),
    variables=(
        variables.DATASOURCE,
        variables.LOGS,
        variables.ALL_NAMESPACES,
        variables.ALL_ENGINES,
        variables.SYMBOLS,
        variables.WRITERS,
        variables.LEVEL,
        variables.SEARCH,
    ),
    annotations=(variables.MARKS, variables.starts(".+"), variables.halts(), variables.alerts()),
)
