"""The Job that trains a model for each symbol that has no promoted one. Pure.

It is always desired and stays when it is done, as the record of what was trained: its name holds the hash
of what it was made from, so a new symbol or timeframe (or image) makes a new Job, and a repeated one ends
at once because the store already has a promoted model.
"""

from __future__ import annotations

from typing import Final

from trading_engine.contract.workers import SIGNAL_GENERATOR
from trading_operator.api.v1alpha1 import TradingEngine
from trading_operator.desired import names, rbac
from trading_operator.desired.config import worker_spec
from trading_operator.desired.labels import Object, digest_of, finished, home_name, pod_labels
from trading_operator.desired.pods import (
    ENGINE_UID,
    Amounts,
    config_mount,
    container,
    database_mount,
    resources,
    restricted,
    scratch_mount,
)
from trading_operator.settings import Settings

_AMOUNTS: Final = Amounts("50m", "256Mi", "2", "2Gi")


def training_objects(engine: TradingEngine, settings: Settings) -> list[Object]:
    """The training Job, finished."""
    return [finished(engine, names.TRAINING, _job(engine, settings))]


def _job(engine: TradingEngine, settings: Settings) -> Object:
    labels = pod_labels(engine, names.TRAINING)
    pod = _pod(engine, settings)
    digest = digest_of([pod, sorted(engine.spec.symbols), engine.spec.timeframe, engine.spec.model.promotion])
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": f"{home_name(engine, names.TRAINING)}-{digest[:8]}", "namespace": engine.namespace},
        "spec": {
            "backoffLimit": 20,
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def _pod(engine: TradingEngine, settings: Settings) -> Object:
    image = worker_spec(engine, SIGNAL_GENERATOR).image or settings.engine_image
    mounts = (config_mount(names.config_map(engine)), database_mount(engine), scratch_mount(limit="1Gi"))
    command = ("trading-engine", "train", "--config", names.CONFIG_FILE)
    train = container(names.TRAINING, image, command, mounts, settings) | {"resources": resources(_AMOUNTS)}
    spec: Object = {
        "serviceAccountName": rbac.home_account(engine),
        "restartPolicy": "OnFailure",
        "containers": [train],
    }
    return restricted(spec, ENGINE_UID, mounts)
