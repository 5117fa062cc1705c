"""`/d/crypto-trading-money`: what is held, what it earned, what it cost, and why orders did not happen.

Figures are in each symbol's own quote currency (the part after the slash) and so are never added up over symbols. They
are for looking at: what is owed and owned is in the database, in Decimal.
"""

from __future__ import annotations

from typing import Final

from trading_dashboards import variables
from trading_dashboards.exporters import COLLECTOR, EXECUTOR, GENERATOR, LLM, ORCHESTRATOR, RISK, labelled
from trading_dashboards.model import Board, Drawing, Panel, Row

#: No price, position, profit or loss beyond this is true of an account that this engine trades.
_LARGEST: Final = 1e9
_QUOTE: Final = "In the symbol's quote currency."

_AMOUNT: Final = EXECUTOR.gauge("trading_position_amount", "symbol")
_COST: Final = EXECUTOR.gauge("trading_position_average_cost", "symbol")
#: Prices are the market's, so those of every collector will do.
_PRICE: Final = f"on (symbol) group_left () max by (symbol) ({COLLECTOR.select('trading_last_close_price')})"

POSITIONS: Final = Row(
    100,
    "Positions",
    (
        Panel(
            101, "Exposure",
            f"What is held, at the last close. {_QUOTE}", "none",
            (EXECUTOR.query(f"{_AMOUNT} * {_PRICE}", labelled("symbol")),), width=12, sane=(0, _LARGEST),
        ),
        Panel(
            102, "Unrealized profit",
            "What selling everything at the last close would bring over its cost, fees of that sale not counted."
            f" {_QUOTE}",
            "none", (EXECUTOR.query(f"({_AMOUNT} * {_PRICE}) - {_AMOUNT} * {_COST}", labelled("symbol")),),
            width=12, sane=(-_LARGEST, _LARGEST),
        ),
        Panel(
            103, "Realized profit",
            f"What all sales so far brought over their cost, fees included. {_QUOTE}", "none",
            (EXECUTOR.query(EXECUTOR.gauge("trading_realized_pnl", "symbol"), labelled("symbol")),),
            width=12, sane=(-_LARGEST, _LARGEST),
        ),
        Panel(
            104, "Held",
            "Amount of the base currency (the part before the slash), from fills.",
            "none",
            (EXECUTOR.query(_AMOUNT, labelled("symbol")),), width=6, sane=(0, _LARGEST),
        ),
        Panel(
            105, "Average cost of a unit",
            f"Fees included; 0 where nothing is held. {_QUOTE}", "none",
            (EXECUTOR.query(_COST, labelled("symbol")),), width=6, sane=(0, _LARGEST),
        ),
        Panel(
            106, "Last close",
            f"Close of the newest stored candle. {_QUOTE}", "none",
            (COLLECTOR.query(COLLECTOR.gauge("trading_last_close_price", "symbol"), labelled("symbol")),),
            width=24, height=6, sane=(0, _LARGEST),
        ),
    ),
)  # fmt: skip

FILLS: Final = Row(
    200,
    "Fills and fees",
    (
        Panel(
            201, "Fills",
            "In columns of five minutes; an order may have several.",
            "short",
            (EXECUTOR.query(EXECUTOR.increase("trading_fills_total", "symbol", "side"), "{{symbol}} {{side}}"),),
            events=True, rare=True,
        ),
        Panel(
            202, "Traded",
            f"Price times amount of fills, in columns of five minutes. {_QUOTE}", "none",
            (
                EXECUTOR.query(
                    EXECUTOR.increase("trading_filled_notional_total", "symbol", "side"), "{{symbol}} {{side}}"
                ),
            ),
            events=True, rare=True, sane=(0, _LARGEST),
        ),
        Panel(
            203, "Fees paid",
            f"In columns of five minutes. {_QUOTE}", "none",
            (EXECUTOR.query(EXECUTOR.increase("trading_fees_paid_total", "symbol"), labelled("symbol")),),
            events=True, rare=True, sane=(0, _LARGEST),
        ),
        Panel(
            204, "Traded in the time shown",
            _QUOTE, "none",
            (EXECUTOR.query(EXECUTOR.total("trading_filled_notional_total", "symbol"), labelled("symbol"),
                            instant=True),),
            Drawing.BARS, sane=(0, _LARGEST),
        ),
        Panel(
            205, "Fees in the time shown",
            _QUOTE, "none",
            (EXECUTOR.query(EXECUTOR.total("trading_fees_paid_total", "symbol"), labelled("symbol"), instant=True),),
            Drawing.BARS, sane=(0, _LARGEST),
        ),
        Panel(
            206, "Fee rate",
            "Fees as a share of what was traded in the time shown. The strategy has to earn twice this with each round"
            " trip.",
            "percentunit",
            (
                EXECUTOR.query(
                    f"{EXECUTOR.total('trading_fees_paid_total', 'symbol')}"
                    f" / {EXECUTOR.total('trading_filled_notional_total', 'symbol')}",
                    labelled("symbol"), instant=True,
                ),
            ),
            Drawing.BARS, sane=(0, 0.05),
        ),
    ),
)  # fmt: skip

