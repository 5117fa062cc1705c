"""Deletes what no current version uses: old programs, unfinished builds, old node images."""

from __future__ import annotations

import shutil

from tests.cluster import engine, image_programs, leftovers, node_image, process, programs
from tests.cluster.cache import Cache
from tests.cluster.errors import ClusterError


def prune(cache: Cache) -> None:
    """Delete everything that the next `up` would not use again."""
    leftovers.sweep(cache.root / "apiservers")
    with cache.nobody_building():
        current = {node_image.tools_key(), *(program.key for program in programs.PROGRAMS.values())}
        current |= {program.key for program in image_programs.PROGRAMS.values()}
        for folder in cache.programs.glob("*"):
            if folder.name not in current:
                process.say(f"deleting {folder}")
                shutil.rmtree(folder)
        shutil.rmtree(cache.temporary, ignore_errors=True)
        _prune_images(cache)


def _prune_images(cache: Cache) -> None:
    tool = engine.find(cache)
    kept = {node_image.reference(), f"{node_image.BASE_NAME}:{node_image.BASE.key}"}
    listed = tool.output("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split()
    for image in listed:
        if image.startswith(node_image.NAME) and image not in kept:
            try:
                tool.output("image", "rm", image)
                process.say(f"deleted {image}")
            except ClusterError as error:
                process.say(f"keeping {image}, which is in use: {error}")
