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


def read(state: StateDir) -> list[int] | None:
    tally = state.read("tally.json", 1, msgspec.json.Decoder(Tally).decode)
    return None if tally is None else tally.counts


def add(state: StateDir, number: int) -> None:
    def change(tally: Tally | None) -> bytes:
        return msgspec.json.encode(Tally([*(tally.counts if tally else []), number]))

    state.update("tally.json", 1, msgspec.json.Decoder(Tally).decode, change)


def _add_many(path: Path, start: int) -> None:
    for number in range(start, start + 25):
        add(StateDir(path), number)


def test_what_was_written_is_read_and_only_by_this_user(tmp_path: Path) -> None:
    state = StateDir(tmp_path / "state")
    assert read(state) is None
    add(state, 7)
    kept = read(StateDir(tmp_path / "state"))
    assert kept == [7]
    assert state.path.stat().st_mode & 0o777 == 0o700
    assert (state.path / "tally.json").stat().st_mode & 0o777 == 0o600


def test_two_consoles_lose_nothing_of_each_other(tmp_path: Path) -> None:
    processes = [
        multiprocessing.get_context("fork").Process(target=_add_many, args=(tmp_path, start))
        for start in (0, 100)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    kept = read(StateDir(tmp_path))
    assert kept is not None
    assert sorted(kept) == [*range(25), *range(100, 125)]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "tally.json"]


@pytest.mark.parametrize("content", [b"", b"{", b'{"version":1}', b'{"version":0,"counts":[]}', b"\xff"])
def test_a_damaged_file_is_put_aside_and_begun_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "tally.json").write_bytes(content)
    state = StateDir(tmp_path)
    assert read(state) is None
    assert (tmp_path / "tally.json.damaged").read_bytes() == content
    add(state, 1)
    assert read(state) == [1]


def test_a_file_of_a_newer_version_is_neither_read_nor_overwritten(tmp_path: Path) -> None:
    newer = b'{"version":2,"counts":"many"}'
    (tmp_path / "tally.json").write_bytes(newer)
    state = StateDir(tmp_path)
    with pytest.raises(StateError, match="newer servegrid"):
        read(state)
    with pytest.raises(StateError, match="newer servegrid"):
        add(state, 1)
    assert (tmp_path / "tally.json").read_bytes() == newer


def test_a_place_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match=r"file/state/tally\.json: Not a directory"):
        add(StateDir(tmp_path / "file" / "state"), 1)


def test_places_follow_xdg(tmp_path: Path) -> None:
    assert state_home({"XDG_STATE_HOME": "/s"}) == Path("/s/servegrid")
    assert state_home({"XDG_STATE_HOME": "rel", "HOME": "/h"}) == Path("/h/.local/state/servegrid")
    assert runtime_home({"XDG_RUNTIME_DIR": str(tmp_path)}) == tmp_path / "servegrid"
    assert runtime_home({"XDG_RUNTIME_DIR": os.fspath(tmp_path / "missing")}) is None
