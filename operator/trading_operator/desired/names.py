"""Names, keys and paths that several builders (and the checks) must agree on. Pure."""

from __future__ import annotations

from typing import Final

from trading_engine.contract.config import Mode
from trading_engine.contract.workers import WORKERS, Worker
from trading_operator.api.v1alpha1 import TradingEngine
from trading_operator.desired.labels import Named, away_name, home_name

TOKEN_KEY: Final = "token"  # noqa: S105  a name, not a value
ENGINE_PASSWORD_KEY: Final = "password"  # noqa: S105  a name, not a value
COLLECTOR_PASSWORD_KEY: Final = "collectorPassword"  # noqa: S105  a name, not a value
PASSWORD_KEYS: Final = (ENGINE_PASSWORD_KEY, COLLECTOR_PASSWORD_KEY)
URL_KEY: Final = "url"
COLLECTOR_URL_KEY: Final = "collectorUrl"
API_KEY_KEY: Final = "apiKey"
SECRET_KEY: Final = "secret"  # noqa: S105  a name, not a value

CONFIG_FILE: Final = "/etc/trading-engine/config.json"
TRADING_STATE_DIR: Final = "/etc/trading-engine/trading-state"
TRADING_STATE_KEY: Final = "declared.json"
SECRETS_DIR: Final = "/run/secrets/trading-engine"

DATABASE: Final = "postgresql"
DATABASE_PORT: Final = 5432
DATABASE_NAME: Final = "trading"
ENGINE_ROLE: Final = "trading"
COLLECTOR_ROLE: Final = "collector"
TRAINING: Final = "training"


def config_map(engine: TradingEngine) -> str:
    """ConfigMap with config.json of the workers."""
    return home_name(engine, "config")


def trading_state(engine: Named) -> str:
    """ConfigMap with the declared trading state, of the executor alone."""
    return home_name(engine, "trading-state")


def token_secret(engine: Named) -> str:
    """Secret with the bearer token of worker-to-worker calls."""
    return home_name(engine, "token")


def database_secret(engine: TradingEngine) -> str:
    """Secret with the passwords of the database roles."""
    return home_name(engine, "database")


def database(engine: TradingEngine) -> str:
    """StatefulSet, Service and claim of the PostgreSQL that the operator runs."""
    return home_name(engine, DATABASE)


def database_host(engine: TradingEngine) -> str:
    """Name of that Service as seen from any namespace."""
    return f"{database(engine)}.{engine.namespace}.svc"


def deployment(engine: TradingEngine, worker: Worker) -> str:
    """Deployment, Service and ServiceAccount of a worker (home) or collector (away)."""
    return home_name(engine, worker.service) if worker in WORKERS else away_name(engine, worker.service)


def url_of(engine: TradingEngine, worker: Worker) -> str:
    """Base URL of a worker, from any namespace."""
    return f"http://{deployment(engine, worker)}.{engine.namespace}.svc:{worker.port}"


def referenced_secrets(engine: TradingEngine) -> dict[str, tuple[str, ...]]:
    """The user's Secrets that the spec names, in the engine's namespace -> the keys that each must have."""
    spec = engine.spec
    wanted: dict[str, tuple[str, ...]] = {}
    if spec.mode is Mode.LIVE and spec.exchange.credentials_secret_ref:
        wanted[spec.exchange.credentials_secret_ref.name] = (API_KEY_KEY, SECRET_KEY)
    for reference, keys in (
        (spec.llm.api_key_secret_ref, (API_KEY_KEY,)),
        (spec.database.secret_ref, (URL_KEY, COLLECTOR_URL_KEY)),
    ):
        if reference:
            wanted[reference.name] = tuple(dict.fromkeys((*wanted.get(reference.name, ()), *keys)))
    return wanted
