"""The parts of both log agents that our configurations use, as their documentation says they work.

What they cannot show (whether the programs read the words as we do) is shown by the programs themselves, end to end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

Config = Mapping[str, Any]


@dataclass(frozen=True)
class Sent:
    """What Loki gets for one line."""

    labels: dict[str, str]
    metadata: dict[str, str]


#: Configuration, path of the file, line -> what is sent; None where the file is not read.
Agent = Callable[[Config, str, str], Sent | None]


@dataclass
class _Entry:
    body: str
    resource: dict[str, str] = field(default_factory=dict)
    attributes: dict[str, str] = field(default_factory=dict)

    def part(self, name: str) -> dict[str, str]:
        return {"resource": self.resource, "attributes": self.attributes}[name]

    def get(self, where: str) -> str:
        if where == "body":
            return self.body
        part, key = _field(where)
        return self.part(part)[key]


def otelcol(config: Config, path: str, line: str) -> Sent | None:
    """The file_log receiver's operators; Loki makes labels of a resource's attributes."""
    source = config["receivers"]["file_log"]
    if not _read(path, source["include"], source["exclude"]):
        return None
    entry = _Entry(line, attributes={"log.file.path": path})
    for operator in source["operators"]:
        _OPERATORS[operator["type"]](operator, entry)
    return Sent(entry.resource, entry.attributes)


def _regex_parser(operator: Config, entry: _Entry) -> None:
    found = re.search(operator["regex"], entry.get(operator["parse_from"]))
    assert operator["on_error"] == "send_quiet"
    entry.part(operator["parse_to"]).update(found.groupdict() if found else {})


def _move(operator: Config, entry: _Entry) -> None:
    (source, key), (target, new_key) = _field(operator["from"]), _field(operator["to"])
    if key in entry.part(source):
        entry.part(target)[new_key] = entry.part(source).pop(key)


def _add(operator: Config, entry: _Entry) -> None:
    condition = re.fullmatch(r'(.+) == "(.+)"', operator.get("if", ""))
    if condition is None or entry.get(condition[1]) == condition[2]:
        part, key = _field(operator["field"])
        entry.part(part)[key] = operator["value"]


def _retain(operator: Config, entry: _Entry) -> None:
    kept = {_field(each) for each in operator["fields"]}
    for part in ("resource", "attributes"):
        for key in list(entry.part(part)):
            if (part, key) not in kept:
                del entry.part(part)[key]


_OPERATORS: dict[str, Callable[[Config, _Entry], None]] = {
    "container": lambda _, __: None,  # the runtime's own format, which a line here has not
    "regex_parser": _regex_parser,
    "move": _move,
    "add": _add,
    "retain": _retain,
}


def _field(words: str) -> tuple[str, str]:
    """`resource.pod` or `attributes["log.file.path"]`."""
    found = re.fullmatch(r'(resource|attributes)(?:\.(\w+)|\["(.+)"\])', words)
    assert found, words
    return found[1], found[2] or found[3]


@dataclass
class _Line:
    text: str
    labels: dict[str, str]
    extracted: dict[str, str]
    metadata: dict[str, str] = field(default_factory=dict)


def promtail(config: Config, path: str, line: str) -> Sent | None:
    """Promtail's stages."""
    (scrape,) = config["scrape_configs"]
    (static,) = scrape["static_configs"]
    labels = dict(static["labels"])
    if not _read(path, _alternatives(labels.pop("__path__")), _alternatives(labels.pop("__path_exclude__"))):
        return None
    labels["filename"] = path
    entry = _Line(line, labels, dict(labels))
    _staged(scrape["pipeline_stages"], entry)
    return Sent(entry.labels, entry.metadata)


def _staged(stages: Iterable[Config], entry: _Line) -> None:
    for stage in stages:
        ((kind, config),) = stage.items()
        _STAGES[kind](config, entry)


def _cri(_: Config, entry: _Line) -> None:
    entry.labels["stream"] = "stdout"


def _regex(config: Config, entry: _Line) -> None:
    text = entry.extracted.get(config["source"], "") if "source" in config else entry.text
    found = re.search(config["expression"], text)
    entry.extracted |= found.groupdict() if found else {}


def _labels(config: Config, entry: _Line) -> None:
    entry.labels |= {name: entry.extracted[name] for name in config if name in entry.extracted}


def _structured_metadata(config: Config, entry: _Line) -> None:
    entry.metadata |= {name: entry.extracted[name] for name in config if name in entry.extracted}


def _match(config: Config, entry: _Line) -> None:
    selector = re.fullmatch(r'\{(\w+)="(\w+)"\}', config["selector"])
    assert selector, config
    if entry.labels.get(selector[1]) == selector[2]:
        _staged(config["stages"], entry)


def _labeldrop(config: Iterable[str], entry: _Line) -> None:
    for name in config:
        entry.labels.pop(name, None)


_STAGES: dict[str, Callable[[Any, _Line], None]] = {
    "cri": _cri,
    "regex": _regex,
    "labels": _labels,
    "structured_metadata": _structured_metadata,
    "match": _match,
    "static_labels": lambda config, entry: entry.labels.update(config),
    "labeldrop": _labeldrop,
}


def _alternatives(glob: str) -> list[str]:
    return glob[1:-1].split(",") if glob.startswith("{") else [glob]


def _read(path: str, include: Iterable[str], exclude: Iterable[str]) -> bool:
    return any(_matches(path, each) for each in include) and not any(_matches(path, each) for each in exclude)


def _matches(path: str, glob: str) -> bool:
    """Part by part: a star never goes over a slash."""
    parts, globs = path.split("/"), glob.split("/")
    return len(parts) == len(globs) and all(map(fnmatchcase, parts, globs))
