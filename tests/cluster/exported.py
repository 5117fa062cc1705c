"""The KEY=VALUE lines for Makefiles, shells and tests; a group that is asked for by name is built first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.cluster import base_images, engine, programs
from tests.cluster.provider import Provider

GROUPS = ("apiserver", "images", "engine", "cluster")
API_SERVER_VARIABLES = {"etcd": "ETCD", "kube-apiserver": "KUBE_APISERVER", "kubectl": "KUBECTL"}


def variables(provider: Provider, groups: Sequence[str]) -> dict[str, str]:
    """The variables of some groups, building what they name; of all groups and building nothing if none is given."""
    makers = {"apiserver": api_server, "images": images, "engine": container_engine, "cluster": cluster}
    found: dict[str, str] = {}
    for group in groups or GROUPS:
        found.update(makers[group](provider, bool(groups)))
    return found


def lines(values: Mapping[str, str]) -> str:
    """One KEY=VALUE per line, as make's include and a shell's source both read them."""
    return "\n".join(f"{key}={value}" for key, value in values.items())


def api_server(provider: Provider, build: bool) -> dict[str, str]:
    """The programs of a bare API server."""
    names = programs.API_SERVER_PROGRAMS
    found = (
        programs.paths(provider.cache, names)
        if build
        else {name: programs.path_of(provider.cache, name) for name in names}
    )
    return {API_SERVER_VARIABLES[name]: str(path) for name, path in found.items()}


def images(provider: Provider, build: bool) -> dict[str, str]:
    """The base images' names."""
    if not build:
        return dict(base_images.references())
    return dict(base_images.ensure(provider.cache, engine.find(provider.cache)))


def container_engine(provider: Provider, build: bool) -> dict[str, str]:
    """The engine and the variables that it and kind need."""
    found = engine.find(provider.cache)
    return {"CONTAINER_ENGINE": found.name, **found.environment}


def cluster(provider: Provider, build: bool) -> dict[str, str]:
    """Where the cluster is, or will be after `up`."""
    return {
        "CLUSTER_NAME": provider.name,
        "KUBECONFIG": str(provider.kubeconfig),
        "KUBECTL": str(provider.kubectl if build else programs.path_of(provider.cache, "kubectl")),
        "AUDIT_LOG": str(provider.audit_log) if provider.audited else "",
    }
