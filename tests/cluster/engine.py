"""The container engine, docker or podman, with what this machine allows it; every other module goes through it."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster import packages, process
from tests.cluster.cache import Cache
from tests.cluster.errors import ClusterError

KEY_LABEL = "io.tradingengine.key"
# What podman asks for by default; a hard limit below it makes every container fail, and so does the hard limit itself.
PODMAN_ASKS = 1048576
ENOUGH = 16384
# cgroup v1 with a v2 hierarchy beside it: crun refuses, runc works.
HYBRID_CGROUPS = Path("/sys/fs/cgroup/unified")


@dataclass(frozen=True)
class Engine:
    """One engine and the variables it and kind need."""

    name: str
    environment: Mapping[str, str] = field(default_factory=dict)

    def output(self, *arguments: str, timeout: float = 120.0) -> str:
        """What a short command of the engine prints."""
        return process.output([self.name, *arguments], self.environment, timeout=timeout)

    def has(self, image: str, key: str = "") -> bool:
        """Whether an image is here, and if a key is given, was built under that key."""
        template = f'{{{{index .Config.Labels "{KEY_LABEL}"}}}}' if key else "{{.Id}}"
        try:
            found = self.output("image", "inspect", "--format", template, image)
        except ClusterError:
            return False
        return found.strip() == key if key else True

    def image_id(self, image: str) -> str:
        """The image's id as 64 hexadecimal digits."""
        return self.output("image", "inspect", "--format", "{{.Id}}", image).strip().removeprefix("sha256:")

    def import_root(self, tar: Path, image: str, key: str, changes: Sequence[str] = ()) -> None:
        """Make an image of a root file system."""
        self.output(*import_arguments(tar, image, key, changes), timeout=600)

    def build_arguments(self, tag: str, dockerfile: Path, context: Path, build_args: Sequence[str]) -> list[str]:
        """The command that builds a Dockerfile; local base images are never asked of a registry."""
        values = [part for value in build_args for part in ("--build-arg", value)]
        return [self.name, "build", "-t", tag, "-f", str(dockerfile), *values, str(context)]

    def node(self, cluster: str) -> str:
        """The container that is a kind cluster's only node."""
        return f"{cluster}-control-plane"


def import_arguments(tar: Path, image: str, key: str, changes: Sequence[str]) -> list[str]:
    """The engine's `import` with the configuration of the image."""
    labelled = [*changes, f"LABEL {KEY_LABEL}={key}"]
    return ["import", *(part for change in labelled for part in ("--change", change)), str(tar), image]


def find(cache: Cache, environment: Mapping[str, str] = os.environ) -> Engine:
    """The engine CONTAINER_ENGINE names, else docker where its daemon answers, else podman, installed if need be."""
    asked = environment.get("CONTAINER_ENGINE", "")
    if asked not in ("", "docker", "podman"):
        raise ClusterError(f"CONTAINER_ENGINE is {asked!r}; it may be docker or podman")
    if asked != "podman" and shutil.which("docker") and process.succeeds(["docker", "info"], timeout=20):
        return Engine("docker")
    if asked == "docker":
        raise ClusterError("CONTAINER_ENGINE is docker, but `docker info` fails: is the daemon running?")
    packages.require(["podman"], cache)
    return podman(cache, environment)


def podman(cache: Cache, environment: Mapping[str, str] = os.environ) -> Engine:
    """Podman, configured for what this machine does not allow it, unless somebody configured it already."""
    variables = {"KIND_EXPERIMENTAL_PROVIDER": "podman"}
    text = containers_conf(hard_limits(), hybrid=HYBRID_CGROUPS.exists())
    if text and "CONTAINERS_CONF" not in environment:
        if HYBRID_CGROUPS.exists():
            packages.require(["runc"], cache)
        path = cache.root / "containers.conf"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        variables["CONTAINERS_CONF"] = str(path)
    return Engine("podman", variables)


def hard_limits() -> dict[str, int]:
    """The hard limits that are below what podman asks for, by their names in its configuration."""
    limits = {
        "nofile": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        "nproc": resource.getrlimit(resource.RLIMIT_NPROC)[1],
    }
    return {name: hard for name, hard in limits.items() if hard != resource.RLIM_INFINITY and hard < PODMAN_ASKS}


def containers_conf(limits: Mapping[str, int], hybrid: bool) -> str:
    """A containers.conf for low limits and mixed cgroup versions, empty where neither holds."""
    text = ""
    if limits:
        values = ", ".join(f'"{name}={min(hard, ENOUGH)}:{min(hard, ENOUGH)}"' for name, hard in limits.items())
        text += f"[containers]\ndefault_ulimits = [{values}]\n"
    if hybrid:
        text += '[engine]\nruntime = "runc"\n'
    return text
