"""Runs other programs: short ones for their output, long ones with a log file and progress."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster.errors import ClusterError

REPORT_EVERY_SECONDS = 10.0
TAIL_LINES = 25


@dataclass(frozen=True)
class Job:
    """A long-running command: its title and expected duration are what the user sees meanwhile."""

    title: str
    command: Sequence[str]
    log: Path
    expected_seconds: float
    folder: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


def say(text: str) -> None:
    """Tell the user, on standard error: standard output carries values only."""
    print(text, file=sys.stderr, flush=True)


def tail(text: str, lines: int = TAIL_LINES) -> str:
    """The last lines of a text."""
    return "\n".join(text.splitlines()[-lines:])


def output(
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    timeout: float = 120.0,
) -> str:
    """Standard output of a short command; its failure is a ClusterError with what it said."""
    try:
        done = subprocess.run(
            command, env=merged(environment), cwd=folder, timeout=timeout, capture_output=True, text=True, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ClusterError(f"{' '.join(command)}: {error}") from error
    if done.returncode != 0:
        raise ClusterError(f"{' '.join(command)} failed ({done.returncode}):\n{tail(done.stderr or done.stdout)}")
    return done.stdout


def succeeds(command: Sequence[str], environment: Mapping[str, str] | None = None, timeout: float = 20.0) -> bool:
    """Whether a short command exists and ends well in time."""
    try:
        output(command, environment, timeout=timeout)
    except ClusterError:
        return False
    return True


def run(job: Job) -> float:
    """Run to the end, reporting elapsed and expected time; the seconds it took."""
    job.log.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    say(f"{job.title}: about {job.expected_seconds:.0f} s (log: {job.log})")
    with job.log.open("w") as log:
        try:
            process = subprocess.Popen(
                job.command,
                cwd=job.folder,
                env=merged(job.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        except OSError as error:
            raise ClusterError(f"{job.title}: {error}") from error
        code = _wait(process, job, started)
    seconds = time.monotonic() - started
    if code != 0:
        raise ClusterError(f"{job.title} failed ({code}); the end of {job.log}:\n{tail(job.log.read_text())}")
    say(f"{job.title}: done in {seconds:.0f} s")
    return seconds


def merged(environment: Mapping[str, str] | None) -> dict[str, str]:
    """This process's environment with some variables replaced."""
    return {**os.environ, **(environment or {})}


def _wait(process: subprocess.Popen[bytes], job: Job, started: float) -> int:
    try:
        while True:
            try:
                return process.wait(REPORT_EVERY_SECONDS)
            except subprocess.TimeoutExpired:
                say(f"{job.title}: {time.monotonic() - started:.0f} of about {job.expected_seconds:.0f} s")
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
