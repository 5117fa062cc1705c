"""Prometheus's and Alertmanager's own checkers, asked before a configuration is written. `reconcile_stack` calls them.

What passed once is not checked again: at rest no process is started.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Final

from trading_operator.desired.labels import digest_of
from trading_operator.errors import PromtoolMissing

#: Seconds for one check, and characters of what it says.
DEADLINE: Final = 30.0
_LONGEST: Final = 1000
_REMEMBERED: Final = 1024


class _Checker:
    """Runs one program. Raises PromtoolMissing where it cannot be started or does not end."""

    def __init__(self, program: str) -> None:
        self._program = program
        self._passed: dict[str, None] = {}

    async def _problem(self, what: str, text: str, *arguments: str) -> str:
        """What the program says against a file with this text; "" for a good one."""
        if (known := digest_of([what, text])) in self._passed:
            return ""
        with tempfile.TemporaryDirectory(prefix="checked-") as folder:
            file = Path(folder) / f"{what}.yml"
            await asyncio.to_thread(file.write_text, text)
            status, words = await self._run(*arguments, str(file))
        if status:
            return " ".join(words.replace(str(file), what).split())[-_LONGEST:]
        self._passed[known] = None
        if len(self._passed) > _REMEMBERED:
            del self._passed[next(iter(self._passed))]
        return ""

    async def _run(self, *arguments: str) -> tuple[int, str]:
        try:
            process = await asyncio.create_subprocess_exec(
                self._program, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
            )
        except OSError as error:
            raise PromtoolMissing(f"{self._program} cannot be started: {error}") from error
        try:
            # Not wait_for: until Python 3.12 it swallows a cancellation that comes as the program ends.
            async with asyncio.timeout(DEADLINE):
                output, _ = await process.communicate()
        except TimeoutError as error:
            raise PromtoolMissing(f"{self._program} did not end within {DEADLINE:g} s") from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return process.returncode or 0, output.decode(errors="replace")


class Promtool(_Checker):
    """promtool."""

    async def problem_of_configuration(self, text: str) -> str:
        """What is wrong with a configuration of Prometheus, in its words; "" for a good one.

        Files that it names are not looked for: they are in Prometheus's pod.
        """
        return await self._problem("config", text, "check", "config", "--syntax-only")

    async def problem_of_rules(self, text: str) -> str:
        """What is wrong with a rule file, in its words; "" for a good one."""
        return await self._problem("rules", text, "check", "rules", "--lint=all")


class Amtool(_Checker):
    """amtool."""

    async def problem_of_configuration(self, text: str) -> str:
        """What is wrong with a configuration of Alertmanager, in its words; "" for a good one."""
        return await self._problem("alertmanager", text, "check-config")
