"""A page of text: an object, a description, a reason, the help."""

from __future__ import annotations

import textwrap
from collections.abc import Awaitable, Callable, Iterable

from textual import on
from textual.events import Resize
from textual.widget import Widget

from clients.serving.plain import plain
from tui.door import DataError
from tui.filter import Hidden, parse
from tui.keys import Place
from tui.live import Frame
from tui.screens.bindings import bindings
from tui.screens.filter_line import FilterLine
from tui.screens.going import GoingScreen
from tui.screens.title import Title
from tui.session import Session
from widgets.cells import width
from widgets.log_lines import LogLines

__all__ = ["TextScreen"]

_LONGEST = 4000


class TextScreen(GoingScreen):
    """Text that is read once, or once a second where it is about what goes on."""

    place = Place.TEXT
    BINDINGS = bindings(Place.TEXT)

    def __init__(
        self,
        session: Session,
        title: str,
        read: Callable[[], Awaitable[str]],
        *,
        live: bool = False,
        wrap: bool = False,
    ) -> None:
        """``wrap`` breaks long lines instead of letting one look at them piece by piece."""
        super().__init__(session)
        self._wrap = wrap
        self._title = title
        self._read = read
        self._live = live
        self._text: str | None = None
        self._filter = parse("", ())

    def body(self) -> Iterable[Widget]:
        """Title and text."""
        yield Title(self.session.look, self._title)
        yield LogLines(self.session.look, keep=200_000)
        yield FilterLine(())

    @property
    def page(self) -> LogLines:
        """The text."""
        return self.query_one(LogLines)

    def draw(self, frame: Frame) -> None:
        """Reads the first time, and again when it may have changed."""
        if self._text is None or (self._live and (frame.changed or frame.beat)):
            if self._text is None:
                self._text = ""
                self.page.say("reading")
            self.run_worker(self._fill(), group="text", exclusive=True, exit_on_error=False)

    async def _fill(self) -> None:
        try:
            text = await self._read()
        except DataError as error:
            if self.drawable:
                self.page.say(plain(str(error), 400))
            return
        if text != self._text and self.drawable:
            self._text = text
            self._show()

    def _show(self) -> None:
        page, top = self.page, self.page.top
        lines = [line for text in (self._text or "").splitlines() for line in self._broken(text)]
        shown = [line for line in lines if self._filter.matches({"": line})]
        page.clear()
        page.following = False
        page.append(plain(line, _LONGEST) for line in shown)
        page.say("")
        page.scroll_rows(top - page.top)
        page.following = False
        self.query_one(FilterLine).result(self._filter, Hidden(len(lines) - len(shown)))

    def _broken(self, line: str) -> list[str]:
        """A sentence that is too long for the screen goes on below, indented as it began."""
        cells = self.page.size.width
        if not self._wrap or width(line) <= cells or cells < 20:
            return [line]
        indent = " " * min(len(line) - len(line.lstrip()), cells // 2)
        return textwrap.wrap(line, cells, subsequent_indent=indent, break_on_hyphens=False)

    def on_resize(self, event: Resize) -> None:
        """Sentences are broken anew."""
        del event
        if self._wrap and self._text:
            self.call_after_refresh(self._show)

    # Keys

    def move(self, right: int, down: int) -> None:
        """The view."""
        if down:
            self.page.scroll_rows(down)
        if right:
            self.page.scroll_sideways(8 * right)

    def turn(self, pages: int) -> None:
        """By whole screens."""
        self.page.scroll_pages(pages)

    def to_top(self) -> None:
        """The first line."""
        self.page.scroll_first()

    def to_bottom(self) -> None:
        """The last line."""
        self.page.scroll_last()
        self.page.following = False

    def action_filter(self) -> None:
        """Only lines that match."""
        self.query_one(FilterLine).open()

    @on(FilterLine.Changed)
    def _filtered(self, event: FilterLine.Changed) -> None:
        self._filter = parse(event.text, ())
        self._show()

    def action_back(self) -> None:
        """Takes the filter away, then goes back."""
        if self._filter.text:
            self.query_one(FilterLine).clear()
        else:
            super().action_back()

    def action_copy(self) -> None:
        """All of the text."""
        self.app.copy_to_clipboard(self._text or "")
        self.say(f"copied {len((self._text or '').splitlines())} lines")
