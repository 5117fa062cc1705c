"""Observed state -> findings -> conditions. Pure; `reconcile` calls these three."""

from trading_operator.checks.status import engine_status, invalid_status, target_status

__all__ = ["engine_status", "invalid_status", "target_status"]
