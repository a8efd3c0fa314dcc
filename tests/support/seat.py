"""A person at the console on a cluster that is really there, over HTTP."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from clients.clock import SystemClock
from clients.kube.config import load
from clients.serving.sources import SourceState
from clients.serving.workload import Workload
from tests.support.console import Hands, screen_text, until
from tui import demo
from tui.app import Console, ConsoleOptions
from tui.cli import parser
from tui.data import Data
from tui.dialogs.base import Dialog
from tui.dialogs.choice import ChoiceDialog
from tui.dialogs.scale import ScaleDialog
from tui.screens.workload import WorkloadScreen
from tui.start import start_from

__all__ = ["PATIENCE", "Seat", "seat"]

PATIENCE = 120.0
"""Seconds that a condition is waited for: generous, since a machine may be busy."""


_NOT_YET = "not sent: "
"""What a dialog says where what was to be seen has just changed."""
_LOOKS = 20


class Seat:
    """A person at the console."""

    def __init__(self, app: Console) -> None:
        self.app = app
        self.pilot = Hands(app)

    @property
    def text(self) -> str:
        return screen_text(self.app)

    async def sees(self, *words: str) -> None:
        try:
            await until(lambda: all(word in self.text for word in words), PATIENCE)
        except TimeoutError:
            raise AssertionError(f"{words} not in:\n{self.text}") from None

    async def confirm(self, *typed: str) -> None:
        """Types, and presses Enter once the plan was to be seen; looks again where the dialog says so.

        Until the screen is there on which what was sent is followed.
        """
        screen = self.app.screen
        assert isinstance(screen, ScaleDialog)
        dialog = screen
        for _ in range(_LOOKS):
            await self.comes_to(lambda: dialog._current and dialog.settled.ready)
            await self.pilot.press(*["backspace"] * len(dialog.typed), *typed)
            await self.pilot.pause(0.4)
            dialog.message = None
            await self.pilot.press("enter")
            await self.comes_to(
                lambda: self.app.screen is not dialog or (dialog.message or "").startswith(_NOT_YET)
            )
            if self.app.screen is not dialog:
                await self.comes_to(lambda: isinstance(self.app.screen, WorkloadScreen))
                return
        raise AssertionError(f"what it rests on changes all the time:\n{self.text}")

    async def comes_to(self, condition: Callable[[], object]) -> None:
        """Waits for a condition; shows the screen where it does not come."""
        try:
            await until(condition, PATIENCE)
        except TimeoutError:
            raise AssertionError(f"it did not come to that:\n{self.text}") from None

    async def choose(self, label: str) -> None:
        """Takes a line of the list that is open, once it was on the screen for long enough.

        Until the dialog is there to which it leads.
        """
        await self.sees(label)
        dialog = self.app.screen
        assert isinstance(dialog, ChoiceDialog)
        at = next(index for index, choice in enumerate(dialog.list.choices) if label in choice.label)
        await self.pilot.press(*["down"] * (at - dialog.list.at), *["up"] * (dialog.list.at - at))
        await until(lambda: dialog.settled.ready, PATIENCE)
        await self.pilot.press("enter")
        await self.comes_to(lambda: isinstance(self.app.screen, Dialog) and self.app.screen is not dialog)

    async def only(self, name: str) -> None:
        """The fleet with the cursor on the workload of this name."""
        live = self.app.session.live
        await self.comes_to(lambda: any(key.name == name for key in live.view.workloads))
        # What drives it is read a little later than the workloads themselves.
        await self.comes_to(
            lambda: all(source.state is not SourceState.SYNCING for source in live.view.sources)
        )
        self.app.home()
        key = next(key for key in self.app.session.live.view.workloads if key.name == name)
        self.app.fleet_screen.table.select(key)
        await until(lambda: (at := self.app.fleet_screen.target()) and at.workload.key == key, PATIENCE)

    def workload(self, name: str) -> Workload:
        return next(value for key, value in self.app.session.live.view.workloads.items() if key.name == name)


@asynccontextmanager
async def seat(
    kubeconfig: Path,
    state: Path,
    *words: str,
    size: tuple[int, int] = (120, 36),
    clouds: Path | None = None,
) -> AsyncIterator[Seat]:
    """The console as ``servegrid WORDS`` opens it, its state kept under ``state``.

    ``clouds``: a settings file that names some.
    """
    environ = demo.demo_environment(os.environ) | {"XDG_STATE_HOME": str(state), "HOME": str(state)}
    arguments = parser().parse_args(list(words))
    start = start_from(arguments, environ, demo_kubeconfig=kubeconfig, demo_clouds=clouds)
    config = load(start.connect, environ=environ, interactive=False)
    app = Console(Data(start, config, SystemClock()), ConsoleOptions(read_only=start.read_only))
    async with app.run_test(size=size):
        yield Seat(app)
