"""The collectors, in the operator's collectors namespace: Deployment, Service, configuration, database access. Pure.

They are no tenant's to place: the namespace comes from the operator's settings. Objects carry the owner
mark instead of an ownerReference, which cannot cross namespaces.
"""

from __future__ import annotations

from typing import Final

from trading_engine.contract.workers import COLLECTORS, Worker
from trading_operator.api.v1alpha1 import TradingEngine
from trading_operator.desired import names, rbac
from trading_operator.desired.config import collector_config, collector_spec, config_hash, config_map
from trading_operator.desired.inputs import Inputs
from trading_operator.desired.labels import CONFIG_HASH, Object, away_name, digest_of, finished, secret
from trading_operator.desired.pods import (
    ENGINE_UID,
    Amounts,
    Mount,
    config_mount,
    container,
    resources,
    restricted,
    scratch_mount,
    secret_mount,
)
from trading_operator.desired.workers import SECRET_HASH, deployment, service, serving
from trading_operator.settings import Settings

_AMOUNTS: Final = Amounts("25m", "128Mi", "1", "512Mi")


def collector_objects(engine: TradingEngine, settings: Settings, inputs: Inputs) -> list[Object]:
    """All objects of the collectors, finished; none while nobody gave them access to the user's database."""
    access = _access(engine, inputs)
    if access is None:
        return []
    namespace = settings.collectors_namespace
    found = [finished(engine, "collectors", secret(_secret_name(engine), namespace, access))]
    for collector in COLLECTORS:
        config = config_map(_config_name(engine, collector), namespace, collector_config(engine, collector))
        found.append(finished(engine, collector.service, config))
        found.append(finished(engine, collector.service, _deployment(engine, collector, settings, access)))
        found.append(finished(engine, collector.service, service(engine, collector, namespace)))
    return found


def _access(engine: TradingEngine, inputs: Inputs) -> dict[str, str] | None:
    """File name and content of the collectors' access to the database."""
    if engine.spec.database.secret_ref is None:
        return {names.ENGINE_PASSWORD_KEY: inputs.passwords[names.COLLECTOR_PASSWORD_KEY]}
    return {names.URL_KEY: inputs.collector_url} if inputs.collector_url else None


def _secret_name(engine: TradingEngine) -> str:
    return away_name(engine, "database")


def _config_name(engine: TradingEngine, collector: Worker) -> str:
    return away_name(engine, f"{collector.service}-config")


def _deployment(engine: TradingEngine, collector: Worker, settings: Settings, access: dict[str, str]) -> Object:
    hashes = {
        CONFIG_HASH: config_hash(collector_config(engine, collector), collector),
        SECRET_HASH: digest_of(access),
    }
    mounts = (
        config_mount(_config_name(engine, collector)),
        secret_mount("database", _secret_name(engine), *access),
        scratch_mount(),
    )
    pod: Object = {
        "serviceAccountName": rbac.away_account(engine),
        "terminationGracePeriodSeconds": 30,
        "containers": [_container(engine, collector, settings, mounts)],
    }
    pod = restricted(pod, ENGINE_UID, mounts)
    return deployment(engine, collector, settings.collectors_namespace, hashes, pod)


def _container(engine: TradingEngine, collector: Worker, settings: Settings, mounts: tuple[Mount, ...]) -> Object:
    wanted = collector_spec(engine, collector)
    command = ("trading-engine", "collect", _subject(collector), "--config", names.CONFIG_FILE)
    return container(collector.service, settings.engine_image, command, mounts, settings) | serving(
        collector, resources(_AMOUNTS, wanted.resources)
    )


def _subject(collector: Worker) -> str:
    """What the command line calls it: exchange_data is `collect exchange`."""
    return collector.name.value.removesuffix("_data")
