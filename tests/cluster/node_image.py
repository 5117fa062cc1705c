"""The node image where no registry answers: Debian, containerd and the Kubernetes programs, as kind expects a node."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.cluster import image_archive, process, programs, root_file_system
from tests.cluster.cache import Cache, digest_of, digest_of_folder
from tests.cluster.engine import KEY_LABEL, Engine
from tests.cluster.image_archive import Image
from tests.cluster.root_file_system import RootFileSystem

FILES = Path(__file__).parent / "files" / "node"
NAME = "localhost/trading/kind-node"
BASE_NAME = "localhost/trading/kind-node-base"
PAUSE_VERSION = "3.10.1"
ON_THE_NODE = ("kubelet", "kubeadm", "kubectl")
CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd", "coredns")
# These need more than their program: iptables, or a shell.
WITH_TOOLS = ("kube-proxy", "local-path-provisioner")
PROGRAMS = (*ON_THE_NODE, *CONTROL_PLANE, *WITH_TOOLS, "pause")
MASKED = (
    "getty.target", "systemd-udevd.service", "systemd-logind.service", "console-getty.service",
    "dev-hugepages.mount", "sys-fs-fuse-connections.mount", "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount", "systemd-modules-load.service",
)  # fmt: skip
BASE = RootFileSystem(
    name="node",
    packages=(
        "systemd", "systemd-sysv", "dbus", "containerd", "runc", "containernetworking-plugins", "iptables", "nftables",
        "conntrack", "ethtool", "socat", "kmod", "mount", "util-linux", "iproute2", "procps", "ca-certificates",
    ),
    expected_seconds=50,
)  # fmt: skip
TOOLS = RootFileSystem(name="tools", packages=("iptables", "conntrack", "kmod", "ca-certificates"), expected_seconds=20)


def key() -> str:
    """Changes with any version, package or file of the node."""
    parts = [programs.PROGRAMS[name].key for name in PROGRAMS]
    parts += [BASE.key, TOOLS.key, digest_of_folder(FILES), dockerfile("", "")]
    return digest_of(part.encode() for part in parts)


def reference() -> str:
    """The image's name; its tag says which Kubernetes it is."""
    return f"{NAME}:v{programs.PROGRAMS['kubelet'].version}-{key()}"


def tools_key() -> str:
    """The folder of the root file system below programs that need more than themselves."""
    return f"root-{TOOLS.name}-{TOOLS.key}"


def ensure(cache: Cache, engine: Engine) -> str:
    """Build the image unless the engine has it; its reference."""
    image = reference()
    if not engine.has(image):
        found = programs.paths(cache, PROGRAMS)
        with cache.locked("node-image"):
            if not engine.has(image):
                _build(cache, engine, found, image)
    return image


def image_references() -> dict[str, str]:
    """The exact names by which kubeadm and the manifests look for each program's image."""
    versions = {name: programs.PROGRAMS[name].version for name in PROGRAMS}
    registry = "registry.k8s.io"
    return {
        **{name: f"{registry}/{name}:v{versions[name]}" for name in (*CONTROL_PLANE[:3], "kube-proxy")},
        "etcd": f"{registry}/etcd:{versions['etcd']}",
        "coredns": f"{registry}/coredns/coredns:v{versions['coredns']}",
        "pause": f"{registry}/pause:{PAUSE_VERSION}",
        "local-path-provisioner": f"localhost/trading/local-path-provisioner:v{versions['local-path-provisioner']}",
    }


def dockerfile(base: str, image_key: str) -> str:
    """Everything on top of the base, in one image that systemd starts."""
    version = programs.PROGRAMS["kubelet"].version
    return f"""FROM {base}
COPY bin/ /usr/bin/
COPY files/entrypoint files/kubelet-cgroups /usr/local/bin/
COPY files/containerd.toml /etc/containerd/config.toml
COPY files/10-bridge.conflist /etc/cni/net.d/
COPY files/kubelet.service /etc/systemd/system/
COPY files/default-storage.yaml /kind/manifests/
COPY containerd/ /var/lib/containerd/
RUN echo v{version} > /kind/version && rm -f /etc/machine-id \\
 && systemctl enable containerd kubelet && systemctl mask {" ".join(MASKED)}
ENV container=docker
STOPSIGNAL SIGRTMIN+3
LABEL {KEY_LABEL}={image_key}
ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]
"""


def _build(cache: Cache, engine: Engine, found: Mapping[str, Path], image: str) -> None:
    work = cache.temporary / "node-image"
    shutil.rmtree(work, ignore_errors=True)
    context, layers = work / "context", work / "layers"
    (context / "bin").mkdir(parents=True)
    layers.mkdir()
    try:
        _write_context(context, found, _ensure_base(cache, engine, layers))
        _write_images(layers / "images.tar", layers, found, cache)
        _import_images(layers / "images.tar", context / "containerd", cache, engine)
        _build_context(context, cache, engine, image)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _ensure_base(cache: Cache, engine: Engine, folder: Path) -> str:
    base = f"{BASE_NAME}:{BASE.key}"
    if not engine.has(base):
        tar = folder / "base.tar"
        root_file_system.build(BASE, tar, cache)
        engine.import_root(tar, base, BASE.key)
        tar.unlink()
    return base


def _write_context(context: Path, found: Mapping[str, Path], base: str) -> None:
    for name in ON_THE_NODE:
        shutil.copy2(found[name], context / "bin" / name)
    shutil.copytree(FILES, context / "files")
    storage = context / "files" / "default-storage.yaml"
    storage.write_text(storage.read_text().replace("PROVISIONER_IMAGE", image_references()["local-path-provisioner"]))
    (context / "Dockerfile").write_text(dockerfile(base, key()))


def _write_images(target: Path, layers: Path, found: Mapping[str, Path], cache: Cache) -> None:
    tools, references = _ensure_tools(cache), image_references()
    images = [
        Image(references[name], found[name], base=tools if name in WITH_TOOLS else None)
        for name in (*CONTROL_PLANE, *WITH_TOOLS, "pause")
    ]
    image_archive.write(images, target, layers)


def _import_images(archive: Path, store: Path, cache: Cache, engine: Engine) -> None:
    """Let the node's own containerd unpack the images once, so that no node has to when it starts."""
    store.mkdir()
    folders = {FILES / "import-images": "/import-images", archive: "/images.tar", store: "/var/lib/containerd"}
    volumes = [part for source, target in folders.items() for part in ("--volume", f"{source}:{target}")]
    base = f"{BASE_NAME}:{BASE.key}"
    process.run(
        process.Job(
            title="images of the control plane",
            command=[engine.name, "run", "--rm", "--privileged", *volumes, base, "/import-images"],
            log=cache.logs / "node-images.log",
            expected_seconds=15,
            environment=engine.environment,
        )
    )


def _ensure_tools(cache: Cache) -> Path:
    final = cache.programs / tools_key()
    if not final.exists():
        with cache.building(final) as folder:
            root_file_system.build(TOOLS, folder / "root.tar", cache)
    return final / "root.tar"


def _build_context(context: Path, cache: Cache, engine: Engine, image: str) -> None:
    process.run(
        process.Job(
            title=f"node image {image}",
            command=engine.build_arguments(image, context / "Dockerfile", context, []),
            log=cache.logs / "node-image.log",
            expected_seconds=40,
            # One layer, and nothing left of a build that failed: docker has no such switch and does not mind.
            environment={**engine.environment, "BUILDAH_LAYERS": "false"},
        )
    )
