"""A real etcd and kube-apiserver on loopback, without nodes or controllers; `tests/apiserver` starts them.

There is no controller manager: nothing collects garbage, makes service accounts or finishes deleting a namespace.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import certificates, leftovers, programs
from tests.cluster.cache import Cache, default_cache
from tests.cluster.errors import ClusterError
from tests.cluster.kubeconfig import Credentials, rendered

READY_SECONDS = 60.0
ATTEMPTS = 3
PORT_TAKEN = "address already in use"
ADMINISTRATORS = "system:masters"
AUDIT_POLICY = Path(__file__).parent / "files" / "audit-policy.yaml"
# What waits for controllers that are not there.
DISABLED_ADMISSION = "ServiceAccount,TaintNodesByCondition"


@dataclass(frozen=True)
class Options:
    """What a test may choose about its API server."""

    audit: bool = True
    arguments: Sequence[str] = ()
    authorization_mode: str = "RBAC"


@dataclass(frozen=True)
class Binaries:
    """The two programs."""

    etcd: Path
    kube_apiserver: Path


def find_binaries(cache: Cache | None = None, environment: Mapping[str, str] = os.environ) -> Binaries:
    """Those that ETCD and KUBE_APISERVER name, else the cache's, built if missing."""
    if "ETCD" in environment and "KUBE_APISERVER" in environment:
        return Binaries(Path(environment["ETCD"]), Path(environment["KUBE_APISERVER"]))
    found = programs.paths(cache or default_cache(), ["etcd", "kube-apiserver"])
    return Binaries(found["etcd"], found["kube-apiserver"])


