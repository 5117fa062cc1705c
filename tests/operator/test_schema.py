"""The CustomResourceDefinitions: structural, bounded, described, covered by examples."""

from __future__ import annotations

from typing import Any

import pytest

from tests.operator.examples import CEL, EXAMPLES
from tests.operator.violations import example_with, nodes, rules_of, text_of, violations
from trading_operator.api.v1alpha1 import MonitoringTarget, TradingEngine
from trading_operator.schema import KINDS, Kind, crd, crds_yaml, structural

MODELS = {"TradingEngine": TradingEngine, "MonitoringTarget": MonitoringTarget}


def ours(kind: Kind) -> list[tuple[str, dict[str, Any]]]:
    """Nodes of spec and status by their path."""
    schema = crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return [(text_of(path), node) for path, node in nodes(schema) if path[:1] in (("spec",), ("status",))]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_every_string_list_and_map_is_bounded_when_generated(kind: Kind) -> None:
    """A bound on everything that can grow: the API server refuses the rest."""
    for path, node in ours(kind):
        if node["type"] == "string":
            assert "enum" in node or "format" in node or "maxLength" in node, path
        if node["type"] == "array":
            assert "maxItems" in node, path
            assert "x-kubernetes-list-type" in node, path
        if "additionalProperties" in node:
            assert "maxProperties" in node, path


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_every_field_is_described_when_generated(kind: Kind) -> None:
    """`kubectl explain` has a sentence for each field."""
    for path, node in ours(kind):
        if not path.endswith(("]", ".key")):
            assert node.get("description"), path


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_schema_is_structural_when_generated(kind: Kind) -> None:
    """No reference, union, null, float or free-form object anywhere."""
    for path, node in ours(kind):
        assert node["type"] in ("object", "array", "string", "integer", "boolean"), path
        assert not {"$ref", "anyOf", "allOf", "oneOf", "title", "nullable"} & node.keys(), path
        assert node.get("default", 0) is not None, path
        if node["type"] == "object":
            assert node.get("properties") or node.get("additionalProperties"), path


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_every_field_has_an_example_when_violations_are_generated(kind: Kind) -> None:
    """A new field or rule without an example or a violation is found here."""
    schema = crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for path, _ in nodes(schema):
        if path[:1] in (("spec",), ("status",)):
            assert example_with(kind.kind, path)
    assert rules_of(kind.kind) == set(CEL[kind.kind])


def test_violations_have_names_of_their_own_when_generated() -> None:
    """One violation for each thing that can be violated."""
    found = [each.id for each in violations()]

    assert len(found) == len(set(found))
    assert len(found) > 300


@pytest.mark.parametrize("kind", sorted(EXAMPLES))
def test_examples_are_read_back_unchanged_when_parsed(kind: str) -> None:
    """Every field of an example is a field of the model: nothing is dropped on the way through it."""
    for example in EXAMPLES[kind]:
        parsed = MODELS[kind].parse(example).to_dict()

        assert parsed["spec"] == example["spec"]
        assert parsed["status"] == example["status"]


def test_generated_text_is_the_same_when_made_twice() -> None:
    """Deterministic to the byte."""
    assert crds_yaml() == crds_yaml()


def test_union_is_refused_when_converted() -> None:
    """A union cannot be said in a structural schema: better loud than lost."""
    with pytest.raises(ValueError, match="union"):
        structural({"anyOf": [{"type": "string"}, {"type": "integer"}]}, {})
