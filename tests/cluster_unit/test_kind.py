"""kind's configuration and the comparison that saves loading an image twice."""

from pathlib import Path

import pytest
import yaml

from tests.cluster import kind
from tests.cluster.kind import NodeImage

ID = "ab" * 32
LISTING = f"""REF                                    TYPE                             DIGEST         SIZE    PLATFORMS
localhost/trading/engine:1             application/vnd.docker.image+v2  sha256:1111    1MiB linux/amd64 -
localhost/trading/engine:2             application/vnd.docker.image+v2  sha256:2222    1MiB linux/amd64 -
sha256:{ID} application/vnd.docker.image+v2  sha256:1111    1MiB linux/amd64 -
"""


def rendered(node: NodeImage) -> dict[str, object]:
    document = yaml.safe_load(kind.configuration(node, Path("/state/policy.yaml"), Path("/state/audit")))
    assert isinstance(document, dict)
    return document


def cluster_configuration(document: dict[str, object]) -> dict[str, object]:
    nodes = document["nodes"]
    assert isinstance(nodes, list)
    patch = yaml.safe_load(nodes[0]["kubeadmConfigPatches"][0])
    assert isinstance(patch, dict)
    return patch


def test_own_image_brings_its_network_and_its_tags() -> None:
    document = rendered(NodeImage("localhost/node:1", own_network=True, etcd_tag="3.6.8", coredns_tag="v1.14.5"))
    assert document["networking"] == {"disableDefaultCNI": True}
    patch = cluster_configuration(document)
    assert patch["etcd"] == {"local": {"imageTag": "3.6.8"}}
    assert patch["dns"] == {"imageTag": "v1.14.5"}


def test_upstream_image_keeps_its_network_and_tags() -> None:
    document = rendered(NodeImage(kind.UPSTREAM_IMAGE))
    assert document["networking"] == {"disableDefaultCNI": False}
    assert not {"etcd", "dns"} & set(cluster_configuration(document))


def test_audit_log_ends_where_the_host_can_read_it() -> None:
    document = rendered(NodeImage(kind.UPSTREAM_IMAGE))
    nodes = document["nodes"]
    assert isinstance(nodes, list)
    mounts = {mount["containerPath"]: mount["hostPath"] for mount in nodes[0]["extraMounts"]}
    server = cluster_configuration(document)["apiServer"]
    assert isinstance(server, dict)
    folder, _, name = server["extraArgs"]["audit-log-path"].rpartition("/")
    assert (mounts[folder], name) == ("/state/audit", kind.AUDIT_FILE)
    assert mounts[server["extraArgs"]["audit-policy-file"]] == "/state/policy.yaml"


@pytest.mark.parametrize(
    ("image", "image_id", "there"),
    [
        ("localhost/trading/engine:1", ID, True),
        ("localhost/trading/engine:2", ID, False),  # the name is there, with older content
        ("localhost/trading/engine:3", ID, False),
        ("localhost/trading/engine:1", "cd" * 32, False),
    ],
)
def test_image_is_on_the_node_when_name_and_content_agree(image: str, image_id: str, there: bool) -> None:
    assert kind.holds(LISTING, image, image_id) is there


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("postgres:15", "docker.io/library/postgres:15"),
        ("grafana/grafana", "docker.io/grafana/grafana:latest"),
        ("localhost/trading/engine:1", "localhost/trading/engine:1"),
        ("registry.k8s.io/pause:3.10.1", "registry.k8s.io/pause:3.10.1"),
        ("127.0.0.1:5000/engine", "127.0.0.1:5000/engine:latest"),
    ],
)
def test_names_are_completed_as_containerd_does(image: str, name: str) -> None:
    assert kind.full_name(image) == name
