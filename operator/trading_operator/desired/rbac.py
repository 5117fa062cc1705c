"""ServiceAccounts of the workloads: no rights, no token. Pure."""

from __future__ import annotations

from trading_operator.api.v1alpha1 import TradingEngine
from trading_operator.desired.labels import Object, away_name, finished, home_name
from trading_operator.settings import Settings


def home_account(engine: TradingEngine) -> str:
    """ServiceAccount of the workers, the database and training."""
    return home_name(engine, "engine")


def away_account(engine: TradingEngine) -> str:
    """ServiceAccount of the collectors."""
    return away_name(engine, "collectors")


def account_objects(engine: TradingEngine, settings: Settings) -> list[Object]:
    """Both ServiceAccounts, finished."""
    return [
        finished(engine, "engine", _account(home_account(engine), engine.namespace)),
        finished(engine, "collectors", _account(away_account(engine), settings.collectors_namespace)),
    ]


def _account(name: str, namespace: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": name, "namespace": namespace},
        "automountServiceAccountToken": False,
    }
