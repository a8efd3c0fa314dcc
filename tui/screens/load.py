"""One load test: latency, load, replicas, GPUs and the driver's decisions on one clock; what it came to."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from contextlib import suppress

from textual.containers import Horizontal
from textual.events import Resize
from textual.widget import Widget

from clients.load.hey import as_hey
from clients.load.outgoing import OutgoingError
from clients.serving.keys import WorkloadKey
from clients.serving.plain import plain
from tui.keys import Place
from tui.live import Frame
from tui.loads.running import Loads
from tui.loads.test import LoadTest, State
from tui.loads.words import reading
from tui.screens.bindings import bindings
from tui.screens.going import GoingScreen
from tui.screens.title import Title
from tui.session import Session
from widgets.load_chart import LoadChart, columns_in
from widgets.load_groups import GroupTable, Reading
from widgets.load_head import LoadHead

__all__ = ["LoadScreen"]

_AGAIN = 3.0
"""Seconds within which another ``c`` copies the next thing."""


class LoadScreen(GoingScreen):
    """The test that runs, or the last one."""

    place = Place.LOAD
    BINDINGS = bindings(Place.LOAD)
    DEFAULT_CSS = """
    LoadScreen #below { height: 9; }
    """

    def __init__(self, session: Session, loads: Loads, test: LoadTest) -> None:
        super().__init__(session)
        self.loads = loads
        self.test = test
        self._copied = (-_AGAIN, -1)

    def body(self) -> Iterable[Widget]:
        """How far it is, the charts, groups and words."""
        look = self.session.look
        yield Title(look, f"load test  {self.session.title(self.test.key)}")
        yield LoadHead(look)
        yield LoadChart(look)
        with Horizontal(id="below"):
            yield GroupTable(look)
            yield Reading(look)

    # Data

    def gpu_nodes(self) -> tuple[str, ...]:
        """GPUs are read while it is on top."""
        return ()

    def engines_of(self) -> WorkloadKey:
        """So are the engines."""
        return self.test.key

    def events_of(self) -> WorkloadKey:
        """This one's."""
        return self.test.key

    def draw(self, frame: Frame) -> None:
        """Once a second, and when anything about the workload changes."""
        if not (frame.whole or frame.beat or self.test.key in frame.changed):
            return
        test = self.test
        said, bad = self._said()
        self.query_one(LoadHead).show(test.progress, said, bad=bad)
        chart = self.query_one(LoadChart)
        chart.show(test.history.view(columns_in(chart.size.width)))
        self.query_one(GroupTable).show(self.loads.groups(self.session.live.workload(test.key)))
        self.query_one(Reading).show(reading(test.history, test.result))

    def _said(self) -> tuple[str, bool]:
        """What stands under the bar."""
        test = self.test
        if test.state is State.FAILED:
            return test.error or "it failed", True
        if test.folder.failure is not None:
            return test.folder.failure, True
        if test.decision and test.followed:
            return f"driver: {test.decision}", False
        return test.kept if test.state is State.OVER else test.tried, False

    def on_resize(self, event: Resize) -> None:
        """Few lines leave less below the charts; few columns no room for the groups."""
        height = event.size.height
        self.query_one("#below").styles.height = 3 if height < 30 else 9 if height < 50 else 13
        self.query_one(GroupTable).display = event.size.width >= 110 and height >= 30
        self.call_after_refresh(self._draw_all)

    def _draw_all(self) -> None:
        if self.drawable:
            self.take(self.session.live.whole())

    # Keys

    def move(self, right: int, down: int) -> None:
        """Over groups and sentences."""
        del right
        self.query_one(GroupTable).scroll_rows(down)
        self.query_one(Reading).scroll_rows(down)

    def turn(self, pages: int) -> None:
        """By what can be seen at once."""
        self.move(0, pages * max(1, self.query_one(Reading).room))

    def to_top(self) -> None:
        """The first."""
        self.move(0, -1_000_000)

    def to_bottom(self) -> None:
        """The last."""
        self.move(0, 1_000_000)

    async def action_test(self) -> None:
        """The form again, as it was."""
        if self.allow("test"):
            from tui.loads.opening import open_form

            await open_form(self.app, self.session, self.loads, self.test.key)

    def why_not(self, action: str) -> str | None:
        """One at a time."""
        if action == "test" and self.loads.running is not None:
            return "it runs; X aborts it"
        return super().why_not(action)

    def action_copy(self) -> None:
        """What it came to; pressed again the command that does the same, and the nearest line of hey."""
        things = self._copies()
        now = self.session.door.monotonic()
        at, index = self._copied
        index = (index + 1) % len(things) if now - at < _AGAIN else 0
        self._copied = (now, index)
        what, text = things[index]
        self.app.copy_to_clipboard(text)
        following = things[(index + 1) % len(things)][0].partition(";")[0]
        self.say(f"copied {what} (c again: {following})")

    def _copies(self) -> list[tuple[str, str]]:
        test = self.test
        words = [
            plain(f"load test of {self.session.title(test.key)}", 400),
            *reading(test.history, test.result),
        ]
        things = [
            ("what it came to", "\n".join(words)),
            ("the command that does the same", f"servegrid load --plan {shlex.quote(str(test.folder.plan))}"),
        ]
        with suppress(OutgoingError):  # Its body's file is gone.
            line, lost = as_hey(test.plan)
            note = f"the nearest line of hey; {lost[0]}" if lost else "the same for hey"
            things.append((note, line))
        return things
