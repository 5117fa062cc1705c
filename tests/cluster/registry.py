"""Whether the registry of the public images answers; the provider and the base images ask before they choose a way."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from functools import cache

REGISTRY_URL = "https://registry-1.docker.io/v2/"
SECONDS = 10.0


@cache
def answers(url: str = REGISTRY_URL, seconds: float = SECONDS) -> bool:
    """Whether the registry speaks, be it only to ask for credentials."""
    try:
        with urllib.request.urlopen(url, timeout=seconds):
            return True
    except urllib.error.HTTPError as refusal:
        return refusal.code == 401
    except OSError:
        return False


def usable(environment: Mapping[str, str] = os.environ) -> bool:
    """The answer, or what CLUSTER_REGISTRY (yes or no) says where somebody knows better, as behind a mirror."""
    said = environment.get("CLUSTER_REGISTRY", "")
    return said == "yes" if said else answers()
