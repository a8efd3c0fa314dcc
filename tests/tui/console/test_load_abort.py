"""The load is cut off from wherever the keys go, also where they are letters."""

from __future__ import annotations

from pathlib import Path

import pytest

from clients.serving.target import Fact, LoadTarget
from tests.support.console import Driven, console, until
from tests.support.fleets import group, workload
from tests.support.load_target import load_target
from tests.support.scripted_door import ScriptedDoor
from tui.dialogs.choice import ChoiceDialog
from tui.dialogs.load import LoadDialog
from tui.loads.test import State
from tui.screens.load import LoadScreen

LONG = 600.0
WAY = "ctrl-x aborts it"


def door(url: str, runs: Path) -> ScriptedDoor:
    made = ScriptedDoor()
    made.target = LoadTarget(Fact(url, "typed"), Fact(None, ""), Fact(None, ""), Fact("http", ""))
    made.runs = runs
    made.fleet.put(workload("chat", [group("chat", 0), group("chat", 1)]))
    return made


async def load_begins(me: Driven) -> None:
    """From the form to the fleet below the screen of the load."""
    await me.press("t")
    await until(lambda: isinstance(me.app.screen, LoadDialog))
    await me.look()
    await me.press("enter")
    await until(lambda: isinstance(me.app.screen, LoadScreen))
    test = me.app.session.load_running
    assert test is not None
    await until(lambda: test.state is State.RUNNING)
    await me.press("escape")
    await me.draw()


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
@pytest.mark.parametrize(
    "keys",
    [("s",), ("colon",), ("slash",), ("E", "enter"), ("m",)],
    ids=["scale dialog", "palette", "filter", "form", "menu"],
)
async def test_it_is_cut_off_where_letters_are_typed(
    tmp_path: Path, keys: tuple[str, ...], size: tuple[int, int]
) -> None:
    async with load_target() as target:
        scripted = door(f"{target.url}/ok", tmp_path)
        async with console(scripted, size=size) as me:
            await load_begins(me)
            await me.sees("LOAD RUNS chat  X aborts it")
            test = me.app.session.load_running
            assert test is not None
            for key in keys:
                await me.press(key)
                if isinstance(me.app.screen, ChoiceDialog):
                    await me.look()
            await me.draw()
            await me.sees(WAY)
            screen = me.app.screen
            await me.press("ctrl+x")
            await until(lambda: test.state is State.OVER)
            await me.draw(1.1)
            assert WAY not in me.text
            assert me.app.screen is screen
            assert test.result is not None
            assert test.result.ended == "aborted"
