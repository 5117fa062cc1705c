"""Debian root file systems as tar files, made by mmdebstrap; node and base images start from them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import packages, process
from tests.cluster.cache import Cache, digest_of

SUITE = "bookworm"
WITHOUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*", "/usr/share/lintian/*")


@dataclass(frozen=True)
class RootFileSystem:
    """What goes in: packages, commands before they are installed and after, files copied (source, target folder)."""

    name: str
    packages: Sequence[str]
    expected_seconds: float
    before: Sequence[str] = ()
    after: Sequence[str] = ()
    copies: Sequence[tuple[Path, str]] = ()
    suite: str = SUITE

    @property
    def key(self) -> str:
        """Changes with anything that goes in."""
        parts = [self.suite, self.name, *self.packages, "before", *self.before, "after", *self.after, *WITHOUT]
        copied = [part for source, folder in self.copies for part in (source.read_bytes(), folder.encode())]
        return digest_of([*(part.encode() for part in parts), *copied])


def command(root: RootFileSystem, target: Path) -> list[str]:
    """The mmdebstrap command line; DEBIAN_MIRROR names another mirror than Debian's own."""
    mirror = os.environ.get("DEBIAN_MIRROR")
    return [
        "mmdebstrap",
        "--variant=minbase",
        f"--include={','.join(root.packages)}",
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in WITHOUT),
        "--dpkgopt=path-include=/usr/share/doc/*/copyright",
        *(f"--essential-hook={hook}" for hook in root.before),
        *(f"--customize-hook={hook}" for hook in root.after),
        *(f"--customize-hook=copy-in {source} {folder}" for source, folder in root.copies),
        "--customize-hook=rm -rf $1/var/lib/apt/lists/* $1/var/cache/* $1/var/log/*.log $1/var/log/apt/*",
        root.suite,
        str(target),
        *([mirror] if mirror else []),
    ]


def build(root: RootFileSystem, target: Path, cache: Cache) -> None:
    """Write the root file system's tar file."""
    packages.require(["mmdebstrap"], cache)
    target.parent.mkdir(parents=True, exist_ok=True)
    process.run(
        process.Job(
            title=f"Debian packages of {root.name}",
            command=command(root, target),
            log=cache.logs / f"{root.name}-{root.key}.log",
            expected_seconds=root.expected_seconds,
        )
    )
