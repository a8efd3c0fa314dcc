from __future__ import annotations

import json
from pathlib import Path

import pytest

from clients.serving.eta import Durations
from tui.learned import LearnedDurations
from tui.state import StateDir, StateError


def durations(**seconds: list[float]) -> Durations:
    samples = [
        [
            {"cluster": "c-1", "system": "kthena", "namespace": "llm", "kind": "ModelServing", "name": name},
            "group prefill:1x1",
            "start",
            kept,
        ]
        for name, kept in seconds.items()
    ]
    return Durations.load(json.dumps({"version": 1, "samples": samples}).encode())


def learned(directory: Path) -> dict[str, list[float]]:
    dump = json.loads(LearnedDurations(StateDir(directory)).load().dump())
    return {key["name"]: seconds for key, _, _, seconds in dump["samples"]}


def console(directory: Path) -> LearnedDurations:
    kept = LearnedDurations(StateDir(directory))
    kept.load()
    return kept


def test_nothing_learned_writes_nothing(tmp_path: Path) -> None:
    console(tmp_path / "state").save()
    assert not (tmp_path / "state").exists()


def test_two_consoles_keep_what_each_of_them_learned(tmp_path: Path) -> None:
    first = console(tmp_path)
    first.durations = durations(qwen=[10.0], llama=[40.0])
    first.save()
    one, two = console(tmp_path), console(tmp_path)
    one.durations = durations(qwen=[10.0, 11.0], llama=[40.0])
    two.durations = durations(qwen=[10.0], llama=[40.0], mistral=[5.0])
    one.save()
    two.save()
    assert learned(tmp_path) == {"qwen": [10.0, 11.0], "llama": [40.0], "mistral": [5.0]}


def test_a_damaged_file_costs_only_the_past(tmp_path: Path) -> None:
    (tmp_path / "durations.json").write_text('{"version":1,"samples":[["no key"]]}')
    kept = console(tmp_path)
    kept.durations = durations(qwen=[10.0])
    kept.save()
    assert learned(tmp_path) == {"qwen": [10.0]}


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    kept = LearnedDurations(StateDir(tmp_path / "state"))
    kept.durations = durations(qwen=[10.0])
    with pytest.raises(StateError, match=r"durations\.json"):
        kept.save()
