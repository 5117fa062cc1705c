"""The lease of `leader.py` in the API server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from trading_operator.connection import Connection
from trading_operator.errors import ApiRefused
from trading_operator.kinds import LEASE


class ClusterLease:
    """A coordination.k8s.io/v1 Lease; see `leader.LeaseStore`."""

    def __init__(self, connection: Connection, namespace: str, name: str) -> None:
        self._connection = connection
        self._namespace = namespace
        self._name = name

    async def read(self) -> dict[str, Any] | None:
        """The lease, or None where there is none."""
        try:
            return await self._connection.unguarded("GET", LEASE.path(self._namespace, self._name))
        except ApiRefused as error:
            if error.status == 404:
                return None
            raise

    async def create(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """Make the lease."""
        identity = {"name": self._name, "namespace": self._namespace}
        body = {"apiVersion": LEASE.api_version, "kind": LEASE.name, "metadata": identity, "spec": dict(spec)}
        return await self._connection.unguarded("POST", LEASE.path(self._namespace), orjson.dumps(body))

    async def update(self, lease: Mapping[str, Any]) -> dict[str, Any]:
        """Replace the lease, unless somebody changed it meanwhile."""
        return await self._connection.unguarded(
            "PUT", LEASE.path(self._namespace, self._name), orjson.dumps(dict(lease))
        )