REJECTIONS: Final = Row(
    300,
    "Rejections by reason",
    (
        Panel(
            301, "Refused by risk",
            "The first limit that was broken, in the time shown. Which figure broke it is in the log and in the"
            " recommendation's journal.",
            "short",
            (RISK.query(RISK.total("trading_risk_refusals_total", "reason"), labelled("reason"), instant=True),),
            Drawing.BARS, width=12, height=9,
        ),
        Panel(
            302, "Denied by the executor",
            "Orders that were not sent, in the time shown.",
            "short",
            (EXECUTOR.query(EXECUTOR.total("trading_denials_total", "reason"), labelled("reason"), instant=True),),
            Drawing.BARS, width=12, height=9,
        ),
        Panel(
            303, "Verdicts of the language model",
            "In the time shown. A reject vetoes the recommendation.",
            "short",
            (LLM.query(LLM.total("llm_validations_total", "decision"), labelled("decision"), instant=True),),
            Drawing.BARS,
        ),
        Panel(
            304, "Signals that were hold",
            "Why nothing was recommended, in the time shown.",
            "short",
            (GENERATOR.query(GENERATOR.total("trading_holds_total", "reason"), labelled("reason"), instant=True),),
            Drawing.BARS,
        ),
        Panel(
            305, "Where recommendations end",
            "In the time shown; filled is what all others are measured by.",
            "short",
            (
                ORCHESTRATOR.query(
                    ORCHESTRATOR.total("recommendations_processed_total", "status"), labelled("status"), instant=True
                ),
            ),
            Drawing.BARS,
        ),
    ),
)  # fmt: skip

RISKS: Final = Row(
    400,
    "Risk",
    (
        Panel(
            401, "Refused by band of the score",
            "low and medium are refused for other reasons than size: a halt, a stale price. critical is over a limit.",
            "short",
            (RISK.query(RISK.increase("rejected_trades_by_risk_total", "risk_level"), labelled("risk_level")),),
            events=True, rare=True,
        ),
        Panel(
            402, "Assessments",
            "Approved and refused, in columns of five minutes.",
            "short",
            (RISK.query(RISK.increase("risk_assessments_total", "decision"), labelled("decision")),),
            events=True, rare=True,
        ),
        Panel(
            403, "Time of one assessment",
            "With the quote that it asks the exchange for.", "s",
            RISK.quantiles("risk_assessment_time_seconds", 0.5, 0.95), sane=(0, 2.5), rare=True,
        ),
    ),
)  # fmt: skip

BOARD: Final = Board(
    uid="crypto-trading-money",
    title="Crypto Trading Money",
    description="Positions, profit, fills, fees, and why orders did not happen.",
    rows=(POSITIONS, FILLS, REJECTIONS, RISKS),
    variables=(
        variables.DATASOURCE,
        variables.ENGINE_NAMESPACES,
        variables.ENGINES,
        variables.SYMBOLS,
    ),
    annotations=(variables.MARKS, variables.starts("$engine-.+"), variables.halts(), variables.alerts()),
)
