"""Rows to fill in, in a dialog of their own, with what comes of them told while they are typed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from msgspec import Struct
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.events import DescendantFocus, Paste
from textual.events import Key as KeyPress
from textual.widget import Widget
from textual.widgets import Input, Static

from clients.serving.plain import plain
from tui.dialogs.base import Dialog
from tui.keys import Place, key_line
from tui.screens.bindings import bindings
from tui.session import Session
from tui.typed_line import TypedLine
from widgets.key_line import KeyLine
from widgets.records import KeyHint

__all__ = ["FormRow", "RowsDialog", "Values"]

_LABEL = 16
_FRAME = 3
"""Lines of a dialog beside rows and words: its frame, and the keys."""
_BETWEEN = ("tab", "down", "up")

Values = Mapping[str, str]
Answer = TypeVar("Answer")


class FormRow(Struct, frozen=True):
    """One line to fill in."""

    id: str
    label: str
    value: str = ""
    hint: str = ""
    """In an empty line: what stands for nothing."""
    options: tuple[str, ...] = ()
    """It is chosen from these, not typed."""
    explained: str = ""
    """What it is for, in a sentence; shown while the row has the keys."""
    by_hand: bool = False
    """A paste does not count in it."""
    longest: int = 200
    """Characters."""


def _at_once(made: Sequence[BindingType]) -> list[BindingType]:
    """Keys between rows act when they are read: what is typed ahead of the next row must not go into this."""
    return [
        replace(one, priority=True) if isinstance(one, Binding) and one.key in _BETWEEN else one
        for one in made
    ]


class Chosen(Static, can_focus=True):
    """One of several, changed with the arrow keys or the space bar."""

    DEFAULT_CSS = """
    Chosen { width: 1fr; height: 1; }
    """

    def __init__(self, row: FormRow, changed: Callable[[], None]) -> None:
        super().__init__(markup=False)
        self._options = row.options
        self._changed = changed
        self.value = row.value if row.value in row.options else row.options[0]

    def on_mount(self) -> None:
        """Draws what is chosen."""
        self._draw()

    def watch_has_focus(self, _has_focus: bool) -> None:
        """It has the keys, or has them no more."""
        super().watch_has_focus(_has_focus)
        self._draw()

    def on_key(self, event: KeyPress) -> None:
        """Left, right and the space bar."""
        by = {"left": -1, "right": 1, "space": 1}.get(event.key)
        if by is not None:
            event.stop()
            at = self._options.index(self.value)
            self.value = self._options[(at + by) % len(self._options)]
            self._draw()
            self._changed()

    def _draw(self) -> None:
        self.update(f"< {plain(self.value, 80)} >" if self.has_focus else f"  {plain(self.value, 80)}")


class TypedWord(TypedLine):
    """A line into which nothing can be pasted."""

    def on_paste(self, event: Paste) -> None:
        """A paste never confirms."""
        event.stop()
        event.prevent_default()


class Said(Static):
    """What is said of the rows. Whoever made it is told when its height is another."""

    def __init__(self, resized: Callable[[], None]) -> None:
        super().__init__(id="said", markup=False)
        self._resized = resized

    def on_resize(self) -> None:
        """It is laid out: only now its height is known."""
        self._resized()


class RowsDialog(Dialog[Answer]):
    """A frame, rows, what is said of them, keys. Subclasses say it, and do what Enter does."""

    BINDINGS = _at_once(bindings(Place.FORM))
    DEFAULT_CSS = """
    RowsDialog VerticalScroll { height: auto; max-height: 100%; }
    RowsDialog Horizontal { height: 1; }
    RowsDialog .label { width: 18; }
    RowsDialog Input { width: 1fr; }
    RowsDialog #said { height: auto; max-height: 8; padding: 1 0 0 1; }
    RowsDialog KeyLine { height: 1; }
    """

    def __init__(self, session: Session, title: str, rows: Sequence[FormRow]) -> None:
        super().__init__(session)
        self._title = title
        self._rows = tuple(rows)
        self._lines: dict[str, TypedLine | Chosen] = {}

    def compose(self) -> ComposeResult:
        """Rows, what is said of them, keys."""
        with Vertical(id="box") as box:
            box.border_title = plain(self._title, 400).replace("[", "(")
            with VerticalScroll(can_focus=False):
                for row in self._rows:
                    with Horizontal():
                        yield Static(f" {row.label:<{_LABEL}}", classes="label", markup=False)
                        yield self._line(row)
            yield Said(self._fit)
            yield KeyLine(self.session.look)

    def _line(self, row: FormRow) -> Widget:
        line: TypedLine | Chosen
        if row.options:
            line = Chosen(row, self.say)
        else:
            line = (TypedWord if row.by_hand else TypedLine)(row.hint, row.longest)
            line.value = row.value
        self._lines[row.id] = line
        return line

    def on_mount(self) -> None:
        """The first row has the keys."""
        self.set_focus(next(iter(self._lines.values())))
        hints = tuple(KeyHint(key.shown, key.label) for key in key_line(Place.FORM))
        self.query_one(KeyLine).show(hints, self.session.door.now())
        self.say()

    @property
    def values(self) -> dict[str, str]:
        """What stands in the rows."""
        return {name: line.value.strip() for name, line in self._lines.items()}

    def said(self) -> Sequence[str]:
        """What is to be known of what stands in the rows, and what is wrong with it."""
        raise NotImplementedError

    @on(Input.Changed)
    @on(DescendantFocus)
    def _changed(self) -> None:
        self.say()

    def say(self, more: str = "") -> None:
        """Says it anew, and what the row under the cursor is for."""
        if not self.is_mounted:
            return
        focused = self.focused
        about = next((row.explained for row in self._rows if self._lines[row.id] is focused), "")
        lines = [plain(line, 400) for line in (about, *self.said(), more) if line]
        self.query_one(Said).update("\n".join(lines))

    def on_resize(self) -> None:
        """Another height leaves room for other rows."""
        self._fit()

    def _fit(self) -> None:
        """Rows scroll where all of them would push what is said of them, or the keys, out of sight.

        The row that has the keys stays in sight: what is said of it may just have taken its place.
        """
        if self.drawable:
            beside = self.query_one(Said).outer_size.height + _FRAME
            self.query_one(VerticalScroll).styles.max_height = max(4, self.size.height - beside)
            if self.focused is not None:
                self.call_after_refresh(self.focused.scroll_visible, animate=False)

    @on(Input.Submitted)
    def _submitted(self) -> None:
        self.action_confirm()

    def action_next_field(self) -> None:
        """The next row."""
        self.focus_next()

    def action_down(self) -> None:
        """The next row."""
        self.focus_next()

    def action_up(self) -> None:
        """The row before."""
        self.focus_previous()

    def action_confirm(self) -> None:
        """What Enter does."""
        raise NotImplementedError
