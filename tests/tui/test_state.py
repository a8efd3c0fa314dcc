from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import msgspec
import pytest

from tui.state import StateDir, StateError, runtime_home, state_home


class Tally(msgspec.Struct):
    counts: list[int]
    version: int = 1


def _add(number: int, change: Tally | None) -> Tally:
    return Tally([*(change.counts if change else []), number])


def _append_many(path: Path, start: int) -> None:
    state = StateDir(path)
    for number in range(start, start + 25):
        state.update("tally.json", Tally, 1, lambda value, number=number: _add(number, value))  # type: ignore[misc]


def test_what_was_written_is_read_and_only_by_this_user(tmp_path: Path) -> None:
    state = StateDir(tmp_path / "state")
    assert state.read("tally.json", Tally, 1) is None
    state.update("tally.json", Tally, 1, lambda value: _add(7, value))
    kept = StateDir(tmp_path / "state").read("tally.json", Tally, 1)
    assert kept == Tally([7])
    assert state.path.stat().st_mode & 0o777 == 0o700
    assert (state.path / "tally.json").stat().st_mode & 0o777 == 0o600


def test_two_consoles_lose_nothing_of_each_other(tmp_path: Path) -> None:
    processes = [
        multiprocessing.get_context("fork").Process(target=_append_many, args=(tmp_path, start))
        for start in (0, 100)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(20)
        assert process.exitcode == 0
    kept = StateDir(tmp_path).read("tally.json", Tally, 1)
    assert kept is not None
    assert sorted(kept.counts) == [*range(25), *range(100, 125)]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "tally.json"]


@pytest.mark.parametrize("content", [b"", b"{", b'{"version":1}', b'{"version":0,"counts":[]}', b"\xff"])
def test_a_damaged_file_is_put_aside_and_begun_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "tally.json").write_bytes(content)
    state = StateDir(tmp_path)
    assert state.read("tally.json", Tally, 1) is None
    assert (tmp_path / "tally.json.damaged").read_bytes() == content
    assert state.update("tally.json", Tally, 1, lambda value: _add(1, value)) == Tally([1])


def test_a_file_of_a_newer_version_is_neither_read_nor_overwritten(tmp_path: Path) -> None:
    newer = b'{"version":2,"counts":"many"}'
    (tmp_path / "tally.json").write_bytes(newer)
    state = StateDir(tmp_path)
    with pytest.raises(StateError, match="newer servegrid"):
        state.read("tally.json", Tally, 1)
    with pytest.raises(StateError, match="newer servegrid"):
        state.update("tally.json", Tally, 1, lambda value: _add(1, value))
    assert (tmp_path / "tally.json").read_bytes() == newer


def test_a_place_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match=r"file/state/tally\.json: Not a directory"):
        StateDir(tmp_path / "file" / "state").update("tally.json", Tally, 1, lambda value: _add(1, value))


def test_places_follow_xdg_and_the_demo_has_its_own(tmp_path: Path) -> None:
    assert state_home({"XDG_STATE_HOME": "/s"}) == Path("/s/servegrid")
    assert state_home({"XDG_STATE_HOME": "rel", "HOME": "/h"}) == Path("/h/.local/state/servegrid")
    assert state_home({"HOME": "/h"}, demo=True) == Path("/h/.local/state/servegrid/demo")
    assert runtime_home({"XDG_RUNTIME_DIR": str(tmp_path)}) == tmp_path / "servegrid"
    assert runtime_home({"XDG_RUNTIME_DIR": os.fspath(tmp_path / "missing")}) is None
