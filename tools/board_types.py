"""Holds the rendered boards against Grafana's own published schema: `make board-types`. Needs npm.

Each board is compiled as a value of the type in `dashboards/schema/board.ts`, which is put together of the types in
Grafana's npm package, pinned by the lock file beside it. A board with a planted mistake has to be refused, too: a
compiler that accepts everything would prove nothing.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from trading_dashboards.boards import BOARDS
from trading_dashboards.classic import classic

ROOT: Final = Path(__file__).resolve().parent.parent
SCHEMA: Final = ROOT / "dashboards" / "schema"
WORK: Final = ROOT / "out" / "board-types"
OPTIONS: Final = ("--noEmit", "--strict", "--skipLibCheck", "--moduleResolution", "node", "--module", "esnext")


def main() -> int:
    """0; 1 where a board is not what Grafana's schema allows, 2 where npm is missing or fails."""
    if shutil.which("npm") is None:
        print("npm is needed to hold boards against Grafana's schema: please install Node.js", file=sys.stderr)
        return 2
    try:
        _install()
    except subprocess.CalledProcessError as error:
        print(f"{error}: {error.stderr}", file=sys.stderr)
        return 2
    written = [_write(board.uid, classic(board)) for board in BOARDS]
    complaints = _compiled(*written)
    if complaints:
        print(complaints, file=sys.stderr)
        return 1
    if not _compiled(_write("planted", _with_mistake(classic(BOARDS[0])))):
        print("a board with a misspelt option was accepted: this check proves nothing", file=sys.stderr)
        return 1
    print(f"{len(written)} boards are what Grafana's schema allows; one with a planted mistake is not")
    return 0


def _install() -> None:
    """The pinned packages; nothing to do when they are there."""
    WORK.mkdir(parents=True, exist_ok=True)
    lock = (SCHEMA / "package-lock.json").read_text()
    done = WORK / "installed.lock"
    for name in ("package.json", "package-lock.json", ".npmrc", "board.ts"):
        shutil.copy(SCHEMA / name, WORK / name)
    if not done.is_file() or done.read_text() != lock:
        subprocess.run(["npm", "ci"], cwd=WORK, check=True, capture_output=True, text=True)  # noqa: S607
        done.write_text(lock)


def _write(name: str, board: Mapping[str, Any]) -> str:
    text = f"import type {{ Board }} from './board';\nexport const board: Board = {json.dumps(board, indent=1)};\n"
    (WORK / f"{name}.ts").write_text(text)
    return f"{name}.ts"


def _with_mistake(board: dict[str, Any]) -> dict[str, Any]:
    figure = next(panel for panel in board["panels"] if panel["type"] == "stat")
    figure["options"] = {**figure["options"], "colourMode": "value"}
    return board


def _compiled(*files: str) -> str:
    """What the compiler has to say; nothing about good boards."""
    compiler = ["node_modules/.bin/tsc", *OPTIONS, *files]
    return subprocess.run(compiler, cwd=WORK, check=False, capture_output=True, text=True).stdout  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())
