"""Programs taken out of the images that run in the cluster, for tests on this machine; `paths()` caches them.

So the promtool that judges rules in a unit test is the one that judges them in the operator.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import base_images, engine, process
from tests.cluster.base_images import ALERTMANAGER, PROMETHEUS, BaseImage
from tests.cluster.cache import Cache, digest_of
from tests.cluster.errors import ClusterError


@dataclass(frozen=True)
class ImageProgram:
    """One program: which image has it, and where."""

    image: BaseImage
    path: str

    @property
    def key(self) -> str:
        """Changes with the image it comes from, whichever of its two names holds."""
        return f"{Path(self.path).name}-{digest_of([self.image.public.encode(), self.image.key.encode()])}"


PROGRAMS = {
    Path(path).name: ImageProgram(image, path)
    for image, path in (
        (PROMETHEUS, "/bin/prometheus"),
        (PROMETHEUS, "/bin/promtool"),
        (ALERTMANAGER, "/bin/alertmanager"),
        (ALERTMANAGER, "/bin/amtool"),
    )
}


def paths(cache: Cache, names: Iterable[str], environment: Mapping[str, str] = os.environ) -> dict[str, Path]:
    """Every program's path: what the variable of its name says (PROMTOOL), else the cache's, put there if missing."""
    return {name: Path(environment.get(name.upper()) or _cached(cache, name)) for name in names}


def _cached(cache: Cache, name: str) -> Path:
    if name not in PROGRAMS:
        raise ClusterError(f"no program is called {name!r}; there are {', '.join(sorted(PROGRAMS))}")
    final = cache.programs / PROGRAMS[name].key
    if not final.exists():
        with cache.locked("image-programs"):
            if not final.exists():
                _take_out(PROGRAMS[name], final, cache)
    return final / name


def _take_out(program: ImageProgram, final: Path, cache: Cache) -> None:
    tool = engine.find(cache)
    image = base_images.ensure(cache, tool)[program.image.variable]
    with cache.building(final) as folder:
        container = tool.output("create", image, timeout=600).strip().splitlines()[-1]
        try:
            tool.output("cp", f"{container}:{program.path}", str(folder))
        finally:
            tool.output("rm", container)
    process.say(f"{final / Path(program.path).name}: taken out of {image}")
