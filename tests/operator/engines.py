"""TradingEngines, their inputs and a cluster that echoes, for tests of the operator's pure half."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from trading_operator.api.v1alpha1 import TradingEngine
from trading_operator.desired import Inputs, Object, desired_objects, inputs_from, referenced_secrets
from trading_operator.desired.labels import secret
from trading_operator.settings import Settings

ROOT = Path(__file__).parents[2]
SAMPLES = ("live", "minimal", "paper")
SETTINGS = Settings.model_construct()


def engine(name: str = "paper", namespace: str = "crypto-trading", **spec: Any) -> TradingEngine:
    """A paper engine of one symbol; keyword arguments are fields of the spec as in YAML."""
    return TradingEngine.parse(
        {
            "metadata": {"name": name, "namespace": namespace, "uid": f"uid-of-{namespace}-{name}", "generation": 1},
            "spec": {"symbols": ["BTC/USD"]} | spec,
        }
    )


def live(**spec: Any) -> TradingEngine:
    """A live engine."""
    wanted = {
        "mode": "Live",
        "exchange": {"credentialsSecretRef": {"name": "keys"}},
        "risk": {"maxOrderNotional": "10", "maxPositionNotional": "20", "maxDailyLoss": "5"},
    }
    return engine("live", **(wanted | spec))


def sample(name: str) -> TradingEngine:
    """A TradingEngine of manifests/samples."""
    text = (ROOT / "manifests" / "samples" / f"{name}.yaml").read_text()
    return TradingEngine.parse(next(each for each in yaml.safe_load_all(text) if each["kind"] == "TradingEngine"))


def inputs(of: TradingEngine) -> Inputs:
    """Inputs on a cluster where every Secret that the engine names is there; made-up values."""
    user_secrets = {
        name: secret(name, of.namespace, dict.fromkeys(keys, "made-up"))
        for name, keys in referenced_secrets(of).items()
    }
    return inputs_from(of, (), user_secrets, lambda: "made-up-secret")


def objects(of: TradingEngine) -> tuple[Object, ...]:
    """What is desired of an engine."""
    return desired_objects(of, SETTINGS, inputs(of))


def by_name(found: tuple[Object, ...]) -> dict[tuple[str, str], Object]:
    """(kind, name) -> object."""
    return {(each["kind"], each["metadata"]["name"]): each for each in found}


def echoed(found: tuple[Object, ...]) -> list[dict[str, Any]]:
    """The objects as an API server gives them back: with its own fields, quantities canonical, empty lists gone."""
    return [_stored(copy.deepcopy(each), number) for number, each in enumerate(found)]


def _stored(manifest: dict[str, Any], number: int) -> dict[str, Any]:
    manifest["metadata"] |= {"uid": f"uid-{number}", "resourceVersion": str(number + 1), "generation": 1}
    manifest["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "1"
    if manifest["kind"] == "Service":
        manifest["spec"] |= {"sessionAffinity": "None", "ipFamilies": ["IPv4"]}
    if "template" in manifest.get("spec", {}):
        pod = manifest["spec"]["template"]["spec"]
        pod |= {"dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler"}
        for container in pod["containers"]:
            container |= {"terminationMessagePath": "/dev/termination-log"}
    return manifest


def changed(before: TradingEngine, after: TradingEngine) -> set[tuple[str, str]]:
    """(kind, name) of the objects that an edit of the spec changes, adds or takes away."""
    old, new = by_name(objects(before)), by_name(objects(after))
    return {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}


def edited(of: TradingEngine, spec: Mapping[str, Any]) -> TradingEngine:
    """The engine with other fields in its spec, as in YAML."""
    manifest = of.to_dict()
    return TradingEngine.parse(manifest | {"spec": manifest["spec"] | dict(spec)})
