"""The scale dialog: a draft in, a live plan beside it, and the confirmation that the plan asks for."""

from __future__ import annotations

from collections.abc import Callable

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.events import Key as KeyPress
from textual.events import Resize
from textual.timer import Timer
from textual.widgets import Static

from clients.serving.backend import Result, Ticket
from clients.serving.changes import Change
from clients.serving.guards import Confirmation
from clients.serving.plain import plain
from clients.serving.plans import ScalePlan
from clients.serving.workload import Workload
from tui.dialogs.base import Dialog
from tui.dialogs.draft import Draft
from tui.dialogs.fields import CountFields
from tui.dialogs.settled import SETTLE_SECONDS
from tui.dialogs.word import ServersWord, matters, may_ask
from tui.door import DataError
from tui.keys import Place, key_line
from tui.live import Frame
from tui.screens.bindings import bindings
from tui.session import Session
from widgets.key_line import KeyLine
from widgets.plan_view import PlanView
from widgets.records import KeyHint, PlanShown

__all__ = ["ScaleDialog"]

_DEBOUNCE = 0.08
"""Seconds without another key before a plan is asked for."""
_DRY_RUN_AFTER = 0.3
"""Seconds that a plan must stand before the server is asked about it."""
_PLANLESS = "no plan for these numbers; change one to ask again, Esc goes back"
_OF_FIELDS = ("more", "fewer", "next_field")
_TYPED = (Confirmation.YES, Confirmation.NAME)


