"""The PostgreSQL that the operator runs: StatefulSet, Service, claim and passwords. Pure.

Two roles: `trading` owns the database; `collector` may only touch candles (the migration grants that, for
the table is its). An init container makes the cluster once and sets both passwords at every start, so that a
password Secret that was deleted and made again works after a restart, which its hash brings about.
The claim is an object of its own with an owner: it goes with the TradingEngine, never before.
"""

from __future__ import annotations

from typing import Final

from trading_operator.api.v1alpha1 import TradingEngine
from trading_operator.api.v1alpha1.trading_engine import StorageSpec
from trading_operator.desired import names, rbac
from trading_operator.desired.inputs import Inputs
from trading_operator.desired.labels import Object, digest_of, finished, pod_labels, secret
from trading_operator.desired.pods import (
    Amounts,
    Mount,
    container,
    resources,
    restricted,
    scratch_mount,
    secret_mount,
)
from trading_operator.desired.quantities import canonical
from trading_operator.desired.workers import SECRET_HASH
from trading_operator.settings import Settings

#: The user `postgres` of the official Debian-based images.
POSTGRES_UID: Final = 999
_DATA: Final = "/var/lib/postgresql/data"
_AMOUNTS: Final = Amounts("50m", "128Mi", "1", "512Mi")
_PREPARE_AMOUNTS: Final = Amounts("25m", "128Mi", "1", "512Mi")

#: Makes the cluster in a folder beside PGDATA and moves it there whole, so that a kill leaves nothing half made.
#: Roles are set in single-user mode: no server, no superuser password, no network. Local connections are trusted: the
#: socket is in this pod, where nobody else is.
PREPARE_SCRIPT: Final = f"""set -eu
sql() {{ postgres --single -c exit_on_error=on -c log_min_error_statement=panic -D "$1" postgres >/dev/null; }}
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  rm -rf "$PGDATA.new"
  initdb --pgdata="$PGDATA.new" --username=postgres --encoding=UTF8 --locale=C.UTF-8 \\
    --auth-local=trust --auth-host=scram-sha-256
  echo 'host all all all scram-sha-256' >> "$PGDATA.new/pg_hba.conf"
  sql "$PGDATA.new" <<'SQL'
CREATE ROLE {names.ENGINE_ROLE} LOGIN
CREATE ROLE {names.COLLECTOR_ROLE} LOGIN
CREATE DATABASE {names.DATABASE_NAME} OWNER {names.ENGINE_ROLE}
REVOKE ALL ON DATABASE {names.DATABASE_NAME} FROM PUBLIC
GRANT CONNECT ON DATABASE {names.DATABASE_NAME} TO {names.COLLECTOR_ROLE}
SQL
  mv "$PGDATA.new" "$PGDATA"
fi
sql "$PGDATA" <<SQL
ALTER ROLE {names.ENGINE_ROLE} PASSWORD '$(cat "$PASSWORDS/{names.ENGINE_PASSWORD_KEY}")'
ALTER ROLE {names.COLLECTOR_ROLE} PASSWORD '$(cat "$PASSWORDS/{names.COLLECTOR_PASSWORD_KEY}")'
SQL
"""


def database_objects(engine: TradingEngine, settings: Settings, inputs: Inputs) -> list[Object]:
    """All objects of the database, finished; none where the user brings one."""
    if engine.spec.database.secret_ref:
        return []
    return [
        finished(engine, names.DATABASE, each)
        for each in (
            secret(names.database_secret(engine), engine.namespace, inputs.passwords),
            _claim(engine),
            _service(engine),
            _stateful_set(engine, settings, inputs),
        )
    ]


def _claim(engine: TradingEngine) -> Object:
    storage = engine.spec.database.storage or StorageSpec()
    spec: Object = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": canonical(storage.size)}},
    }
    if storage.storage_class_name:
        spec["storageClassName"] = storage.storage_class_name
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": names.database(engine), "namespace": engine.namespace},
        "spec": spec,
    }


def _service(engine: TradingEngine) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": names.database(engine), "namespace": engine.namespace},
        "spec": {
            "type": "ClusterIP",
            "clusterIP": "None",
            "selector": pod_labels(engine, names.DATABASE),
            "ports": [
                {
                    "name": "postgresql",
                    "port": names.DATABASE_PORT,
                    "targetPort": names.DATABASE_PORT,
                    "protocol": "TCP",
                }
            ],
        },
    }


def _stateful_set(engine: TradingEngine, settings: Settings, inputs: Inputs) -> Object:
    labels = pod_labels(engine, names.DATABASE)
    annotations = {SECRET_HASH: digest_of(dict(inputs.passwords))}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": names.database(engine), "namespace": engine.namespace},
        "spec": {
            "replicas": 1,
            "revisionHistoryLimit": 3,
            "serviceName": names.database(engine),
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels, "annotations": annotations},
                "spec": _pod(engine, settings),
            },
        },
    }


def _pod(engine: TradingEngine, settings: Settings) -> Object:
    passwords = secret_mount("passwords", names.database_secret(engine), *names.PASSWORD_KEYS)
    data = Mount("data", _DATA, ("persistentVolumeClaim", {"claimName": names.database(engine)}), writable=True)
    shared = (
        data,
        scratch_mount(),
        scratch_mount("run", "/var/run/postgresql"),
        Mount("shm", "/dev/shm", ("emptyDir", {"medium": "Memory", "sizeLimit": "64Mi"}), writable=True),  # noqa: S108
    )
    spec: Object = {
        "serviceAccountName": rbac.home_account(engine),
        "terminationGracePeriodSeconds": 60,
        "initContainers": [_prepare(settings, (*shared, passwords))],
        "containers": [_server(settings, shared)],
    }
    return restricted(spec, POSTGRES_UID, (*shared, passwords))


def _prepare(settings: Settings, mounts: tuple[Mount, ...]) -> Object:
    return container("prepare", settings.postgres_image, ("sh", "-c", PREPARE_SCRIPT), mounts, settings) | {
        "env": [*_environment(), {"name": "PASSWORDS", "value": f"{names.SECRETS_DIR}/passwords"}],
        "resources": resources(_PREPARE_AMOUNTS),
    }


def _server(settings: Settings, mounts: tuple[Mount, ...]) -> Object:
    options = ("listen_addresses=*", "unix_socket_directories=/var/run/postgresql", "max_connections=60")
    command = ["postgres", *(part for option in options for part in ("-c", option))]
    ready = {"exec": {"command": ["pg_isready", "--host=127.0.0.1", f"--dbname={names.DATABASE_NAME}"]}}
    return container("postgresql", settings.postgres_image, command, mounts, settings) | {
        "env": _environment(),
        "ports": [{"name": "postgresql", "containerPort": names.DATABASE_PORT, "protocol": "TCP"}],
        "resources": resources(_AMOUNTS),
        "startupProbe": ready | {"periodSeconds": 2, "timeoutSeconds": 5, "failureThreshold": 90},
        "livenessProbe": ready | {"periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6},
        "readinessProbe": ready | {"periodSeconds": 5, "timeoutSeconds": 5, "failureThreshold": 2},
        # SIGTERM alone waits for every client to leave; fast shutdown does not.
        "lifecycle": {"preStop": {"exec": {"command": ["pg_ctl", "stop", "--mode=fast"]}}},
    }


def _environment() -> list[Object]:
    return [{"name": "PGDATA", "value": f"{_DATA}/pgdata"}]
