"""The autoscaling screen over a scripted door: how one gets there, what its keys do, that it stays true."""

from __future__ import annotations

from msgspec.structs import replace

from tests.support import fleets
from tests.support.console import console
from tests.support.drivings import MORNING, autoscaling, decision
from tests.support.scripted_door import ScriptedDoor, live_source
from tui.screens.autoscaling import AutoscalingScreen

KEY = fleets.key("qwen")
HELD = "holds at 8 because 8 was recommended 2m10s ago"


def door_with() -> ScriptedDoor:
    door = ScriptedDoor()
    door.fleet.put(fleets.workload("qwen", 3, drivers=[fleets.hpa()]), sources=(live_source(),))
    door.driven[KEY] = replace(autoscaling(), key=KEY)
    return door


async def test_it_opens_from_the_fleet_and_from_the_grid_and_goes_back() -> None:
    async with console(door_with()) as seen:
        for way in (("a",), ("enter", "a")):
            await seen.press(*way)
            assert isinstance(seen.app.screen, AutoscalingScreen)
            await seen.sees(
                "autoscaling  prod-eu / llm / qwen", HELD, "HPA qwen-hpa", "asks for", "next 24 h"
            )
            await seen.press("escape")
            assert not isinstance(seen.app.screen, AutoscalingScreen)


async def test_every_object_of_the_chain_opens_as_yaml() -> None:
    async with console(door_with(), (80, 24)) as seen:
        await seen.press("a")
        await seen.sees(HELD)
        for name, kind, key in (
            ("qwen", "InferenceService", "enter"),
            ("qwen-predictor", "Deployment", "y"),
            ("qwen-hpa", "HorizontalPodAutoscaler", "enter"),
            ("qwen-office", "CronHorizontalPodAutoscaler", "y"),
        ):
            await seen.press(key)
            await seen.sees(f"kind: {kind}", f"name: {name}")
            await seen.press("escape", "j")


async def test_it_is_asked_once_a_second_while_it_is_on_top_and_not_otherwise() -> None:
    door = door_with()
    async with console(door) as seen:
        await seen.press("a")
        await seen.sees(HELD)
        door.asked.clear()
        door.driven[KEY] = replace(
            autoscaling(decisions=(decision(at=MORNING + 1, until=MORNING + 170),)), key=KEY
        )
        for _ in range(3):
            await seen.draw(1.0)
        await seen.sees("goes to 2 in 2m49s")
        assert door.asked.count("autoscaling qwen") == 3
        await seen.press("escape")
        door.asked.clear()
        for _ in range(3):
            await seen.draw(1.0)
        assert "autoscaling qwen" not in door.asked


async def test_an_answer_that_does_not_come_leaves_the_old_one_marked_as_old() -> None:
    door = door_with()
    async with console(door) as seen:
        await seen.press("a")
        await seen.sees(HELD)
        door.error = "prod-eu: no answer in time"
        await seen.draw(1.0)
        await seen.sees("this is old: prod-eu: no answer in time", HELD)
        door.error = None
        await seen.draw(1.0)
        await seen.settle()
        assert "this is old" not in seen.text


async def test_the_sentence_can_be_copied_and_stands_under_why() -> None:
    async with console(door_with()) as seen:
        await seen.press("a")
        await seen.sees(HELD)
        await seen.press("c")
        assert seen.app.clipboard.startswith(HELD)
        await seen.press("escape", "w")
        await seen.sees(f"Now: {HELD}")


async def test_e_shows_the_events_of_the_workload() -> None:
    async with console(door_with()) as seen:
        await seen.press("a")
        await seen.sees(HELD)
        await seen.press("e")
        await seen.sees("events  prod-eu / llm / qwen")