class ScaleDialog(Dialog[Ticket]):
    """Answers with the ticket of what was sent, or ``None``. Nothing is ever sent twice."""

    BINDINGS = bindings(Place.SCALE)
    DEFAULT_CSS = """
    ScaleDialog PlanView { height: 12; }
    ScaleDialog KeyLine { height: 1; }
    """

    def __init__(
        self,
        session: Session,
        workload: Workload,
        draft: Draft,
        *,
        confirming: bool = False,
    ) -> None:
        """``confirming``: the confirmation has the keys at once, not the fields."""
        super().__init__(session)
        self.workload = workload
        self.draft = draft
        self.lasting: Callable[[], None] | None = None
        """Opens the choice of changes that last; whoever opens the dialog puts it in."""
        self.plan: ScalePlan | None = None
        self.typed = ""
        self.message: str | None = None
        """What the last key came to."""
        self.notice: str | None = None
        """What somebody else did meanwhile; stays until the numbers are touched."""
        self.conflict: str | None = None
        """That somebody was faster; stays until the numbers are touched."""
        self.sending = False
        self._confirming = confirming or not draft.fields
        """The confirmation has the keys, not the fields."""
        self._typed_since = 0.0
        self._asked: Change | None = None
        """What the plan that is awaited or shown was asked for."""
        self._current = False
        """``plan`` is the plan for what stands in the fields."""
        self._again = False
        """The plan for the same numbers is being made anew: the one that is shown stays until then."""
        self._planless = False
        """The last try to make a plan came to nothing."""
        self._word = ServersWord()
        self._timer: Timer | None = None
        self._height = 0
        self._scrolled = False
        """The person looks at another part of the plan than its end."""

    # Layout

    def compose(self) -> ComposeResult:
        """Fields, plan, keys."""
        look = self.session.look
        with Vertical(id="box") as box:
            title = f"{self.draft.title} {plain(self.session.title(self.workload.key), 300)}"
            box.border_title = title.replace("[", "(")
            yield CountFields(look)
            yield Static(id="note", markup=False)
            yield PlanView(look)
            yield KeyLine(look)

    def on_mount(self) -> None:
        """Asks for the first plan at once."""
        self._ask_plan()
        self.call_after_refresh(self._show)

    def on_resize(self, event: Resize) -> None:
        """The plan's place follows the screen."""
        del event
        self._height = 0
        self._scrolled = False
        self.call_after_refresh(self._fit)

    def _fit(self) -> None:
        """As tall as the plan wants and the screen has; it only grows, so that it does not jump."""
        view = self.query_one(PlanView)
        fields = self.query_one(CountFields)
        room = self.size.height - max(1, fields.size.height) - 4
        self._height = min(max(self._height, view.row_count, 6), max(4, room))
        if view.size.height != self._height:
            view.styles.height = self._height
        if not self._scrolled:
            self.call_after_refresh(self._to_prompt)

    def _to_prompt(self) -> None:
        """Where not all of the plan fits, its end is in sight: the rules and what is asked for.

        The numbers stand in the fields, the name in the frame, so the beginning is the lesser loss.
        """
        view = self.query_one(PlanView)
        view.scroll_rows(view.row_count)

    # Data

    def take(self, frame: Frame) -> None:
        """Follows the workload: what somebody else changes meanwhile is said, and the plan made again."""
        key = self.workload.key
        if key in frame.removed:
            self.notice = "the workload is gone: there is nothing to scale any more"
            self._outdate()
            return
        newest = self.session.live.workload(key)
        if newest is None or newest is self.workload or self.sending:
            return
        before, self.workload = self.workload, newest
        notes = self.draft.follow(newest)
        if notes:
            self.notice = f"changed meanwhile: {', '.join(notes)}"
            self._change_plan()
        elif matters(before) != matters(newest):
            self._plan_again()

    def _change_plan(self) -> None:
        """The plan that is shown no longer fits: another one is asked for after a moment without keys."""
        self.typed = ""
        self._again = False
        self._outdate()
        self._ask_soon()

    def _plan_again(self) -> None:
        """The same numbers, but on other ground: nothing on the screen moves until the new plan is there."""
        if self._current:
            self._current, self._again = False, True
        self._ask_soon()

    def _ask_soon(self) -> None:
        if self._timer:
            self._timer.stop()
        self._timer = self.set_timer(_DEBOUNCE, self._ask_plan)

    def _outdate(self) -> None:
        self._current = self._again = False
        self.aim(None)
        self._show()

    def _ask_plan(self) -> None:
        self._timer = None
        if self.draft.complete and not self.sending:
            self._planless = False
            self._asked = self.draft.change()
            self.run_worker(self._plan(self._asked), group="plan", exclusive=True, exit_on_error=False)

    async def _plan(self, change: Change) -> None:
        try:
            plan = await self.session.door.plan(self.workload.key, change)
        except DataError as error:
            self.message = f"no plan: {error}"
            self._planless = True
            self._outdate()
            return
        self._put(self._word.awaited(plan), change)
        self._timer = self.set_timer(_DRY_RUN_AFTER, self._ask_dry_run)

    def _ask_dry_run(self) -> None:
        self._timer = None
        plan = self.plan
        if plan and self._current and plan.write is not None and not self.sending and may_ask(plan):
            self.run_worker(self._dry_run(plan), group="plan", exclusive=True, exit_on_error=False)

    async def _dry_run(self, plan: ScalePlan) -> None:
        try:
            self._put(self._word.heard(await self.session.door.dry_run(plan)), plan.change)
        except DataError as error:
            self.message = f"no dry run: {error}"
            self._word.missed()
            self._show()

    def _put(self, plan: ScalePlan, change: object) -> None:
        if change != self.draft.change() or self.sending:
            return
        notes = self.draft.learn(plan)
        if notes:
            self.notice = f"changed meanwhile: {', '.join(notes)}"
        if change != self.draft.change():
            self._change_plan()
            return
        asks = None if self.plan is None else self.plan.confirmation
        if self.plan is None or _outcome(self.plan) != _outcome(plan):
            self._scrolled = False
        self.plan = plan
        self._current, self._again = True, False
        if plan.confirmation != asks:
            self.typed = ""
        self._show()
        self.aim((plan.change, plan.before, _outcome(plan), plan.confirmation, self._word.level(plan)))

    # Drawing

    def _show(self) -> None:
        if not self.drawable:
            return
        typing = self._confirming and self.plan is not None and self.plan.confirmation in _TYPED
        fields = self.query_one(CountFields)
        fields.display = bool(self.draft.fields)
        fields.show(self.draft.fields, None if typing else self.draft.current)
        view = self.query_one(PlanView)
        view.set_class(not (self._current or self._again), "-old")
        words = ". ".join(text for text in (self.conflict, self.notice, self.message) if text)
        note = self.query_one("#note", Static)
        note.display = self.plan is None
        if self.plan is None:
            note.update(" " + plain(words or "making the plan", 600))
        else:
            shown = PlanShown(
                self.plan, self._word.check, self.typed, self._busy(), words or None, self.draft.says
            )
            view.show(shown, self.session.door.now())
            self._fit()
        hints = tuple(
            KeyHint(key.shown, key.label)
            for key in key_line(Place.SCALE)
            if (self.draft.fields or key.id not in _OF_FIELDS) and (self.lasting or key.id != "pin")
        )
        self.query_one(KeyLine).show(hints, self.session.door.now())

    def _busy(self) -> str | None:
        if self.sending:
            return "sending: asking the server, then writing"
        if not self.draft.complete:
            return "a number is missing"
        if not (self._current or self._again):
            return _PLANLESS if self._planless else "making the plan for these numbers"
        if self.plan and self.plan.confirmation in _TYPED and not self.plan.blocked and not self._confirming:
            return f"Enter goes on to the confirmation: {self._asks()} is to be typed"
        return None

    def _asks(self) -> str:
        name = self.plan is not None and self.plan.confirmation is Confirmation.NAME
        return plain(self.plan.named) if name and self.plan is not None else "YES"

    def _say(self, text: str) -> None:
        self.message = text
        self._show()

    # Keys

    def on_key(self, event: KeyPress) -> None:
        """Digits go into the field, letters into the confirmation that asks for them."""
        if self.sending:
            return
        char = event.character or ""
        asks = self.plan.confirmation if self.plan is not None and self._current else None
        if event.key == "backspace":
            self._backspace()
        elif self._confirming and asks is Confirmation.NAME and event.is_printable:
            self._type(char)
        elif char.isdecimal() and char.isascii():
            self._confirming = False
            self.draft.digit(char)
            self._change_plan()
        elif asks is Confirmation.YES and _in_a_word(char) and (self._confirming or char in "YES "):
            self._confirming = True
            self._type(char)
        else:
            return
        event.stop()
        event.prevent_default()

    def _type(self, char: str) -> None:
        if not self.typed:
            self._typed_since = self.session.door.monotonic()
        self.typed = (self.typed + char)[:253]
        self.message = None
        self._show()

    def _backspace(self) -> None:
        if self._confirming and self.typed:
            self.typed = self.typed[:-1]
            self._show()
        elif not self._confirming:
            self.draft.backspace()
            self._change_plan()

    def action_down(self) -> None:
        """The plan, a line on."""
        self._scroll(1)

    def action_up(self) -> None:
        """The plan, a line back."""
        self._scroll(-1)

    def action_page_down(self) -> None:
        """The plan, a page on."""
        self._scroll(max(1, self._height - 1))

    def action_page_up(self) -> None:
        """The plan, a page back."""
        self._scroll(-max(1, self._height - 1))

    def _scroll(self, rows: int) -> None:
        self._scrolled = True
        self.query_one(PlanView).scroll_rows(rows)

    def action_more(self) -> None:
        """One more in the current field."""
        self._step(1)

    def action_fewer(self) -> None:
        """One fewer in the current field."""
        self._step(-1)

    def _step(self, by: int) -> None:
        if not self.sending:
            self.draft.step(by)
            self.message = self.notice = self.conflict = None
            self._change_plan()

    def action_next_field(self) -> None:
        """The next field, after the last one the confirmation, then the first again."""
        if self._confirming:
            self._confirming = False
            while self.draft.next_field(-1):
                pass
        elif not self.draft.next_field():
            self._confirming = True
        self._show()

    def action_pin(self) -> None:
        """The changes that last, in place of this one."""
        if self.lasting is not None and not self.sending:
            self.lasting()

    def action_copy(self) -> None:
        """Copies the equivalent command."""
        if self.plan is not None:
            self.app.copy_to_clipboard(plain(self.plan.equivalent, 4000))
            self._say("copied the equivalent command")

    def action_back(self) -> None:
        """Closes; nothing is sent that was not sent already."""
        self.dismiss(None)

    def action_confirm(self) -> None:
        """Sends the plan, if it is the one that was to be seen and what it asks for was typed."""
        plan = self.plan
        if self.sending:
            return
        if plan is not None and self._again:
            self._say("not sent: what the plan rests on has just changed; look and press it again")
        elif plan is None or not self._current:
            self._say("not sent: the plan for these numbers is not there yet")
        elif plan.blocked:
            self._say("not sent: a rule forbids it, see STOP above")
        elif plan.confirmation is Confirmation.NONE or plan.write is None:
            self._say("nothing changes, so nothing was sent")
        elif plan.confirmation in _TYPED and not self._confirming:
            self._confirming = True
            self._show()
        elif not self.settled.ready:
            self._say("not sent: Enter came before the plan was to be seen; press it again")
        elif plan.confirmation in _TYPED and not self._typed_right(plan):
            self._say(f"not sent: type {self._asks()} exactly")
            self.typed = ""
            self._show()
        elif plan.confirmation in _TYPED and not self._typed_by_hand():
            self.typed = ""
            self._say(f"not sent: that was pasted; type {self._asks()} by hand")
        else:
            self._send(plan)

    def _typed_right(self, plan: ScalePlan) -> bool:
        name = plan.confirmation is Confirmation.NAME
        return self.typed == (plan.named if name else "YES")

    def _typed_by_hand(self) -> bool:
        """A terminal that can't mark a paste sends it as keys, faster than hands are."""
        return self.session.door.monotonic() - self._typed_since >= SETTLE_SECONDS

    # Sending

    def _send(self, plan: ScalePlan) -> None:
        self.sending = True
        self.message = None
        confirmed = self.typed or str(plan.confirmation)
        self._show()
        # The application's own worker: closing the dialog must not cut a write short.
        self.app.run_worker(self._write(plan, confirmed), exit_on_error=False)

    async def _write(self, plan: ScalePlan, confirmed: str) -> None:
        try:
            ticket = await self.session.door.send(plan, confirmed=confirmed)
        except DataError as error:
            self._failed(str(error))
            return
        if not self.is_current:
            self.session.tell(f"{plan.key.name}: {ticket.result}. {ticket.message}")
        elif ticket.result is Result.ACCEPTED:
            self.dismiss(ticket)
        elif ticket.result is Result.CONFLICT:
            self._conflict(ticket)
        else:
            self._failed(ticket.message or str(ticket.result))

    def _failed(self, text: str) -> None:
        self.sending = False
        self.typed = ""
        self.message = text
        if self.is_current:
            self._change_plan()
        else:
            self.session.tell(f"{self.workload.key.name}: {text}")

    def _conflict(self, ticket: Ticket) -> None:
        """Somebody was faster: nothing was sent again. Old and new are shown, and it asks anew."""
        self.sending = False
        newest = self.session.live.workload(self.workload.key)
        notes: tuple[str, ...] = ()
        if newest is not None:
            self.workload = newest
            notes = self.draft.follow(newest)
        changed = f" ({', '.join(notes)})" if notes else ""
        said = ticket.message or "it was changed meanwhile"
        self.conflict = f"conflict{changed}: {said}. Look again, confirm again"
        self._change_plan()


def _outcome(plan: ScalePlan) -> tuple[object, ...]:
    """What a plan comes to: while it stays the same, so does what Enter does."""
    return (plan.after, plan.bounds_before, plan.bounds_after, plan.write and plan.write.body)


def _in_a_word(char: str) -> bool:
    """Blanks count: `` YES `` is not what was asked for."""
    return char.isalpha() or char == " "
