"""Finds what a killed test run left: each run's folder is named for its process id and lists the ones it started."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from pathlib import Path

PROCESSES = "processes"


def folder_of_this_process(parent: Path) -> Path:
    """A new folder whose name says which process owns it."""
    parent.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=parent))


def record(folder: Path, pid: int) -> None:
    """Remember a process started for a folder."""
    with (folder / PROCESSES).open("a") as file:
        file.write(f"{pid}\n")


def sweep(parent: Path) -> int:
    """End the recorded processes of owners that are gone, delete their folders; the number of folders."""
    orphans = [folder for folder in parent.glob("*-*") if not Path(f"/proc/{folder.name.split('-')[0]}").exists()]
    for folder in orphans:
        for pid in recorded(folder):
            if mentions(pid, folder):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)
    return len(orphans)


def recorded(folder: Path) -> list[int]:
    """The process ids a folder lists."""
    path = folder / PROCESSES
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def mentions(pid: int, folder: Path) -> bool:
    """Whether a living process has the folder on its command line: a recycled process id has not."""
    try:
        return str(folder).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
