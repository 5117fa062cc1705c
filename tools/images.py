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
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import base_images, engine, process
from tests.cluster.cache import Cache, default_cache
from tests.cluster.errors import ClusterError

ROOT = Path(__file__).resolve().parent.parent
GLIBC = ("2_17", "2_28", "2_34")  # manylinux levels that the Debian 12 based images can load


@dataclass(frozen=True)
class Image:
    """One image of ours: its name, its Dockerfile and which extras of the distribution it carries."""

    name: str
    dockerfile: str
    extras: str
    published: bool = True


IMAGES = (
    Image("trading-operator", "operator/Dockerfile", "operator"),
    Image("trading-engine", "engine/Dockerfile", "engine"),
    # The small language model is for demo and tests: its terms do not allow us to publish it.
    Image("trading-local-llm", "engine/Dockerfile", "engine,local-llm", published=False),
)


def tag() -> str:
    """Hash of the lock, the Dockerfiles and the packages' sources."""
    digest = hashlib.sha256()
    for path in sorted(_inputs()):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def _inputs() -> list[Path]:
    packages = [ROOT / top for top in ("engine", "operator", "dashboards")]
    sources = [path for top in packages for path in top.rglob("*") if path.is_file()]
    kept = [path for path in sources if "__pycache__" not in path.parts and ".egg-info" not in str(path)]
    return [*kept, ROOT / "requirements.lock", ROOT / "pyproject.toml"]


def references(image_tag: str | None = None) -> dict[str, str]:
    """Name of an image in the manifests -> the reference that was built here."""
    return {image.name: f"localhost/{image.name}:{image_tag or tag()}" for image in IMAGES}


def wheelhouse() -> Path:
    """The lock's wheels for the images' Python 3.11, downloaded once per lock."""
    cache = default_cache()
    lock = ROOT / "requirements.lock"
    folder = cache.root / "wheels" / hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    with cache.locked("wheels"):
        if not folder.exists():
            with cache.building(folder) as unfinished:
                command = download_command(lock, unfinished, platform.machine())
                process.run(process.Job("locked wheels", command, cache.logs / "wheels.log", 60))
    return folder


def download_command(lock: Path, folder: Path, machine: str) -> list[str]:
    """`pip download` of the lock, by hash, as the images' interpreter would choose."""
    platforms = [f"--platform=manylinux_{level}_{machine}" for level in GLIBC]
    return [
        *(sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps"),
        *("--require-hashes", "-r", str(lock), "-d", str(folder), "--only-binary=:all:"),
        *("--python-version=3.11", "--implementation=cp", "--abi=cp311", "--abi=abi3", "--abi=none"),
        *platforms,
        f"--platform=manylinux2014_{machine}",
        "--platform=any",
    ]


def context() -> Path:
    """A fresh folder with the locked wheels (hard links) and our own."""
    folder = default_cache().temporary / f"image-context-{os.getpid()}"
    folder.mkdir(parents=True)
    for wheel in wheelhouse().glob("*.whl"):
        os.link(wheel, folder / wheel.name)
    shutil.rmtree(ROOT / "build", ignore_errors=True)  # setuptools would pack what is no longer there
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(ROOT)]
    process.run(process.Job("our wheel", command, default_cache().logs / "our-wheel.log", 20))
    return folder


def build(push: str | None = None) -> dict[str, str]:
    """Build what is missing and, with `push`, push the published ones to that registry path."""
    cache = default_cache()
    tool = engine.find(cache)
    wanted = references()
    missing = [image for image in IMAGES if not tool.has(wanted[image.name])]
    if missing:
        _build_all(missing, wanted, tool, cache)
    for image in IMAGES if push else ():
        if image.published:
            remote = f"{push}/{image.name}:{tag()}"
            tool.output("tag", wanted[image.name], remote)
            tool.output("push", remote, timeout=1800)
    return wanted


def _build_all(missing: list[Image], wanted: dict[str, str], tool: engine.Engine, cache: Cache) -> None:
    python = base_images.ensure(cache, tool)["PYTHON_IMAGE"]
    folder = context()
    try:
        for image in missing:
            arguments = [f"PYTHON_IMAGE={python}", f"EXTRAS={image.extras}"]
            command = tool.build_arguments(wanted[image.name], ROOT / image.dockerfile, folder, arguments)
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
