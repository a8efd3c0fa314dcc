"""Where the data comes from, how fresh each stream is, and what is missing."""

from __future__ import annotations

from collections.abc import Iterable

from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from clients.serving.sources import SourceState, SourceStatus
from tui.cloud_sources import in_full
from tui.keys import Place
from tui.live import Frame
from tui.screens.bindings import bindings
from tui.screens.going import GoingScreen
from tui.screens.title import Title
from widgets.cells import age, fit, shown, width, wrapped
from widgets.lines import LineWidget, Piece, strip
from widgets.status_line import AGE_FROM

__all__ = ["SourcesScreen"]

_NAME = 11
"""Cells of a name, at least."""
_MEANS = {
    SourceState.LIVE: "connected, and what is shown holds",
    SourceState.SYNCING: "the first list is being read",
    SourceState.QUIET: "connected, but nothing came for longer than it should take; it will be reconnected",
    SourceState.STALE: "cut off: what is shown is old; it is tried again by itself",
    SourceState.DENIED: "the right to read it is missing; ctrl-r checks again",
    SourceState.ABSENT: "not installed in this cluster; it is looked for again by itself",
    SourceState.LOGIN: "the login has expired; R logs in again",
}


class SourceList(LineWidget):
    """A line a source, its state in numbers; below it what that means, unless all is well."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self._sources: tuple[SourceStatus, ...] = ()
        self._mono = 0.0

    def show(self, sources: tuple[SourceStatus, ...], mono: float) -> None:
        """``mono`` is this machine's monotonic time."""
        self._sources, self._mono = sources, mono
        self.update_rows()

    def row_keys(self) -> list[object]:
        """The lines themselves."""
        if not self._sources:
            return [((" no source yet: connecting", self.look.styles.dim),)]
        live = ((f" {SourceState.LIVE}: {_MEANS[SourceState.LIVE]}", self.look.styles.dim),)
        wide = max(_NAME, max(width(shown(source.name, 40)) for source in self._sources))
        return [live, *(line for source in self._sources for line in self._lines(source, wide))]

    def draw_row(self, row: int, cells: int) -> Strip:
        """The line."""
        line = self._keys[row]
        assert isinstance(line, tuple)
        return strip(line, cells, self.look)

    def _lines(self, source: SourceStatus, wide: int) -> list[tuple[Piece, ...]]:
        styles = self.look.styles
        quiet = None if source.last_contact is None else self._mono - source.last_contact
        contact = "" if quiet is None or quiet < AGE_FROM else f"  last byte {age(quiet)} ago"
        have = f"{source.have}" if source.of is None else f"{source.have} of {source.of}"
        retry = ""
        if source.next_try is not None and source.next_try > self._mono:
            retry = f"  next try in {age(source.next_try - self._mono)}"
        need = "" if source.required else "  (not required)"
        first = (
            (" " + fit(shown(source.name, 40), wide), styles.head),
            (f" {source.state:<14}", _style(source.state, self)),
            (f"{have} objects{contact}{retry}{need}", styles.normal),
        )
        detail = source.detail or ("" if source.state is SourceState.LIVE else _MEANS[source.state])
        if not detail:
            return [first]
        broken = wrapped(shown(detail, 600), max(20, self.size.width - 4))
        return [first, *(((f"   {part}", styles.dim),) for part in broken)]


def _style(state: SourceState, widget: LineWidget) -> Style:
    styles = widget.look.styles
    if state in (SourceState.STALE, SourceState.LOGIN):
        return styles.alarm
    if state in (SourceState.DENIED, SourceState.QUIET):
        return styles.warn
    return styles.normal


class SourcesScreen(GoingScreen):
    """The list, live."""

    place = Place.SOURCES
    BINDINGS = bindings(Place.SOURCES)

    def body(self) -> Iterable[Widget]:
        """Title and list."""
        yield Title(self.session.look, f"sources of {self.session.door.context.name}")
        yield SourceList(self.session.look)

    def draw(self, frame: Frame) -> None:
        """When a state changed, and once a second for the ages."""
        if frame.sources_changed or frame.beat:
            live = self.session.live
            told = in_full(live.sources, live.context.clouds)
            self.query_one(SourceList).show(told, self.session.door.monotonic())

    def gpu_nodes(self) -> tuple[str, ...]:
        """GPUs are a source too."""
        return ()

    def move(self, right: int, down: int) -> None:
        """The view."""
        del right
        self.query_one(SourceList).scroll_rows(down)

    def turn(self, pages: int) -> None:
        """By whole screens."""
        view = self.query_one(SourceList)
        view.scroll_rows(pages * max(1, view.room - 1))

    def to_top(self) -> None:
        """The first."""
        self.query_one(SourceList).scroll_rows(-(10**6))

    def to_bottom(self) -> None:
        """The last."""
        self.query_one(SourceList).scroll_rows(10**6)

    def action_copy(self) -> None:
        """What is to be seen."""
        lines = self.query_one(SourceList).lines_as_text()
        self.app.copy_to_clipboard("\n".join(line.rstrip() for line in lines))
        self.say("copied what is to be seen")
