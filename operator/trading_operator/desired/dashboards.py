"""Our dashboards as ConfigMaps: one each, mounted by our Grafana and found by anybody's sidecar. Pure.

`desired.stack` puts them among the shared objects: boards choose engines by variable, so all engines share them.
"""

from __future__ import annotations

from typing import Final

from trading_dashboards.boards import BOARDS
from trading_dashboards.classic import rendered
from trading_dashboards.model import Board
from trading_operator.desired.labels import Object
from trading_operator.settings import Settings

#: What the sidecars of Grafana's charts look for, and the folder that they put a board into.
SIDECAR_LABEL: Final = "grafana_dashboard"
FOLDER_ANNOTATION: Final = "grafana_folder"
FOLDER: Final = "Trading"

#: Boards never change while the operator runs.
_TEXTS: Final = {board.uid: rendered(board) for board in BOARDS}


def dashboard_objects(settings: Settings) -> list[Object]:
    """A ConfigMap for each board, without labels of ownership."""
    return [_config_map(board, settings.monitoring_namespace) for board in BOARDS]


def config_map_name(board: Board) -> str:
    """`trading-board-<uid>`; `manifests/monitoring/grafana` mounts these by name."""
    return f"trading-board-{board.uid}"


def _config_map(board: Board, namespace: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": config_map_name(board),
            "namespace": namespace,
            "labels": {SIDECAR_LABEL: "1"},
            "annotations": {FOLDER_ANNOTATION: FOLDER},
        },
        "data": {f"{board.uid}.json": _TEXTS[board.uid]},
    }
