"""The images of `manifests/monitoring`: public ones, or the same from packages and Go modules where none answers.

`tools.stack` asks `ensure()` for what kustomize's `images:` has to say. Grafana is no package of any registry but
that of containers: where none answers there is no Grafana.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import base_images, process, programs, registry
from tests.cluster.base_images import ALERTMANAGER, NODE_EXPORTER, PROMETHEUS, BaseImage
from tests.cluster.cache import Cache, digest_of
from tests.cluster.engine import KEY_LABEL, Engine

GRAFANA = "docker.io/grafana/grafana"
DEBIAN = (PROMETHEUS, ALERTMANAGER, NODE_EXPORTER)


@dataclass(frozen=True)
class ProgramImage:
    """A public image of one Go program: its name, where it has the program, and as whom it runs."""

    name: str
    program: str
    path: str
    user: str

    @property
    def public(self) -> str:
        """The public image of the version that the program's module requires."""
        return f"{self.name}:{programs.PROGRAMS[self.program].version}"

    @property
    def local(self) -> str:
        """The image that is built here."""
        return f"localhost/trading/{self.public.rpartition('/')[2]}"

    @property
    def key(self) -> str:
        """Changes with anything that changes the local image."""
        parts = (programs.PROGRAMS[self.program].key, PROMETHEUS.key, dockerfile(self, ""))
        return digest_of(part.encode() for part in parts)


LOKI = ProgramImage("docker.io/grafana/loki", "loki", "/usr/bin/loki", "10001:10001")
LOG_AGENT = ProgramImage("docker.io/otel/opentelemetry-collector-k8s", "otelcol", "/otelcol-k8s", "10001:10001")
PROMTAIL = ProgramImage("docker.io/grafana/promtail", "promtail", "/usr/bin/promtail", "0:0")
ALL = (LOKI, LOG_AGENT, PROMTAIL)


def references(images: Iterable[ProgramImage] = ALL) -> dict[str, str]:
    """Name in the manifests -> the reference that holds here, without building anything."""
    public = registry.usable()
    found: tuple[BaseImage | ProgramImage, ...] = (*DEBIAN, *images)
    return {image.public.rpartition(":")[0]: image.public if public else image.local for image in found}


def ensure(cache: Cache, engine: Engine, images: Iterable[ProgramImage] = ALL) -> dict[str, str]:
    """The references that hold here, each local image built unless the engine has it."""
    wanted = tuple(images)
    if not registry.usable():
        base_images.ensure(cache, engine)
        missing = [image for image in wanted if not engine.has(image.local, image.key)]
        # All programs at once: what one compiles the next need not.
        found = programs.paths(cache, [image.program for image in missing])
        for image in missing:
            _build(image, found[image.program], cache, engine)
    return references(wanted)


def served() -> bool:
    """Whether images that only a registry has (Grafana's) can be had."""
    return registry.usable()


def dockerfile(image: ProgramImage, image_key: str) -> str:
    """The program and the certificates that it trusts, on nothing: as the public image is made."""
    return f"""FROM {PROMETHEUS.local} AS certificates
FROM scratch
COPY --from=certificates /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY program {image.path}
USER {image.user}
LABEL {KEY_LABEL}={image_key}
ENTRYPOINT ["{image.path}"]
"""


def _build(image: ProgramImage, program: Path, cache: Cache, engine: Engine) -> None:
    with cache.locked(f"image-{image.program}"):
        if engine.has(image.local, image.key):
            return
        context = cache.temporary / f"image-{image.program}"
        shutil.rmtree(context, ignore_errors=True)
        context.mkdir(parents=True)
        os.link(program, context / "program")
        (context / "Dockerfile").write_text(dockerfile(image, image.key))
        command = engine.build_arguments(image.local, context / "Dockerfile", context, [])
        log = cache.logs / f"image-{image.program}.log"
        process.run(process.Job(f"image {image.local}", command, log, 20, environment=engine.environment))
        shutil.rmtree(context)


def kustomize_images(found: Mapping[str, str]) -> list[dict[str, str]]:
    """`images:` of a kustomization that replaces the public names."""
    split = {name: reference.rpartition(":") for name, reference in found.items()}
    return [{"name": name, "newName": new, "newTag": tag} for name, (new, _, tag) in split.items()]
