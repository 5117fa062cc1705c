"""Prometheus's and Alertmanager's own programs, for tests that let them judge or run."""

from __future__ import annotations

from functools import cache

from tests.cluster import image_programs
from tests.cluster.cache import default_cache


@cache
def program(name: str) -> str:
    """Path of promtool, amtool, prometheus or alertmanager."""
    return str(image_programs.paths(default_cache(), [name])[name])
