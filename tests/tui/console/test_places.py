"""The other places: palette, help, sources, context and namespace, login, and every size."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from clients.serving.sources import SourceState
from clients.serving.workload import Workload
from tests.support import fleets
from tests.support.console import Driven, console, until
from tests.support.scripted_door import ScriptedDoor, live_source
from tui.screens.fleet import FleetScreen
from tui.screens.sources import SourcesScreen
from tui.screens.workload import WorkloadScreen


def many(count: int) -> list[Workload]:
    return [fleets.workload(f"model-{at:03}", 1 + at % 40) for at in range(count)]


@pytest.fixture
def door() -> ScriptedDoor:
    door = ScriptedDoor()
    door.fleet.put(
        fleets.workload("qwen-chat", 3),
        *many(60),
        sources=(live_source(), live_source("hpa", SourceState.DENIED, "list hpa is missing")),
    )
    return door


async def test_the_command_line_finds_also_what_is_typed_ahead(door: ScriptedDoor) -> None:
    async with console(door) as seen:
        await seen.press("colon", *"qwen", "enter")
        screen = seen.app.screen
        assert isinstance(screen, WorkloadScreen)
        assert screen.key.name == "qwen-chat"
        await seen.press("colon", *"sources", "enter")
        assert isinstance(seen.app.screen, SourcesScreen)
        await seen.sees("hpa", "denied", "list hpa is missing")
        await seen.press("escape", "colon", *"undo", "enter")
        await seen.sees("nothing of mine to undo here")
        await seen.press("colon", *"ns llm", "enter")
        await until(lambda: "switch None ('llm',)" in door.asked)
        assert isinstance(seen.app.screen, FleetScreen)
        await seen.press("colon", *"xyzzy", "enter")
        await seen.sees("nothing is called xyzzy")
        await seen.press("escape", "colon")
        await seen.sees("the next sort order".capitalize(), "▸  next")
        await seen.press("down", "down", "tab")
        assert isinstance(seen.app.screen.query_one("Input").value, str)  # type: ignore[attr-defined]


async def test_namespaces_that_nobody_has_seen_can_be_named(door: ScriptedDoor) -> None:
    async with console(door) as seen:
        await seen.press("colon", *"ns", "space", *"team-a,team-b", "enter")
        await until(lambda: "switch None ('team-a', 'team-b')" in door.asked)
        await seen.press("colon", *"ns", "space", *"NOT_A_NAME", "enter")
        await seen.sees("nothing is called ns NOT_A_NAME")


async def test_clicks_lead_to_the_sources_and_to_trouble(door: ScriptedDoor) -> None:
    async with console(door) as seen:
        await seen.pilot.click("#needs")
        assert seen.said == "nothing needs you"
        await seen.pilot.click("#status")
        await seen.sees("sources of prod-eu")


async def test_another_context_starts_anew(door: ScriptedDoor) -> None:
    async with console(door) as seen:
        await seen.press("slash", *"qwen", "enter")
        await seen.press("colon", *"ctx", "enter")
        await seen.sees("which context?", "prod-us", "this one")
        await seen.press("j")
        await seen.look()
        await seen.press("enter")
        await until(lambda: "switch prod-us None" in door.asked)
        await seen.draw(1.1)
        await seen.sees("prod-us > all", "connecting to prod-us")
        door.fleet.put(fleets.workload("other", 1), sources=(live_source(),))
        await seen.draw()
        assert "1 hidden" in seen.text
        await seen.press("escape")
        await seen.sees("other")
        assert "qwen-chat" not in seen.text


async def test_a_switch_that_fails_stays(door: ScriptedDoor) -> None:
    door.error = "context prod-us: no such cluster"
    async with console(door) as seen:
        await seen.press("colon", *"ns all", "enter")
        await until(lambda: "no such cluster" in seen.said)
        await seen.sees("model-000")


async def test_namespaces_to_choose_from(door: ScriptedDoor) -> None:
    async with console(door) as seen:
        await seen.press("colon", *"ns", "enter")
        await seen.sees("which namespace of prod-eu?", "all namespaces", "batch", "llm")
        await seen.press("j")
        await seen.look()
        await seen.press("enter")
        await until(lambda: "switch None ('batch',)" in door.asked)


async def test_login_mouse_and_suspend_do_not_break_what_is_shown(
    door: ScriptedDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with console(door) as seen:
        await seen.press("R")
        assert "cannot be lent" in seen.said
        monkeypatch.setattr(seen.app, "suspend", nullcontext)
        await seen.press("R")
        await until(lambda: "logged in" in seen.said)
        assert "login" in door.asked
        await seen.press("M", "ctrl+z")
        await seen.sees("model-000")


async def test_help_is_a_page_that_can_be_searched(door: ScriptedDoor) -> None:
    async with console(door) as seen:
        await seen.press("question_mark")
        await seen.sees("Keys. Those with a *", "One down")
        await seen.press("slash", *"undo", "enter")
        await seen.sees("Takes my last change")
        await seen.press("escape", "G")
        await seen.sees("Confirming", "a typed YES")
        await seen.press("g", "g")
        await seen.sees("Keys. Those with a *")


async def test_two_thousand_rows_scroll(door: ScriptedDoor) -> None:
    door.fleet.put(*many(2000))
    async with console(door) as seen:
        await seen.press("G")
        await seen.sees("qwen-chat")
        await seen.press("home", "pagedown", "l", "h", "pageup")
        await seen.sees("model-000")


OPEN = {
    "fleet": (),
    "filter": ("slash", *"model", "enter"),
    "workload": ("enter",),
    "why": ("w",),
    "menu": ("m",),
    "palette": ("colon",),
    "help": ("question_mark",),
    "events": ("e",),
    "sources": ("colon", *"sources", "enter"),
    "namespaces": ("colon", *"ns", "enter"),
    "scale": ("plus",),
}


def fits(seen: Driven) -> list[str]:
    """Widgets that reach beyond the screen."""
    width, height = seen.app.size
    return [
        f"{widget} {widget.region}"
        for screen in seen.app.screen_stack[-2:]
        for widget in screen.query("*")
        if widget.display and widget.region and (widget.region.right > width or widget.region.bottom > height)
    ]


@pytest.mark.parametrize("place", OPEN)
async def test_every_place_fits_every_size_at_any_time(door: ScriptedDoor, place: str) -> None:
    async with console(door, (80, 24)) as seen:
        await seen.press(*OPEN[place])
        for size in ((80, 24), (250, 70), (120, 36), (60, 16)):
            await seen.pilot.resize_terminal(*size)
            await seen.draw()
            assert fits(seen) == [], size
            lines = seen.text.splitlines()
            assert len(lines) == size[1]
            assert {len(line) for line in lines} == {size[0]}
            assert size[1] < 24 or lines[0].startswith(" prod-eu")


class SecretError(Exception):
    """What goes wrong in the test below."""


async def _crash(door: ScriptedDoor) -> None:
    def broken() -> None:
        token = "hunter2" * 2
        raise SecretError(len(token))

    async with console(door) as seen:
        seen.app.call_later(broken)
        await until(lambda: not seen.app.is_running)


async def test_a_crash_report_names_no_values(door: ScriptedDoor, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SecretError):
        await _crash(door)
    told = capsys.readouterr().err
    assert "SecretError" in told
    assert "hunter2hunter2" not in told
