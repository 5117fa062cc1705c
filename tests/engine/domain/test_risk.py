"""Each risk check by itself, their order, and what an approval may contain."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import a_recommendation
from trading_engine.contract.config import RiskConfig, TradingState
from trading_engine.contract.messages import RiskDecision, RiskLevel, RiskReason, Side
from trading_engine.domain.market import Quote
from trading_engine.domain.risk import RISK_CHECKS, RiskInput, assess, risk_level, risk_score

NOW = 600_000
LIMITS = RiskConfig(
    max_order_notional=Decimal(100),
    max_position_notional=Decimal(500),
    max_daily_loss=Decimal(50),
    max_orders_per_minute=10,
    max_price_age_seconds=120,
)


def a_quote(bid: str = "99.9", ask: str = "100.1", at_ms: int = NOW) -> Quote:
    return Quote("BTC/USD", Decimal(bid), Decimal(ask), at_ms)


def a_buy(**fields: Any) -> RiskInput:
    values: dict[str, Any] = {
        "recommendation": a_recommendation(),
        "limits": LIMITS,
        "trading_state": TradingState.ACTIVE,
        "now_ms": NOW,
        "quote": a_quote(),
        "position": Decimal(0),
        "committed": Decimal(0),
        "orders_last_minute": 0,
        "daily_pnl": Decimal(0),
        "unknown_orders": 0,
    }
    return RiskInput(**{**values, **fields})


def a_sell(**fields: Any) -> RiskInput:
    wanted = a_recommendation(side=Side.SELL, notional=None, amount=Decimal("2"))
    return a_buy(**{"recommendation": wanted, "position": Decimal(2), **fields})


REFUSED = [
    (RiskReason.TRADING_HALTED, a_buy(trading_state=TradingState.HALTED), "Halted"),
    (RiskReason.TRADING_HALTED, a_sell(trading_state=TradingState.HALTED), "Halted"),
    (RiskReason.TRADING_REDUCING, a_buy(trading_state=TradingState.REDUCING), "Reducing"),
    (RiskReason.PRICE_MISSING, a_buy(quote=None), "no bid and ask of BTC/USD"),
    (RiskReason.PRICE_STALE, a_buy(quote=a_quote(at_ms=NOW - 120_001)), "120.001 is above 120"),
    (RiskReason.PRICE_STALE, a_sell(quote=a_quote(at_ms=NOW + 120_001)), "120.001 is above 120"),
    (RiskReason.PRICE_INVALID, a_buy(quote=a_quote(bid="100.2")), "bid 100.2 and ask 100.1"),
    (RiskReason.PRICE_INVALID, a_buy(quote=a_quote(bid="0")), "bid 0"),
    (RiskReason.PRICE_INVALID, a_sell(quote=a_quote(ask="NaN")), "ask NaN"),
    (
        RiskReason.ORDER_NOTIONAL,
        a_buy(recommendation=a_recommendation(notional=Decimal("100.01"))),
        "100.01 is above 100",
    ),
    (RiskReason.POSITION_NOTIONAL, a_buy(position=Decimal("4.6")), "510.46 is above 500"),
    (RiskReason.POSITION_NOTIONAL, a_buy(committed=Decimal("450.01")), "500.01 is above 500"),
    (RiskReason.ORDERS_PER_MINUTE, a_buy(orders_last_minute=10), "11 is above 10"),
    (RiskReason.ORDERS_PER_MINUTE, a_sell(orders_last_minute=10), "11 is above 10"),
    (RiskReason.DAILY_LOSS, a_buy(daily_pnl=Decimal(-50)), "daily loss 50 has reached 50"),
    (RiskReason.OUTCOME_UNKNOWN, a_buy(unknown_orders=1), "1 orders with unknown outcome"),
    (RiskReason.NOTHING_TO_SELL, a_sell(position=Decimal(0)), "position is 0"),
]


@pytest.mark.parametrize(("reason", "risk", "words"), REFUSED)
def test_refused_with_figure_and_limit_when_one_rule_is_broken(reason: RiskReason, risk: RiskInput, words: str) -> None:
    """Each rule refuses with its own reason and the figures a person needs."""
    assessment = assess(risk)
    assert (assessment.decision, assessment.reason) == (RiskDecision.REFUSED, reason)
    assert words in assessment.detail
    assert assessment.notional is None
    assert assessment.amount is None


def test_every_reason_has_a_check_and_a_test() -> None:
    """A reason nobody gives is a promise nobody keeps."""
    reasons = [reason for reason, _ in RISK_CHECKS]
    assert reasons == [reason for reason in RiskReason if reason is not RiskReason.NONE]
    assert {reason for reason, _, _ in REFUSED} == set(reasons)


@pytest.mark.parametrize(
    "risk",
    [
        a_buy(),
        a_buy(recommendation=a_recommendation(notional=Decimal(100))),
        a_buy(committed=Decimal(450)),
        a_buy(orders_last_minute=9),
        a_buy(daily_pnl=Decimal("-49.99")),
        a_buy(quote=a_quote(at_ms=NOW - 120_000)),
        a_buy(quote=a_quote(bid="100.1")),
    ],
)
def test_approved_when_every_figure_is_at_most_at_its_limit(risk: RiskInput) -> None:
    """A limit is the last allowed figure (a daily loss stops where it reaches it)."""
    assessment = assess(risk)
    assert (assessment.decision, assessment.reason, assessment.detail) == (RiskDecision.APPROVED, RiskReason.NONE, "")
    assert assessment.notional == risk.recommendation.notional


def test_sell_passes_when_only_limits_on_exposure_are_broken() -> None:
    """A way out is never closed by a limit that bounds what is held or lost."""
    risk = a_sell(
        trading_state=TradingState.REDUCING,
        position=Decimal(90),
        daily_pnl=Decimal(-1000),
        committed=Decimal(10_000),
    )
    assert assess(risk).decision is RiskDecision.APPROVED


def test_first_refusal_wins_when_everything_is_wrong() -> None:
    """The order of the checks is the order of RiskReason."""
    risk = a_buy(trading_state=TradingState.HALTED, quote=None, unknown_orders=3)
    assert assess(risk).reason is RiskReason.TRADING_HALTED
    assert assess(replace(risk, trading_state=TradingState.ACTIVE)).reason is RiskReason.PRICE_MISSING


money = st.decimals(min_value=0, max_value=2000, places=2)


@given(money, money, money, st.integers(min_value=0, max_value=20), st.booleans())
def test_nothing_beyond_the_limits_is_approved_when_figures_are_any(
    notional: Decimal, position: Decimal, committed: Decimal, orders: int, sells: bool
) -> None:
    """An approval never holds more than was asked or is held, and a buy's exposure never passes a limit."""
    wanted = (
        a_recommendation(side=Side.SELL, notional=None, amount=notional)
        if sells
        else a_recommendation(notional=notional)
    )
    risk = a_buy(recommendation=wanted, position=position, committed=committed, orders_last_minute=orders)
    assessment = assess(risk)
    if assessment.decision is RiskDecision.REFUSED:
        assert assessment.notional is None
        assert assessment.amount is None
    elif sells:
        assert assessment.amount is not None
        assert assessment.amount <= min(notional, position)
    else:
        assert assessment.notional == notional <= LIMITS.max_order_notional
        assert risk.exposure <= LIMITS.max_position_notional


def test_score_is_the_largest_utilisation_when_several_limits_are_used() -> None:
    """50 of 100 per order beats 50 of 500 held and 1 of 10 orders."""
    assert risk_score(a_buy()) == Decimal("0.5000")
    assert risk_score(a_buy(daily_pnl=Decimal(-40))) == Decimal("0.8000")
    assert risk_score(a_sell(daily_pnl=Decimal(-40))) == Decimal("0.1000")


@pytest.mark.parametrize(
    ("score", "level"),
    [
        ("0", RiskLevel.LOW),
        ("0.3299", RiskLevel.LOW),
        ("0.33", RiskLevel.MEDIUM),
        ("0.66", RiskLevel.HIGH),
        ("0.9999", RiskLevel.HIGH),
        ("1", RiskLevel.CRITICAL),
        ("7", RiskLevel.CRITICAL),
    ],
)
def test_level_is_the_band_of_the_score(score: str, level: RiskLevel) -> None:
    """Bands are closed below and open above."""
    assert risk_level(Decimal(score)) is level
