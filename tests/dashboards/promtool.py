"""The promtool that judges rules in the operator, for unit tests."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.observer_programs import program


def said_of_tests(
    folder: Path, rules: Sequence[Mapping[str, Any]], tests: Sequence[Mapping[str, Any]], every: str = "1m"
) -> str:
    """What promtool says against tests of rules that are evaluated `every` so often; nothing where all pass."""
    write_rules(folder, rules)
    suite = {"rule_files": ["rules.yaml"], "evaluation_interval": every, "tests": list(tests)}
    (folder / "rules.test.yaml").write_text(yaml.safe_dump(suite, sort_keys=False, width=1_000_000))
    return _said("test", "rules", str(folder / "rules.test.yaml"))


def said_of_rules(folder: Path, rules: Sequence[Mapping[str, Any]]) -> str:
    """What promtool has against rules, warnings included; nothing where it has nothing."""
    write_rules(folder, rules)
    return _said("check", "rules", "--lint=all", "--lint-fatal", str(folder / "rules.yaml"))


def write_rules(folder: Path, rules: Sequence[Mapping[str, Any]]) -> None:
    """One group, as a rule file."""
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "tested", "rules": list(rules)}]}))


def _said(*arguments: str) -> str:
    done = subprocess.run([program("promtool"), *arguments], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr
