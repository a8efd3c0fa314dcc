"""The fleet: home, cursor, sort, filter, what needs you, what an empty table says."""

from __future__ import annotations

import random

import msgspec
import pytest

from clients.serving.backend import GpuTotals
from clients.serving.phase import Phase, Trouble, TroubleKind
from clients.serving.sources import SourceState, SourceStatus
from clients.serving.workload import Workload
from tests.support import fleets
from tests.support.console import console
from tests.support.scripted_door import ScriptedDoor, live_source
from tui.app import ConsoleOptions
from tui.door import Mode, Right
from tui.screens.fleet import FleetScreen
from tui.screens.workload import WorkloadScreen

OOM = Trouble(TroubleKind.FAILED, "CrashLoopBackOff", "CUDA out of memory", 900.0)


def sick(name: str, kind: TroubleKind = TroubleKind.FAILED, since: float = 900.0) -> Workload:
    trouble = msgspec.structs.replace(OOM, kind=kind, since=since)
    group = fleets.group(name, 0, Phase.CREATING, trouble=trouble)
    return fleets.workload(name, [group, fleets.group(name, 1)], trouble=trouble)


@pytest.fixture
def door() -> ScriptedDoor:
    door = ScriptedDoor()
    door.fleet.put(
        fleets.workload("qwen-chat", 3, drivers=[fleets.hpa()]),
        fleets.workload("llama", 2),
        sick("deepseek-r1"),
        sources=(live_source(), live_source("pods")),
        totals=GpuTotals(128, 104, 24),
    )
    return door


async def test_the_first_frame_comes_before_anything_is_asked() -> None:
    door = ScriptedDoor()
    async with console(door) as seen:
        assert "connecting to prod-eu" in seen.text
        assert "? help" in seen.text
        assert door.asked == []
        assert door.started


async def test_the_fleet_at_a_glance(door: ScriptedDoor) -> None:
    async with console(door) as seen:
        lines = [line.rstrip() for line in seen.text.splitlines()]
        assert lines[0].startswith(" prod-eu > all  user ops  ms live  pods live")
        assert lines[0].endswith("GPUs 104/128 free 24  3 workloads")
        assert lines[1] == " ! 1 needs you   deepseek-r1 G-0 prefill-0: CrashLoopBackOff: CUDA out of memory"
        assert lines[2].split() == ["NAME", "KIND", "READY", "GROUPS", "ROLES", "GPU", "DRIVER", "DOING"]
        assert [line.split()[0 if index else 1] for index, line in enumerate(lines[3:6])] == [
            "deepseek-r1",
            "llama",
            "qwen-chat",
        ]
        assert "HPA 2-8 cpu 72>60" in lines[5]
        assert lines[-1].startswith(" Enter open  s scale  + one more  - one fewer")


async def test_a_reason_that_is_cut_in_the_row_is_read_in_full_below(door: ScriptedDoor) -> None:
    words = "short of GPUs: needs 8 on one node, 12 of 16 nodes have fewer free; 4 of 16 nodes are cordoned"
    short = Trouble(TroubleKind.BLOCKED, "Unschedulable", words, 900.0)
    group = fleets.group("too-big", 0, Phase.CREATING, trouble=short)
    door.fleet.put(fleets.workload("too-big", [group], trouble=short))
    async with console(door, (80, 24)) as seen:
        assert "short of GPUs: needs 8" in next(line for line in seen.text.splitlines() if "! short" in line)
        assert "cordoned" not in seen.text
        await seen.press("G")
        foot = " ".join(line.strip() for line in seen.text.splitlines()[-3:-1])
        assert foot == f"too-big  {words}"
        await seen.press("k")
        assert "3 of 3 groups ready; driver HPA 2-8 cpu 72>60" in seen.text


async def test_the_cursor_stays_with_its_workload_while_rows_come_and_go(door: ScriptedDoor) -> None:
    chance = random.Random(7)
    async with console(door) as seen:
        await seen.press("j", "j")
        assert seen.app.fleet_screen.table.cursor == fleets.key("qwen-chat")
        for step in range(20):
            name = f"{chance.choice('abkrz')}-{step}"
            if chance.random() < 0.4:
                door.fleet.put(removed=[chance.choice([*door.fleet.view().workloads])])
                door.fleet.put(fleets.workload("qwen-chat", 3 + step % 2))
            else:
                door.fleet.put(fleets.workload(name, 1))
            await seen.draw()
            assert seen.app.fleet_screen.table.cursor == fleets.key("qwen-chat")
            row = next(line for line in seen.text.splitlines() if "qwen-chat" in line)
            assert row.startswith("▸")
        door.fleet.put(removed=[fleets.key("qwen-chat")])
        await seen.draw()
        assert seen.app.fleet_screen.table.cursor is not None


async def test_moving_with_every_key_and_sorting(door: ScriptedDoor) -> None:
    async with console(door) as seen:
        table = seen.app.fleet_screen.table
        at = []
        for keys in (("G",), ("k",), ("up",), ("j",), ("down",), ("home",), ("end",), ("g", "g")):
            await seen.press(*keys)
            at.append(table.cursor.name if table.cursor else None)
        assert at == [
            "qwen-chat", "llama", "deepseek-r1", "llama",
            "qwen-chat", "deepseek-r1", "qwen-chat", "deepseek-r1",
        ]  # fmt: skip
        await seen.press("G", "g")
        door.pass_time(2)
        await seen.press("g")
        assert table.cursor == fleets.key("qwen-chat")
        await seen.press("S")
        assert "trouble first" in seen.said
        await seen.press("S", "S")
        assert "GPUs" in seen.said
        assert table.cursor == fleets.key("qwen-chat")
        await seen.sees("▸ qwen-chat")


async def test_the_filter_says_what_it_hides_and_escape_takes_it_away(door: ScriptedDoor) -> None:
    async with console(door) as seen:
        await seen.press("slash", *"qwen")
        await seen.sees("2 hidden, 1 of them failing")
        assert "llama" not in seen.text.split("NAME")[1].split("hidden")[0]
        await seen.press("enter", "s")
        await seen.sees("prod-eu / llm / qwen-chat")
        await seen.press("escape")
        await seen.sees("2 hidden, 1 of them failing")
        await seen.press("escape")
        await seen.sees("llama")
        assert "hidden" not in seen.text
        assert isinstance(seen.app.screen, FleetScreen)
        await seen.press("slash", *"node:x")
        await seen.sees("3 hidden")
        await seen.press("escape", "escape", "escape", "escape")
        assert isinstance(seen.app.screen, FleetScreen)


async def test_next_walks_through_what_needs_me_most_urgent_first(door: ScriptedDoor) -> None:
    door.fleet.put(sick("aaa", TroubleKind.DEGRADED), sick("zzz", TroubleKind.FAILED, since=100.0))
    async with console(door) as seen:
        table = seen.app.fleet_screen.table
        names = []
        for _ in range(4):
            await seen.press("n")
            names.append(table.cursor.name if table.cursor else None)
        assert names == ["zzz", "deepseek-r1", "aaa", "zzz"]
        assert seen.said == "needs you, 1 of 3: zzz G-0 prefill-0"
        await seen.press("slash", *"qwen", "enter", "n")
        assert table.cursor == fleets.key("deepseek-r1")
        assert "hidden" not in seen.text
        await seen.press("enter", "n")
        screen = seen.app.screen
        assert isinstance(screen, WorkloadScreen)
        assert screen.key.name == "aaa"
        await seen.draw()
        assert screen.grid.selection is not None
        assert (screen.grid.selection.group, screen.grid.selection.replica) == ("aaa-0", "prefill-0")


async def test_nothing_needs_me(door: ScriptedDoor) -> None:
    door.fleet.put(fleets.workload("deepseek-r1", 2))
    async with console(door) as seen:
        await seen.press("n")
        assert seen.said == "nothing needs you"
        assert "need" not in seen.text.splitlines()[1]


async def test_marks_copy_and_the_menu(door: ScriptedDoor) -> None:
    async with console(door) as seen:
        await seen.press("c")
        assert seen.app.clipboard == "deepseek-r1"
        await seen.press("space", "space", "c")
        assert seen.app.clipboard == "deepseek-r1\nllama"
        await seen.press("escape", "c")
        assert seen.app.clipboard == "qwen-chat"
        await seen.press("m")
        await seen.sees("nothing of mine to undo here", "one fewer")
        await seen.look()
        await seen.press("j", "j", "j")
        await seen.press("enter")
        await seen.sees("nothing of mine to undo here")
        await seen.press("k", "k", "k")
        await seen.look(0.1)
        await seen.press("enter")
        await seen.sees("not taken")
        await seen.look()
        await seen.press("enter")
        await seen.sees("prod-eu / llm / qwen-chat", "Scale")


