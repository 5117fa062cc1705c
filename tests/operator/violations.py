"""Every bound, pattern, enum, required field, list type and CEL rule of our kinds, each violated once.

Generated from the schemas, so a new field is covered by writing it into the examples here (a test says when it is
not). The tests against a real API server send each one and look for its fragments in the refusal.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.operator.examples import CEL, EXAMPLES, Change
from trading_operator.schema import KINDS, crd

Path = tuple[str | int, ...]
Schema = dict[str, Any]
Breaker = Callable[[Schema, Any], Iterator[tuple[str, Any, tuple[str, ...]]]]


@dataclass(frozen=True)
class Violation:
    """One object that must be refused.

    `manifest` breaks `keyword` at `path`; the refusal must contain each of `fragments`. With `before`, the
    object is first created so and then updated (a rule about changes). With `status`, it is the status
    subresource that is written.
    """

    kind: str
    path: str
    keyword: str
    manifest: dict[str, Any]
    fragments: tuple[str, ...]
    before: dict[str, Any] | None = None
    status: bool = False
    id: str = field(init=False, default="")

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", f"{self.kind}:{self.path}:{self.keyword}")


def violations() -> list[Violation]:
    """All of both kinds."""
    return [each for kind in KINDS for each in _of_kind(kind.kind, _schema(kind.kind))]


def _schema(kind: str) -> Schema:
    known = next(each for each in KINDS if each.kind == kind)
    schema: Schema = crd(known)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def rules_of(kind: str) -> set[str]:
    """Messages of all CEL rules in a kind's schema."""
    return {rule["message"] for _, node in nodes(_schema(kind)) for rule in node.get("x-kubernetes-validations", ())}


def nodes(schema: Schema, path: Path = ()) -> Iterator[tuple[Path, Schema]]:
    """Every node of a schema with the path of one value of it: lists by their first element, maps by one key."""
    yield path, schema
    for name, each in schema.get("properties", {}).items():
        yield from nodes(each, (*path, name))
    if "items" in schema:
        yield from nodes(schema["items"], (*path, 0))
    if "additionalProperties" in schema:
        yield from nodes(schema["additionalProperties"], (*path, "key"))


def value_at(manifest: Any, path: Path) -> Any:
    """The value at a path; LookupError where the example lacks it."""
    for part in path:
        manifest = manifest[part]
    return manifest


def example_with(kind: str, path: Path) -> dict[str, Any]:
    """The first example of a kind that has a value at a path; LookupError where none has."""
    for example in EXAMPLES[kind]:
        try:
            value_at(example, path)
        except LookupError:
            continue
        return example
    raise LookupError(f"no example of {kind} has a value at {text_of(path)}")


def text_of(path: Path) -> str:
    """As the API server names a field: `spec.symbols[0]`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def _of_kind(kind: str, schema: Schema) -> Iterator[Violation]:
    for path, node in nodes(schema):
        if path and path[0] in ("spec", "status") and len(path) > 1:
            yield from _of_node(kind, path, node)
        elif path == ("spec",):
            yield from _required(kind, path, node)
    for message, change in CEL[kind].items():
        yield _of_rule(kind, message, change)


def _of_node(kind: str, path: Path, node: Schema) -> Iterator[Violation]:
    value = value_at(example_with(kind, path), path)
    for keyword, broken, fragments in _broken(node, value):
        yield _violation(
            kind, path, keyword, lambda target, last, broken=broken: target.__setitem__(last, broken), fragments
        )
    yield from _required(kind, path, node)


def _required(kind: str, path: Path, node: Schema) -> Iterator[Violation]:
    for name in node.get("required", ()):
        yield _violation(kind, (*path, name), "required", lambda target, last: target.pop(last), ("Required value",))


def _violation(
    kind: str, path: Path, keyword: str, change: Callable[[Any, Any], object], fragments: tuple[str, ...]
) -> Violation:
    manifest = copy.deepcopy(example_with(kind, path))
    change(value_at(manifest, path[:-1]), path[-1])
    named = text_of(path) if "key" not in path else text_of(path[: path.index("key")])
    return Violation(kind, text_of(path), keyword, manifest, (named, *fragments), status=path[0] == "status")


def _broken(node: Schema, value: Any) -> Iterator[tuple[str, Any, tuple[str, ...]]]:
    """Keyword, a value that breaks it, and what the refusal must say."""
    wrong: Any = "text" if node["type"] != "string" else {"an": "object"}
    yield "type", wrong, ("must be of type " + node.get("format", node["type"]),)
    if "enum" in node:
        yield "enum", "NotAllowed", ("Unsupported value", *(f'"{each}"' for each in node["enum"]))
    if "pattern" in node:
        yield "pattern", _mismatch(node), ("should match",)
    if node.get("minLength", 0) > 0:
        yield "minLength", "a" * (node["minLength"] - 1), (f"at least {node['minLength']}",)
    if "maxLength" in node:
        yield "maxLength", "a" * (node["maxLength"] + 1), (str(node["maxLength"]),)
    if "minimum" in node:
        yield "minimum", node["minimum"] - 1, (f"greater than or equal to {node['minimum']}",)
    if "maximum" in node:
        yield "maximum", node["maximum"] + 1, (f"less than or equal to {node['maximum']}",)
    if node.get("format") == "date-time":
        yield "format", "yesterday", ("date-time",)
    yield from _broken_collection(node, value)


def _broken_collection(node: Schema, value: Any) -> Iterator[tuple[str, Any, tuple[str, ...]]]:
    if "minItems" in node:
        yield "minItems", [], (f"at least {node['minItems']}",)
    if "maxItems" in node:
        yield "maxItems", [value[0]] * (node["maxItems"] + 1), (f"at most {node['maxItems']}",)
    if "x-kubernetes-list-type" in node:
        yield node["x-kubernetes-list-type"], [value[0], value[0]], ("Duplicate value",)
    if "minProperties" in node:
        yield "minProperties", {}, (f"at least {node['minProperties']}",)
    if "maxProperties" in node:
        many = {f"key{number}": "value" for number in range(node["maxProperties"] + 1)}
        yield "maxProperties", many, (f"at most {node['maxProperties']}",)


def _mismatch(node: Schema) -> str:
    """A string of allowed length that does not match the pattern."""
    length = max(1, node.get("minLength", 1))
    return next(each for each in ("!" * length, "\u00e9" * length) if not re.search(node["pattern"], each))


def _of_rule(kind: str, message: str, change: Change) -> Violation:
    manifest = copy.deepcopy(EXAMPLES[kind][change.example])
    for path, value in change.values:
        target = value_at(manifest, path[:-1])
        if value is None:
            target.pop(path[-1], None)
        else:
            target[path[-1]] = value
    before = copy.deepcopy(EXAMPLES[kind][change.example]) if change.transition else None
    return Violation(kind, message, "rule", manifest, (message,), before=before)
