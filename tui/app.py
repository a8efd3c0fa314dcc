"""The console: puts the door, the screens and the data tick together. Wiring only."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Sequence
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from textual.app import SuspendNotSupported
from textual.binding import BindingType
from textual.dom import DOMNode
from textual.events import Event, Key
from textual.screen import Screen

from clients.serving.backend import Result, Ticket
from clients.serving.keys import WorkloadKey
from clients.serving.plain import plain
from tui.crash import report
from tui.dialogs.base import Dialog
from tui.dialogs.choices import ALL, context_dialog, namespace_dialog, quit_dialog
from tui.dialogs.palette import Entry, PaletteDialog
from tui.door import DataError, Door
from tui.frames import Pace
from tui.needs import Need
from tui.palette import entries, free_entry
from tui.screens import pages
from tui.screens.base import ConsoleScreen
from tui.screens.fleet import FleetScreen
from tui.session import ConsoleOptions, Session
from tui.terminal.app import TerminalApp
from tui.terminal.driver import TerminalDriver
from widgets.theme import DARK, LIGHT, textual_theme

__all__ = ["Console", "ConsoleOptions", "run_console"]


class Console(TerminalApp[int]):
    """The Textual application. Everything it knows comes through its door."""

    BINDINGS: ClassVar[list[BindingType]] = []
    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = ""
    CSS = """
    .-old { opacity: 60%; }
    """

    def __init__(self, door: Door, options: ConsoleOptions | None = None, **terminal: Any) -> None:
        super().__init__(**terminal)
        self.options = options or ConsoleOptions()
        for dark in (True, False):
            self.register_theme(textual_theme(dark=dark))
        self.theme = DARK if self.options.dark else LIGHT
        self.animation_level = "none"
        self.door = door
        self.session = Session(door, self.options, self.backlog)
        self.session.tell = self.tell
        self.session.visit = self.visit
        self.pace = Pace(self.options.fps)
        self.fleet_screen = FleetScreen(self.session)
        self._crash: str | None = None
        self._meant_for: WeakKeyDictionary[Key, DOMNode] = WeakKeyDictionary()
        self._bindings.key_to_bindings.pop("ctrl+q", None)

    # Life

    def get_default_screen(self) -> Screen[Any]:
        """The fleet is the first screen, and the last."""
        return self.fleet_screen

    def on_mount(self) -> None:
        """The first frame is drawn before anything is asked of anybody."""
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        self.door.start()
        self.set_interval(1 / self.options.fps, self.tick)

    async def on_unmount(self) -> None:
        """Ends the load and the data side with the screen."""
        if self.session.loads is not None:
            await self.session.loads.close()
        await self.door.stop()

    def _handle_exception(self, error: Exception) -> None:
        """Ends with a report. Textual's own one names the values of variables, and those may be secrets."""
        self._return_code = 1
        if self._exception is None:
            self._exception = error
            self._exception_event.set()
            self._crash = report(error)
        self._close_messages_no_wait()

    def _print_error_renderables(self) -> None:
        """Once the terminal is the shell's again."""
        if self._crash is not None:
            sys.stderr.write(self._crash)
            self._crash = None
        super()._print_error_renderables()

    async def on_event(self, event: Event) -> None:
        """A key goes to what the keys before it have opened, not to what was there when it was read.

        Textual 8.2 hands every key on at once, so that those typed ahead of a dialog come back unused from
        the screen below it, and would be lost: of ``:ns llm`` and Enter only the Enter would count.
        """
        if not isinstance(event, Key):
            await super().on_event(event)
            return
        meant = self.focused or self.screen
        if event.is_forwarded and self._meant_for.pop(event, meant) is not meant:
            event = Key(event.key, event.character)
            event.set_sender(self)
        self._meant_for[event] = meant
        await super().on_event(event)

    # Data

    def backlog(self) -> int:
        """Frames that the terminal has not taken."""
        driver = self._driver
        return driver.waiting if isinstance(driver, TerminalDriver) else 0

    def tick(self) -> None:
        """Takes what is new and hands it to the screens that can be seen."""
        if not self.pace.due(self.door.monotonic(), self.backlog()):
            return
        self.session.live.notes = self._notes()
        seen = self._seen()
        frame = self.session.live.pull(*self._looked_at(seen))
        if self.session.loads is not None:
            self.session.loads.tick()
        for screen in seen:
            if isinstance(screen, Dialog):
                screen.tick()
            if frame is not None:
                screen.take(frame)

    def _looked_at(
        self, seen: Sequence[ConsoleScreen | Dialog[Any]]
    ) -> tuple[tuple[str, ...] | None, WorkloadKey | None]:
        """Nodes and workload whose devices and engines are read: the top screen's, else those under load."""
        top = next((screen for screen in seen if isinstance(screen, ConsoleScreen)), None)
        nodes, shown = (top.gpu_nodes(), top.engines_of()) if top is not None else (None, None)
        loads = self.session.loads
        if loads is not None and loads.test is not None and loads.followed:
            nodes, shown = () if nodes is None else nodes, shown or loads.test.key
        return nodes, shown

    def _seen(self) -> list[ConsoleScreen | Dialog[Any]]:
        """The topmost full screen and the dialogs over it."""
        seen: list[ConsoleScreen | Dialog[Any]] = []
        for screen in reversed(self.screen_stack):
            if isinstance(screen, ConsoleScreen | Dialog) and screen.drawable:
                seen.append(screen)
            if isinstance(screen, ConsoleScreen):
                break
        return seen[::-1]

    def _notes(self) -> tuple[str, ...]:
        notes = list(self.options.notes)
        if self.session.read_only:
            notes.append("read-only")
        if self.wire_note:
            notes.append(self.wire_note)
        if self.pace.lagging:
            notes.append(f"slow terminal, {self.pace.fps:.0f} frames a second")
        return tuple(notes)

    # Where to

    @property
    def top(self) -> ConsoleScreen:
        """The full screen on top."""
        return next(screen for screen in reversed(self.screen_stack) if isinstance(screen, ConsoleScreen))

    def tell(self, text: str) -> None:
        """Says a sentence on the screen on top."""
        self.top.say(text)

    def home(self) -> None:
        """Back to the fleet."""
        while len(self.screen_stack) > 1:
            self.pop_screen()

    def open_workload(self, key: WorkloadKey, need: Need | None = None) -> None:
        """The workload's grid, from the fleet."""
        self.home()
        self.fleet_screen.table.select(key)
        self.push_screen(pages.workload(self.session, key, need))

    def make_in(self, zone: str) -> None:
        """The form of a new deployment in a zone of Exoscale."""
        near = WorkloadKey(zone, "exoscale", None, "Exoscale", "")
        forbidden = self.session.read_only_at(near)
        if forbidden is not None:
            self.tell(forbidden)
            return
        from tui.forms.deployment import new_deployment  # Not needed for the first frame.

        def made(ticket: Ticket | None) -> None:
            if ticket is not None and ticket.result is Result.ACCEPTED:
                self.open_workload(ticket.key)

        new_deployment(self, self.session, near, made)

    def visit(self, need: Need) -> None:
        """Goes to what needs a person."""
        self.open_workload(need.key, need)

    # Actions that every screen has

    def action_command(self) -> None:
        """The palette."""
        known = tuple(entries(self, self.top))
        dialog = PaletteDialog(self.session, known, lambda text: free_entry(self, text))
        self.push_screen(dialog, self._run_entry)

    async def _run_entry(self, entry: Entry | None) -> None:
        if entry is not None and entry.reason is not None:
            self.tell(entry.reason)
        elif entry is not None:
            done = entry.run()
            if isinstance(done, Awaitable):
                await done

    async def action_quit(self) -> None:
        """Ends the console; asks while an operation or a load test of mine runs."""
        if self.session.mine_running or self.session.load_running is not None:
            self.push_screen(
                quit_dialog(self.session), lambda answer: self._quit() if answer == "quit" else None
            )
        else:
            self._quit()

    def _quit(self) -> None:
        self.exit(0)

    def action_help_quit(self) -> None:
        """ctrl-c quits nothing by accident."""
        self.tell("ctrl-c does nothing here; q quits")

    def action_help(self) -> None:
        """The table of keys."""
        self.push_screen(pages.helping(self.session, self.top.place, self.size.width - 2))

    def action_sources(self) -> None:
        """Where the data comes from."""
        self.push_screen(pages.sources(self.session))

    def action_events(self) -> None:
        """Events and time line."""
        self.push_screen(pages.events(self.session, self.top.events_of()))

    def action_gpus(self) -> None:
        """GPUs and nodes."""
        self.push_screen(pages.gpus(self.session))

    def action_load(self) -> None:
        """The load test that runs, or the last one."""
        from tui.loads.opening import open_screen  # Not needed for the first frame.

        open_screen(self, self.session)

    def action_runs(self) -> None:
        """Load tests that were kept."""
        self.push_screen(pages.runs(self.session))

    async def action_abort(self) -> None:
        """Cuts off the load test that runs."""
        loads = self.session.loads
        if loads is None or loads.running is None:
            self.tell("no load runs")
            return
        await loads.abort()
        self.tell("the load is cut off; what had come back by then is kept")

    def action_rights(self) -> None:
        """Asks the cluster again what I may do."""
        self.session.recheck_rights()
        self.tell("rights are asked for again")
        self.top.on_target()

    def action_mouse(self) -> None:
        """Mouse on or off."""
        driver = self._driver
        if isinstance(driver, TerminalDriver):
            on = not driver._mouse
            driver.set_mouse(on)
            self.tell(
                "the mouse is on; M gives the terminal's own selection back" if on else "the mouse is off"
            )
        else:
            self.tell("this terminal has no mouse to turn on")

    def action_suspend(self) -> None:
        """To the shell."""
        self.action_suspend_process()

    async def action_login(self) -> None:
        """Runs the login plugin on the real terminal."""
        try:
            with self.suspend():
                said = await self._login()  # Textual 8.2 takes the terminal back only if nothing is raised.
        except SuspendNotSupported:
            said = "not logged in: this terminal cannot be lent to the login plugin"
        self.tell(said)
        self.repaint()

    async def _login(self) -> str:
        try:
            await self.door.login()
        except DataError as error:
            return f"not logged in: {error}"
        return "logged in; the sources come back by themselves"

    def action_context(self) -> None:
        """Another context."""
        dialog = context_dialog(self.session, self.door.context)
        self.push_screen(dialog, lambda name: self.switch_to(name, None) if name else None)

    def action_namespace(self) -> None:
        """Another namespace, or all."""
        dialog = namespace_dialog(self.session, self.door.context)
        self.push_screen(dialog, self._to_namespace)

    def _to_namespace(self, name: str | None) -> None:
        if name:
            self.switch_to(None, None if name == ALL else (name,))

    def switch_to(self, context: str | None, namespaces: tuple[str, ...] | None) -> None:
        """Another context or other namespaces; the screens start anew."""
        if self.session.load_running is not None:
            self.tell("not while a load test runs: X aborts it")
            return
        self.home()
        self.run_worker(
            self._switch(context, namespaces), group="switch", exclusive=True, exit_on_error=False
        )

    async def _switch(self, context: str | None, namespaces: tuple[str, ...] | None) -> None:
        try:
            await self.door.switch(context, namespaces)
        except DataError as error:
            self.tell(f"stayed where it was: {error}")
            return
        self.session.start_anew()
        self.fleet_screen.start_anew()
        here = self.door.context
        where = ", ".join(here.namespaces) if here.namespaces else "all namespaces"
        self.tell(f"now {plain(here.name)}, {plain(where)}")


def run_console(door: Door, options: ConsoleOptions, *, typed_ahead: bytes = b"") -> int:
    """Runs the console until it is left; the exit code for the command line."""
    app = Console(door, options, typed_ahead=typed_ahead)
    result = app.run(mouse=options.mouse)
    return result if result is not None else app.return_code or 0
