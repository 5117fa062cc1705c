"""The operator under test: the real command in a process of its own, with a service account's token."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.apiserver.kube import Kube, eventually
from tests.cluster import image_programs
from tests.cluster.apiserver import ApiServer, free_port
from tests.cluster.cache import default_cache

NAMESPACE = "trading-operator-system"
ACCOUNT = "trading-operator"
USER = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"


class OperatorProcess:
    """One replica."""

    def __init__(self, server: ApiServer, kube: Kube, folder: Path, name: str, **environment: str) -> None:
        self.name = name
        self.port = free_port()
        self.log = folder / f"{name}.log"
        self._environment = {
            "PATH": os.environ["PATH"],
            "KUBECONFIG": str(_kubeconfig(server, kube, folder / f"{name}.kubeconfig")),
            "POD_NAMESPACE": NAMESPACE,
            "POD_NAME": name,
            "HTTP_PORT": str(self.port),
            **{
                name.upper(): str(path)
                for name, path in image_programs.paths(default_cache(), ["promtool", "amtool"]).items()
            },
            # Nobody listens there.
            "PROMETHEUS_URL": "http://127.0.0.1:9",
            "ALERTMANAGER_URL": "http://127.0.0.1:9",
            "EVIDENCE_SECONDS": "1",
        } | environment
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def start(self, *, ready: bool = True) -> OperatorProcess:
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "trading_operator", "run"]
            self._process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)
        if ready:
            eventually(self._is_ready, 30, what=f"{self.name} ready:\n{self.tail()}")
        return self

    def _is_ready(self) -> bool:
        assert self.process.poll() is None, f"{self.name} ended with {self.process.returncode}:\n{self.tail()}"
        return self.http("/readyz")[0] == 200

    def leads(self) -> bool:
        return "leader_election_master_status 1.0" in self.http("/metrics")[1]

    def http(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metric(self, name: str) -> float:
        """Sum of the samples whose line starts so."""
        lines = [line for line in self.http("/metrics")[1].splitlines() if line.startswith(name)]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        if self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
        return self.process.wait(20)

    def kill(self) -> None:
        if self._process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def end(self) -> None:
        """SIGTERM, so that it gives the lease back; SIGKILL where that does not help."""
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            self.kill()

    def lines(self) -> list[dict[str, Any]]:
        """Its log."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def tail(self) -> str:
        return self.log.read_text()[-4000:] if self.log.exists() else ""

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_mib(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def mutations(server: ApiServer, since: int = 0) -> list[dict[str, Any]]:
    """What the operator's user changed or tried to change after so many audit events, but for Lease renewals."""
    found = []
    for event in server.audit_events()[since:]:
        user: Any = event["user"]
        target: Any = event.get("objectRef", {})
        if user["username"] == USER and target.get("resource") != "leases":
            found.append(event)
    return found


def short(events: list[dict[str, Any]]) -> list[str]:
    """`patch deployments paper-risk-management 200`, for assertions that explain themselves."""
    return [
        " ".join(
            str(part)
            for part in (
                event["verb"],
                event["objectRef"].get("resource"),
                event["objectRef"].get("subresource", ""),
                event["objectRef"].get("name"),
                event.get("responseStatus", {}).get("code"),
            )
        )
        for event in events
    ]


def _kubeconfig(server: ApiServer, kube: Kube, path: Path) -> Path:
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 7200}}
    answer = kube.request("POST", f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{ACCOUNT}/token", request)
    path.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "test",
                "contexts": [{"name": "test", "context": {"cluster": "test", "user": "operator"}}],
                "clusters": [
                    {
                        "name": "test",
                        "cluster": {
                            "server": server.url,
                            "certificate-authority": str(server.certificate_authority),
                        },
                    }
                ],
                "users": [{"name": "operator", "user": {"token": answer["status"]["token"]}}],
            }
        )
    )
    return path


def settle(server: ApiServer, quiet: float = 1.0, seconds: float = 30.0) -> int:
    """Wait until the operator changed nothing for a while; the number of audit events then."""
    deadline = time.monotonic() + seconds
    count, since = len(mutations(server)), time.monotonic()
    while time.monotonic() - since < quiet:
        assert time.monotonic() < deadline, f"still writing: {short(mutations(server))[-5:]}"
        time.sleep(0.1)
        now = len(mutations(server))
        if now != count:
            count, since = now, time.monotonic()
    return len(server.audit_events())
