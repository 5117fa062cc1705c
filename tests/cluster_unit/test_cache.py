"""The cache is atomic, locked and the same for every clone."""

from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.cache import Cache, default_cache, digest_of, digest_of_folder


def test_cache_follows_the_base_directory_convention() -> None:
    assert default_cache({"XDG_CACHE_HOME": "/x", "HOME": "/h"}).root == Path("/x/trading-engine-operator")
    assert default_cache({"HOME": "/h"}).root == Path("/h/.cache/trading-engine-operator")


def test_digest_sees_where_one_part_ends() -> None:
    assert digest_of([b"ab", b"c"]) != digest_of([b"a", b"bc"])


def test_digest_of_a_folder_changes_with_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    before = digest_of_folder(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    renamed = digest_of_folder(tmp_path)
    (tmp_path / "b").write_text("2")
    assert len({before, renamed, digest_of_folder(tmp_path)}) == 3


def fail_half_way(cache: Cache, final: Path) -> None:
    with cache.building(final) as folder:
        (folder / "tool").write_text("half")
        raise RuntimeError("half-way")


def test_build_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    final = cache.programs / "tool-1"
    with pytest.raises(RuntimeError, match="half-way"):
        fail_half_way(cache, final)
    assert not final.exists()
    with cache.building(final) as folder:
        (folder / "tool").write_text("whole")
        assert not final.exists()
    assert (final / "tool").read_text() == "whole"
    assert list(cache.temporary.iterdir()) == []


def test_build_clears_what_a_killed_run_left(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    abandoned = cache.temporary / "build-tool-1-123"
    abandoned.mkdir(parents=True)
    with cache.building(cache.programs / "tool-1"):
        assert not abandoned.exists()


def hold_and_report(root: Path, held: Any, report: Any) -> None:
    with Cache(root).locked("programs"):
        held.set()
        report.append("inside")
        held.wait(0.2)
        report.append("outside")


def test_two_runs_never_build_at_once(tmp_path: Path) -> None:
    context = get_context("spawn")
    with context.Manager() as manager:
        report, events = manager.list(), [manager.Event(), manager.Event()]
        runs = [context.Process(target=hold_and_report, args=(tmp_path, event, report)) for event in events]
        for run in runs:
            run.start()
        for run in runs:
            run.join(30)
        assert list(report) == ["inside", "outside", "inside", "outside"]
