"""The administrator's hands in these tests: a small synchronous client, apart from the operator's own."""

from __future__ import annotations

import json
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from tests.cluster.apiserver import ApiServer
from trading_operator.kinds import BY_NAME, EVENT, LEASE, WATCHED, Kind

Manifest = dict[str, Any]
T = TypeVar("T")
KINDS = BY_NAME | {
    EVENT.name: EVENT,
    LEASE.name: LEASE,
    "CustomResourceDefinition": Kind(
        "apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions"
    ),
    "Role": Kind("rbac.authorization.k8s.io", "v1", "Role", "roles"),
    "RoleBinding": Kind("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings"),
}
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"


class Refused(Exception):
    """The API server said no."""

    def __init__(self, status: int, answer: Manifest) -> None:
        super().__init__(f"{status}: {answer.get('message')}")
        self.status = status
        self.answer = answer
        self.message: str = answer.get("message", "")


class Kube:
    """Requests as the administrator."""

    def __init__(self, server: ApiServer) -> None:
        self._url, self._token = server.url, server.token
        self._context = ssl.create_default_context(cafile=str(server.certificate_authority))

    def request(self, method: str, path: str, body: object = None, content_type: str = "application/json") -> Manifest:
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, method=method)
        request.add_header("Authorization", f"Bearer {self._token}")
        request.add_header("Content-Type", content_type)
        while True:
            try:
                with urllib.request.urlopen(request, timeout=30, context=self._context) as answer:
                    return json.loads(answer.read() or b"{}")
            except urllib.error.HTTPError as error:
                with error:
                    if error.code != 429:
                        raise Refused(error.code, _json(error.read())) from error
                    # A new or changed kind is being (re)initialized.
                    time.sleep(0.2)

    def apply(self, manifest: Mapping[str, Any], manager: str = "kubectl") -> Manifest:
        return self.request("PATCH", f"{path_of(manifest)}?fieldManager={manager}&force=true", manifest, APPLY)

    def create(self, manifest: Mapping[str, Any], query: str = "") -> Manifest:
        kind = KINDS[manifest["kind"]]
        return self.request("POST", kind.path(manifest["metadata"].get("namespace")) + query, manifest)

    def get(self, kind: str, namespace: str | None, name: str) -> Manifest:
        return self.request("GET", KINDS[kind].path(namespace, name))

    def find(self, kind: str, namespace: str | None, name: str) -> Manifest | None:
        try:
            return self.get(kind, namespace, name)
        except Refused as error:
            if error.status == 404:
                return None
            raise

    def list(self, kind: str, namespace: str | None = None, selector: str = "") -> list[Manifest]:
        query = f"?labelSelector={urllib.parse.quote(selector)}" if selector else ""
        found = self.request("GET", KINDS[kind].path(namespace) + query)
        known = KINDS[kind]
        return [item | {"apiVersion": known.api_version, "kind": kind} for item in found["items"]]

    def merge(self, kind: str, namespace: str | None, name: str, patch: object, sub: str = "") -> Manifest:
        return self.request("PATCH", KINDS[kind].path(namespace, name) + sub, patch, MERGE)

    def delete(self, kind: str, namespace: str | None, name: str) -> None:
        self.request("DELETE", KINDS[kind].path(namespace, name) + "?propagationPolicy=Background")

    def owned(self, namespace: str, name: str) -> dict[tuple[str, str, str], Manifest]:
        """All objects with the mark of an engine, by kind, namespace and name."""
        selector = f"tradingengine.io/engine={name},tradingengine.io/engine-namespace={namespace}"
        found = [item for kind in WATCHED for item in self.list(kind.name, None, selector)]
        return {(item["kind"], item["metadata"]["namespace"], item["metadata"]["name"]): item for item in found}

    def shared(self) -> dict[tuple[str, str], Manifest]:
        """All objects with the mark of what engines share, by kind and name."""
        found = [item for kind in WATCHED for item in self.list(kind.name, None, "tradingengine.io/stack")]
        return {(item["kind"], item["metadata"]["name"]): item for item in found}


def path_of(manifest: Mapping[str, Any]) -> str:
    """Path of an object."""
    metadata = manifest["metadata"]
    return KINDS[manifest["kind"]].path(metadata.get("namespace"), metadata["name"])


def eventually(probe: Callable[[], T], seconds: float = 15.0, pause: float = 0.05, what: str = "") -> T:
    """The first true answer of a probe; fails with the last answer."""
    deadline = time.monotonic() + seconds
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what or probe}, last answer {found!r}")
        time.sleep(pause)


def _json(content: bytes) -> Manifest:
    try:
        found: Manifest = json.loads(content)
    except json.JSONDecodeError:
        return {"message": content.decode(errors="replace")}
    return found
