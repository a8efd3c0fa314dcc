"""On 80 by 24 cells: what is cut off can be read in full, and the keys shown are those that count."""

from __future__ import annotations

import msgspec
import pytest

from clients.serving.phase import Stage
from clients.serving.sources import SourceState
from clients.serving.workload import PodView, Workload
from tests.support import fleets
from tests.support.console import Driven, console
from tests.support.scripted_door import ScriptedDoor, live_source

SIZE = (80, 24)
LONG = " ".join(f"word-{at}" for at in range(30))


@pytest.fixture
def door() -> ScriptedDoor:
    door = ScriptedDoor()
    door.fleet.put(with_a_pod(fleets.workload("qwen-chat", 3)), sources=(live_source(),))
    return door


def with_a_pod(value: Workload) -> Workload:
    pod = PodView("p", "u", 0, "n", "Running", True, False, Stage.READY, 1, 0, None)
    group = value.groups[0]
    replica = msgspec.structs.replace(group.roles[0].replicas[0], pods=(pod,))
    role = msgspec.structs.replace(group.roles[0], replicas=(replica,))
    return msgspec.structs.replace(value, groups=(msgspec.structs.replace(group, roles=(role,)),))


def words(seen: Driven) -> str:
    return " ".join(seen.text.split())


async def test_a_long_sentence_takes_the_lines_it_needs_and_gives_them_back(door: ScriptedDoor) -> None:
    async with console(door, SIZE) as seen:
        before = seen.text
        seen.app.tell(LONG)
        await seen.settle()
        assert LONG in words(seen)
        seen.app.top.hush()
        await seen.settle()
        assert seen.text == before


async def test_the_reason_that_a_log_cannot_be_read_is_whole(door: ScriptedDoor) -> None:
    door.error = LONG
    async with console(door, SIZE) as seen:
        await seen.press("L")
        await seen.sees("word-29")
        assert LONG in words(seen)


async def test_the_pod_and_its_container_come_first_in_a_logs_title(door: ScriptedDoor) -> None:
    async with console(door, SIZE) as seen:
        await seen.press("L")
        await seen.sees("first line")
        assert seen.text.splitlines()[2].startswith(" logs  p  engine")


async def test_sources_that_are_well_take_one_line_and_the_others_say_all(door: ScriptedDoor) -> None:
    live = tuple(live_source(f"s-{at}") for at in range(12))
    denied = live_source("hpa", SourceState.DENIED, LONG)
    door.fleet.put(sources=(*live, denied))
    async with console(door, SIZE) as seen:
        await seen.press("colon", *"sources", "enter")
        await seen.sees("s-0", "s-11", "hpa", "word-29")
        assert LONG in words(seen)
        assert seen.text.count("connected, and what is shown holds") == 1


async def test_while_a_filter_is_typed_the_keys_are_those_of_its_line(door: ScriptedDoor) -> None:
    async with console(door, SIZE) as seen:
        await seen.press("slash")
        assert "Enter keep the filter" in seen.text
        assert "s scale" not in seen.text
        await seen.press(*"nope:x")
        assert "no column nope; there are driver, group, kind, label, name, node, ns, phase," in words(seen)
        assert "trouble" in words(seen).split("no column nope")[1], "the note is whole"
        await seen.press("escape")
        assert "s scale" in seen.text


async def test_why_there_is_nothing_to_see_is_whole() -> None:
    door = ScriptedDoor()
    door.fleet.put(sources=(live_source("ms", SourceState.DENIED, LONG),))
    async with console(door, SIZE) as seen:
        assert f"ms may not be read: {LONG}" in words(seen)


async def test_the_command_line_fills_its_box(door: ScriptedDoor) -> None:
    async with console(door, SIZE) as seen:
        await seen.press("colon")
        await seen.settle()
        box = [line for line in seen.text.splitlines() if line.startswith("|")]
        assert len(box) > 12
        assert all(line.strip("| ") for line in box[2:]), "no blank lines below the last command"


async def test_a_description_is_broken_and_not_cut(door: ScriptedDoor) -> None:
    async with console(door, SIZE) as seen:

        async def describe(key: object) -> str:
            return LONG

        door.describe = describe  # type: ignore[method-assign]
        await seen.press("d")
        await seen.sees("word-29")
        assert LONG in words(seen)
