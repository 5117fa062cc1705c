"""Generated files are up to date, and the check says what to run when they are not."""

from __future__ import annotations

import shutil
from pathlib import Path

from tools.generate import ROOT, files, stale


def copied(folder: Path) -> Path:
    """All generated files in another folder."""
    for path in files():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, folder / path)
    return folder


def test_nothing_is_stale_when_committed() -> None:
    """What `make verify` asks."""
    assert stale() == []


def test_file_is_stale_when_edited_or_missing(tmp_path: Path) -> None:
    """Each is named."""
    root = copied(tmp_path)
    edited, missing = sorted(files())[:2]
    (root / edited).write_text("edited by hand")
    (root / missing).unlink()

    assert sorted(stale(root=root)) == [edited, missing]
