"""`/d/crypto-trading-engine`: what one engine does, from its health to its log lines, in 26 panels.

Read from the top when something is wrong: does it run, may it trade, does it make signals, do orders end well, does the
model answer, where does the pipeline wait, and what does the log say.
"""

from __future__ import annotations

from typing import Final

from trading_dashboards import variables
from trading_dashboards.exporters import EXECUTOR, GENERATOR, LLM, ORCHESTRATOR, RISK, labelled, up
from trading_dashboards.log_panels import lines, volume
from trading_dashboards.model import Board, Drawing, Panel, Query, Row, Word
from trading_engine.contract.config import TradingState
from trading_engine.contract.messages import OrderState

UP_OR_DOWN: Final = (Word("1", "up", "green"), Word("0", "DOWN", "red"))
OBEYED: Final = (Word("0", "Active", "green"), Word("1", "Reducing", "orange"), Word("2", "HALTED", "red"))
_SHARE: Final = ((0.0, "red"), (0.5, "orange"), (0.8, "green"))


def trading_state() -> Query:
    """0 Active, 1 Reducing, 2 Halted."""
    halted, reducing = (
        EXECUTOR.gauge("trading_state", state=state.value) for state in (TradingState.HALTED, TradingState.REDUCING)
    )
    return EXECUTOR.query(f"2 * {halted} + {reducing}", instant=True)


OVERVIEW: Final = Row(
    100,
    "System Overview",
    (
        Panel(
            101, "Workers",
            "1 while the worker answers Prometheus. DOWN: look at its pod, then at its log. A worker that is missing"
            " here is not discovered at all.",
            "none", up(), Drawing.FIGURE, width=8, height=6, sane=(0, 1), steps=((0, "red"), (1, "green")),
            words=UP_OR_DOWN,
        ),
        Panel(
            102, "Trading state",
            "What the executor obeys (the red button). Halted: no order leaves. Reducing: only sells do.",
            "none", (trading_state(),), Drawing.FIGURE, width=4, height=6, sane=(0, 2), words=OBEYED,
        ),
        Panel(
            103, "Model",
            "1 when a promoted model is loaded for every symbol. Without one every signal is hold: see the training"
            " Job and the engine's condition ModelReady.",
            "none", (GENERATOR.query(GENERATOR.gauge("model_load_status"), instant=True),),
            Drawing.FIGURE, width=4, height=6, sane=(0, 1), steps=((0, "red"), (1, "green")),
            words=(Word("1", "loaded", "green"), Word("0", "MISSING", "red")),
        ),
        Panel(
            104, "Signals in the time shown",
            "How many closed candles became a buy, a sell or a hold. Each closed candle of each symbol is one signal.",
            "short",
            (GENERATOR.query(GENERATOR.total("signals_generated_total", "signal_type"), labelled("signal_type"),
                             instant=True),),
            Drawing.FIGURE, width=8, height=6,
        ),
        Panel(
            105, "Orders that were filled",
            "Share of the orders that ended in the time shown and were filled. The others were denied by us, rejected"
            " by the exchange, canceled or expired: see Trade Execution. No figure: no order ended.",
            "percentunit",
            (
                EXECUTOR.query(
                    f"{EXECUTOR.total('trade_executions_total', status=OrderState.FILLED.value)}"
                    f" / {EXECUTOR.total('trade_executions_total')}",
                    instant=True,
                ),
            ),
            Drawing.FIGURE, width=8, height=5, sane=(0, 1), steps=_SHARE,
        ),
        Panel(
            106, "Recommendations that wait",
            "Open recommendations in the whole pipeline (orchestrator), and those of them whose order has not ended"
            " (executor). They live at most expireAfterCandles candles; a growing number means that a stage does not"
            " answer.",
            "short",
            (
                ORCHESTRATOR.query(ORCHESTRATOR.gauge("pending_recommendations_queue_size"), "open"),
                EXECUTOR.query(EXECUTOR.gauge("pending_recommendations"), "order to come"),
            ),
            width=16, height=5,
        ),
    ),
)  # fmt: skip

SIGNALS: Final = Row(
    200,
    "Signal Generation",
    (
        Panel(
            201, "Signals by type",
            "Signals in each minute. A gap is a candle that never came (see Data Collection on the system board) or a"
            " generator that stands.",
            "short",
            (GENERATOR.query(GENERATOR.increase("signals_generated_total", "symbol", "signal_type"),
                             "{{symbol}} {{signal_type}}"),),
            width=12, events=True,
        ),
        Panel(
            202, "Why signals are hold",
            "no_model: none is promoted. warming_up: too few candles. stale_candle: market data is late."
            " below_threshold: the model is not sure enough. nothing_to_sell, already_held: the position forbids it.",
            "short", (GENERATOR.query(GENERATOR.increase("trading_holds_total", "reason"), labelled("reason")),),
            width=12, events=True,
        ),
        Panel(
            203, "Confidence of signals",
            "Median and tails of the model's calibrated confidence, 0 to 1, holds included. All in one place means"
            " that the model no longer tells candles apart.",
            "percentunit", GENERATOR.quantiles("signal_confidence", 0.1, 0.5, 0.9), sane=(0, 1),
        ),
        Panel(
            204, "Time of one prediction",
            "How long the model takes for one candle.", "s",
            GENERATOR.quantiles("model_inference_time_seconds", 0.5, 0.99), sane=(0, 0.1),
        ),
        Panel(
            205, "Time of one database query",
            "Units of work of the signal generator. Slow here is slow everywhere: all workers share the database.",
            "s", GENERATOR.quantiles("database_query_time_seconds", 0.5, 0.99), sane=(0, 2.5),
        ),
    ),
)  # fmt: skip

