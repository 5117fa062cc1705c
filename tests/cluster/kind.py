"""kind itself: its configuration as text, and the few commands the provider needs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import process
from tests.cluster.engine import Engine
from tests.cluster.errors import ClusterError

UPSTREAM_IMAGE = (
    "docker.io/kindest/node:v1.34.0@sha256:7416a61b42b1662ca6ca89f02028ac133a309a2a30ba309614e8ec94d976dc5a"
)
AUDIT_ON_NODE = "/var/log/kubernetes-audit"
POLICY_ON_NODE = "/etc/kubernetes/audit-policy.yaml"
AUDIT_FILE = "audit.log"


@dataclass(frozen=True)
class NodeImage:
    """A node image; one of our own brings its network plugin and says which images kubeadm finds in it."""

    reference: str
    own_network: bool = False
    etcd_tag: str = ""
    coredns_tag: str = ""


def configuration(node: NodeImage, policy: Path, audit: Path) -> str:
    """The cluster: one node, audited; the same for both kinds of image but for what the image brings."""
    return f"""kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
networking:
  disableDefaultCNI: {"true" if node.own_network else "false"}
nodes:
- role: control-plane
  image: {node.reference}
  extraMounts:
  - hostPath: {policy}
    containerPath: {POLICY_ON_NODE}
    readOnly: true
  - hostPath: {audit}
    containerPath: {AUDIT_ON_NODE}
  kubeadmConfigPatches:
  - |
    kind: ClusterConfiguration
    apiServer:
      extraArgs:
        audit-policy-file: {POLICY_ON_NODE}
        audit-log-path: {AUDIT_ON_NODE}/{AUDIT_FILE}
        audit-log-maxsize: "200"
        audit-log-maxbackup: "2"
      extraVolumes:
      - name: audit-policy
        hostPath: {POLICY_ON_NODE}
        mountPath: {POLICY_ON_NODE}
        readOnly: true
        pathType: File
      - name: audit-log
        hostPath: {AUDIT_ON_NODE}
        mountPath: {AUDIT_ON_NODE}
        pathType: Directory
{_image_tags(node)}"""


def _image_tags(node: NodeImage) -> str:
    if not node.etcd_tag:
        return ""
    return f"""    etcd:
      local:
        imageTag: {node.etcd_tag}
    dns:
      imageTag: {node.coredns_tag}
"""


@dataclass(frozen=True)
class Kind:
    """The kind program with one engine."""

    program: Path
    engine: Engine

    def output(self, *arguments: str) -> str:
        """What a short kind command prints."""
        return process.output([str(self.program), *arguments], self.engine.environment, timeout=600)

    def create(self, name: str, configuration_file: Path, kubeconfig: Path, log: Path) -> None:
        """Make the cluster and wait until its node is ready."""
        arguments = ["create", "cluster", "--name", name, "--config", str(configuration_file)]
        arguments += ["--kubeconfig", str(kubeconfig), "--wait", "180s"]
        command = [str(self.program), *arguments]
        _ensure_modules_folder()
        process.run(process.Job(f"cluster {name}", command, log, 40, environment=self.engine.environment))

    def delete(self, name: str, kubeconfig: Path) -> None:
        """Delete the cluster, healthy or broken, if there is one; its node is not asked to end slowly."""
        process.succeeds([self.engine.name, "kill", self.engine.node(name)], self.engine.environment)
        self.output("delete", "cluster", "--name", name, "--kubeconfig", str(kubeconfig))

    def exists(self, name: str) -> bool:
        """Whether there is anything left of a cluster of that name."""
        return name in self.output("get", "clusters").split()

    def load(self, name: str, images: Sequence[str], archive: Path) -> None:
        """Put images on the node at once: what they share travels once."""
        if self.engine.name == "docker":
            self.output("load", "docker-image", *images, "--name", name)
            return
        archive.parent.mkdir(parents=True, exist_ok=True)
        archive.unlink(missing_ok=True)
        several = ["--multi-image-archive", "--format", "docker-archive"]
        try:
            self.engine.output("save", "--quiet", *several, "-o", str(archive), *images, timeout=600)
            self.output("load", "image-archive", str(archive), "--name", name)
        finally:
            archive.unlink(missing_ok=True)

    def on_node(self, name: str, image: str) -> bool:
        """Whether the node's image of that name is the engine's."""
        try:
            listing = self.engine.output("exec", self.engine.node(name), "ctr", "-n", "k8s.io", "images", "ls")
        except ClusterError:
            return False
        return holds(listing, image, self.engine.image_id(image))


def _ensure_modules_folder(folder: Path = Path("/lib/modules")) -> None:
    """A kind node mounts it; a kernel without modules has none, and podman does not make it."""
    if os.geteuid() == 0:
        folder.mkdir(parents=True, exist_ok=True)


def holds(listing: str, image: str, image_id: str) -> bool:
    """Whether `ctr images ls` names the image with the content of that id; an id is listed as a name too."""
    digests = {columns[0]: columns[2] for columns in map(str.split, listing.splitlines()[1:]) if len(columns) > 2}
    by_id = digests.get(f"sha256:{image_id}")
    return by_id is not None and digests.get(full_name(image)) == by_id


def full_name(image: str) -> str:
    """An image's name as containerd keeps it."""
    name = image if ":" in image.rsplit("/", 1)[-1] else f"{image}:latest"
    first = name.split("/", 1)[0]
    if "/" not in name:
        return f"docker.io/library/{name}"
    return name if "." in first or ":" in first or first == "localhost" else f"docker.io/{name}"
