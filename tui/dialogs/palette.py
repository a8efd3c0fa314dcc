"""The command line of the console: ``:`` and a few letters of a command, workload, namespace or context.

Not Textual's own palette: that one looks for hits in the background, so that ``:ns llm`` and Enter, typed
ahead over a slow line, would find nothing yet.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.fuzzy import Matcher
from textual.widgets import Input, Static

from clients.serving.plain import plain
from tui.dialogs.base import Dialog
from tui.dialogs.choice import Choice, ChoiceList
from tui.session import Session
from tui.typed_line import TypedLine

__all__ = ["Entry", "PaletteDialog", "found"]

_MOST = 200
"""Lines offered for one query."""


class Entry(Struct, frozen=True):
    """One thing that can be said."""

    text: str
    """What is typed to find it."""
    help: str
    run: Callable[[], Awaitable[object] | object]
    at_once: bool = True
    """Also offered before anything is typed."""
    reason: str | None = None
    """Why it is not possible now."""


def found(entries: Sequence[Entry], query: str) -> list[Entry]:
    """What fits: the very word, then beginnings, then letters in this order; ties in the table's order."""
    wanted = query.strip().lower()
    if not wanted:
        return [entry for entry in entries if entry.at_once][:_MOST]
    matcher = Matcher(wanted)
    scored: list[tuple[float, Entry]] = []
    for entry in entries:
        text = entry.text.lower()
        if text == wanted:
            score = 1000.0
        elif text.startswith(wanted):
            score = 500.0
        else:
            score = matcher.match(text)
        if score > 0:
            scored.append((score, entry))
    scored.sort(key=lambda item: -item[0])
    return [entry for _, entry in scored[:_MOST]]


class PaletteDialog(Dialog[Entry]):
    """Answers with the entry to run."""

    BINDINGS = [  # noqa: RUF012 - Textual's way to give them
        Binding("escape", "back", show=False, priority=True),
        Binding("down,ctrl+n", "go(1)", show=False, priority=True),
        Binding("up", "go(-1)", show=False, priority=True),
        Binding("tab", "complete", show=False, priority=True),
        Binding("ctrl+x", "app.abort", show=False, priority=True),
    ]
    DEFAULT_CSS = """
    PaletteDialog { align: center top; }
    PaletteDialog > #box { margin-top: 2; }
    PaletteDialog #line { height: 1; }
    PaletteDialog #colon { width: 2; text-style: bold; }
    PaletteDialog ChoiceList { margin-top: 1; }
    """

    def __init__(
        self,
        session: Session,
        entries: Sequence[Entry],
        free: Callable[[str], Entry | None] = lambda text: None,
    ) -> None:
        """``free`` makes an entry of a text that is in no table, such as a namespace nobody has seen."""
        super().__init__(session)
        self._entries = tuple(entries)
        self._free = free
        self._found = self._find("")
        self.list = ChoiceList(session.look, self._choices(), label=14)

    def compose(self) -> ComposeResult:
        """The line, and what fits."""
        with Vertical(id="box"):
            with Horizontal(id="line"):
                yield Static(":", id="colon")
                yield TypedLine("a command, ns NAME, ctx NAME, or a workload")
            yield self.list

    def on_mount(self) -> None:
        """The keys go into the line."""
        self.set_focus(self.query_one(Input))

    def _choices(self) -> list[Choice]:
        return [
            Choice(str(index), entry.text, entry.reason or entry.help, entry.reason is None)
            for index, entry in enumerate(self._found)
        ]

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._look_for(event.value)

    def _find(self, query: str) -> list[Entry]:
        hits = found(self._entries, query)
        free = self._free(query.strip())
        if free is not None and all(free.text.lower() != entry.text.lower() for entry in hits):
            hits.insert(0, free)
        return hits

    def _look_for(self, query: str) -> None:
        self._found = self._find(query)
        self.list.at = 0
        self.list.put(self._choices())
        self.list.refresh(layout=True)

    def action_go(self, by: int) -> None:
        """The cursor."""
        self.list.move(by)

    def action_complete(self) -> None:
        """Puts the text under the cursor into the line."""
        if self._found:
            line = self.query_one(Input)
            line.value = self._found[self.list.at].text
            line.cursor_position = len(line.value)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        """What was typed counts, drawn or not: it only moves the view, or opens a dialog that asks."""
        event.stop()
        at = self.list.at
        if event.value.strip():
            now = self._find(event.value)
            if [entry.text for entry in now] != [entry.text for entry in self._found]:
                self._found, at = now, 0
        if not self._found:
            self.query_one(Input).value = ""
            self.query_one(Input).placeholder = f"nothing is called {plain(event.value, 60)}"
            return
        entry = self._found[min(at, len(self._found) - 1)]
        self.dismiss(entry)
