"""Writes container images into one archive that `ctr images import` and `podman load` take, without an engine."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Image:
    """An image of one program below /usr/local/bin, on top of a root file system or of nothing."""

    reference: str
    program: Path
    base: Path | None = None
    entrypoint: bool = True


def write(images: Sequence[Image], target: Path, layers_folder: Path) -> None:
    """One archive with every image; a layer that several share is written once."""
    manifest: list[dict[str, object]] = []
    with tarfile.open(target, "w") as archive:
        for image in images:
            layers = [*([image.base] if image.base else []), _program_layer(image.program, layers_folder)]
            names = [_add_layer(archive, layer) for layer in layers]
            configuration = config(image, [name.removesuffix(".tar") for name in names])
            name = f"{hashlib.sha256(configuration).hexdigest()}.json"
            _add_bytes(archive, name, configuration)
            manifest.append({"Config": name, "RepoTags": [image.reference], "Layers": names})
        _add_bytes(archive, "manifest.json", json.dumps(manifest).encode())


def config(image: Image, digests: Sequence[str]) -> bytes:
    """The image's configuration: where its program is found, and whether it is the entrypoint."""
    run: dict[str, object] = {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}
    if image.entrypoint:
        run["Entrypoint"] = [f"/usr/local/bin/{image.program.name}"]
    return json.dumps(
        {
            "architecture": architecture(),
            "os": "linux",
            "config": run,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
        }
    ).encode()


def architecture(machine: str = "") -> str:
    """This machine's architecture in Go's words."""
    machine = machine or platform.machine()
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def _program_layer(program: Path, folder: Path) -> Path:
    path = folder / f"{program.name}.layer.tar"
    with tarfile.open(path, "w") as layer:
        for parent in ("usr", "usr/local", "usr/local/bin", "tmp"):
            entry = tarfile.TarInfo(parent)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if parent == "tmp" else 0o755
            layer.addfile(entry)
        entry = tarfile.TarInfo(f"usr/local/bin/{program.name}")
        entry.mode, entry.size = 0o755, program.stat().st_size
        with program.open("rb") as file:
            layer.addfile(entry, file)
    return path


def _add_layer(archive: tarfile.TarFile, layer: Path) -> str:
    with layer.open("rb") as file:
        name = f"{hashlib.file_digest(file, 'sha256').hexdigest()}.tar"
    if name not in archive.getnames():
        archive.add(layer, name)
    return name


def _add_bytes(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))
