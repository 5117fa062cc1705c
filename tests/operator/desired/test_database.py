"""The database's own script, run by a real PostgreSQL: roles, passwords, restarts, interrupted starts."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.cluster.apiserver import free_port
from tests.operator.engines import by_name, engine, live, objects
from tests.postgres import _unprivileged, server_programs
from trading_operator.desired import names
from trading_operator.desired.database import PREPARE_SCRIPT

pytestmark = pytest.mark.postgres


class Prepared:
    """A data folder that the init container's script prepares, and the server on it."""

    def __init__(self, root: Path) -> None:
        self.data, self.passwords = root / "data" / "pgdata", root / "passwords"
        self.data.parent.mkdir()
        self.passwords.mkdir()
        self.root, self.user = root, _unprivileged()
        self.environment = {
            "PATH": f"{server_programs()}:{os.environ['PATH']}",
            "PGDATA": str(self.data),
            "PASSWORDS": str(self.passwords),
        }
        self.port = free_port()
        self.set_passwords("first", "second")
        self._own(root)

    def set_passwords(self, engine_password: str, collector_password: str) -> None:
        (self.passwords / names.ENGINE_PASSWORD_KEY).write_text(engine_password)
        (self.passwords / names.COLLECTOR_PASSWORD_KEY).write_text(collector_password)
        self._own(self.passwords)

    def _own(self, folder: Path) -> None:
        if self.user:
            subprocess.run(["chown", "-R", self.user, str(folder)], check=True)

    def prepare(self) -> None:
        """As the init container does."""
        done = subprocess.run(
            ["sh", "-c", PREPARE_SCRIPT], **self._as_user(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _as_user(self) -> dict[str, Any]:
        return {"env": self.environment, "cwd": self.root} | ({"user": self.user} if self.user else {})

    @contextmanager
    def serving(self) -> Iterator[None]:
        """The server, on loopback."""
        command = ["postgres", "-c", f"port={self.port}", "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
        command += ["-c", f"unix_socket_directories={self.data.parent}"]
        process = subprocess.Popen(
            [str(server_programs() / command[0]), *command[1:]],
            **self._as_user(), stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            self._wait()
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=30)

    def _wait(self) -> None:
        command = [str(server_programs() / "pg_isready"), "-h", "127.0.0.1", "-p", str(self.port), "-t", "1"]
        for _ in range(600):
            if subprocess.run(command, env=self.environment, capture_output=True, check=False).returncode == 0:
                return
            time.sleep(0.05)
        raise AssertionError("the server did not start")

    def connect(self, user: str, password: str) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=user, password=password, dbname=names.DATABASE_NAME, autocommit=True
        )


@pytest.fixture
def prepared() -> Iterator[Prepared]:
    """A folder that an unprivileged user can reach."""
    root = Path(tempfile.mkdtemp(prefix="prepared-"))
    root.chmod(0o755)
    yield Prepared(root)
    shutil.rmtree(root)


def test_roles_have_just_their_rights_when_prepared(prepared: Prepared) -> None:
    """The engine's role owns its database; the collector's may connect and touch nothing it was not given."""
    prepared.prepare()
    with prepared.serving():
        with prepared.connect(names.ENGINE_ROLE, "first") as owner:
            owner.execute("create table candles (id int)")
            owner.execute("create table orders (id int)")
            owner.execute(f"grant select, insert on candles to {names.COLLECTOR_ROLE}")
        with prepared.connect(names.COLLECTOR_ROLE, "second") as collector:
            collector.execute("insert into candles values (1)")
            for statement in ("select * from orders", "create table mine (id int)", "delete from candles"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    collector.execute(statement)


def test_new_passwords_hold_when_prepared_again(prepared: Prepared) -> None:
    """A password Secret that was made anew works after a restart, the old one does not, the rows are there."""
    prepared.prepare()
    with prepared.serving(), prepared.connect(names.ENGINE_ROLE, "first") as owner:
        owner.execute("create table kept (id int)")
    prepared.set_passwords("third", "fourth")
    prepared.prepare()
    with prepared.serving():
        with prepared.connect(names.ENGINE_ROLE, "third") as owner:
            assert owner.execute("select count(*) from kept").fetchone() == (0,)
        with pytest.raises(psycopg.OperationalError, match="password"):
            prepared.connect(names.COLLECTOR_ROLE, "second")


def test_half_made_cluster_is_replaced_when_first_start_was_killed(prepared: Prepared) -> None:
    """What a kill left beside PGDATA is thrown away; PGDATA is only ever whole."""
    half = prepared.data.with_name("pgdata.new")
    half.mkdir()
    (half / "PG_VERSION").write_text("15")
    prepared._own(half)
    prepared.prepare()
    with prepared.serving(), prepared.connect(names.ENGINE_ROLE, "first") as owner:
        assert owner.execute("select 1").fetchone() == (1,)
    assert not half.exists()


def test_no_database_is_made_when_user_brings_one() -> None:
    """No StatefulSet, claim or password; the URL is a file from the user's Secret."""
    found = by_name(objects(live(database={"secretRef": {"name": "mine"}})))

    assert not {kind for kind, _ in found} & {"StatefulSet", "PersistentVolumeClaim"}
    assert ("Secret", "live-database") not in found
    assert '"url_file": "/run/secrets/trading-engine/database/url"' in found["ConfigMap", "live-config"]["data"][
        "config.json"
    ]  # fmt: skip


def test_claim_has_size_and_class_when_asked_for() -> None:
    """Canonical, as the API server writes it."""
    of = engine(database={"storage": {"size": "2048Mi", "storageClassName": "fast"}})
    spec = by_name(objects(of))["PersistentVolumeClaim", "paper-postgresql"]["spec"]

    assert spec["resources"]["requests"]["storage"] == "2Gi"
    assert spec["storageClassName"] == "fast"