EXECUTION: Final = Row(
    300,
    "Trade Execution",
    (
        Panel(
            301, "Orders by outcome",
            "Orders that ended, in columns of five minutes. rejected: the exchange refused. denied: we did not send,"
            " see Rejections on the money board for why.",
            "short",
            (EXECUTOR.query(EXECUTOR.increase("trade_executions_total", "symbol", "status"), "{{symbol}} {{status}}"),),
            width=12, events=True, rare=True,
        ),
        Panel(
            302, "Precision and balance errors",
            "Orders not sent because they were below the exchange's increments or minimum, or for lack of balance. Any"
            " is a setting to look at: orderNotional, or the account.",
            "short",
            (
                EXECUTOR.query(EXECUTOR.increase("order_precision_errors_total", "symbol"), "{{symbol}} precision"),
                EXECUTOR.query(EXECUTOR.increase("balance_check_failures_total", "symbol"), "{{symbol}} balance"),
            ),
            width=12, events=True, rare=True,
        ),
        Panel(
            303, "Time from request to the order's last word",
            "How long an order is under way, checks included.", "s",
            EXECUTOR.quantiles("trade_execution_time_seconds", 0.5, 0.95), width=12, sane=(0, 60), rare=True,
        ),
        Panel(
            304, "Response time of the exchange",
            "One call to the exchange's API by the executor.", "s",
            EXECUTOR.quantiles("coinbase_api_response_time_seconds", 0.5, 0.95), width=12, sane=(0, 60), rare=True,
        ),
    ),
)  # fmt: skip

VALIDATION: Final = Row(
    400,
    "LLM Validation",
    (
        Panel(
            401, "Verdicts",
            "approve, reject, or skipped where the provider is Disabled. Only rejects: the model may be unavailable"
            " and onUnavailable decides; the log gives each reason.",
            "short", (LLM.query(LLM.increase("llm_validations_total", "decision"), labelled("decision")),),
            width=6, events=True, rare=True,
        ),
        Panel(
            402, "Time of one validation",
            "Asking the model, and asking it again where its answer was none.", "s",
            LLM.quantiles("llm_validation_time_seconds", 0.5, 0.95), width=6, sane=(0, 60), rare=True,
        ),
        Panel(
            403, "Confidence of verdicts",
            "As the language model gives it, 0 to 1; verdicts that the model did not give itself have none.",
            "percentunit", LLM.quantiles("llm_confidence_scores", 0.1, 0.5, 0.9), width=6, sane=(0, 1), rare=True,
        ),
        Panel(
            404, "Response time of the model's API",
            "One call to Ollama or an OpenAI-compatible server. Near llm.timeoutSeconds: verdicts are about to be"
            " decided without the model.",
            "s", LLM.quantiles("ollama_api_latency_seconds", 0.5, 0.95), width=6, sane=(0, 60), rare=True,
        ),
    ),
)  # fmt: skip

PIPELINE: Final = Row(
    500,
    "Pipeline Flow",
    (
        Panel(
            501, "How recommendations ended",
            "filled, canceled, rejected by the exchange, denied by the executor, vetoed by the language model, refused"
            " by risk, or expired before the pipeline was done.",
            "short",
            (ORCHESTRATOR.query(ORCHESTRATOR.increase("recommendations_processed_total", "status"),
                                labelled("status")),),
            width=12, events=True, rare=True,
        ),
        Panel(
            502, "Time of each stage",
            "95 of 100 calls of a stage were faster. The stage that grows is where recommendations wait.",
            "s", ORCHESTRATOR.quantiles("pipeline_stage_duration_seconds", 0.95, by=("stage",)),
            width=12, sane=(0, 60), rare=True,
        ),
        Panel(
            503, "Time of one pass of the orchestrator",
            "One pass over all open recommendations; most find nothing to do.", "s",
            ORCHESTRATOR.quantiles("orchestrator_cycle_duration_seconds", 0.5, 0.99), sane=(0, 60),
        ),
        Panel(
            504, "Decisions of risk",
            "approved or refused; why it refuses is on the money board.",
            "short", (RISK.query(RISK.increase("risk_assessments_total", "decision"), labelled("decision")),),
            events=True, rare=True,
        ),
        Panel(
            505, "Risk scores",
            "1 is at a limit: what is above was refused. A median that creeps up says that limits will soon be"
            " reached.",
            "none", RISK.quantiles("risk_scores", 0.5, 0.95), sane=(0, 2), rare=True,
            steps=((0, "green"), (1, "red")),
        ),
    ),
)  # fmt: skip

_ENGINE: Final = "$engine-.+"

LOGS: Final = Row(
    600,
    "Logs",
    (
        volume(601, "Log lines by level", _ENGINE),
        lines(602, "Log lines", _ENGINE),
    ),
)

BOARD: Final = Board(
    uid="crypto-trading-engine",
    title="Crypto Trading Engine",
    description="One engine: health, signals, orders, verdicts, pipeline, logs.",
    rows=(OVERVIEW, SIGNALS, EXECUTION, VALIDATION, PIPELINE, LOGS),
    variables=(
        variables.DATASOURCE,
        variables.LOGS,
        variables.ENGINE_NAMESPACES,
        variables.ENGINES,
        variables.SYMBOLS,
        variables.WRITERS,
        variables.LEVEL,
        variables.SEARCH,
    ),
    annotations=(variables.MARKS, variables.starts(_ENGINE), variables.halts(), variables.alerts()),
)
