"""The scale dialog: nothing is sent but what was seen and confirmed, and that once."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from textual.events import Paste

from clients.serving.backend import Result
from clients.serving.changes import ReplicasChange
from clients.serving.guards import Guard, Level
from tests.support import fleets
from tests.support.console import Driven, console, until
from tests.support.scripted_door import ScriptedDoor, live_source
from tui.dialogs.scale import ScaleDialog
from tui.screens.workload import WorkloadScreen

QWEN = fleets.key("qwen-chat")


@pytest.fixture
def door() -> ScriptedDoor:
    door = ScriptedDoor()
    door.fleet.put(fleets.workload("qwen-chat", 3), fleets.workload("r1", 2), sources=(live_source(),))
    return door


def dialog(seen: Driven) -> ScaleDialog:
    screen = seen.app.screen
    assert isinstance(screen, ScaleDialog)
    return screen


async def plan_shown(seen: Driven) -> ScaleDialog:
    """Waits until the plan for the numbers in the fields is drawn and its time on the screen has begun."""
    found = dialog(seen)
    await until(lambda: found.plan is not None and found._current and found.settled._since is not None)
    return found


@pytest.mark.parametrize(("key", "command"), [("plus", "--replicas=4"), ("minus", "--replicas=2")])
async def test_one_more_and_one_fewer_open_the_dialog_there(
    door: ScriptedDoor, key: str, command: str
) -> None:
    async with console(door) as seen:
        await seen.press(key)
        await seen.sees("prod-eu / llm / qwen-chat", command)
        assert door.sent == []


async def test_it_shows_plan_guards_and_command(door: ScriptedDoor) -> None:
    door.guards = (Guard("driver", Level.WARN, "HPA would take it back in 15 s", ("raise its maximum",)),)
    async with console(door) as seen:
        await seen.press("plus")
        await seen.sees(
            "G-3", "24 free", "HPA would take it back", "raise its maximum", "kubectl", "no history"
        )
        await seen.sees("the server accepts it")


async def test_enter_counts_only_after_the_plan_was_to_be_seen(door: ScriptedDoor) -> None:
    async with console(door) as seen:
        await seen.press("plus")
        await plan_shown(seen)
        seen.door.pass_time(0.29)
        await seen.press("enter")
        assert door.sent == []
        await seen.sees("before the plan was to be seen")
        seen.door.pass_time(0.02)
        await seen.press("enter")
        await until(lambda: door.sent)
        assert door.sent[0][0].after.groups == 4


async def test_typing_ahead_over_a_slow_line_sends_nothing(door: ScriptedDoor) -> None:
    door.slow_plans = asyncio.Event()
    async with console(door) as seen:
        await seen.press("plus", "plus", "enter", "enter", "minus", "minus", "minus", "enter", "enter")
        door.slow_plans.set()
        found = await plan_shown(seen)
        assert found.draft.change() == ReplicasChange(groups=2)
        await seen.pilot.pause(0.2)
        assert door.sent == []


async def test_a_changed_number_starts_the_waiting_anew(door: ScriptedDoor) -> None:
    async with console(door) as seen:
        await seen.press("plus")
        await plan_shown(seen)
        door.pass_time(5)
        await seen.press("plus", "enter")
        assert door.sent == []
        await plan_shown(seen)
        await seen.press("enter")
        assert door.sent == []
        door.pass_time(1)
        await seen.press("enter")
        await until(lambda: door.sent)
        assert door.sent[0][0].after.groups == 5


async def test_a_terminal_that_lags_has_not_shown_the_plan(door: ScriptedDoor) -> None:
    async with console(door) as seen:
        waiting = [9]
        seen.app.session.backlog = lambda: waiting[0]
        await seen.press("plus")
        found = dialog(seen)
        await until(lambda: found.plan is not None and found._current)
        await seen.pilot.pause()
        door.pass_time(60)
        await seen.press("enter")
        assert door.sent == []
        waiting[0] = 0
        await seen.draw()
        await seen.press("enter")
        assert door.sent == []
        door.pass_time(0.31)
        await seen.press("enter")
        await until(lambda: door.sent)


async def test_taking_away_what_serves_asks_for_yes(door: ScriptedDoor) -> None:
    async with console(door) as seen:
        await seen.press("minus")
        await plan_shown(seen)
        await seen.sees("type YES")
        door.pass_time(1)
        await seen.press("enter")
        await seen.press("y", "e", "s")
        door.pass_time(1)
        await seen.press("enter")
        assert door.sent == []
        await seen.press("Y", "E", "S")
        await seen.sees("YES")
        door.pass_time(1)
        await seen.press("enter")
        await until(lambda: door.sent)
        assert (door.sent[0][0].after.groups, door.sent[0][1]) == (2, "YES")


async def test_a_protected_context_asks_for_the_name_with_its_dashes_and_digits(door: ScriptedDoor) -> None:
    door.protected = True
    async with console(door) as seen:
        await seen.press("plus")
        await plan_shown(seen)
        await seen.sees("type qwen-chat")
        door.pass_time(1)
        await seen.press(*"YES", "enter")
        assert door.sent == []
        await seen.press("q", "w", "e", "n", "minus", "c", "h", "a", "t")
        assert dialog(seen).typed == "qwen-chat"
        door.pass_time(1)
        await seen.press("enter")
        await until(lambda: door.sent)
        assert (door.sent[0][0].after.groups, door.sent[0][1]) == (4, "qwen-chat")


async def test_a_paste_never_confirms(door: ScriptedDoor) -> None:
    async with console(door) as seen:
        await seen.press("minus")
        found = await plan_shown(seen)
        door.pass_time(5)
        seen.app.post_message(Paste("YES\r"))
        await seen.pilot.pause()
        assert found.typed == ""
        assert door.sent == []
        # A terminal that does not mark pastes sends them as keys, all at once.
        await seen.press("Y", "E", "S", "enter")
        assert door.sent == []
        await seen.sees("pasted")


async def test_no_change_sends_nothing_and_says_so(door: ScriptedDoor) -> None:
    async with console(door) as seen:
        await seen.press("s")
        await plan_shown(seen)
        door.pass_time(1)
        await seen.press("enter")
        await seen.sees("nothing changes, so nothing was sent")
        assert door.sent == []


async def test_what_a_rule_forbids_cannot_be_sent(door: ScriptedDoor) -> None:
    door.guards = (Guard("gang", Level.BLOCK, "below the gang minimum of 2", ("keep 2",)),)
    async with console(door) as seen:
        await seen.press("plus")
        await plan_shown(seen)
        await seen.sees("STOP", "below the gang minimum", "keep 2")
        door.pass_time(5)
        await seen.press("enter")
        await seen.sees("a rule forbids it")
        assert door.sent == []
        assert "dry run" not in door.asked


async def test_groups_and_roles_in_one_plan_by_digits_and_tab(door: ScriptedDoor) -> None:
    async with console(door) as seen:
        await seen.press("s", "6", "tab", "tab", "5")
        await plan_shown(seen)
        assert dialog(seen).draft.change() == ReplicasChange(groups=6, roles=(("decode", 5),))
        await seen.sees("groups 3 > [   6]", "decode 2 > [   5]")
        door.pass_time(1)
        await seen.press("enter")
        await until(lambda: door.sent)
        assert door.sent[0][0].change == ReplicasChange(groups=6, roles=(("decode", 5),))


async def test_on_a_role_of_the_grid_it_scales_that_role(door: ScriptedDoor) -> None:
    async with console(door) as seen:
        await seen.press("enter")
        await seen.draw()
        await seen.press("j", "j", "j", "plus")
        await plan_shown(seen)
        assert dialog(seen).draft.change() == ReplicasChange(groups=None, roles=(("decode", 3),))


async def test_an_empty_field_is_no_zero(door: ScriptedDoor) -> None:
    async with console(door) as seen:
        await seen.press("s")
        await plan_shown(seen)
        await seen.press("backspace")
        await seen.sees("a number is missing")
        door.pass_time(5)
        await seen.press("enter", "enter")
        assert door.sent == []


async def test_after_sending_the_grid_follows_the_operation(door: ScriptedDoor) -> None:
    async with console(door) as seen:
        await seen.press("plus")
        await plan_shown(seen)
        door.pass_time(1)
        await seen.press("enter")
        await until(lambda: isinstance(seen.app.screen, WorkloadScreen))
        operation = msgspec.structs.replace(fleets.operation("qwen-chat", 3, 4), mine=True)
        door.fleet.put(fleets.workload("qwen-chat", 3, desired=4, operation=operation))
        await seen.draw()
        await seen.sees("0 of 1 group done", "by ops")


async def test_enter_twice_sends_once(door: ScriptedDoor) -> None:
    door.slow_send = asyncio.Event()
    async with console(door) as seen:
        await seen.press("plus")
        await plan_shown(seen)
        door.pass_time(1)
        await seen.press("enter", "enter", "plus", "5", "enter")
        await seen.sees("sending")
        door.pass_time(1)
        await seen.press("enter")
        door.slow_send.set()
        await until(lambda: isinstance(seen.app.screen, WorkloadScreen))
        assert len(door.sent) == 1


async def test_a_closed_dialog_does_not_cut_the_write_short(door: ScriptedDoor) -> None:
    door.slow_send = asyncio.Event()
    door.ticket_message = "accepted by the server"
    async with console(door) as seen:
        await seen.press("plus")
        await plan_shown(seen)
        door.pass_time(1)
        await seen.press("enter", "escape")
        assert not isinstance(seen.app.screen, ScaleDialog)
        door.slow_send.set()
        await until(lambda: "accepted by the server" in seen.said)


async def test_a_conflict_shows_old_and_new_and_asks_again(door: ScriptedDoor) -> None:
    door.ticket = Result.CONFLICT
    door.slow_send = asyncio.Event()
    async with console(door) as seen:
        await seen.press("plus")
        await plan_shown(seen)
        door.pass_time(1)
        await seen.press("enter")
        door.fleet.put(fleets.workload("qwen-chat", 3, desired=6))
        await seen.draw()
        door.slow_send.set()
        await seen.sees("conflict", "groups was 3 and is now 6")
        found = await plan_shown(seen)
        assert found.plan is not None
        assert (found.plan.before.groups, found.plan.after.groups) == (6, 4)
        await seen.press("enter")
        assert len(door.sent) == 1


@pytest.mark.parametrize("result", [Result.REFUSED, Result.UNKNOWN])
async def test_a_refusal_is_said_and_nothing_is_sent_again(door: ScriptedDoor, result: Result) -> None:
    door.ticket, door.ticket_message = result, "the webhook says no"
    async with console(door) as seen:
        await seen.press("plus")
        await plan_shown(seen)
        door.pass_time(1)
        await seen.press("enter")
        await seen.sees("the webhook says no")
        await seen.press("enter")
        assert len(door.sent) == 1


async def test_somebody_elses_change_makes_the_plan_anew_and_forgets_what_was_typed(
    door: ScriptedDoor,
) -> None:
    async with console(door) as seen:
        await seen.press("minus")
        await plan_shown(seen)
        await seen.press("Y", "E", "S")
        door.pass_time(5)
        door.fleet.put(fleets.workload("qwen-chat", 5))
        await seen.draw()
        assert dialog(seen).typed == ""
        await seen.press("enter")
        assert door.sent == []
        await seen.sees("changed meanwhile: groups was 3 and is now 5")
        found = await plan_shown(seen)
        assert found.plan is not None
        assert (found.plan.before.groups, found.plan.after.groups) == (5, 2)


async def test_progress_of_the_workload_does_not_disturb_what_is_typed(door: ScriptedDoor) -> None:
    async with console(door) as seen:
        await seen.press("minus")
        await plan_shown(seen)
        await seen.press("Y", "E", "S")
        door.pass_time(1)
        door.fleet.put(msgspec.structs.replace(fleets.workload("qwen-chat", 3), gpus=99))
        await seen.draw()
        await seen.press("enter")
        await until(lambda: door.sent)


async def test_a_moving_metric_makes_no_other_plan(door: ScriptedDoor) -> None:
    door.fleet.put(fleets.workload("qwen-chat", 3, drivers=[fleets.hpa(signal="cpu 72>60")]))
    async with console(door) as seen:
        await seen.press("plus")
        await seen.sees("the server accepts it")
        for load in range(73, 80):
            door.fleet.put(fleets.workload("qwen-chat", 3, drivers=[fleets.hpa(signal=f"cpu {load}>60")]))
            await seen.draw(1.0)
        await seen.pilot.pause(0.3)
        assert door.asked.count("plan") == 1
        door.fleet.put(fleets.workload("qwen-chat", 3, drivers=[fleets.hpa(maximum=9)]))
        await seen.draw()
        await until(lambda: door.asked.count("plan") == 2)


async def test_the_first_check_warns_of_nothing_while_it_runs(door: ScriptedDoor) -> None:
    door.slow_dry_runs = asyncio.Event()
    async with console(door) as seen:
        await seen.press("plus")
        await seen.sees("check    the server is asked")
        assert "WARN" not in seen.text
        door.slow_dry_runs.set()
        await seen.sees("ok       the server accepts it")


async def test_a_plan_made_again_keeps_the_servers_word_and_what_is_typed(door: ScriptedDoor) -> None:
    async with console(door) as seen:
        await seen.press("minus")
        await seen.sees("ok       the server accepts it")
        await seen.press("Y", "E")
        door.slow_plans, door.slow_dry_runs = asyncio.Event(), asyncio.Event()

        def box() -> list[str]:
            return [line for line in seen.text.splitlines() if "|" in line]

        before = box()
        door.fleet.put(fleets.workload("qwen-chat", 3, drivers=[fleets.hpa()]))
        await seen.draw()
        await until(lambda: door.asked.count("plan") == 2)
        assert box() == before, "nothing moves while it is made"
        door.slow_plans.set()
        await seen.sees("ok       the server accepts it (checking again)")
        assert dialog(seen).typed == "YE"
        await until(lambda: door.asked.count("dry run") == 2)
        door.dry_run_word = Guard("dry-run", Level.BLOCK, "the server refuses: too many")
        door.slow_dry_runs.set()
        await seen.sees("STOP     the server refuses: too many")


async def test_names_of_place_and_workload_stand_in_the_frame_and_nowhere_else(door: ScriptedDoor) -> None:
    async with console(door) as seen:
        await seen.press("plus")
        await plan_shown(seen)
        assert seen.text.count("prod-eu / llm / qwen-chat") == 1


async def test_its_keys_stand_in_the_order_of_use_with_the_way_out_last(door: ScriptedDoor) -> None:
    async with console(door) as seen:
        await seen.press("plus")
        await plan_shown(seen)
        line = next(line for line in seen.text.splitlines() if "Enter go on" in line)
        words = "Enter go on  + one more  - one fewer  Tab next field  p pin  c copy  Esc back"
        assert " ".join(line.strip("| ").split()) == " ".join(words.split())


async def test_a_workload_that_is_gone_cannot_be_scaled(door: ScriptedDoor) -> None:
    async with console(door) as seen:
        await seen.press("plus")
        await plan_shown(seen)
        door.fleet.put(removed=[QWEN])
        await seen.draw(1.0)
        await seen.press("enter")
        await seen.sees("is gone")
        assert door.sent == []


async def test_escape_sends_nothing(door: ScriptedDoor) -> None:
    async with console(door) as seen:
        await seen.press("plus")
        await plan_shown(seen)
        door.pass_time(1)
        await seen.press("escape")
        assert not isinstance(seen.app.screen, ScaleDialog)
        assert door.sent == []


async def test_c_copies_the_equivalent_command(door: ScriptedDoor) -> None:
    async with console(door) as seen:
        await seen.press("plus")
        await plan_shown(seen)
        await seen.press("c")
        assert seen.app.clipboard == "kubectl -n llm scale modelserving/qwen-chat --replicas=4"


async def test_undo_is_the_inverse_through_the_same_dialog(door: ScriptedDoor) -> None:
    async with console(door) as seen:
        await seen.press("u")
        assert "nothing of mine to undo" in seen.said
        door.undoable[QWEN] = ReplicasChange(groups=2)
        await seen.press("u")
        found = await plan_shown(seen)
        assert found.draft.change() == ReplicasChange(groups=2)
        await seen.sees("type YES")


async def test_a_plan_that_cannot_be_made_is_said(door: ScriptedDoor) -> None:
    door.error = "the cluster does not answer"
    async with console(door) as seen:
        await seen.press("plus")
        await seen.sees("the cluster does not answer")
        door.pass_time(1)
        await seen.press("enter")
        assert door.sent == []


@pytest.mark.parametrize("size", [(80, 24), (250, 70), (60, 15)])
async def test_it_fits_every_screen(door: ScriptedDoor, size: tuple[int, int]) -> None:
    async with console(door, size) as seen:
        await seen.press("plus")
        await plan_shown(seen)
        await seen.pilot.pause(0.1)
        box = seen.app.screen.query_one("#box").region
        assert box.right <= size[0]
        assert box.bottom <= size[1]
        assert "Esc" in seen.text


async def test_where_the_plan_is_too_long_its_rules_and_the_prompt_are_in_sight(door: ScriptedDoor) -> None:
    door.guards = (Guard("driver", Level.WARN, "HPA would take it back"),)
    async with console(door, (80, 24)) as seen:
        await seen.press("s", "1", "5")
        await plan_shown(seen)
        await seen.sees("HPA would take it back", "Enter sends it", "Scale prod-eu / llm / qwen-chat")
        await seen.press("pageup", "up")
        await seen.sees("steps    order of v1.0")
        assert "Enter sends it" not in seen.text
        await seen.press("pagedown", "down")
        await seen.sees("Enter sends it")
