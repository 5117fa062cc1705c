"""Where the programs that judge rules and configurations come from."""

from pathlib import Path

import pytest

from tests.cluster import base_images, image_programs
from tests.cluster.cache import Cache
from tests.cluster.errors import ClusterError


def test_program_is_the_named_one_when_a_variable_names_it(tmp_path: Path) -> None:
    """Who has promtool elsewhere, as on a machine that is not Linux, says so and nothing is built."""
    found = image_programs.paths(Cache(tmp_path), ["promtool"], {"PROMTOOL": "/opt/promtool"})
    assert found == {"promtool": Path("/opt/promtool")}


def test_program_is_the_cached_one_when_there_is_one(tmp_path: Path) -> None:
    """Neither an engine nor a registry is asked for what is there already."""
    folder = tmp_path / "programs" / image_programs.PROGRAMS["amtool"].key
    folder.mkdir(parents=True)
    assert image_programs.paths(Cache(tmp_path), ["amtool"], {}) == {"amtool": folder / "amtool"}


def test_unknown_program_is_named_with_those_there_are(tmp_path: Path) -> None:
    """A typing error is told with what is allowed."""
    with pytest.raises(ClusterError, match="'promtol'; there are alertmanager, amtool, prometheus, promtool"):
        image_programs.paths(Cache(tmp_path), ["promtol"], {})


def test_programs_of_one_image_share_its_key_and_others_do_not() -> None:
    """A new Prometheus renews prometheus and promtool, and nothing of Alertmanager's."""
    keys = {name: program.key.removeprefix(name) for name, program in image_programs.PROGRAMS.items()}
    assert keys["prometheus"] == keys["promtool"] != keys["alertmanager"] == keys["amtool"]


def test_observers_come_from_the_release_whose_prometheus_discovers_kubernetes() -> None:
    """Debian 12 compiled its Prometheus without kubernetes_sd."""
    assert base_images.OBSERVERS.suite == "trixie"
    assert all(image.root.suite == "bookworm" for image in (base_images.PYTHON, base_images.POSTGRES))
