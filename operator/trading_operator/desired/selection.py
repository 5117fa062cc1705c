"""A MonitoringTarget's spec and the cluster's Services -> the endpoints to scrape. Pure.

Served to Prometheus by http_sd and judged by `checks/target.py`: both see the same endpoints. Where an endpoint is
named by a URL, it is the one that Prometheus reports for it (`scrapeUrl`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final
from urllib.parse import quote

from trading_operator.api.v1alpha1 import MonitoringTarget
from trading_operator.desired.labels import CONSENT
from trading_operator.settings import Settings

Manifest = Mapping[str, Any]

SCRAPE: Final = "prometheus.io/scrape"
PORT: Final = "prometheus.io/port"
PATH: Final = "prometheus.io/path"
SERVICE_NAME: Final = "kubernetes.io/service-name"
#: What Go's net/url leaves as it is in a path, beside letters, digits and `_.-~`.
_UNQUOTED: Final = "/$&+,:;=@"


@dataclass(frozen=True, order=True)
class Endpoint:
    """One address and port to scrape. `ready` as its EndpointSlice says; an absent pod or node is ""."""

    scheme: str
    address: str
    port: int
    path: str
    namespace: str
    service: str
    pod: str = ""
    node: str = ""
    ready: bool = True

    @property
    def instance(self) -> str:
        """`10.0.0.1:8080`, `[fd00::1]:8080`."""
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"

    @property
    def url(self) -> str:
        """As Prometheus writes the URL that it asks."""
        path = self.path if self.path.startswith("/") else f"/{self.path}"
        return f"{self.scheme}://{self.instance}{quote(path, safe=_UNQUOTED)}"


@dataclass(frozen=True)
class World:
    """Every Namespace, Service and EndpointSlice as last seen, found by where they are."""

    namespaces: Mapping[str, Manifest]
    services: Mapping[str, tuple[Manifest, ...]]
    slices: Mapping[tuple[str, str], tuple[Manifest, ...]]

    @classmethod
    def of(cls, namespaces: Iterable[Manifest], services: Iterable[Manifest], slices: Iterable[Manifest]) -> World:
        """From manifests in any order."""
        by_namespace, by_service = defaultdict(list), defaultdict(list)
        for service in services:
            by_namespace[service["metadata"]["namespace"]].append(service)
        for each in slices:
            metadata = each["metadata"]
            by_service[metadata["namespace"], (metadata.get("labels") or {}).get(SERVICE_NAME, "")].append(each)
        return cls(
            {each["metadata"]["name"]: each for each in namespaces},
            {name: tuple(sorted(found, key=_name)) for name, found in by_namespace.items()},
            {key: tuple(sorted(found, key=_name)) for key, found in by_service.items()},
        )

    def services_in(self, namespace: str) -> tuple[Manifest, ...]:
        """Services of a namespace, by name."""
        return self.services.get(namespace, ())

    def services_with(self, namespace: str, label: tuple[str, str]) -> tuple[Manifest, ...]:
        """Services of a namespace that carry one label, by name."""
        return tuple(self._by_label.get((namespace, *label), ()))

    @cached_property
    def _by_label(self) -> Mapping[tuple[str, str, str], list[Manifest]]:
        # Made where the first target asks: each of thousands would look through all Services otherwise.
        found = defaultdict(list)
        for namespace, services in self.services.items():
            for each in services:
                for key, value in (each["metadata"].get("labels") or {}).items():
                    found[namespace, key, value].append(each)
        return dict(found)

    def slices_of(self, service: Manifest) -> tuple[Manifest, ...]:
        """EndpointSlices of a Service, by name."""
        return self.slices.get((service["metadata"]["namespace"], service["metadata"]["name"]), ())

    def consents(self, namespace: str) -> bool:
        """Whether a namespace lets itself be scraped, by its label."""
        labels = self.namespaces.get(namespace, {}).get("metadata", {}).get("labels") or {}
        return bool(labels.get(CONSENT) == "true")


@dataclass(frozen=True)
class Port:
    """A port to look for in EndpointSlices, by name or by number, and what to ask there."""

    port: str
    path: str
    scheme: str

    def is_in(self, port: Manifest) -> bool:
        """Whether a port of an EndpointSlice is this one. A name has a letter in it, so the two are never confused."""
        return self.port in (port.get("name") or "", str(port.get("port")))


@dataclass(frozen=True)
class Selection:
    """What a target selects. `gaps` are Services and ports without an endpoint that is ready, in words."""

    services: tuple[str, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    unconsented: tuple[str, ...] = ()
    gaps: tuple[str, ...] = ()

    @property
    def ready(self) -> tuple[Endpoint, ...]:
        """Endpoints that have to answer."""
        return tuple(each for each in self.endpoints if each.ready)


def select(target: MonitoringTarget, world: World, allowed: Collection[str]) -> Selection:
    """What a target selects in its own namespace and in those of `allowed` that it names."""
    wanted = target.spec.namespaces or (target.namespace,)
    refused = tuple(sorted(name for name in wanted if name != target.namespace and name not in allowed))
    places = sorted(set(wanted) - set(refused))
    services = [each for place in places for each in _candidates(target, place, world) if selects(target, each)]
    endpoints, gaps = set[Endpoint](), list[str]()
    for service in services:
        ports, problem = _ports(target, service)
        found = [endpoint for port in ports for endpoint in endpoints_of(service, port, world)]
        endpoints.update(found)
        if problem or not any(each.ready for each in found):
            gaps.append(f"Service {_place(service)}: {problem or _gap(service, ports, world)}")
    gaps += _unused(target, services, world)
    return Selection(tuple(map(_place, services)), tuple(sorted(endpoints)), refused, tuple(gaps))


def open_namespaces(world: World, settings: Settings) -> frozenset[str]:
    """Namespaces in which any target may select: by the operator's settings, and by their own consent.

    An engine's own namespace is not one of them: who runs an engine there has not consented to strangers.
    """
    fixed = {*settings.scrape_namespaces.split(","), settings.collectors_namespace} - {""}
    return frozenset(fixed | {name for name in world.namespaces if world.consents(name)})


def annotated_port(service: Manifest) -> Port | None:
    """The port that a Service's annotations ask to scrape; None where they ask for nothing, or name no port."""
    annotations = service["metadata"].get("annotations") or {}
    if annotations.get(SCRAPE) != "true" or not annotations.get(PORT):
        return None
    return Port(annotations[PORT], annotations.get(PATH) or "/metrics", "http")


