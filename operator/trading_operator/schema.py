"""Turns the pydantic models of our kinds into CustomResourceDefinitions. Pure and deterministic.

`tools/generate.py` writes them to `crds/`, `trading-operator crds` prints them. pydantic speaks JSON
Schema; the API server wants a structural OpenAPI v3 schema: no `$ref`, no `anyOf` with null (an optional
field is simply absent), no titles, defaults only where there is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from trading_operator.api.v1alpha1 import MonitoringTarget, TradingEngine
from trading_operator.api.v1alpha1.base import ApiModel
from trading_operator.kinds import GROUP, VERSION

Schema = dict[str, Any]

_PLAIN = (
    "description", "type", "format", "pattern", "minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems",
    "minProperties", "maxProperties", "enum", "required", "x-kubernetes-list-type", "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type", "x-kubernetes-validations",
)  # fmt: skip
_DROPPED = ("title", "const", "default", "properties", "items", "additionalProperties", "$ref", "anyOf", "allOf")


@dataclass(frozen=True)
class Column:
    """One column of `kubectl get`."""

    name: str
    path: str
    type: str = "string"
    priority: int = 0
    description: str = ""

    def to_dict(self) -> Schema:
        """As the CustomResourceDefinition holds it."""
        found: Schema = {"name": self.name, "type": self.type, "jsonPath": self.path}
        if self.description:
            found["description"] = self.description
        return found | ({"priority": self.priority} if self.priority else {})


@dataclass(frozen=True)
class Kind:
    """One kind: its model, its names and its columns."""

    model: type[ApiModel]
    plural: str
    short_name: str
    columns: tuple[Column, ...]

    @property
    def kind(self) -> str:
        """`TradingEngine`."""
        return self.model.__name__

    @property
    def crd_name(self) -> str:
        """`tradingengines.tradingengine.io`."""
        return f"{self.plural}.{GROUP}"


def _condition(type_: str, field: str) -> str:
    return f'.status.conditions[?(@.type=="{type_}")].{field}'


_AGE = Column("Age", ".metadata.creationTimestamp", "date")
_READY = Column("Ready", _condition("Ready", "status"))
_REASON = Column("Reason", _condition("Ready", "reason"))
_MESSAGE = Column("Message", _condition("Ready", "message"), priority=1)

KINDS: tuple[Kind, ...] = (
    Kind(
        TradingEngine,
        "tradingengines",
        "te",
        (
            Column("Mode", ".spec.mode"),
            Column("State", ".status.tradingState", description="What the executor acknowledged."),
            _READY,
            _REASON,
            Column("Workers", ".status.workersReady"),
            _AGE,
            _MESSAGE,
        ),
    ),
    Kind(
        MonitoringTarget,
        "monitoringtargets",
        "mt",
        (
            Column("Targets", ".status.targets.matched", "integer"),
            Column("Up", ".status.targets.up", "integer"),
            _READY,
            _REASON,
            Column("Last scrape", ".status.lastScrape", "date"),
            _AGE,
            _MESSAGE,
        ),
    ),
)


def crds() -> tuple[Schema, ...]:
    """Both CustomResourceDefinitions, as plain dictionaries."""
    return tuple(crd(kind) for kind in KINDS)


def crds_yaml() -> str:
    """Both, as one YAML stream."""
    return "---\n".join(to_yaml(each) for each in crds())


class _Dumper(yaml.CSafeDumper):
    """Writes every part out: no anchors, which people take for something else."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002  the base's signature
        return True


def to_yaml(manifest: Mapping[str, Any]) -> str:
    """One object as YAML: keys in the order they were built, long lines kept whole."""
    return yaml.dump(dict(manifest), Dumper=_Dumper, sort_keys=False, width=1000, allow_unicode=True)


def crd(kind: Kind) -> Schema:
    """The CustomResourceDefinition of one kind."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": kind.crd_name, "labels": {"app.kubernetes.io/part-of": "trading-operator"}},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind.kind,
                "listKind": f"{kind.kind}List",
                "plural": kind.plural,
                "singular": kind.kind.lower(),
                "shortNames": [kind.short_name],
                "categories": ["trading"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [column.to_dict() for column in kind.columns],
                    "schema": {"openAPIV3Schema": open_api_schema(kind.model)},
                }
            ],
        },
    }


def open_api_schema(model: type[ApiModel]) -> Schema:
    """Structural schema of a kind; apiVersion, kind and metadata are the API server's own."""
    source = model.model_json_schema(by_alias=True, mode="validation")
    found = structural(source, source.pop("$defs"))
    for name in ("apiVersion", "kind"):
        found["properties"][name] = {"type": "string"}
    found["properties"]["metadata"] = {"type": "object"}
    found["properties"]["status"].pop("default", None)
    found["required"] = ["spec"]
    return found


def structural(source: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """One JSON schema as a structural one, references inlined.

    Raises:
        ValueError: a keyword that a structural schema cannot hold (a union, for example).
    """
    resolved = _resolve(source, definitions)
    unknown = set(resolved) - set(_PLAIN) - set(_DROPPED)
    if unknown:
        raise ValueError(f"keywords {sorted(unknown)} do not fit a structural schema, in {resolved}")
    found = {key: resolved[key] for key in _PLAIN if key in resolved}
    if "description" in found:
        found["description"] = " ".join(found["description"].split())
    if "properties" in resolved:
        found["properties"] = {name: structural(each, definitions) for name, each in resolved["properties"].items()}
    if "items" in resolved:
        found["items"] = structural(resolved["items"], definitions)
    if isinstance(resolved.get("additionalProperties"), dict):
        found["additionalProperties"] = structural(resolved["additionalProperties"], definitions)
    if resolved.get("default") is not None:
        found["default"] = _full_default(found) if resolved["type"] == "object" else resolved["default"]
    return found


def _full_default(found: Schema) -> Schema:
    """Default of an object: the API server checks it against CEL rules before it fills in nested defaults."""
    return {name: each["default"] for name, each in found.get("properties", {}).items() if "default" in each}


def _resolve(source: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """Follow `$ref` and take the one alternative of `anyOf` that is not null; what stands beside them wins."""
    beside = {key: value for key, value in source.items() if key not in ("$ref", "anyOf")}
    if "$ref" in source:
        return _resolve(definitions[source["$ref"].rpartition("/")[2]], definitions) | beside
    if "anyOf" in source:
        alternatives = [each for each in source["anyOf"] if each != {"type": "null"}]
        if len(alternatives) != 1:
            raise ValueError(f"a union does not fit a structural schema: {source}")
        return _resolve(alternatives[0], definitions) | beside
    return source
