"""A console over a scripted door, driven without a terminal: its keys pressed, its screen read as text."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from textual._compositor import LayoutUpdate
from textual.app import App
from textual.events import Key
from textual.keys import _character_to_key, key_to_character
from textual.pilot import Pilot

from tests.support.scripted_door import ScriptedDoor
from tui.app import Console, ConsoleOptions
from tui.dialogs.base import Dialog

_CHARACTERS = {
    "plus": "+",
    "minus": "-",
    "slash": "/",
    "enter": "\r",
}
"""Of the keys whose name does not tell it."""

__all__ = ["Driven", "Hands", "console", "screen_text", "until"]


def screen_text(app: App[int]) -> str:
    """The whole screen with what lies under a dialog, line by line."""
    update = app.screen._compositor.render_update(full=True, screen_stack=app._background_screens)
    assert isinstance(update, LayoutUpdate)
    return "\n".join("".join(segment.text for segment in strip) for strip in update.strips)


async def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Waits for a condition; fails when it does not come in time."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.02)


class Hands(Pilot[int]):
    """Press keys without waiting for an idle processor, which takes a second a key on a busy machine."""

    async def press(self, *keys: str) -> None:
        """One after the other, by name or character, as fast as they are dealt with."""
        for key in keys:
            name = _character_to_key(key) if len(key) == 1 else key
            event = Key(name, key if len(key) == 1 else _CHARACTERS.get(key) or key_to_character(key))
            event.set_sender(self.app)
            self.app.post_message(event)
            await self.settle()

    async def settle(self) -> None:
        """Until every widget has dealt with what it was sent, and with what came of that."""
        for _ in range(4):
            await self._wait_for_screen()
        if self.app.is_running:
            self.app.screen._on_timer_update()


class Driven:
    """A running console, its door, and hands on its keys. Its clock moves only when told to."""

    def __init__(self, app: Console, door: ScriptedDoor, pilot: Pilot[int]) -> None:
        self.app = app
        self.door = door
        self.pilot = pilot
        self._hands = Hands(app)

    @property
    def text(self) -> str:
        """What is to be seen."""
        return screen_text(self.app)

    @property
    def said(self) -> str:
        """The sentence in place of the key line."""
        return self.app.top.said

    async def draw(self, seconds: float = 0.06) -> None:
        """Lets time pass and a data tick run."""
        self.door.pass_time(seconds)
        self.app.tick()
        await self.settle()

    async def look(self, seconds: float = 1.0) -> None:
        """Lets a dialog be on the screen for a while."""
        dialog = self.app.screen
        assert isinstance(dialog, Dialog)
        await until(lambda: dialog.settled._since is not None)
        self.door.pass_time(seconds)

    async def settle(self) -> None:
        """Until every widget has dealt with what it was sent, and with what came of that."""
        await self._hands.settle()

    async def press(self, *keys: str) -> None:
        """Presses keys one after the other, as fast as they are dealt with."""
        await self._hands.press(*keys)

    async def sees(self, *words: str) -> None:
        """Waits until all of these words are on the screen."""
        try:
            await until(lambda: all(word in self.text for word in words))
        except TimeoutError:
            raise AssertionError(f"{words} not in:\n{self.text}") from None


@asynccontextmanager
async def console(
    door: ScriptedDoor, size: tuple[int, int] = (120, 36), options: ConsoleOptions | None = None
) -> AsyncIterator[Driven]:
    """A console that has drawn what the door has."""
    app = Console(door, options)
    async with app.run_test(size=size) as pilot:
        driven = Driven(app, door, pilot)
        await pilot.pause()
        await driven.draw()
        yield driven
