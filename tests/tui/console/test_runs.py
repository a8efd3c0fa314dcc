"""The load tests that were kept: found, opened, compared and taken away with keys."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from tests.support.console import Driven, console, until
from tests.support.kept_runs import answering, kept
from tests.support.scripted_door import ScriptedDoor


def _door(runs: Path) -> ScriptedDoor:
    door = ScriptedDoor()
    door.runs = runs
    return door


def _says(driven: Driven, words: str) -> bool:
    return driven.said == words


async def test_with_none_kept_it_says_how_to_make_one(tmp_path: Path) -> None:
    async with console(_door(tmp_path / "runs")) as driven:
        await driven.press("colon", *"runs", "enter")
        await driven.sees("no load test was kept yet; t on a workload starts one")
        await driven.press("enter")
        assert driven.said == "no load test was kept yet"


async def test_one_is_opened_and_taken_away_as_page_table_and_object(tmp_path: Path) -> None:
    async with answering() as url:
        path = await kept(tmp_path, url, at=1_790_000_000.0)
    async with console(_door(tmp_path)) as driven:
        await driven.press("colon", *"runs", "enter")
        await driven.sees("qwen-chat", "40 a second, poisson for 1s")
        await driven.press("enter")
        await driven.sees("load test  prod / ModelServing/llm/qwen-chat", "answers", "HPA 2>3")
        for command, name in (("html", "report.html"), ("csv", "seconds.csv"), ("json", "run.json")):
            await driven.press("colon", *command, "enter")
            await until(partial(_says, driven, f"written, and its name copied: {path / name}"))
            assert (path / name).stat().st_mode & 0o777 == 0o600
        assert "<svg" in (path / "report.html").read_text()
        assert (path / "seconds.csv").read_text().startswith("second,phase,")
        found = json.loads((path / "run.json").read_text())
        assert found["result"]["requests"]["ok"] == sum(
            one["figures"].get("ok", 0) for one in found["seconds"]
        )
        await driven.press("escape")
        await driven.sees("load tests kept in")


async def test_two_that_are_marked_are_put_side_by_side(tmp_path: Path) -> None:
    async with answering() as url:
        await kept(tmp_path, url, at=1_790_000_000.0)
        await kept(tmp_path, url, at=1_790_009_000.0)
    async with console(_door(tmp_path)) as driven:
        await driven.press("colon", *"runs", "enter")
        await driven.sees("qwen-chat")
        await driven.press("space", "space", "enter")
        await driven.sees("load tests side by side", "latency p99", "within the SLO")
        (line,) = [line for line in driven.text.splitlines() if line.strip().startswith("workload")]
        assert line.split() == ["workload", "qwen-chat", "qwen-chat"]


async def test_a_run_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    async with answering() as url:
        path = await kept(tmp_path, url, at=1_790_000_000.0)
    async with console(_door(tmp_path)) as driven:
        await driven.press("colon", *"runs", "enter")
        await driven.sees("qwen-chat")
        (path / "plan.json").write_text("{}")
        await driven.press("enter")
        await driven.sees("cannot be read")


async def test_in_few_lines_all_charts_keep_their_names(tmp_path: Path) -> None:
    async with answering() as url:
        await kept(tmp_path, url, at=1_790_000_000.0)
    async with console(_door(tmp_path), size=(80, 24)) as driven:
        await driven.press("colon", *"runs", "enter")
        await driven.sees("qwen-chat")
        await driven.press("enter")
        await driven.sees("1 p50", "2 p95", "3 p99", "GPU busy", "time  ", "Esc back")
