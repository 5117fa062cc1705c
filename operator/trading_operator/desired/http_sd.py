"""MonitoringTargets and the cluster around them -> what the operator answers to Prometheus's http_sd. Pure.

`discovery.py` serves it. Nothing is scraped twice: what the job of annotated Services scrapes is left out, and an
endpoint that several targets select is given to one of them. No label's name comes from a tenant, so no target can
make Prometheus refuse the others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from trading_operator.api.v1alpha1 import MonitoringTarget
from trading_operator.desired.labels import Object
from trading_operator.desired.selection import Endpoint, World, annotated_port, endpoints_of, select


def http_sd(
    targets: Iterable[MonitoringTarget], world: World, annotated_in: Collection[str], opened: Collection[str]
) -> list[Object]:
    """One target group per endpoint, in a stable order.

    `annotated_in` are the namespaces of the job of annotated Services, `opened` those where any target may select.
    """
    skipped = {_place(endpoint) for endpoint in annotated_endpoints(world, annotated_in)}
    taken: dict[tuple[str, str, int, str], tuple[bool, str, str, Endpoint]] = {}
    for target in targets:
        for endpoint in select(target, world, opened).endpoints:
            place = _place(endpoint)
            if place in skipped:
                continue
            # A stranger's target does not take an endpoint away from one of its own namespace.
            claim = (target.namespace != endpoint.namespace, target.namespace, target.name, endpoint)
            if place not in taken or claim < taken[place]:
                taken[place] = claim
    return [_group(endpoint, namespace, name) for _, namespace, name, endpoint in sorted(taken.values())]


def annotated_endpoints(world: World, namespaces: Iterable[str]) -> Iterator[Endpoint]:
    """What the job of annotated Services scrapes there. It compares port numbers only, never names."""
    for namespace in namespaces:
        for service in world.services_in(namespace):
            port = annotated_port(service)
            if port:
                yield from (each for each in endpoints_of(service, port, world) if str(each.port) == port.port)


def _place(endpoint: Endpoint) -> tuple[str, str, int, str]:
    """What tells endpoints apart, as their URL does at five times the price."""
    return endpoint.scheme, endpoint.address, endpoint.port, endpoint.path


def _group(endpoint: Endpoint, target_namespace: str, target_name: str) -> Object:
    labels = {
        "__scheme__": endpoint.scheme,
        "__metrics_path__": endpoint.path,
        "namespace": endpoint.namespace,
        "service": endpoint.service,
        "pod": endpoint.pod,
        "node": endpoint.node,
        "target_namespace": target_namespace,
        "target_name": target_name,
    }
    return {"targets": [endpoint.instance], "labels": {key: value for key, value in labels.items() if value}}
