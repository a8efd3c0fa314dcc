"""Which dialog changes a workload: counts where they are its own, bounds where they are not, or a choice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textual.app import App

from clients.serving.backend import Ticket
from clients.serving.changes import (
    BoundsChange,
    Change,
    FreezeChange,
    ObjectChange,
    ReplicasChange,
    RunChange,
    SuspendChange,
)
from clients.serving.workload import Workload
from tui import lasting
from tui.dialogs.bounds_draft import BoundsDraft, PinDraft
from tui.dialogs.choice import Choice, ChoiceDialog
from tui.dialogs.count_draft import CountDraft
from tui.dialogs.draft import GROUPS, Draft
from tui.dialogs.fixed_draft import FixedDraft
from tui.dialogs.scale import ScaleDialog
from tui.session import Session

__all__ = ["Changing"]


class Changing:
    """The ways in, for one workload; ``role`` is what the cursor is on, ``done`` hears of what was sent."""

    def __init__(
        self,
        app: App[Any],
        session: Session,
        workload: Workload,
        role: str | None,
        done: Callable[[Ticket | None], None],
    ) -> None:
        self._app = app
        self._session = session
        self._workload = workload
        self._role = role
        self._done = done

    @property
    def _bounds_role(self) -> str | None:
        return lasting.role_of(self._workload, self._role)

    def scale(self, step: int = 0) -> None:
        """Groups, or the role under the cursor; bounds where the count is theirs. ``step``: more or fewer.

        What may go, since another one is ready in its place, begins at zero.
        """
        if lasting.takes_bounds(self._workload):
            bounds = BoundsDraft(self._bounds_role)
            if step:
                bounds.aim_at(max(0, (self._workload.desired or 0) + step), up=step > 0)
            self._open(bounds, confirming=bool(step))
            return
        counts = CountDraft(self._workload, self._role or GROUPS)
        if step:
            counts.step(step)
        elif self._session.live.offered(self._workload.key) is not None:
            counts.put(GROUPS, 0)
        self._open(counts, confirming=bool(step))

    def change(self, change: Change) -> None:
        """A change as it is: the inverse of an earlier one."""
        match change:
            case ReplicasChange():
                counts = CountDraft(self._workload)
                counts.take(change)
                self._open(counts, confirming=True)
            case BoundsChange():
                bounds = BoundsDraft(change.role)
                bounds.take(change)
                self._open(bounds, confirming=True)
            case _:
                self._open(FixedDraft(_title(change), change), confirming=True)

    def choose(self, over: ScaleDialog | None = None) -> None:
        """The changes that last, each with the reason why not; ``over``: the dialog whose place they take."""
        key = self._workload.key
        workload = self._session.live.workload(key) or self._workload
        role = lasting.role_of(workload, self._role)
        ways = {way.id: way for way in lasting.ways(workload, role, self._session.door.pin(key, role))}
        choices = [Choice(way.id, way.label, way.reason, not way.reason) for way in ways.values()]

        def chosen(answer: str | None) -> None:
            if answer is not None:
                self._workload = workload
                # From the application: a dialog that goes hears nothing of what comes in its place.
                self._app.call_later(self._instead, over, ways[answer])

        title = f"what lasts for {self._session.title(key)}"
        self._app.push_screen(ChoiceDialog(self._session, title, choices), chosen)

    def _instead(self, over: ScaleDialog | None, way: lasting.Way) -> None:
        if over is not None and over is self._app.screen:
            over.dismiss(None)
        self._take(way)

    def _take(self, way: lasting.Way) -> None:
        if way.id == lasting.PIN:
            self._open(PinDraft(self._workload.desired, self._bounds_role))
        elif way.change is None:
            self._open(BoundsDraft(self._bounds_role))
        elif isinstance(way.change, BoundsChange) and not way.change.pin:
            self.change(way.change)
        else:
            self._open(FixedDraft(way.title, way.change), confirming=True)

    def _open(self, draft: Draft, *, confirming: bool = False) -> None:
        dialog = ScaleDialog(self._session, self._workload, draft, confirming=confirming)
        dialog.lasting = lambda: self.choose(dialog)
        self._app.push_screen(dialog, self._done)


def _title(change: Change) -> str:
    match change:
        case RunChange():
            return "Resume" if change.running else "Stop"
        case SuspendChange():
            return "Suspend" if change.suspended else "Let act"
        case FreezeChange():
            return "Freeze" if change.frozen else "Thaw"
        case ObjectChange():
            return f"{str(change.verb).capitalize()} {change.ref} of"
    return "Change"
