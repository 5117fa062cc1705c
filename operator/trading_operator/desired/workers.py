"""The five workers: a Deployment and a Service each, their ConfigMap and token Secret. Pure."""

from __future__ import annotations

from typing import Final

from trading_engine.contract.workers import SIGNAL_GENERATOR, TRADE_EXECUTOR, WORKERS, Worker
from trading_operator.api.v1alpha1 import TradingEngine
from trading_operator.api.v1alpha1.observability import Scrape
from trading_operator.desired import names, rbac
from trading_operator.desired.config import config_hash, config_map, engine_config, worker_spec
from trading_operator.desired.inputs import Inputs
from trading_operator.desired.labels import CONFIG_HASH, Object, digest_of, finished, pod_labels, secret
from trading_operator.desired.pods import (
    ENGINE_UID,
    Amounts,
    config_mount,
    container,
    database_mount,
    http_probes,
    resources,
    restricted,
    scratch_mount,
    worker_mounts,
)
from trading_operator.settings import Settings

SECRET_HASH: Final = CONFIG_HASH.replace("config-hash", "secret-hash")

_DEFAULT: Final = Amounts("25m", "128Mi", "1", "512Mi")
#: Those that hold a model or ccxt's markets.
_LARGE: Final = Amounts("50m", "192Mi", "2", "1Gi")


def worker_objects(engine: TradingEngine, settings: Settings, inputs: Inputs) -> list[Object]:
    """All objects of the five workers, finished."""
    config = engine_config(engine)
    shared = [
        finished(engine, "config", config_map(names.config_map(engine), engine.namespace, config)),
        finished(
            engine,
            "token",
            secret(names.token_secret(engine), engine.namespace, {names.TOKEN_KEY: inputs.token}),
        ),
    ]
    for worker in WORKERS:
        hashes = {
            CONFIG_HASH: config_hash(config, worker),
            SECRET_HASH: digest_of(_secrets_read(worker, inputs)),
        }
        made = deployment(engine, worker, engine.namespace, hashes, _pod(engine, worker, settings))
        shared.append(finished(engine, worker.service, made))
        shared.append(finished(engine, worker.service, service(engine, worker, engine.namespace)))
    return shared


def _secrets_read(worker: Worker, inputs: Inputs) -> list[str]:
    password = inputs.passwords.get(names.ENGINE_PASSWORD_KEY) if "database" in worker.reads else None
    return [inputs.token, password] if password else [inputs.token]


def _pod(engine: TradingEngine, worker: Worker, settings: Settings) -> Object:
    spec: Object = {
        "serviceAccountName": rbac.home_account(engine),
        "terminationGracePeriodSeconds": 30,
        "containers": [worker_container(engine, worker, settings)],
    }
    if worker == TRADE_EXECUTOR:
        spec["initContainers"] = [_migration(engine, settings)]
    return restricted(spec, ENGINE_UID, worker_mounts(engine, worker))


def worker_container(engine: TradingEngine, worker: Worker, settings: Settings) -> Object:
    """The container that serves HTTP on the worker's port."""
    wanted = worker_spec(engine, worker)
    command = ("trading-engine", "run", worker.name.value, "--config", names.CONFIG_FILE)
    mounts = worker_mounts(engine, worker)
    amounts = _LARGE if worker in (SIGNAL_GENERATOR, TRADE_EXECUTOR) else _DEFAULT
    return container(worker.service, wanted.image or settings.engine_image, command, mounts, settings) | serving(
        worker, resources(amounts, wanted.resources)
    )


def serving(worker: Worker, amounts: Object) -> Object:
    """Port, probes and resources of a container that serves HTTP."""
    return {
        "ports": [{"name": "http", "containerPort": worker.port, "protocol": "TCP"}],
        "resources": amounts,
        **http_probes(),
    }


def _migration(engine: TradingEngine, settings: Settings) -> Object:
    """Brings the database's schema up to date before the executor starts, under the database's own lock."""
    image = worker_spec(engine, TRADE_EXECUTOR).image or settings.engine_image
    mounts = (config_mount(names.config_map(engine)), database_mount(engine), scratch_mount())
    # The collector's role is ours to grant to only in the database that we run.
    granted = () if engine.spec.database.secret_ref else ("--collector-role", names.COLLECTOR_ROLE)
    command = ("trading-engine", "migrate", "--config", names.CONFIG_FILE, *granted)
    return container("migrate", image, command, mounts, settings) | {"resources": resources(_DEFAULT)}


def deployment(
    engine: TradingEngine, worker: Worker, namespace: str, annotations: dict[str, str], pod: Object
) -> Object:
    """A Deployment of one replica. The executor is never two: its old pod ends before the new one starts."""
    labels = pod_labels(engine, worker.service)
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": names.deployment(engine, worker), "namespace": namespace},
        "spec": {
            "replicas": 1,
            "revisionHistoryLimit": 3,
            "progressDeadlineSeconds": 300,
            "selector": {"matchLabels": labels},
            "strategy": {"type": "Recreate"} if worker == TRADE_EXECUTOR else rolling,
            "template": {"metadata": {"labels": labels, "annotations": annotations}, "spec": pod},
        },
    }


def service(engine: TradingEngine, worker: Worker, namespace: str) -> Object:
    """The Service of a worker or collector, with the annotations that Prometheus looks for."""
    metadata: Object = {"name": names.deployment(engine, worker), "namespace": namespace}
    if engine.spec.observability.scrape is Scrape.ANNOTATIONS:
        metadata["annotations"] = {
            "prometheus.io/scrape": "true",
            "prometheus.io/port": str(worker.port),
            "prometheus.io/path": "/metrics",
        }
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {
            "type": "ClusterIP",
            "selector": pod_labels(engine, worker.service),
            "ports": [{"name": "http", "port": worker.port, "targetPort": worker.port, "protocol": "TCP"}],
        },
    }
