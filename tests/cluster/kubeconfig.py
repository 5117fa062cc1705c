"""A kubeconfig of one cluster and one user as text; JSON, which every reader of YAML takes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Credentials:
    """Who the user is and how both sides know."""

    user: str
    authority: Path
    certificate: Path
    key: Path


def rendered(url: str, credentials: Credentials, name: str = "apiserver") -> str:
    """The text of the file."""
    user = credentials.user
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "contexts": [{"name": name, "context": {"cluster": name, "user": user}}],
            "clusters": [
                {"name": name, "cluster": {"server": url, "certificate-authority": str(credentials.authority)}}
            ],
            "users": [
                {
                    "name": user,
                    "user": {
                        "client-certificate": str(credentials.certificate),
                        "client-key": str(credentials.key),
                    },
                }
            ],
        },
        indent=2,
    )