def endpoints_of(service: Manifest, port: Port, world: World) -> Iterator[Endpoint]:
    """The endpoints of a Service at a port, without those that are ending."""
    for each in world.slices_of(service):
        numbers = [found["port"] for found in each.get("ports") or () if found.get("port") and port.is_in(found)]
        for endpoint in each.get("endpoints") or ():
            conditions = endpoint.get("conditions") or {}
            if not conditions.get("terminating"):
                yield from (_endpoint(service, port, number, endpoint) for number in numbers)


def _endpoint(service: Manifest, port: Port, number: int, found: Manifest) -> Endpoint:
    pod = found.get("targetRef") or {}
    return Endpoint(
        scheme=port.scheme,
        address=found["addresses"][0],
        port=number,
        path=port.path,
        namespace=service["metadata"]["namespace"],
        service=service["metadata"]["name"],
        pod=pod.get("name", "") if pod.get("kind") == "Pod" else "",
        node=found.get("nodeName") or "",
        # Absent means unknown, and the API says to take that for ready.
        ready=(found.get("conditions") or {}).get("ready") is not False,
    )


def _candidates(target: MonitoringTarget, namespace: str, world: World) -> tuple[Manifest, ...]:
    if target.spec.selector is None:
        return world.services_in(namespace)
    return world.services_with(namespace, min(target.spec.selector.match_labels.items()))


def selects(target: MonitoringTarget, service: Manifest) -> bool:
    """Whether a target selects a Service, where it may."""
    if service["metadata"]["namespace"] not in (target.spec.namespaces or (target.namespace,)):
        return False
    if target.spec.selector is None:
        return (service["metadata"].get("annotations") or {}).get(SCRAPE) == "true"
    labels = service["metadata"].get("labels") or {}
    return all(labels.get(key) == value for key, value in target.spec.selector.match_labels.items())


def _ports(target: MonitoringTarget, service: Manifest) -> tuple[tuple[Port, ...], str]:
    """Ports to look for at a Service, and what is wrong with its annotations."""
    if target.spec.endpoints is not None:
        return tuple(Port(each.port, each.path, each.scheme.value.lower()) for each in target.spec.endpoints), ""
    port = annotated_port(service)
    return ((port,), "") if port else ((), f"it has no annotation {PORT}")


def _gap(service: Manifest, ports: Iterable[Port], world: World) -> str:
    slices = world.slices_of(service)
    if not any(each.get("endpoints") for each in slices):
        return "no endpoints"
    if not any(list(endpoints_of(service, port, world)) for port in ports):
        known = sorted({_described(port) for each in slices for port in each.get("ports") or ()})
        return (
            f"no endpoint has port {' or '.join(each.port for each in ports)}; there are {', '.join(known) or 'none'}"
        )
    return "no endpoint is ready"


def _unused(target: MonitoringTarget, services: Iterable[Manifest], world: World) -> list[str]:
    """Ports of the spec that no endpoint of any Service has."""
    known = [port for each in services for found in world.slices_of(each) for port in found.get("ports") or ()]
    ports = [Port(each.port, each.path, "") for each in target.spec.endpoints or ()]
    unused = [each.port for each in ports if not any(each.is_in(port) for port in known)]
    # Where none is found each Service says so itself.
    return [f"port {each}: no selected Service has it" for each in unused] if len(unused) < len(ports) else []


def _described(port: Manifest) -> str:
    return f"{port.get('name') or ''} ({port.get('port')})".strip()


def _place(service: Manifest) -> str:
    return f"{service['metadata']['namespace']}/{service['metadata']['name']}"


def _name(manifest: Manifest) -> str:
    name: str = manifest["metadata"]["name"]
    return name
