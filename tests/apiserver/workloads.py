"""The kubelet and the controllers that are not there: statuses of workloads, pods, and an executor to talk to."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.apiserver.kube import Kube, Manifest

EXECUTOR_PORT = 8024


def make_ready(kube: Kube, namespace: str, name: str) -> None:
    """Give every workload of an engine the status that its controller would give it when all pods are ready."""
    for (kind, space, child), found in kube.owned(namespace, name).items():
        if kind in ("Deployment", "StatefulSet"):
            kube.merge(kind, space, child, {"status": ready_status(found)}, "/status")


def ready_status(workload: Manifest) -> Manifest:
    replicas = workload["spec"].get("replicas", 1)
    counts = dict.fromkeys(("replicas", "readyReplicas", "updatedReplicas", "availableReplicas"), replicas)
    status: Manifest = counts | {"observedGeneration": workload["metadata"]["generation"]}
    if workload["kind"] == "StatefulSet":
        return status | {"currentRevision": "1", "updateRevision": "1"}
    condition = {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable", "message": ""}
    return status | {"conditions": [condition]}


def run_pod(kube: Kube, deployment: Manifest, ip: str) -> Manifest:
    """A running pod of a Deployment at an address."""
    template, metadata = deployment["spec"]["template"], deployment["metadata"]
    name = f"{metadata['name']}-{time.monotonic_ns():x}"
    kube.create(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": template["metadata"] | {"name": name, "namespace": metadata["namespace"]},
            "spec": template["spec"],
        }
    )
    container = template["spec"]["containers"][0]
    started = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    statuses = [
        {
            "name": container["name"],
            "image": container["image"],
            "imageID": "",
            "ready": True,
            "started": True,
            "restartCount": 0,
            "state": started,
        }
    ]
    status = {
        "phase": "Running",
        "podIP": ip,
        "podIPs": [{"ip": ip}],
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": statuses,
    }
    return kube.merge("Pod", metadata["namespace"], name, {"status": status}, "/status")


class FakeExecutor:
    """The trading-state half of a trade executor: obeys whoever has the token, remembers who said what."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.state: dict[str, Any] = {
            "state": "Active", "who": "trade_executor", "why": "", "since_ms": 0, "orders_sent_since": 0,
        }  # fmt: skip
        self.puts: list[tuple[float, dict[str, Any]]] = []
        self.refused = 0
        self.answers = True

    def handle(self, method: str, authorization: str, body: bytes) -> tuple[int, bytes]:
        if not self.answers:
            return 503, b"{}"
        if authorization != f"Bearer {self.token}":
            self.refused += 1
            return 401, b"{}"
        if method == "PUT":
            change = json.loads(body)
            self.puts.append((time.monotonic(), change))
            self.state |= change
        return 200, json.dumps(self.state).encode()


@contextmanager
def executor_at(ip: str, token: str) -> Iterator[FakeExecutor]:
    """An executor on the port of all executors, at a loopback address of its own."""
    executor = FakeExecutor(token)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer("GET")

        def do_PUT(self) -> None:
            self._answer("PUT")

        def _answer(self, method: str) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, content = executor.handle(method, self.headers.get("Authorization", ""), body)
            if self.path != "/v1/trading-state":
                status, content = 404, b"{}"
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer((ip, EXECUTOR_PORT), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield executor
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
