"""Events and time line: of one workload, or of everything."""

from __future__ import annotations

from collections.abc import Iterable

from textual import on
from textual.widget import Widget

from clients.serving.digest import digest
from clients.serving.events import Event, EventKind
from clients.serving.keys import WorkloadKey
from clients.serving.plain import plain
from clients.serving.telling import where
from tui.filter import Hidden, parse
from tui.keys import Place
from tui.live import Frame
from tui.screens.bindings import bindings
from tui.screens.filter_line import FilterLine
from tui.screens.going import GoingScreen
from tui.screens.title import Title
from tui.session import Session
from widgets.records import TimeView
from widgets.timeline import TimeLine

__all__ = ["EventsScreen"]

_COLUMNS = ("name", "ns", "kind", "group", "role", "actor", "reason", "to")


class EventsScreen(GoingScreen):
    """A short account, newest first, under the lanes of the workload where it is about one."""

    place = Place.EVENTS
    BINDINGS = bindings(Place.EVENTS)

    def __init__(self, session: Session, key: WorkloadKey | None) -> None:
        super().__init__(session)
        self.key = key
        self._events: tuple[Event, ...] = ()
        self._detailed = False
        self._filter = parse("", _COLUMNS)

    def body(self) -> Iterable[Widget]:
        """Title, time line, filter."""
        about = self.session.title(self.key) if self.key else f"all of {self.session.door.context.name}"
        yield Title(self.session.look, f"events  {about}")
        yield TimeLine(self.session.look)
        yield FilterLine(_COLUMNS)

    def draw(self, frame: Frame) -> None:
        """Newest first."""
        if frame.whole or frame.events:
            self._events = self.session.live.events(self.key)
        if frame.whole or frame.events or (frame.beat and self.key):
            self._show()

    def _show(self) -> None:
        matching = tuple(event for event in self._events if self._filter.matches(_cells(event)))
        shown = self._told(matching)
        everything = shown if len(matching) == len(self._events) else self._told(self._events)
        lanes = self.session.live.lanes(self.key) if self.key else ()
        view = TimeView(shown, lanes, utc_offset=self.session.options.utc_offset, named=self.key is None)
        self.query_one(TimeLine).show(view, self.session.door.now(), detailed=self._detailed)
        hidden = len(everything) - len(shown)
        failing = _troubles(everything) - _troubles(shown) if hidden else 0
        self.query_one(FilterLine).result(self._filter, Hidden(hidden, failing))

    def _told(self, events: tuple[Event, ...]) -> tuple[Event, ...]:
        return events if self._detailed else digest(events)

    # Keys

    def move(self, right: int, down: int) -> None:
        """The view."""
        del right
        self.query_one(TimeLine).scroll_rows(down)

    def turn(self, pages: int) -> None:
        """By whole screens."""
        line = self.query_one(TimeLine)
        line.scroll_rows(pages * max(1, line.room - 1))

    def to_top(self) -> None:
        """The newest."""
        line = self.query_one(TimeLine)
        line.scroll_rows(-line.row_count)

    def to_bottom(self) -> None:
        """The oldest that is kept."""
        line = self.query_one(TimeLine)
        line.scroll_rows(line.row_count)

    def action_open(self) -> None:
        """Every event with all that is known of it, or the short account again."""
        self._detailed = not self._detailed
        self.to_top()
        self._show()
        self.say("every event, with all that is known of it" if self._detailed else "the short account")

    def action_filter(self) -> None:
        """Only events that match."""
        self.query_one(FilterLine).open()

    @on(FilterLine.Changed)
    def _filtered(self, event: FilterLine.Changed) -> None:
        self._filter = parse(event.text, _COLUMNS)
        self._show()

    def action_back(self) -> None:
        """Takes the filter away, then goes back."""
        if self._filter.text:
            self.query_one(FilterLine).clear()
        else:
            super().action_back()

    def action_copy(self) -> None:
        """What is to be seen, as lines of text."""
        lines = self.query_one(TimeLine).lines_as_text()
        self.app.copy_to_clipboard("\n".join(line.rstrip() for line in lines))
        self.say("copied what is to be seen")


def _troubles(events: tuple[Event, ...]) -> int:
    return sum(event.kind is EventKind.TROUBLE for event in events)


def _cells(event: Event) -> dict[str, str]:
    key = event.key
    return {
        "name": plain(key.name) if key else where(event),
        "ns": (key.namespace or "") if key else "",
        "kind": str(event.kind),
        "group": event.group or "",
        "role": " ".join(filter(None, (event.role, event.replica))),
        "actor": event.actor or "",
        "reason": event.reason or "",
        "to": event.after or "",
    }
