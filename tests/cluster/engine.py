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
# What podman asks for by default; a hard limit below it makes every container fail.
PODMAN_FILES, PODMAN_PROCESSES = 1048576, 1048576


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
    """Podman, with limits lowered to this machine's where it would ask for more than it may have."""
    variables = {"KIND_EXPERIMENTAL_PROVIDER": "podman"}
    limits = hard_limits()
    if "CONTAINERS_CONF" not in environment and limits != (PODMAN_FILES, PODMAN_PROCESSES):
        path = cache.root / "containers.conf"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(containers_conf(*limits))
        variables["CONTAINERS_CONF"] = str(path)
    return Engine("podman", variables)


def hard_limits() -> tuple[int, int]:
    """How many files and processes podman may ask for here."""
    return (
        lowered(resource.getrlimit(resource.RLIMIT_NOFILE)[1], PODMAN_FILES),
        lowered(resource.getrlimit(resource.RLIMIT_NPROC)[1], PODMAN_PROCESSES),
    )


def lowered(hard: int, wanted: int) -> int:
    """The smaller of a hard limit and a wish, where a hard limit may be infinite."""
    return wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)


def containers_conf(files: int, processes: int) -> str:
    """A containers.conf with limits that are allowed here."""
    return f'[containers]\ndefault_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]\n'
