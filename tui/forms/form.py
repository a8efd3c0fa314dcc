"""A form: rows to fill in, what comes of them told while they are typed, then the plan of the change."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from clients.serving.backend import Ticket
from clients.serving.changes import ObjectChange
from clients.serving.workload import Workload
from tui.dialogs.fixed_draft import FixedDraft
from tui.dialogs.scale import ScaleDialog
from tui.forms.changed_lines import changed_lines
from tui.forms.rows import FormRow, RowsDialog, Values
from tui.session import Session

__all__ = ["Form", "FormDialog"]


class Form(Struct, frozen=True):
    """What a form asks, and what comes of the answers."""

    title: str
    rows: tuple[FormRow, ...]
    said: Callable[[Values], Sequence[str]]
    """What is to be known of these answers, and what is wrong with them: shown while they are typed."""
    change: Callable[[Values], ObjectChange | str]
    """The change, or why there is none yet."""


class FormDialog(RowsDialog[Ticket]):
    """Answers with the ticket of what was sent in the end, or ``None``. What it shows is not yet a plan."""

    def __init__(self, session: Session, workload: Workload, form: Form) -> None:
        super().__init__(session, f"{form.title} {session.title(workload.key)}", form.rows)
        self._workload = workload
        self._form = form

    def said(self) -> Sequence[str]:
        """The form's own words."""
        return self._form.said(self.values)

    def action_confirm(self) -> None:
        """On to the plan; back from it the form is as it was."""
        made = self._form.change(self.values)
        if isinstance(made, str):
            self.say(f"not yet: {made}")
            return
        draft = FixedDraft(self._form.title, made, changed_lines(made))
        self.app.push_screen(ScaleDialog(self.session, self._workload, draft), self._sent)

    def _sent(self, ticket: Ticket | None) -> None:
        if ticket is not None:
            self.dismiss(ticket)
