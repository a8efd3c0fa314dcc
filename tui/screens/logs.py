"""Logs of one pod: the last 200 lines, then what follows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from textual import on
from textual.widget import Widget

from clients.serving.keys import WorkloadKey
from clients.serving.plain import plain
from tui.dialogs.choice import Choice, ChoiceDialog
from tui.door import ContainerView, DataError
from tui.filter import Hidden, parse
from tui.keys import Place
from tui.live import Frame
from tui.screens.bindings import bindings
from tui.screens.filter_line import FilterLine
from tui.screens.going import GoingScreen
from tui.screens.title import Title
from tui.session import Session
from widgets.log_lines import LogLines

__all__ = ["LogsScreen"]

_KEPT = 10_000


class LogsScreen(GoingScreen):
    """Follows until it is scrolled up. Errors of the stream stand in the stream."""

    place = Place.LOGS
    BINDINGS = bindings(Place.LOGS)

    def __init__(self, session: Session, key: WorkloadKey, namespace: str, pod: str) -> None:
        super().__init__(session)
        self.key = key
        self.namespace = namespace
        self.pod = pod
        self.container: str | None = None
        """The one that is read; ``None``: the server's choice."""
        self._containers: tuple[ContainerView, ...] = ()
        self.previous = False
        self._lines: list[str] = []
        self._filter = parse("", ())
        self._hidden = 0
        self._begun = False

    def body(self) -> Iterable[Widget]:
        """Title, lines, filter."""
        yield Title(self.session.look, "")
        yield LogLines(self.session.look, keep=_KEPT)
        yield FilterLine(())

    def draw(self, frame: Frame) -> None:
        """Begins to read when the screen is there; the stream itself brings the lines."""
        if not self._begun:
            self._begun = True
            self.query_one(LogLines).say("reading which containers there are")
            self.run_worker(self._begin(), group="logs", exclusive=True, exit_on_error=False)

    async def _begin(self) -> None:
        """Of several containers the one that the pod's logs are about; the others are offered."""
        try:
            found = await self.session.door.containers(self.key, self.namespace, self.pod)
        except DataError:
            found = ()  # The log itself may be readable, or says why it is not.
        self._containers = tuple(found)
        if self._containers:
            self.container = self._containers[0].name
        if self.drawable:
            self.show_keys()
            self._restart()

    def _restart(self) -> None:
        self._lines.clear()
        self._hidden = 0
        self.query_one(LogLines).clear()
        which = f"  {self.container}" if self.container else ""
        others = len(self._containers) - 1
        more = f" (1 of {others + 1} containers)" if others > 0 else ""
        before = ", before its last restart" if self.previous else ""
        self.query_one(Title).put(f"logs  {self.pod}{which}{more}{before}  {self.session.title(self.key)}")
        self.query_one(LogLines).say("reading the last 200 lines")
        self.run_worker(self._follow(), group="logs", exclusive=True, exit_on_error=False)

    async def _follow(self) -> None:
        lines = self.session.door.logs(self.key, self.namespace, self.pod, self.container, self.previous)
        pending: list[str] = []
        loop = asyncio.get_running_loop()
        flush: asyncio.TimerHandle | None = None

        def show() -> None:
            nonlocal flush
            flush = None
            self._append(pending)
            pending.clear()

        try:
            async for line in lines:
                pending.append(line)
                # Lines come in bursts: they are drawn together, once a data tick.
                flush = flush or loop.call_later(1 / self.session.options.fps, show)
            note = "the log ended here"
        except DataError as error:
            note = str(error)
        finally:
            if flush:
                flush.cancel()
        if self.drawable:
            self._append(pending)
            self._ended(note)

    def _append(self, lines: list[str]) -> None:
        self._lines.extend(lines)
        del self._lines[: max(0, len(self._lines) - _KEPT)]
        shown = [line for line in lines if self._filter.matches({"": line})]
        self._hidden += len(lines) - len(shown)
        view = self.query_one(LogLines)
        view.say("")
        view.append(shown)
        self.query_one(FilterLine).result(self._filter, Hidden(self._hidden))

    def _ended(self, note: str) -> None:
        self.query_one(LogLines).say(f"-- {plain(note, 300)}")

    # Keys

    def why_not(self, action: str) -> str | None:
        """A pod with one container offers no other."""
        if action == "container" and len(self._containers) < 2:
            return "the pod has no other container that is known"
        return super().why_not(action)

    def action_container(self) -> None:
        """Another container of the pod."""
        if not self.allow("container"):
            return
        choices = [
            Choice(one.name, one.name, one.note, picked=one.name == self.container)
            for one in self._containers
        ]
        at = next((index for index, choice in enumerate(choices) if choice.picked), 0)
        dialog = ChoiceDialog(self.session, f"which container of {self.pod}?", choices, at=at)
        self.app.push_screen(dialog, self._take)

    def _take(self, chosen: str | None) -> None:
        if chosen is not None and chosen != self.container:
            self.container = chosen
            self._restart()

    def action_previous(self) -> None:
        """The container before the last restart, or the present one again."""
        self.previous = not self.previous
        self._restart()

    def events_of(self) -> WorkloadKey:
        """Those of the pod's workload."""
        return self.key

    def move(self, right: int, down: int) -> None:
        """The view."""
        if down:
            self.query_one(LogLines).scroll_rows(down)
        if right:
            self.query_one(LogLines).scroll_sideways(8 * right)

    def turn(self, pages: int) -> None:
        """By whole screens."""
        self.query_one(LogLines).scroll_pages(pages)

    def to_top(self) -> None:
        """The oldest line that is kept."""
        self.query_one(LogLines).scroll_first()

    def to_bottom(self) -> None:
        """The newest line, and follows it."""
        self.query_one(LogLines).scroll_last()

    def action_filter(self) -> None:
        """Only lines that match."""
        self.query_one(FilterLine).open()

    @on(FilterLine.Changed)
    def _filtered(self, event: FilterLine.Changed) -> None:
        self._filter = parse(event.text, ())
        view = self.query_one(LogLines)
        view.clear()
        kept = self._lines[:]
        self._lines.clear()
        self._hidden = 0
        self._append(kept)

    def action_back(self) -> None:
        """Takes the filter away, then goes back."""
        if self._filter.text:
            self.query_one(FilterLine).clear()
        else:
            super().action_back()

    def action_copy(self) -> None:
        """The lines that are to be seen."""
        lines = self.query_one(LogLines).lines_as_text()
        self.app.copy_to_clipboard("\n".join(line.rstrip() for line in lines))
        self.say("copied what is to be seen")
