"""A form: rows to fill in, what comes of them told while they are typed, then the plan of the change."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from msgspec import Struct
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.events import Key as KeyPress
from textual.widget import Widget
from textual.widgets import Input, Static

from clients.serving.backend import Ticket
from clients.serving.changes import ObjectChange
from clients.serving.plain import plain
from clients.serving.workload import Workload
from tui.dialogs.base import Dialog
from tui.dialogs.fixed_draft import FixedDraft
from tui.dialogs.scale import ScaleDialog
from tui.forms.changed_lines import changed_lines
from tui.keys import Place, key_line
from tui.screens.bindings import bindings
from tui.session import Session
from tui.typed_line import TypedLine
from widgets.key_line import KeyLine
from widgets.records import KeyHint

__all__ = ["Form", "FormDialog", "FormRow"]

_LABEL = 16
_BETWEEN = ("tab", "down", "up")


class FormRow(Struct, frozen=True):
    """One line to fill in."""

    id: str
    label: str
    value: str = ""
    hint: str = ""
    """In an empty line: what stands for nothing."""
    options: tuple[str, ...] = ()
    """It is chosen from these, not typed."""


Values = Mapping[str, str]


def _at_once(made: Sequence[BindingType]) -> list[BindingType]:
    """Keys between rows act when they are read: what is typed ahead of the next row must not go into this."""
    return [
        replace(one, priority=True) if isinstance(one, Binding) and one.key in _BETWEEN else one
        for one in made
    ]


class Form(Struct, frozen=True):
    """What a form asks, and what comes of the answers."""

    title: str
    rows: tuple[FormRow, ...]
    said: Callable[[Values], Sequence[str]]
    """What is to be known of these answers, and what is wrong with them: shown while they are typed."""
    change: Callable[[Values], ObjectChange | str]
    """The change, or why there is none yet."""


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

    def on_focus(self) -> None:
        """It has the keys."""
        self._draw()

    def on_blur(self) -> None:
        """It has them no more."""
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


class FormDialog(Dialog[Ticket]):
    """Answers with the ticket of what was sent in the end, or ``None``. What it shows is not yet a plan."""

    BINDINGS = _at_once(bindings(Place.FORM))
    DEFAULT_CSS = """
    FormDialog VerticalScroll { height: auto; max-height: 100%; }
    FormDialog Horizontal { height: 1; }
    FormDialog .label { width: 18; }
    FormDialog Input { width: 1fr; }
    FormDialog #said { height: auto; max-height: 8; padding: 1 0 0 1; }
    FormDialog KeyLine { height: 1; }
    """

    def __init__(self, session: Session, workload: Workload, form: Form) -> None:
        super().__init__(session)
        self._workload = workload
        self._form = form
        self._lines: dict[str, TypedLine | Chosen] = {}

    def compose(self) -> ComposeResult:
        """Rows, what is said of them, keys."""
        with Vertical(id="box") as box:
            title = f"{self._form.title} {plain(self.session.title(self._workload.key), 300)}"
            box.border_title = title.replace("[", "(")
            with VerticalScroll(can_focus=False):
                for row in self._form.rows:
                    with Horizontal():
                        yield Static(f" {row.label:<{_LABEL}}", classes="label", markup=False)
                        yield self._line(row)
            yield Static(id="said", markup=False)
            yield KeyLine(self.session.look)

    def _line(self, row: FormRow) -> Widget:
        line: TypedLine | Chosen
        if row.options:
            line = Chosen(row, self._say)
        else:
            line = TypedLine(row.hint)
            line.value = row.value
        self._lines[row.id] = line
        return line

    def on_mount(self) -> None:
        """The first row has the keys."""
        self.set_focus(next(iter(self._lines.values())))
        hints = tuple(KeyHint(key.shown, key.label) for key in key_line(Place.FORM))
        self.query_one(KeyLine).show(hints, self.session.door.now())
        self._say()

    @property
    def values(self) -> dict[str, str]:
        """What stands in the rows."""
        return {name: line.value.strip() for name, line in self._lines.items()}

    @on(Input.Changed)
    def _typed(self) -> None:
        self._say()

    def _say(self, more: str = "") -> None:
        if self.is_mounted:
            lines = [plain(line, 400) for line in (*self._form.said(self.values), more) if line]
            self.query_one("#said", Static).update("\n".join(lines))

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
        """On to the plan; back from it the form is as it was."""
        made = self._form.change(self.values)
        if isinstance(made, str):
            self._say(f"not yet: {made}")
            return
        draft = FixedDraft(self._form.title, made, changed_lines(made))
        self.app.push_screen(ScaleDialog(self.session, self._workload, draft), self._sent)

    def _sent(self, ticket: Ticket | None) -> None:
        if ticket is not None:
            self.dismiss(ticket)
