"""Parts of pods, each within the restricted Pod Security Standard. Pure; used by every builder of workloads.

Secrets are files, never environment variables. The configuration file is mounted by subPath: a running
pod keeps the file it started with, and an edit reaches it only by a restart, which the hash decides.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from trading_engine.contract.config import Mode
from trading_engine.contract.workers import LLM_VALIDATION, TRADE_EXECUTOR, Worker
from trading_operator.api.v1alpha1 import TradingEngine
from trading_operator.api.v1alpha1.worker_spec import ResourcesSpec
from trading_operator.desired import names
from trading_operator.desired.labels import Object
from trading_operator.desired.quantities import amount, canonical
from trading_operator.settings import Settings

ENGINE_UID: Final = 65532
_GROUP_READ: Final = 0o440


@dataclass(frozen=True)
class Mount:
    """A volume and where it is mounted."""

    name: str
    path: str
    source: tuple[str, Object]
    sub_path: str | None = None
    writable: bool = False

    def volume(self) -> Object:
        """Entry of `spec.volumes`."""
        kind, parameters = self.source
        return {"name": self.name, kind: parameters}

    def mount(self) -> Object:
        """Entry of `volumeMounts`."""
        found: Object = {"name": self.name, "mountPath": self.path}
        if not self.writable:
            found["readOnly"] = True
        return found | ({"subPath": self.sub_path} if self.sub_path else {})


@dataclass(frozen=True)
class Amounts:
    """Default requests and limits of a container."""

    request_cpu: str
    request_memory: str
    limit_cpu: str
    limit_memory: str


def config_mount(config_map: str) -> Mount:
    """The engine's configuration, at CONFIG_FILE."""
    return Mount("config", names.CONFIG_FILE, ("configMap", {"name": config_map}), sub_path="config.json")


def trading_state_mount(engine: TradingEngine) -> Mount:
    """The declared trading state: a folder, which the kubelet brings up to date for a container that starts again.

    Without the ConfigMap, or its key, no pod starts.
    """
    items = [{"key": names.TRADING_STATE_KEY, "path": names.TRADING_STATE_KEY}]
    source = ("configMap", {"name": names.trading_state(engine), "items": items})
    return Mount("trading-state", names.TRADING_STATE_DIR, source)


def secret_mount(name: str, secret: str, *keys: str) -> Mount:
    """Keys of a Secret as files of the same name under SECRETS_DIR/name."""
    items = [{"key": key, "path": key} for key in sorted(keys)]
    source = {"secretName": secret, "items": items, "defaultMode": _GROUP_READ}
    return Mount(name, f"{names.SECRETS_DIR}/{name}", ("secret", source))


def scratch_mount(name: str = "tmp", path: str = "/tmp", limit: str = "64Mi") -> Mount:  # noqa: S108  the container's own
    """A writable folder that lives as long as the pod."""
    return Mount(name, path, ("emptyDir", {"sizeLimit": limit}), writable=True)


def database_mount(engine: TradingEngine) -> Mount:
    """The engine's own access to the database: a password, or the user's URL."""
    reference = engine.spec.database.secret_ref
    if reference:
        return secret_mount("database", reference.name, names.URL_KEY)
    return secret_mount("database", names.database_secret(engine), names.ENGINE_PASSWORD_KEY)


def worker_mounts(engine: TradingEngine, worker: Worker) -> tuple[Mount, ...]:
    """What a worker's container sees; exchange and model keys only where they are used."""
    mounts = [
        config_mount(names.config_map(engine)),
        secret_mount("token", names.token_secret(engine), names.TOKEN_KEY),
        scratch_mount(),
    ]
    if "database" in worker.reads:
        mounts.append(database_mount(engine))
    credentials, key = engine.spec.exchange.credentials_secret_ref, engine.spec.llm.api_key_secret_ref
    if worker == TRADE_EXECUTOR:
        mounts.append(trading_state_mount(engine))
    if worker == TRADE_EXECUTOR and engine.spec.mode is Mode.LIVE and credentials:
        mounts.append(secret_mount("exchange", credentials.name, names.API_KEY_KEY, names.SECRET_KEY))
    if worker == LLM_VALIDATION and key:
        mounts.append(secret_mount("llm", key.name, names.API_KEY_KEY))
    return tuple(mounts)


def container(name: str, image: str, command: Iterable[str], mounts: Iterable[Mount], settings: Settings) -> Object:
    """A container that may do nothing but run."""
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": settings.image_pull_policy,
        "command": list(command),
        "volumeMounts": [each.mount() for each in mounts],
        # The last lines of a failed container's log become part of the status.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }


def resources(defaults: Amounts, wanted: ResourcesSpec | None = None) -> Object:
    """Requests and limits; a default gives way where it would cross a value that was asked for."""
    asked = wanted or ResourcesSpec()
    cpu = _pair(defaults.request_cpu, defaults.limit_cpu, asked.requests.cpu, asked.limits.cpu)
    memory = _pair(defaults.request_memory, defaults.limit_memory, asked.requests.memory, asked.limits.memory)
    return {"requests": {"cpu": cpu[0], "memory": memory[0]}, "limits": {"cpu": cpu[1], "memory": memory[1]}}


def _pair(default_request: str, default_limit: str, request: str | None, limit: str | None) -> tuple[str, str]:
    found_limit = limit or max(default_limit, request or default_limit, key=amount)
    found_request = request or min(default_request, found_limit, key=amount)
    return canonical(found_request), canonical(found_limit)


def restricted(spec: Object, uid: int, mounts: Iterable[Mount]) -> Object:
    """A pod spec with its volumes: not root, no service account token, the default seccomp profile."""
    return spec | {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": uid,
            "runAsGroup": uid,
            "fsGroup": uid,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumes": [each.volume() for each in mounts],
    }


def http_probe(path: str, **numbers: int) -> Object:
    """A probe with 5 s to answer: two busy cores miss the default of 1 s."""
    return {"httpGet": {"path": path, "port": "http"}, "timeoutSeconds": 5, **numbers}


def http_probes() -> Object:
    """Startup up to two minutes, liveness by /healthz, readiness by /readyz."""
    return {
        "startupProbe": http_probe("/healthz", periodSeconds=2, failureThreshold=60),
        "livenessProbe": http_probe("/healthz", periodSeconds=10, failureThreshold=3),
        "readinessProbe": http_probe("/readyz", periodSeconds=5, failureThreshold=2),
    }
