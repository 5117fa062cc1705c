"""Versions, keys and command lines of the Go programs."""

from pathlib import Path

import pytest

from tests.cluster import node_image, programs
from tests.cluster.errors import ClusterError

GO_MOD = """module example

require k8s.io/kubernetes v1.34.4

require (
	go.etcd.io/etcd/server/v3 v3.6.8 // indirect
)
"""


@pytest.mark.parametrize(
    ("requirement", "version"),
    [("k8s.io/kubernetes", "1.34.4"), ("go.etcd.io/etcd/server/v3", "3.6.8"), ("", "1")],
)
def test_version_is_the_one_go_mod_requires(requirement: str, version: str) -> None:
    assert programs.required_version(GO_MOD, requirement) == version


def test_unrequired_module_is_an_error() -> None:
    with pytest.raises(ClusterError, match="does not require"):
        programs.required_version(GO_MOD, "sigs.k8s.io/kind")


def test_every_program_has_a_key_of_its_own_with_its_version() -> None:
    keys = {program.key for program in programs.PROGRAMS.values()}
    assert len(keys) == len(programs.PROGRAMS)
    for program in programs.PROGRAMS.values():
        assert program.key.startswith(f"{program.name}-{program.version}-")


def test_kubernetes_programs_know_their_version_and_others_are_only_stripped() -> None:
    flags = programs.ldflags(programs.PROGRAMS["kubelet"])
    assert f"gitVersion=v{programs.PROGRAMS['kubelet'].version}" in flags
    assert programs.ldflags(programs.PROGRAMS["etcd"]) == "-s -w"


def test_build_command_writes_where_it_is_told() -> None:
    command = programs.build_command(programs.PROGRAMS["kind"], Path("/somewhere/kind"))
    assert command[:2] == ["go", "build"]
    assert command[command.index("-o") + 1] == "/somewhere/kind"
    assert command[-1] == "sigs.k8s.io/kind"


@pytest.mark.parametrize(
    ("version", "enough"),
    [("go1.26", True), ("go1.26.8", True), ("go1.19.8", False), ("go1.25.9", False), ("devel", False), ("go2.0", True)],
)
def test_go_version_is_compared_by_number(version: str, enough: bool) -> None:
    assert programs.go_is_new_enough(version) is enough


def test_node_image_names_every_image_kubeadm_looks_for() -> None:
    references = node_image.image_references()
    assert set(references) == {*node_image.CONTROL_PLANE, *node_image.WITH_TOOLS, "pause"}
    assert references["kube-proxy"] == f"registry.k8s.io/kube-proxy:v{programs.PROGRAMS['kubelet'].version}"
