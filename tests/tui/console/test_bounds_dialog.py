"""Bounds and what lasts over a scripted door: what is typed ahead, pasted or outrun sends nothing."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from textual.events import Paste

from clients.serving.backend import Result
from clients.serving.changes import Bounds, BoundsChange, Direction, FreezeChange
from clients.serving.keys import ObjectRef
from clients.serving.workload import Capabilities, Driver, Workload
from tests.support import fleets
from tests.support.console import Driven, console, until
from tests.support.scripted_door import ScriptedDoor, live_source
from tui.dialogs.choice import ChoiceDialog
from tui.dialogs.scale import ScaleDialog
from tui.pins import Pin

IRIS = fleets.key("iris")
DRIVER = fleets.hpa()
BY_BOUNDS = Capabilities(exact=False, bounds=True, to_zero=False, stop=True)


def iris(low: int = 2, high: int = 8, *, driver: Driver = DRIVER) -> Workload:
    bounded = msgspec.structs.replace(driver, minimum=low, maximum=high)
    return msgspec.structs.replace(fleets.workload("iris", 4, drivers=[bounded]), capabilities=BY_BOUNDS)


@pytest.fixture
def door() -> ScriptedDoor:
    door = ScriptedDoor()
    door.fleet.put(iris(), sources=(live_source(),))
    return door


async def planned(seen: Driven) -> ScaleDialog:
    """The dialog, once its plan is drawn and its time on the screen has begun."""
    await until(lambda: isinstance(seen.app.screen, ScaleDialog))
    found = seen.app.screen
    assert isinstance(found, ScaleDialog)
    await until(lambda: found.plan is not None and found._current and found.settled._since is not None)
    return found


async def choose(seen: Driven, label: str) -> None:
    await seen.sees(label)
    dialog = seen.app.screen
    assert isinstance(dialog, ChoiceDialog)
    at = next(index for index, choice in enumerate(dialog.list.choices) if label in choice.label)
    await seen.press(*["down"] * at)
    await seen.look()
    await seen.press("enter")


async def test_a_workload_of_bounds_is_asked_for_bounds(door: ScriptedDoor) -> None:
    async with console(door) as seen:
        await seen.press("s")
        await seen.sees(
            "Bounds of prod-eu / llm / iris", "min 2 > [   2]   max 8 > [   8]", "nothing changes"
        )
        await seen.press("3", "tab", "5")
        await seen.sees("2-8 > 3-5", "the server accepts it")
        await planned(seen)
        door.pass_time(1)
        await seen.press("enter")
        await until(lambda: door.sent)
        assert door.sent[0][0].change == BoundsChange(3, 5)


@pytest.mark.parametrize(("key", "moves"), [("plus", "2-8 > 5-8"), ("minus", "2-8 > 2-3")])
async def test_one_more_lifts_the_floor_and_one_fewer_lowers_the_ceiling(
    door: ScriptedDoor, key: str, moves: str
) -> None:
    async with console(door) as seen:
        await seen.press(key)
        await seen.sees(moves)
        assert door.sent == []


async def test_the_same_number_twice_is_a_pin(door: ScriptedDoor) -> None:
    async with console(door) as seen:
        await seen.press("s")
        await seen.sees("max 8 > [")
        await seen.press("5", "tab", "5")
        await seen.sees("2-8 > 5-5  (pinned)")
        dialog = await planned(seen)
        assert dialog.draft.change() == BoundsChange(5, 5, pin=True)


async def test_typing_ahead_over_a_slow_line_pins_nothing(door: ScriptedDoor) -> None:
    door.slow_plans = asyncio.Event()
    async with console(door) as seen:
        await seen.press("p", "down", "enter", "enter")
        assert isinstance(seen.app.screen, ChoiceDialog)
        await seen.press("escape", "s", "5", "tab", "5", "enter", "enter", "enter")
        door.slow_plans.set()
        await planned(seen)
        await seen.press("enter")
        assert door.sent == []


async def test_a_paste_confirms_nothing(door: ScriptedDoor) -> None:
    door.protected = True
    async with console(door) as seen:
        await seen.press("s")
        await seen.sees("max 8 > [")
        await seen.press("5")
        dialog = await planned(seen)
        await seen.press("enter")
        await seen.sees("type iris and Enter")
        door.pass_time(1)
        dialog.post_message(Paste("iris\n"))
        await seen.settle()
        await seen.press("enter")
        assert door.sent == []
        await seen.press(*"iris")
        door.pass_time(1)
        await seen.press("enter")
        await until(lambda: door.sent)
        assert door.sent[0][1] == "iris"


async def test_who_was_faster_is_said_and_nothing_is_sent_again(door: ScriptedDoor) -> None:
    door.ticket, door.ticket_message = Result.CONFLICT, "minReplicas is 3 now, not 2"
    door.slow_send = asyncio.Event()
    async with console(door) as seen:
        await seen.press("s")
        await seen.sees("max 8 > [")
        await seen.press("4")
        await planned(seen)
        door.pass_time(1)
        await seen.press("enter")
        await until(lambda: door.sent)
        door.fleet.put(iris(3, 8))
        await seen.draw()
        door.slow_send.set()
        await seen.sees("conflict", "minReplicas is 3 now, not 2", "confirm again", "min 3 > [   4]")
        await planned(seen)
        await seen.press("enter")
        assert len(door.sent) == 1


async def test_bounds_that_somebody_moves_meanwhile_are_followed_and_said(door: ScriptedDoor) -> None:
    async with console(door) as seen:
        await seen.press("s")
        await seen.sees("max 8 > [")
        await seen.press("4")
        await seen.sees("2-8 > 4-8")
        door.fleet.put(iris(2, 9))
        await seen.draw()
        await seen.sees("changed meanwhile: max was 8 and is now 9", "2-9 > 4-9")


async def test_a_schedule_that_draws_nearer_does_not_hold_a_plan_back(door: ScriptedDoor) -> None:
    def at(seconds: float) -> Workload:
        ref = ObjectRef("autoscaling.alibabacloud.com", "CronHorizontalPodAutoscaler", "llm", "hours")
        cron = Driver("CronHPA", ref, signal="next 08:30 → 2", interval=seconds)
        return msgspec.structs.replace(iris(), drivers=(*iris().drivers, cron))

    door.fleet.put(at(900.0))
    async with console(door) as seen:
        await seen.press("s")
        await seen.sees("max 8 > [")
        await seen.press("4")
        await planned(seen)
        await seen.sees("the server accepts it")
        door.pass_time(1)
        plans = door.asked.count("plan")
        door.fleet.put(at(899.0))
        await seen.draw()
        await seen.press("enter")
        await until(lambda: door.sent)
        assert door.asked.count("plan") == plans


async def test_a_pin_that_is_kept_is_undone_by_its_own_pair(door: ScriptedDoor) -> None:
    door.fleet.put(iris(4, 4))
    door.pins[IRIS] = Pin(IRIS, "uid", None, 4, Bounds(2, 8), "ops", 900.0)
    async with console(door) as seen:
        await seen.press("p")
        await seen.sees("it is pinned at 4")
        await choose(seen, "unpin: back to 2-8")
        await seen.sees("4-4 > 2-8")


async def test_a_pin_of_somebody_else_is_not_ours_to_undo(door: ScriptedDoor) -> None:
    door.fleet.put(iris(4, 4))
    async with console(door) as seen:
        await seen.press("p")
        await seen.sees("pinned at 4 by somebody else: change the bounds")


async def test_what_lasts_takes_the_place_of_a_count_that_would_be_taken_back(door: ScriptedDoor) -> None:
    exact = msgspec.structs.replace(iris(), capabilities=Capabilities())
    door.fleet.put(exact)
    async with console(door) as seen:
        await seen.press("plus")
        await planned(seen)
        await seen.press("p")
        await choose(seen, "freeze scaling in")
        await seen.sees("Freeze prod-eu / llm / iris")
        dialog = await planned(seen)
        assert [screen for screen in seen.app.screen_stack if isinstance(screen, ScaleDialog)] == [dialog]
        ref = exact.drivers[0].ref
        assert dialog.draft.change() == FreezeChange(ref, Direction.IN, True)


async def test_why_not_is_said_of_each(door: ScriptedDoor) -> None:
    door.fleet.put(fleets.workload("iris", 4))
    async with console(door) as seen:
        await seen.press("p")
        await seen.sees(
            "nothing with bounds drives it",
            "no HPA or ScaledObject drives it",
            "only an InferenceService can be stopped",
        )
        dialog = seen.app.screen
        assert isinstance(dialog, ChoiceDialog)
        assert not any(choice.enabled for choice in dialog.list.choices)
