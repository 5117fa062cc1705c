"""Builds our images: `python -m tools.images build [--push HOST/PATH]`, called by `make images`, the demo and e2e.

A folder of wheels (the lock's, downloaded once and cached, and our own) is the whole build context, so an
image holds exactly the locked packages whichever machine builds it. The tag is a hash of what goes in:
an unchanged tree builds nothing, and a changed one rolls out.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import shutil
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import base_images, engine, process
from tests.cluster.cache import Cache, default_cache
from tests.cluster.errors import ClusterError

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
PROJECT = ROOT / "pyproject.toml"
GLIBC = ("2_17", "2_28", "2_34")  # manylinux levels that the Debian 12 based images can load


@dataclass(frozen=True)
class Image:
    """One image of ours: its name in the manifests, and its Dockerfile."""

    name: str
    dockerfile: str
    published: bool = True


IMAGES = (
    Image("trading-operator", "operator/Dockerfile"),
    Image("trading-engine", "engine/Dockerfile"),
    # The small model's terms do not allow us to publish it.
    Image("trading-local-llm", "engine/local-llm.Dockerfile", published=False),
)
EXTRAS = ("operator", "engine", "local-llm")


def _digest(paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def lock_digest() -> str:
    """Hash of what the third-party layers are made of: the lock, and what each extra asks of it."""
    wanted = requirements(tomllib.loads(PROJECT.read_text()))
    return hashlib.sha256(LOCK.read_bytes() + repr(sorted(wanted.items())).encode()).hexdigest()[:12]


def tag() -> str:
    """Hash of the lock, the Dockerfiles and the packages' sources."""
    tops = [ROOT / top for top in ("engine", "operator", "dashboards")]
    files = [path for top in tops for path in top.rglob("*") if path.is_file()]
    kept = [path for path in files if "__pycache__" not in path.parts and ".egg-info" not in str(path)]
    return _digest([*kept, LOCK, PROJECT])


def references(image_tag: str | None = None) -> dict[str, str]:
    """Name of an image in the manifests -> the reference that is built here."""
    return {image.name: f"localhost/{image.name}:{image_tag or tag()}" for image in IMAGES}


def wheelhouse() -> Path:
    """The lock's wheels for the images' Python 3.11, downloaded once per lock."""
    cache = default_cache()
    folder = cache.root / "wheels" / hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]
    with cache.locked("wheels"):
        if not folder.exists():
            with cache.building(folder) as unfinished:
                command = download_command(unfinished, platform.machine())
                process.run(process.Job("locked wheels", command, cache.logs / "wheels.log", 60))
    return folder


def download_command(folder: Path, machine: str) -> list[str]:
    """`pip download` of the lock, by hash, as the images' interpreter would choose."""
    platforms = [f"--platform=manylinux_{level}_{machine}" for level in GLIBC]
    return [
        *(sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps"),
        *("--require-hashes", "-r", str(LOCK), "-d", str(folder), "--only-binary=:all:"),
        *("--python-version=3.11", "--implementation=cp", "--abi=cp311", "--abi=abi3", "--abi=none"),
        *platforms,
        f"--platform=manylinux2014_{machine}",
        "--platform=any",
    ]


def requirements(project: Mapping[str, object]) -> dict[str, str]:
    """One requirements file per extra, from pyproject.toml: what the distribution asks for with that extra."""
    table = project["project"]
    assert isinstance(table, dict)  # noqa: S101  # a pyproject has one
    base: list[str] = table["dependencies"]
    optional: dict[str, list[str]] = table["optional-dependencies"]
    return {f"requirements-{extra}.txt": "\n".join([*base, *optional[extra], ""]) for extra in EXTRAS}


def context(cache: Cache) -> Path:
    """A fresh folder with the locked wheels (linked), our own, and the requirements of each extra."""
    folder = ROOT / "out" / f"image-context-{os.getpid()}"
    folder.mkdir(parents=True)
    for wheel in wheelhouse().glob("*.whl"):
        _link(wheel, folder / wheel.name)
    for name, text in requirements(tomllib.loads(PROJECT.read_text())).items():
        (folder / name).write_text(text)
    shutil.rmtree(ROOT / "build", ignore_errors=True)  # setuptools would pack what is no longer there
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(ROOT)]
    process.run(process.Job("our wheel", command, cache.logs / "our-wheel.log", 20))
    return folder


def _link(wheel: Path, target: Path) -> None:
    try:
        os.link(wheel, target)
    except OSError:  # the cache is on another file system
        shutil.copyfile(wheel, target)


def build(push: str | None = None) -> dict[str, str]:
    """Build what is missing and, with `push`, push the published ones to that registry path."""
    cache = default_cache()
    tool = engine.find(cache)
    wanted = references()
    if missing := [image for image in IMAGES if not tool.has(wanted[image.name])]:
        _build_all(missing, wanted, tool, cache)
    for image in IMAGES if push else ():
        if image.published:
            remote = f"{push}/{image.name}:{tag()}"
            tool.output("tag", wanted[image.name], remote)
            tool.output("push", remote, timeout=1800)
    return wanted


def _build_all(missing: list[Image], wanted: dict[str, str], tool: engine.Engine, cache: Cache) -> None:
    arguments = {
        **base_images.ensure(cache, tool),
        "LOCK": lock_digest(),
        "SOURCE": tag(),
    }
    folder = context(cache)
    try:
        for image in missing:
            text = (ROOT / image.dockerfile).read_text()
            used = [f"{key}={value}" for key, value in arguments.items() if f"ARG {key}" in text]
            command = tool.build_arguments(wanted[image.name], ROOT / image.dockerfile, folder, used)
            log = cache.logs / f"image-{image.name}.log"
            process.run(process.Job(f"image {image.name}", command, log, 60, environment=tool.environment))
    finally:
        shutil.rmtree(folder)


def main() -> int:
    """`build [--push HOST/PATH]`, or `references`: NAME=REFERENCE lines of what a build here would make."""
    parser = argparse.ArgumentParser(prog="python -m tools.images", description=__doc__)
    parser.add_argument("command", choices=("build", "references"))
    parser.add_argument("--push", metavar="HOST/PATH", help="also push the published images there")
    args = parser.parse_args()
    try:
        built = build(args.push) if args.command == "build" else references()
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for name, reference in built.items():
        print(f"{name}={reference}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
