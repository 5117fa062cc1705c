"""Each board is a ConfigMap that our Grafana mounts and a sidecar finds, and that the API server takes."""

from __future__ import annotations

import json
from pathlib import Path

import orjson
import yaml

from tests.operator.engines import engine
from tests.operator.targets import a_target, a_world
from trading_dashboards.boards import BOARDS
from trading_operator.desired.dashboards import dashboard_objects
from trading_operator.desired.labels import finished_stack
from trading_operator.desired.stack import Declared, desired_stack
from trading_operator.settings import Settings

SETTINGS = Settings.model_construct()
ROOT = Path(__file__).resolve().parents[3]
#: The API server's limit of one object is 1.5 MiB, a ConfigMap's data 1 MiB, kubectl's copy in an annotation 256 KiB.
LARGEST = 256 * 1024


def test_one_config_map_per_board_holds_its_json_under_its_uid() -> None:
    """The file's name is the address's last part."""
    for board, made in zip(BOARDS, dashboard_objects(SETTINGS), strict=True):
        assert made["metadata"]["name"] == f"trading-board-{board.uid}"
        assert made["metadata"]["namespace"] == SETTINGS.monitoring_namespace
        assert json.loads(made["data"][f"{board.uid}.json"])["uid"] == board.uid


def test_sidecars_find_them_in_a_folder() -> None:
    """The label and annotation that the charts of Grafana and Prometheus look for; ownership keeps both."""
    for made in dashboard_objects(SETTINGS):
        finished = finished_stack("grafana", made, SETTINGS.monitoring_namespace)["metadata"]
        assert finished["labels"]["grafana_dashboard"] == "1"
        assert finished["annotations"]["grafana_folder"] == "Trading"


def test_small_enough_for_every_way_of_applying() -> None:
    """Far below what the API server refuses."""
    assert all(len(orjson.dumps(made)) < LARGEST for made in dashboard_objects(SETTINGS))


def test_grafana_mounts_exactly_these() -> None:
    """A board that is not mounted would be written and never shown."""
    text = (ROOT / "manifests" / "monitoring" / "grafana" / "grafana.yaml").read_text()
    (grafana,) = (each for each in yaml.safe_load_all(text) if each["kind"] == "Deployment")
    volumes = {each["name"]: each for each in grafana["spec"]["template"]["spec"]["volumes"]}
    mounted = {source["configMap"]["name"] for source in volumes["boards"]["projected"]["sources"]}
    assert mounted == {made["metadata"]["name"] for made in dashboard_objects(SETTINGS)}


def boards_in(declared: Declared) -> set[str]:
    """Names of the boards among the shared objects."""
    objects = desired_stack(declared, a_world(), SETTINGS)
    return {each["metadata"]["name"] for each in objects if each["metadata"]["name"].startswith("trading-board-")}


def test_boards_are_there_while_anything_is_observed() -> None:
    """An engine or a target alone suffices; the last one out takes them along."""
    everything = {made["metadata"]["name"] for made in dashboard_objects(SETTINGS)}
    assert boards_in(Declared(engines=[engine()])) == everything
    assert boards_in(Declared(targets=[a_target()])) == everything
    assert boards_in(Declared()) == set()
