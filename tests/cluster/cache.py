"""Where built things live between runs; every module asks it for a place, a lock or an atomic build."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

NAME = "trading-engine-operator"


def digest_of(parts: Iterable[bytes]) -> str:
    """Ten hexadecimal digits that change when any of the parts does."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:10]


def digest_of_folder(folder: Path) -> str:
    """The digest of every file's name and content below a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return digest_of(part for path in files for part in (str(path.relative_to(folder)).encode(), path.read_bytes()))


@dataclass(frozen=True)
class Cache:
    """A folder of finished things, each put there by one rename."""

    root: Path

    @property
    def programs(self) -> Path:
        """Finished programs, one folder per name and version."""
        return self.root / "programs"

    @property
    def temporary(self) -> Path:
        """Unfinished builds; anything here may be deleted while nobody builds."""
        return self.root / "tmp"

    @property
    def logs(self) -> Path:
        """The full output of every build."""
        return self.root / "logs"

    def cluster(self, name: str) -> Path:
        """The state of one cluster: its kubeconfig, configuration and audit log."""
        return self.root / "clusters" / name

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Keep every other run out of the same work; the kernel lets go when this process ends."""
        path = self.root / "locks" / f"{name}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print(f"waiting for another run that holds {path}", file=sys.stderr, flush=True)
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextmanager
    def nobody_building(self) -> Iterator[None]:
        """Hold every lock there is but the clusters': for whoever deletes what others may be building."""
        names = sorted(path.stem for path in (self.root / "locks").glob("*.lock"))
        with ExitStack() as held:
            for name in names:
                if not name.startswith("cluster-"):
                    held.enter_context(self.locked(name))
            yield

    @contextmanager
    def building(self, final: Path) -> Iterator[Path]:
        """Give an empty folder to build in; it becomes `final` only if the block succeeds. Call it under a lock.

        The folder is new each time: what a killed run started may still be writing into its own.
        """
        for abandoned in self.temporary.glob(f"build-{final.name}-*"):
            shutil.rmtree(abandoned, ignore_errors=True)
        folder = self.temporary / f"build-{final.name}-{os.getpid()}"
        folder.mkdir(parents=True)
        try:
            yield folder
            final.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(final, ignore_errors=True)
            folder.rename(final)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def default_cache(environment: Mapping[str, str] = os.environ) -> Cache:
    """The user's cache, the same for every clone of this repository."""
    home = Path(environment.get("HOME") or "/")
    base = environment.get("XDG_CACHE_HOME") or home / ".cache"
    return Cache(Path(base) / NAME)
