"""Observed state -> findings -> conditions. Pure; the reconcilers call these."""

from trading_operator.checks.status import engine_status, invalid_status
from trading_operator.checks.target import Seen, expected_metrics, invalid_target_status, target_status

__all__ = ["Seen", "engine_status", "expected_metrics", "invalid_status", "invalid_target_status", "target_status"]
