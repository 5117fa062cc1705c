"""Certificates of one test API server, made with the openssl program: an authority, a server, and clients on demand."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import process
from tests.cluster.errors import ClusterError

DAYS = "30"
KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


@dataclass(frozen=True)
class Certificates:
    """A folder with an authority that signs on demand."""

    folder: Path

    @property
    def authority(self) -> Path:
        """The authority's certificate, which every client trusts."""
        return self.folder / "ca.crt"

    def client(self, user: str, groups: Sequence[str] = ()) -> tuple[Path, Path]:
        """The certificate and key of a user in groups."""
        name = "client-" + user.replace(":", "-").replace("/", "-")
        subject = "".join(f"/O={group}" for group in groups) + f"/CN={user}"
        self.sign(name, subject, "extendedKeyUsage=clientAuth")
        return self.folder / f"{name}.crt", self.folder / f"{name}.key"

    def sign(self, name: str, subject: str, extension: str) -> None:
        """Make a key and a certificate of the authority for it."""
        process.output(sign_command(self.folder, name, subject, extension))


def make(folder: Path) -> Certificates:
    """A new authority, its server certificate for loopback, and a key for service-account tokens."""
    if shutil.which("openssl") is None:
        raise ClusterError("openssl is needed to make certificates; on Debian: apt-get install openssl")
    folder.mkdir(parents=True)
    process.output(authority_command(folder))
    made = Certificates(folder)
    made.sign("server", "/CN=kube-apiserver", "subjectAltName=IP:127.0.0.1,DNS:localhost")
    process.output(["openssl", "genrsa", "-out", str(folder / "service-account.key"), "2048"])
    return made


def authority_command(folder: Path) -> list[str]:
    """The command that makes the authority."""
    return ["openssl", "req", "-x509", *KEY, "-subj", "/CN=test-authority", "-days", DAYS,
            "-keyout", str(folder / "ca.key"), "-out", str(folder / "ca.crt")]  # fmt: skip


def sign_command(folder: Path, name: str, subject: str, extension: str) -> list[str]:
    """The command that makes and signs one key pair."""
    return ["openssl", "req", "-x509", *KEY, "-subj", subject, "-days", DAYS, "-addext", extension,
            "-addext", "basicConstraints=critical,CA:FALSE",
            "-CA", str(folder / "ca.crt"), "-CAkey", str(folder / "ca.key"),
            "-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.crt")]  # fmt: skip
