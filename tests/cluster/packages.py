"""Programs that come from the operating system: on Debian as root they are installed, elsewhere named."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from tests.cluster import process
from tests.cluster.cache import Cache
from tests.cluster.errors import ClusterError

# What a program is called in Debian, with what it only recommends but a node cannot do without.
DEBIAN = {
    "podman": ("podman", "runc", "iptables", "containernetworking-plugins"),
    "runc": ("runc",),
    "mmdebstrap": ("mmdebstrap",),
    "openssl": ("openssl",),
}
APT = ["apt-get", "-o", "DPkg::Lock::Timeout=300"]


def require(programs: Iterable[str], cache: Cache) -> None:
    """Return with every program on the PATH, installed if need be, or raise saying what to install."""
    missing = [name for name in programs if shutil.which(name) is None]
    if not missing:
        return
    names = debian_names(missing)
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise ClusterError(f"missing: {', '.join(missing)}; {advice(names)}")
    with cache.locked("packages"):
        _install(names, cache.logs / "apt-get.log")


def debian_names(programs: Iterable[str]) -> list[str]:
    """The Debian packages of some programs, each once."""
    return list(dict.fromkeys(package for program in programs for package in DEBIAN[program]))


def advice(names: Iterable[str]) -> str:
    """What somebody has to do where this program may not do it."""
    return f"on Debian run as root: apt-get install --no-install-recommends {' '.join(names)}"


def _install(names: list[str], log: Path) -> None:
    environment = {"DEBIAN_FRONTEND": "noninteractive"}
    process.run(process.Job("package lists", [*APT, "update"], log, 10, environment=environment))
    install = [*APT, "install", "-y", "--no-install-recommends", *names]
    process.run(process.Job(f"installing {' '.join(names)}", install, log, 30, environment=environment))
