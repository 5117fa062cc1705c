"""What `trading-operator render` and `crds` print: exactly what would be applied, as YAML. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml

from trading_operator.api.v1alpha1 import TradingEngine
from trading_operator.desired import desired_objects, inputs_from, names, referenced_secrets
from trading_operator.desired.labels import secret
from trading_operator.errors import InvalidResource
from trading_operator.schema import crds_yaml, to_yaml
from trading_operator.settings import Settings

#: Stands where the cluster has, or the operator makes, a secret value.
PLACEHOLDER: Final = "generated-in-the-cluster"


def rendered(source: str, settings: Settings) -> str:
    """The objects of every TradingEngine in YAML or JSON text. InvalidResource says what is wrong."""
    objects = [each for engine in engines_in(source) for each in _objects(engine, settings)]
    return "---\n".join(to_yaml(each) for each in objects)


def rendered_crds() -> str:
    """Both CustomResourceDefinitions."""
    return crds_yaml()


def engines_in(source: str) -> Iterator[TradingEngine]:
    """Every TradingEngine of a text; other kinds are passed over, none at all is InvalidResource."""
    found = [each for each in _documents(source) if each.get("kind") == TradingEngine.__name__]
    if not found:
        raise InvalidResource("there is no TradingEngine in the file")
    for manifest in found:
        yield TradingEngine.parse(manifest)


def _objects(engine: TradingEngine, settings: Settings) -> tuple[dict[str, Any], ...]:
    """As on a cluster where every Secret that the engine names is there."""
    keys = {names.COLLECTOR_URL_KEY: PLACEHOLDER}
    user_secrets = {name: secret(name, engine.namespace, keys) for name in referenced_secrets(engine)}
    inputs = inputs_from(engine, (), user_secrets, lambda: PLACEHOLDER)
    return desired_objects(engine, settings, inputs)


def _documents(source: str) -> list[Mapping[str, Any]]:
    try:
        found = list(yaml.safe_load_all(source))
    except yaml.YAMLError as error:
        raise InvalidResource(f"not YAML: {error}") from error
    return [each for each in found if isinstance(each, Mapping)]
