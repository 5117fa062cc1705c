"""The checker of configurations: the real promtool, one that is not there, one that does not end."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.observer_programs import program
from tests.operator.engines import SETTINGS
from trading_operator import promtool
from trading_operator.desired.scrape import configuration_text, prometheus_configuration
from trading_operator.errors import PromtoolMissing
from trading_operator.promtool import Promtool

GOOD = configuration_text(prometheus_configuration(["a"], SETTINGS))


@pytest.fixture(scope="module")
def checker() -> Promtool:
    return Promtool(program("promtool"))


async def test_configuration_passes_when_it_is_ours(checker: Promtool) -> None:
    """The tokens and certificates that it names are not here, and need not be."""
    assert await checker.problem_of_configuration(GOOD) == ""


async def test_words_of_promtool_are_given_when_something_is_wrong(checker: Promtool) -> None:
    """Without the path of a temporary file."""
    problem = await checker.problem_of_configuration("scrape_configs: [{job_name: x, nonsense: 1}]")
    assert "nonsense" in problem
    assert "/tmp" not in problem
    assert "FAILED" in await checker.problem_of_rules("groups: [{name: g, rules: [{record: a, expr: 'sum('}]}]")
    assert await checker.problem_of_rules("groups: [{name: g, rules: [{record: a, expr: 'sum(up)'}]}]") == ""


async def test_nothing_is_started_when_it_passed_before(tmp_path: Path) -> None:
    """At rest no process runs; what failed is asked again."""
    stub, calls = tmp_path / "promtool", tmp_path / "calls"
    stub.write_text(f'#!/bin/sh\necho x >> {calls}\ngrep -q bad "$4" && exit 1\nexit 0\n')
    stub.chmod(0o755)
    checker = Promtool(str(stub))
    assert [await checker.problem_of_configuration(text) for text in ("good", "good")] == ["", ""]
    assert calls.read_text() == "x\n"
    for _ in range(2):
        await checker.problem_of_configuration("bad")
    assert calls.read_text() == "x\n" * 3


async def test_missing_is_said_when_it_cannot_be_started_or_does_not_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not there; hanging."""
    with pytest.raises(PromtoolMissing, match="cannot be started"):
        await Promtool(str(tmp_path / "none")).problem_of_configuration(GOOD)
    monkeypatch.setattr(promtool, "DEADLINE", 0.3)
    hanging = tmp_path / "hanging"
    hanging.write_text("#!/bin/sh\nexec sleep 60\n")
    hanging.chmod(0o755)
    with pytest.raises(PromtoolMissing, match="did not end"):
        await Promtool(str(hanging)).problem_of_configuration(GOOD)


@pytest.mark.parametrize("steps", range(6))
async def test_cancellation_is_obeyed_when_it_comes_as_the_program_ends(
    steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many steps lie between the two: a worker that misses it goes on when the lease is given back."""
    ends = asyncio.Event()

    class Program:
        returncode = 0

        async def communicate(self) -> tuple[bytes, None]:
            await ends.wait()
            return b"", None

    async def started(*_: Any, **__: Any) -> Program:
        return Program()

    monkeypatch.setattr(promtool.asyncio, "create_subprocess_exec", started)
    asked = asyncio.create_task(Promtool("x").problem_of_configuration(GOOD))
    await asyncio.sleep(0.05)
    ends.set()
    for _ in range(steps):
        await asyncio.sleep(0)
    if asked.cancel():
        with pytest.raises(asyncio.CancelledError):
            await asked
