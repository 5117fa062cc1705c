"""The files below `manifests/monitoring` as objects, for the tests beside this file."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2] / "manifests" / "monitoring"
FOLDERS = ("prometheus", "alertmanager", "loki", "log-agent", "node-exporter", "grafana")
#: They read files of the node.
ON_NODES = {"log-agent", "node-exporter"}


@cache  # parsing takes most of a test's time; nobody changes what it gets
def objects(*folders: str) -> list[Object]:
    """Every object that the folders' kustomizations list as a file."""
    found: list[Object] = []
    for folder in folders or FOLDERS:
        listed = yaml.safe_load((ROOT / folder / "kustomization.yaml").read_text())["resources"]
        for name in listed:
            found += yaml.safe_load_all((ROOT / folder / name).read_text())
    return found


def workloads() -> dict[str, Object]:
    """Pod templates by the name of their Deployment, StatefulSet or DaemonSet."""
    kinds = ("Deployment", "StatefulSet", "DaemonSet")
    return {each["metadata"]["name"]: each["spec"]["template"] for each in objects() if each["kind"] in kinds}


def containers(template: Object) -> list[Object]:
    """Containers of a pod template, those that run first included."""
    return [*template["spec"].get("initContainers", []), *template["spec"]["containers"]]


def policies() -> dict[str, Object]:
    """Specs of the NetworkPolicies by name."""
    return {each["metadata"]["name"]: each["spec"] for each in objects() if each["kind"] == "NetworkPolicy"}