async def test_a_missing_right_greys_the_action_and_is_named(door: ScriptedDoor) -> None:
    door.rights["patch"] = Right(False, "patch modelservings in llm")
    async with console(door) as seen:
        await seen.press("s")
        assert "not allowed: patch modelservings in llm" in seen.said
        door.rights["patch"] = Right(None)
        await seen.press("ctrl+r")
        assert door.asked[-2:] == ["recheck", "right patch"]
        await seen.press("plus")
        await seen.sees("Scale")


@pytest.mark.parametrize("by", ["option", "context"])
async def test_read_only_has_no_writing_keys_and_says_why(door: ScriptedDoor, by: str) -> None:
    if by == "context":
        door.context = msgspec.structs.replace(door.context, mode=Mode.READ_ONLY)
    async with console(door, options=ConsoleOptions(read_only=by == "option")) as seen:
        assert "scale" not in seen.text.splitlines()[-1]
        assert "read-only" in seen.text.splitlines()[0]
        for key in ("s", "plus", "minus", "u"):
            await seen.press(key)
            assert seen.said.startswith("read-only")
        assert door.sent == []
        assert "right patch" not in door.asked


@pytest.mark.parametrize(
    ("sources", "words"),
    [
        ((live_source(state=SourceState.SYNCING),), ("reading the first list: 3 objects",)),
        ((live_source(),), ("no workloads in any namespace of prod-eu", ":ns")),
        (
            (live_source(state=SourceState.DENIED, detail="list modelservings is missing"),),
            ("ms may not be read", "list modelservings is missing"),
        ),
        ((live_source(state=SourceState.ABSENT),), ("ms is not installed",)),
        ((live_source(state=SourceState.STALE),), ("ms cannot be reached",)),
        ((live_source(state=SourceState.LOGIN),), ("press R to log in again", "1 needs you")),
    ],
)
async def test_an_empty_table_says_what_is_so_and_what_to_do(
    sources: tuple[SourceStatus, ...], words: tuple[str, ...]
) -> None:
    door = ScriptedDoor()
    door.fleet.put(sources=sources)
    async with console(door) as seen:
        await seen.sees(*words)


async def test_a_source_that_is_cut_off_shows_its_age_once_a_second(door: ScriptedDoor) -> None:
    async with console(door) as seen:
        stale = live_source(state=SourceState.STALE)
        door.fleet.put(sources=(msgspec.structs.replace(stale, last_contact=door.mono - 14),))
        await seen.draw()
        await seen.sees("ms stale 14s")
        await seen.draw(2.0)
        await seen.sees("ms stale 16s")
        assert seen.app.fleet_screen._row_of[fleets.key("llama")].stale


async def test_a_change_stays_visible_for_two_seconds(door: ScriptedDoor) -> None:
    async with console(door) as seen:
        rows = seen.app.fleet_screen._row_of
        door.fleet.put(
            fleets.workload("llama", [fleets.group("llama", 0), fleets.group("llama", 1, Phase.DELETING)])
        )
        await seen.draw()
        assert rows[fleets.key("llama")].changed_at is not None
        await seen.draw(1.8)
        assert rows[fleets.key("llama")].changed_at is not None
        await seen.draw(0.4)
        assert rows[fleets.key("llama")].changed_at is None


async def test_escape_never_quits_and_control_c_neither(door: ScriptedDoor) -> None:
    async with console(door) as seen:
        await seen.press("escape", "escape", "ctrl+c", "ctrl+q")
        assert seen.app.is_running
        assert isinstance(seen.app.screen, FleetScreen)


async def test_quit_asks_while_an_operation_of_mine_runs(door: ScriptedDoor) -> None:
    mine = msgspec.structs.replace(fleets.operation("llama", 2, 4), mine=True)
    door.fleet.put(fleets.workload("llama", 2, desired=4, operation=mine))
    async with console(door) as seen:
        await seen.press("q")
        await seen.sees("llama 2>4", "stay, and see it through")
        await seen.look()
        await seen.press("enter")
        assert seen.app.is_running
        await seen.press("q", "j")
        await seen.look()
        await seen.press("enter")
        await seen.pilot.pause()
    assert seen.app.return_value == 0
    assert "stop" in door.asked


async def test_quit_without_one_just_quits(door: ScriptedDoor) -> None:
    async with console(door) as seen:
        await seen.press("q")
    assert seen.app.return_value == 0
    assert "stop" in door.asked
