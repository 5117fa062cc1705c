"""One cluster behind three ways: an existing context, kind with the upstream node image, kind with a node of our own.

Everything above asks `Provider` only and never learns which way it was.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import engine, kind, node_image, process, programs, registry
from tests.cluster.cache import Cache, default_cache
from tests.cluster.errors import ClusterError
from tests.cluster.kind import Kind, NodeImage

DEFAULT_NAME = "trading-engine-operator"
POLICY = Path(__file__).parent / "files" / "audit-policy.yaml"
SYSTEM_SECONDS = 180


@dataclass(frozen=True)
class Provider:
    """The cluster of one name; `context` names an existing one instead."""

    cache: Cache
    name: str = DEFAULT_NAME
    context: str = ""

    @property
    def folder(self) -> Path:
        """The state of this cluster."""
        return self.cache.cluster(self.name)

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig of its own: the user's is never touched."""
        return self.folder / "kubeconfig"

    @property
    def audit_log(self) -> Path:
        """Every request that changed something, one JSON event per line; see `audited`."""
        return self.folder / "audit" / kind.AUDIT_FILE

    @property
    def audited(self) -> bool:
        """Whether there is, or will be, an audit log: not of a cluster that somebody else made."""
        return not (self.context or self._recorded().get("context"))

    @property
    def kubectl(self) -> Path:
        """The kubectl of the cluster's version."""
        return programs.path_or_installed(self.cache, "kubectl")

    def up(self) -> Path:
        """Make the cluster unless it is up; its kubeconfig."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.cache.locked(f"cluster-{self.name}"):
            if self.context:
                self._use_context()
            elif not self._is_up():
                self._create()
        return self.kubeconfig

    def down(self) -> None:
        """Delete the cluster; an existing context is only forgotten."""
        with self.cache.locked(f"cluster-{self.name}"):
            if not self._recorded().get("context") and (self.folder / "kind.yaml").exists():
                self._kind().delete(self.name, self.kubeconfig)
            for name in ("kubeconfig", "cluster.json", "kind.yaml"):
                (self.folder / name).unlink(missing_ok=True)

    def load(self, images: Sequence[str]) -> None:
        """Put images of the engine on the node, skipping those it has."""
        if self._recorded().get("context"):
            raise ClusterError("an existing context cannot be loaded: push the images to a registry it can pull from")
        with self.cache.locked(f"load-{self.name}"):
            tool = self._kind()
            missing = [image for image in images if not tool.on_node(self.name, image)]
            for image in images:
                process.say(f"{image}: {'loading' if image in missing else 'already on the node'}")
            if missing:
                tool.load(self.name, missing, self.cache.temporary / f"load-{self.name}.tar")

    def healthy(self) -> bool:
        """Whether the API server of the recorded kubeconfig answers and its node is ready."""
        if not self.kubeconfig.exists():
            return False
        try:
            self._ask("get", "--raw=/readyz")
            nodes = self._ask("get", "nodes", "-o", 'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}')
        except ClusterError:
            return False
        return "True" in nodes.split()

    def _ask(self, *arguments: str, timeout: float = 15.0) -> str:
        command = [str(self.kubectl), "--kubeconfig", str(self.kubeconfig), "--request-timeout=10s", *arguments]
        return process.output(command, timeout=timeout)

    def _use_context(self) -> None:
        command = [str(self.kubectl), "--context", self.context]
        minified = process.output([*command, "config", "view", "--minify", "--flatten", "--raw"])
        if self.kubeconfig.exists() and not self._recorded().get("context"):
            raise ClusterError(f"cluster {self.name} is one of ours: run `down` first, or give another --name")
        _write_private(self.kubeconfig, minified)
        if not self.healthy():
            raise ClusterError(f"context {self.context} does not answer or has no ready node")
        self._record({"context": self.context})

    def _is_up(self) -> bool:
        """Whether our cluster is finished and healthy; an older node image is told, not a reason to delete anything."""
        recorded = self._recorded()
        if recorded.get("context"):
            raise ClusterError(f"{self.name} is the context {recorded['context']}: run `down` first to make a cluster")
        if not recorded or not self.healthy():
            return False
        if recorded["node_image"] not in (kind.UPSTREAM_IMAGE, node_image.reference()):
            process.say(
                f"cluster {self.name} is up with another node image than this version's: `down` and `up` renew it"
            )
        return True

    def _create(self) -> None:
        tool = self._kind()
        (self.folder / "cluster.json").unlink(missing_ok=True)
        if tool.exists(self.name):
            process.say(f"cluster {self.name} is broken: making it anew")
            tool.delete(self.name, self.kubeconfig)
        node = self._node_image(tool.engine)
        configuration = self.folder / "kind.yaml"
        self._prepare_audit_log()
        configuration.write_text(kind.configuration(node, self._copied_policy(), self.audit_log.parent))
        tool.create(self.name, configuration, self.kubeconfig, self.cache.logs / f"kind-{self.name}.log")
        self._wait_for_system()
        self._record({"node_image": node.reference})

    def _node_image(self, tool: engine.Engine) -> NodeImage:
        if registry.usable():
            return NodeImage(kind.UPSTREAM_IMAGE)
        tags = {name: reference.rsplit(":", 1)[1] for name, reference in node_image.image_references().items()}
        return NodeImage(node_image.ensure(self.cache, tool), True, tags["etcd"], tags["coredns"])

    def _copied_policy(self) -> Path:
        """The container's copy: a branch switched under a running cluster must not change it."""
        path = self.folder / "audit-policy.yaml"
        path.write_text(POLICY.read_text())
        return path

    def _prepare_audit_log(self) -> None:
        """An empty file that its owner here may read although the API server writes it as root."""
        self.audit_log.parent.mkdir(parents=True, exist_ok=True)
        self.audit_log.write_text("")
        self.audit_log.chmod(0o644)

    def _wait_for_system(self) -> None:
        """DNS and storage work, and pods may be made: a service account exists."""
        wait = ["wait", "--for=condition=Available", "deployment", "--all", "--all-namespaces"]
        self._ask(*wait, f"--timeout={SYSTEM_SECONDS}s", "--request-timeout=0", timeout=SYSTEM_SECONDS + 10)
        self._ask("wait", "--for=create", "serviceaccount/default", "--timeout=60s", "--request-timeout=0", timeout=70)

    def _kind(self) -> Kind:
        return Kind(programs.path_or_installed(self.cache, "kind"), engine.find(self.cache))

    def _recorded(self) -> dict[str, str]:
        path = self.folder / "cluster.json"
        return dict(json.loads(path.read_text())) if path.exists() else {}

    def _record(self, values: Mapping[str, str]) -> None:
        temporary = self.folder / "cluster.json.new"
        temporary.write_text(json.dumps(values))
        temporary.rename(self.folder / "cluster.json")


def from_environment(name: str = "", context: str = "", environment: Mapping[str, str] = os.environ) -> Provider:
    """The provider that the arguments, else CLUSTER_NAME and CLUSTER_CONTEXT ask for."""
    return Provider(
        default_cache(environment),
        name or environment.get("CLUSTER_NAME") or DEFAULT_NAME,
        context or environment.get("CLUSTER_CONTEXT", ""),
    )


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)
