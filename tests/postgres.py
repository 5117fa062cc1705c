"""A real PostgreSQL server for tests: made in a temporary folder, thrown away afterwards.

`PostgresServer` belongs to nobody else: own folder, own port, own unprivileged system user.
The `postgres_server` fixture starts one a session; `postgres` gives each test an empty database of its own.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

INSTALL = ("apt-get", "-o", "DPkg::Lock::Timeout=300", "install", "-y", "--no-install-recommends", "postgresql")
PASSWORD = "made-up-for-tests"
_names = itertools.count(1)


def server_programs() -> Path:
    """The folder with initdb and postgres, installed from Debian's packages where this may be done.

    Raises:
        RuntimeError: there are none, and the message says what to run.
    """
    if (found := _installed()) is not None:
        return found
    command = " ".join(INSTALL)
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise RuntimeError(f"tests marked `postgres` need PostgreSQL's server programs; as root: {command}")
    subprocess.run(["apt-get", "update"], check=True, capture_output=True)
    done = subprocess.run(INSTALL, capture_output=True, text=True, check=False)
    if done.returncode != 0 or (found := _installed()) is None:
        raise RuntimeError(f"could not install PostgreSQL with: {command}\n{done.stdout[-1000:]}{done.stderr[-1000:]}")
    return found


def _installed() -> Path | None:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    if folders:
        return folders[-1]
    initdb = shutil.which("initdb")
    return Path(initdb).resolve().parent if initdb else None


def _unprivileged() -> str | None:
    """The system user to run as: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class PostgresServer:
    """One server; `start` after `stop` finds the same data at the same address."""

    def __init__(self) -> None:
        self._programs = server_programs()
        self._user = _unprivileged()
        self.folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        self.port = _free_port()
        if self._user is not None:
            shutil.chown(self.folder, self._user)
        self._initialise()
        self._process: subprocess.Popen[bytes] | None = None

    def _initialise(self) -> None:
        password = self.folder / "password"
        password.write_text(PASSWORD)
        if self._user is not None:
            shutil.chown(password, self._user)
        # Not synced: a template that is made anew each time.
        arguments = ["-D", str(self.folder / "data"), "-U", "owner", "-A", "scram-sha-256", "--locale=C.UTF-8", "-N"]
        subprocess.run(
            [str(self._programs / "initdb"), *arguments, f"--pwfile={password}"],
            **self._as_user(),
            check=True,
            capture_output=True,
        )

    def _as_user(self) -> dict[str, str]:
        return {"cwd": str(self.folder), **({"user": self._user, "group": self._user} if self._user else {})}

    def start(self) -> None:
        """Start and wait until it answers."""
        log = (self.folder / "log").open("ab")
        options = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self.folder,
            "fsync": "off",  # only a killed machine loses by it; a busy disk can stall a sync beyond our timeouts
            "shared_buffers": "32MB",
            "max_connections": 200,
        }
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        command = [str(self._programs / "postgres"), "-D", str(self.folder / "data"), *settings]
        self._process = subprocess.Popen(command, **self._as_user(), stdout=log, stderr=log)
        log.close()
        self._wait_until_it_answers(time.monotonic() + 30)

    def _wait_until_it_answers(self, deadline: float) -> None:
        while True:
            try:
                psycopg.connect(self.conninfo("postgres"), connect_timeout=2).close()
            except psycopg.OperationalError as error:
                assert self._process is not None
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"PostgreSQL did not start: {(self.folder / 'log').read_text()}") from error
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """End it at once, as a killed pod would: clients are cut off (SIGQUIT, no checkpoint)."""
        if self._process is not None:
            self._process.send_signal(3)
            self._process.wait(timeout=30)
            self._process = None

    def remove(self) -> None:
        """End it and delete its data."""
        self.stop()
        shutil.rmtree(self.folder)

    def conninfo(self, database: str, user: str = "owner", password: str = PASSWORD) -> str:
        """For psycopg."""
        return f"host=127.0.0.1 port={self.port} user={user} password={password} dbname={database}"

    def url(self, database: str, user: str = "owner") -> str:
        """For the engine's configuration: without a password."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str, database: str = "postgres") -> None:
        """Run a statement as the owner, outside any transaction."""
        with psycopg.connect(self.conninfo(database), autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[arg-type]

    def create_database(self) -> str:
        """A new, empty database; returns its name."""
        name = f"test_{next(_names)}"
        self.execute(f"CREATE DATABASE {name}")
        return name


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()
