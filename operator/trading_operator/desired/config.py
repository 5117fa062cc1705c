"""TradingEngine.spec -> EngineConfig, the JSON that workers and collectors read. Pure.

The trading state is not in it, only where it is declared: the red button rolls nothing. A
worker's pod template carries the hash of the parts that this worker reads, so an edit of the limits
restarts the risk worker and leaves the others alone.
"""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from trading_engine.contract.config import (
    CallsConfig,
    DatabaseConfig,
    EngineConfig,
    ExchangeConfig,
    LlmConfig,
    Mode,
    ModelConfig,
    PaperConfig,
    RiskConfig,
)
from trading_engine.contract.workers import SHARED, WORKERS, Worker
from trading_operator.api.v1alpha1 import CollectorSpec, TradingEngine, WorkerSpec
from trading_operator.desired import names
from trading_operator.desired.labels import Object, digest_of


def worker_spec(engine: TradingEngine, worker: Worker) -> WorkerSpec:
    """The spec of one worker."""
    found: WorkerSpec = getattr(engine.spec.workers, worker.name.value)
    return found


def collector_spec(engine: TradingEngine, collector: Worker) -> CollectorSpec:
    """The spec of one collector."""
    found: CollectorSpec = getattr(engine.spec.collectors, collector.name.value)
    return found


def engine_config(engine: TradingEngine) -> EngineConfig:
    """Configuration of the five workers and of training."""
    spec = engine.spec
    return EngineConfig(
        engine=f"{engine.namespace}/{engine.name}",
        mode=spec.mode,
        symbols=tuple(sorted(spec.symbols)),
        timeframe=spec.timeframe,
        expire_after_candles=spec.expire_after_candles,
        exchange=_exchange(engine),
        database=_database(engine),
        model=ModelConfig(promotion=spec.model.promotion, minimum_confidence=Decimal(spec.model.minimum_confidence)),
        llm=_llm(engine),
        risk=_risk(engine),
        paper=PaperConfig.model_validate(spec.paper.model_dump()),
        calls=CallsConfig(
            token_file=Path(names.SECRETS_DIR) / "token" / names.TOKEN_KEY,
            urls={worker.name: names.url_of(engine, worker) for worker in WORKERS},
        ),
        trading_state_file=Path(names.TRADING_STATE_DIR) / names.TRADING_STATE_KEY,
        order_notional=Decimal(spec.order_notional),
        log_levels={worker.name: worker_spec(engine, worker).log_level for worker in WORKERS},
    )


def collector_config(engine: TradingEngine, collector: Worker) -> EngineConfig:
    """Configuration of one collector: what to collect, and a database role for candles only."""
    spec = engine.spec
    return EngineConfig(
        engine=f"{engine.namespace}/{engine.name}",
        mode=spec.mode,
        symbols=tuple(sorted(spec.symbols)),
        timeframe=spec.timeframe,
        exchange=ExchangeConfig(id=spec.exchange.id.value, url=spec.exchange.url),
        database=_database_of(engine, names.COLLECTOR_ROLE),
        log_levels={collector.name: collector_spec(engine, collector).log_level},
    )


def _exchange(engine: TradingEngine) -> ExchangeConfig:
    exchange = engine.spec.exchange
    folder = Path(names.SECRETS_DIR) / "exchange" if engine.spec.mode is Mode.LIVE else None
    return ExchangeConfig(id=exchange.id.value, url=exchange.url, credentials_dir=folder)


def _database(engine: TradingEngine) -> DatabaseConfig:
    return _database_of(engine, names.ENGINE_ROLE)


def _database_of(engine: TradingEngine, role: str) -> DatabaseConfig:
    folder = Path(names.SECRETS_DIR) / "database"
    if engine.spec.database.secret_ref:
        return DatabaseConfig(url_file=folder / names.URL_KEY)
    host = f"{names.database_host(engine)}:{names.DATABASE_PORT}"
    return DatabaseConfig(
        url=f"postgresql+psycopg://{role}@{host}/{names.DATABASE_NAME}",
        password_file=folder / names.ENGINE_PASSWORD_KEY,
    )


def _llm(engine: TradingEngine) -> LlmConfig:
    llm = engine.spec.llm
    return LlmConfig(
        provider=llm.provider,
        url=llm.url,
        model=llm.model,
        timeout_seconds=llm.timeout_seconds,
        on_unavailable=llm.on_unavailable,
        api_key_file=Path(names.SECRETS_DIR) / "llm" / names.API_KEY_KEY if llm.api_key_secret_ref else None,
    )


def _risk(engine: TradingEngine) -> RiskConfig:
    risk = engine.spec.risk
    return RiskConfig.model_validate(risk.model_dump()) if risk else RiskConfig()


def config_map(name: str, namespace: str, config: EngineConfig) -> Object:
    """ConfigMap with config.json."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": {"config.json": json.dumps(config.model_dump(mode="json"), sort_keys=True, indent=2) + "\n"},
    }


def config_hash(config: EngineConfig, worker: Worker) -> str:
    """Hash of the parts of the configuration that this worker reads."""
    read: dict[str, Any] = config.model_dump(mode="json", include={*SHARED, *worker.reads})
    if worker.calls:  # how long they wait follows `llm.timeout_seconds`
        read["call_seconds"] = config.call_seconds
    return digest_of(read | {"log_level": config.log_levels.get(worker.name)})
