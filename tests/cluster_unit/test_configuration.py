"""Texts and command lines for the engine, Debian, the API server and the environment."""

import json
import os
from pathlib import Path

import pytest

from tests.cluster import apiserver, engine, exported, image_archive, leftovers, packages, registry
from tests.cluster.base_images import ALL, PYTHON
from tests.cluster.errors import ClusterError
from tests.cluster.kubeconfig import Credentials, rendered
from tests.cluster.provider import DEFAULT_NAME, from_environment
from tests.cluster.root_file_system import RootFileSystem, command


def test_containers_conf_is_empty_on_a_machine_that_allows_everything() -> None:
    assert engine.containers_conf({}, hybrid=False) == ""


def test_containers_conf_stays_below_low_limits_and_avoids_crun_on_mixed_cgroups() -> None:
    text = engine.containers_conf({"nofile": 20000, "nproc": 1000}, hybrid=True)
    assert '"nofile=16384:16384", "nproc=1000:1000"' in text
    assert 'runtime = "runc"' in text


def test_unknown_engine_is_named() -> None:
    with pytest.raises(ClusterError, match="nerdctl"):
        engine.find(from_environment().cache, {"CONTAINER_ENGINE": "nerdctl"})


def test_import_carries_the_image_configuration_and_its_key() -> None:
    arguments = engine.import_arguments(Path("/r.tar"), PYTHON.local, "k1", ["ENV A=b"])
    assert arguments[1:5] == ["--change", "ENV A=b", "--change", f"LABEL {engine.KEY_LABEL}=k1"]
    assert arguments[-2:] == ["/r.tar", PYTHON.local]


def test_local_images_are_below_localhost_so_that_nothing_pulls_them() -> None:
    assert all(image.local.startswith("localhost/trading/") for image in ALL)


def test_what_to_install_is_named_once() -> None:
    assert packages.debian_names(["podman", "runc"]).count("runc") == 1
    assert "mmdebstrap" in packages.advice(packages.debian_names(["mmdebstrap"]))


def test_root_file_system_key_follows_content_not_place(tmp_path: Path) -> None:
    for clone in ("a", "b"):
        (tmp_path / clone).mkdir()
        (tmp_path / clone / "entrypoint").write_text("same")
    keys = {RootFileSystem("x", (), 1, copies=((tmp_path / c / "entrypoint", "/bin"),)).key for c in ("a", "b")}
    assert len(keys) == 1
    assert "--include=python3" in command(RootFileSystem("x", ("python3",), 1), Path("/t.tar"))


def test_registry_answer_can_be_given() -> None:
    assert registry.usable({"CLUSTER_REGISTRY": "yes"}) is True
    assert registry.usable({"CLUSTER_REGISTRY": "no"}) is False


def test_provider_takes_arguments_before_the_environment() -> None:
    environment = {"CLUSTER_NAME": "from-environment", "CLUSTER_CONTEXT": "kind-x", "HOME": "/h"}
    assert from_environment("given", "", environment).name == "given"
    assert from_environment("", "", environment).context == "kind-x"
    assert from_environment("", "", {"HOME": "/h"}).name == DEFAULT_NAME


def test_environment_lines_are_read_by_make_and_shell() -> None:
    assert exported.lines({"A": "1", "B": "x/y"}) == "A=1\nB=x/y"


def test_api_server_is_reachable_from_this_machine_only() -> None:
    commands = [
        *apiserver.server_command(Path("/f"), Path("/kube-apiserver"), 1, 2),
        *apiserver.etcd_command(Path("/etcd"), Path("/data"), 2),
    ]
    addresses = [argument for argument in commands if "address" in argument or "listen" in argument]
    assert addresses
    assert all("127.0.0.1" in address for address in addresses)


def test_kubeconfig_names_one_user_and_one_cluster() -> None:
    text = rendered("https://127.0.0.1:1", Credentials("admin", Path("/ca"), Path("/crt"), Path("/key")))
    document = json.loads(text)
    assert document["contexts"][0]["context"] == {"cluster": "apiserver", "user": "admin"}
    assert document["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:1"


def test_image_configuration_lists_its_layers_in_order() -> None:
    image = image_archive.Image("localhost/x:1", Path("/bin/tool"))
    configuration = json.loads(image_archive.config(image, ["1", "2"]))
    assert configuration["rootfs"]["diff_ids"] == ["sha256:1", "sha256:2"]
    assert configuration["config"]["Entrypoint"] == ["/usr/local/bin/tool"]


def test_sweep_spares_the_living_and_recycled_process_ids(tmp_path: Path) -> None:
    mine = leftovers.folder_of_this_process(tmp_path)
    dead = tmp_path / "999999999-gone"
    dead.mkdir()
    leftovers.record(dead, os.getpid())  # recycled: this process does not mention the folder
    assert leftovers.sweep(tmp_path) == 1
    assert mine.exists()
    assert not dead.exists()