def free_port() -> int:
    """A loopback port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ApiServer:
    """A running control plane of two processes, stopped by their process ids."""

    def __init__(self, folder: Path, binaries: Binaries, options: Options) -> None:
        self.folder = folder
        self.options = options
        self.port, self._etcd_port = free_port(), free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.token = secrets.token_hex(16)
        self.audit_log = folder / "audit.log"
        self.log, self.etcd_log = folder / "kube-apiserver.log", folder / "etcd.log"
        self.certificates = certificates.make(folder / "certificates")
        self.certificate_authority = self.certificates.authority
        self.client_certificate, self.client_key = self.certificates.client("admin", [ADMINISTRATORS])
        self.kubeconfig = self._write_kubeconfig("admin", self.client_certificate, self.client_key)
        self._binaries = binaries
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._audited = 0
        self._audit_events: list[dict[str, object]] = []

    @property
    def pid(self) -> int:
        """The process id of kube-apiserver, for signals."""
        return self._processes["kube-apiserver"].pid

    def start(self) -> None:
        """Start both processes and wait until /readyz says ok."""
        self._spawn("etcd", self.etcd_log, etcd_command(self._binaries.etcd, self.folder / "etcd", self._etcd_port))
        self.start_server()

    def start_server(self) -> None:
        """Start kube-apiserver alone, on the same port and the same data as before."""
        (self.folder / "tokens.csv").write_text(f'{self.token},admin,admin,"{ADMINISTRATORS}"\n')
        self.audit_log.touch()
        self._spawn("kube-apiserver", self.log, self._server_command())
        self.wait_until_ready()

    def stop_server(self, signal_number: int = signal.SIGTERM) -> None:
        """End kube-apiserver alone, as an outage would; SIGKILL for a crash."""
        self._end("kube-apiserver", signal_number)

    def restart(self) -> None:
        """Crash kube-apiserver and start it again."""
        self.stop_server(signal.SIGKILL)
        self.start_server()

    def pause(self) -> None:
        """Freeze kube-apiserver: connections stay open, nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen kube-apiserver go on."""
        os.kill(self.pid, signal.SIGCONT)

    def stop(self) -> None:
        """End both processes at once; the data is not needed any more."""
        for name in list(self._processes):
            self._end(name, signal.SIGKILL)

    def ready(self) -> bool:
        """Whether /readyz answers ok now."""
        context = ssl.create_default_context(cafile=str(self.certificate_authority))
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5, context=context) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def wait_until_ready(self, seconds: float = READY_SECONDS) -> None:
        """Wait for /readyz; a process that ended or a deadline is a ClusterError with the end of its log."""
        deadline = time.monotonic() + seconds
        while not self.ready():
            dead = [name for name, process in self._processes.items() if process.poll() is not None]
            if dead or time.monotonic() > deadline:
                raise ClusterError(f"kube-apiserver is not ready ({dead or 'too slow'}):\n{self._log_tails()}")
            time.sleep(0.1)

    def user_kubeconfig(self, user: str, groups: Sequence[str] = ()) -> Path:
        """A kubeconfig with a client certificate of its own for a user, without any rights until RBAC gives some."""
        return self._write_kubeconfig(user, *self.certificates.client(user, groups))

    def audit_events(self) -> list[dict[str, object]]:
        """The audit events so far, oldest first; the last line may still be incomplete and is then left out."""
        with self.audit_log.open("rb") as log:  # asked many times a second: only what is new is parsed
            log.seek(self._audited)
            complete = log.read().rpartition(b"\n")[0]
        if complete:
            self._audited += len(complete) + 1
            self._audit_events += map(json.loads, complete.split(b"\n"))
        return list(self._audit_events)

    def _write_kubeconfig(self, user: str, certificate: Path, key: Path) -> Path:
        path = self.folder / f"{user.replace(':', '-')}.kubeconfig"
        path.write_text(rendered(self.url, Credentials(user, self.certificate_authority, certificate, key)))
        return path

    def _server_command(self) -> list[str]:
        command = server_command(self.folder, self._binaries.kube_apiserver, self.port, self._etcd_port)
        command.append(f"--authorization-mode={self.options.authorization_mode}")
        if self.options.audit:
            command += [f"--audit-policy-file={AUDIT_POLICY}", f"--audit-log-path={self.audit_log}"]
        return [*command, *self.options.arguments]

    def _spawn(self, name: str, log: Path, command: Sequence[str]) -> None:
        with log.open("ab") as file:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
            )
        self._processes[name] = process
        leftovers.record(self.folder, process.pid)

    def _end(self, name: str, signal_number: int) -> None:
        process = self._processes.pop(name, None)
        if process is None:
            return
        for number in (signal_number, signal.SIGCONT):
            process.send_signal(number)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _log_tails(self) -> str:
        texts = [path.read_text()[-3000:] for path in (self.etcd_log, self.log) if path.exists()]
        return "\n".join(texts)


def etcd_command(etcd: Path, data: Path, port: int) -> list[str]:
    """An etcd of one member that never waits for the disk; its peer port is any free one and never used."""
    url, peer = f"http://127.0.0.1:{port}", "http://127.0.0.1:0"
    return [str(etcd), f"--data-dir={data}", f"--listen-client-urls={url}", f"--advertise-client-urls={url}",
            f"--listen-peer-urls={peer}", "--unsafe-no-fsync", "--log-level=warn"]  # fmt: skip


def server_command(folder: Path, kube_apiserver: Path, port: int, etcd_port: int) -> list[str]:
    """A kube-apiserver on loopback with the certificates, tokens and service-account key of its folder."""
    made = folder / "certificates"
    return [
        str(kube_apiserver),
        f"--etcd-servers=http://127.0.0.1:{etcd_port}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={port}",
        f"--tls-cert-file={made / 'server.crt'}",
        f"--tls-private-key-file={made / 'server.key'}",
        f"--client-ca-file={made / 'ca.crt'}",
        f"--token-auth-file={folder / 'tokens.csv'}",
        f"--service-account-key-file={made / 'service-account.key'}",
        f"--service-account-signing-key-file={made / 'service-account.key'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-cluster-ip-range=10.96.0.0/16",
        f"--disable-admission-plugins={DISABLED_ADMISSION}",
        "--endpoint-reconciler-type=none",
    ]


@contextmanager
def running(options: Options | None = None, cache: Cache | None = None) -> Iterator[ApiServer]:
    """A ready API server for the duration of the block; nothing of it stays behind."""
    cache = cache or default_cache()
    binaries = find_binaries(cache)
    parent = cache.root / "apiservers"
    leftovers.sweep(parent)
    server = _started(parent, binaries, options or Options())
    try:
        yield server
    finally:
        _discard(server)


def _started(parent: Path, binaries: Binaries, options: Options) -> ApiServer:
    """A ready server; a port that somebody else took first is worth another try."""
    for attempt in range(1, ATTEMPTS + 1):
        server = ApiServer(leftovers.folder_of_this_process(parent), binaries, options)
        try:
            server.start()
            return server
        except ClusterError as error:
            _discard(server)
            if PORT_TAKEN not in str(error) or attempt == ATTEMPTS:
                raise
        except BaseException:
            _discard(server)
            raise
    raise AssertionError("unreachable")


def _discard(server: ApiServer) -> None:
    server.stop()
    shutil.rmtree(server.folder, ignore_errors=True)
