"""Screens whose cursor is on a workload, or on a part of one: all that can be done to it from there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from clients.serving.autoscaling_words import headlines
from clients.serving.backend import Result, Ticket
from clients.serving.engine_use import engine_pods, engines_of
from clients.serving.figure_words import figure_lines
from clients.serving.keys import WorkloadKey
from clients.serving.workload import PodView, RoleReplica, Workload
from tui import cloud_reasons
from tui.deletion import why_kept
from tui.dialogs.choice import Choice, ChoiceDialog
from tui.door import DataError
from tui.keys import find, in_place
from tui.live import Frame
from tui.screens import pages
from tui.screens.base import ConsoleScreen
from tui.screens.bindings import action_of
from tui.succession import offer_words
from tui.why import why

if TYPE_CHECKING:
    from tui.dialogs.opening import Changing

__all__ = ["ActingScreen", "Target"]

_WRITE = "patch"
_SOON = 2.0
"""Seconds for which a page waits for what would only add to it."""


class Target(Struct, frozen=True):
    """What the cursor is on."""

    workload: Workload
    group: str | None = None
    role: str | None = None
    replica: str | None = None


class ActingScreen(ConsoleScreen):
    """Fleet and workload: a cursor on something that can be scaled, read and asked about."""

    def target(self) -> Target | None:
        """What the cursor is on; ``None``: nothing is there."""
        raise NotImplementedError

    def take(self, frame: Frame) -> None:
        """Draws a frame; once a second the row under the cursor is said to be looked at."""
        super().take(frame)
        target = self.target() if frame.beat and self.drawable else None
        if target is not None and target.workload.key.managed:
            self.session.door.attend(target.workload.key)

    def on_target(self) -> None:
        """The cursor is on something else: asks once whether it may be changed."""
        target = self.target()
        if target and self.read_only is None:
            key = target.workload.key
            if self.session.known_right(_WRITE, key) is None:
                self.run_worker(self._ask_right(key), group="right", exclusive=True, exit_on_error=False)
        self.show_keys()

    async def _ask_right(self, key: WorkloadKey) -> None:
        await self.session.ask_right(_WRITE, key)
        self.show_keys()

    # What is possible

    def keys_may_differ(self, frame: Frame) -> bool:
        """Once a second, and with what the cursor is on: most frames are about others."""
        if frame.whole or frame.beat or frame.removed:
            return True
        target = self.target() if self.drawable else None
        return target is None or target.workload.key in frame.changed

    @property
    def read_only(self) -> str | None:
        """A zone or region has a mode of its own."""
        target = self.target() if self.drawable else None
        return self.session.read_only if target is None else self.session.read_only_at(target.workload.key)

    def why_not(self, action: str) -> str | None:
        """Nothing under the cursor, a right that is missing, nothing to undo."""
        reason = super().why_not(action)
        if reason:
            return reason
        key = find(action, self.place)
        if action not in _ABOUT_WORKLOAD:
            return None
        target = self.target()
        if target is None:
            return "no workload is under the cursor"
        if action == "delete":
            return why_kept(target.workload.key, self.session.live.context.name)
        if key.writes and action != "test":
            right = self.session.known_right(_WRITE, target.workload.key)
            counts = action in _COUNTS and not target.workload.capabilities.stop
            if counts and right is not None and right.allowed is False:
                return (
                    f"not allowed: {right.missing or 'the right to patch it is missing'} (ctrl-r asks again)"
                )
            can = target.workload.capabilities
            if not (can.exact or can.bounds):
                return "it is shown only: every change of its bounds makes a new revision"
        if action == "undo" and self.session.door.undo(target.workload.key) is None:
            return "nothing of mine to undo here"
        if action == "logs" and not (target.workload.key.managed or any(pods_of(target))):
            return "no pod exists here"
        return cloud_reasons.why_not(target.workload, action)

    def action_menu(self) -> None:
        """What is possible here, with the key, and why the rest is not."""
        choices = [
            Choice(key.id, f"{key.shown:<7} {key.label}", self.why_not(key.id) or "", self.enabled(key.id))
            for key in sorted(in_place(self.place), key=lambda key: not key.writes)
            if key.id in _ABOUT_WORKLOAD and key.id != "open"
        ]
        target = self.target()
        title = self.session.title(target.workload.key) if target else "nothing under the cursor"
        self.app.push_screen(ChoiceDialog(self.session, title, choices), self._from_menu)

    async def _from_menu(self, chosen: str | None) -> None:
        if chosen:
            await self.run_action(action_of(chosen))

    # Scaling

    def action_scale(self) -> None:
        """The dialog with the fields in hand: counts, or bounds where the count is theirs."""
        changing = self.changing("scale")
        if changing:
            changing.scale()

    def action_more(self) -> None:
        """The dialog at one more."""
        changing = self.changing("more")
        if changing:
            changing.scale(1)

    def action_fewer(self) -> None:
        """The dialog at one fewer."""
        changing = self.changing("fewer")
        if changing:
            changing.scale(-1)

    def action_pin(self) -> None:
        """The changes that last: bounds, a pin, a frozen direction, a suspension, a stop."""
        changing = self.changing("pin")
        if changing:
            changing.choose()

    async def action_edit(self) -> None:
        """Forms for what drives it."""
        target = self.target()
        if self.allow("edit") and target:
            from tui.forms.opening import open_forms  # YAML and the forms: not needed for the first frame.

            await open_forms(self.app, self.session, target.workload, self._sent)

    def action_delete(self) -> None:
        """Asks whether to, beginning on no; then shows what is lost, and asks for the name."""
        target = self.target()
        if self.allow("delete") and target:
            from tui.forms.deployment import ask_deletion  # Not needed for the first frame.

            ask_deletion(self.app, self.session, target.workload, self._sent)

    async def action_test(self) -> None:
        """A load test; while one runs, its screen."""
        target = self.target()
        if self.allow("test") and target:
            from tui.loads.opening import open_test  # Not needed for the first frame.

            await open_test(self.app, self.session, target.workload.key)

    def action_undo(self) -> None:
        """The inverse of my last change, through the dialog that fits it."""
        changing, target = self.changing("undo"), self.target()
        change = self.session.door.undo(target.workload.key) if changing and target else None
        if changing and change is not None:
            changing.change(change)

    def changing(self, action: str) -> Changing | None:
        """The dialogs for what the cursor is on, if the action is possible; if not, says why."""
        target = self.target()
        if not self.allow(action) or target is None:
            return None
        return pages.changing(self.app, self.session, target.workload, target.role, self._sent)

    def _sent(self, ticket: Ticket | None) -> None:
        if ticket and ticket.result is Result.ACCEPTED and self.drawable:  # The program may be ending.
            self.follow(ticket.key)

    def follow(self, key: WorkloadKey) -> None:
        """Shows the workload's grid, where the operation is followed to its end."""
        raise NotImplementedError

    # Looking

    def action_why(self) -> None:
        """Why it does what it does."""
        target = self.target()
        if target is None:
            self.say("no workload is under the cursor")
            return
        key = target.workload.key

        async def read() -> str:
            workload = self.session.live.workload(key)
            if workload is None:
                return "The workload is gone."
            door = self.session.door
            return why(
                workload,
                now=door.now(key.cluster),
                group=target.group,
                replica=target.replica,
                eta=door.eta(key),
                last=door.fleet.finished(key),
                wrote=door.wrote(key),
                decided=await self._decided(workload),
                figures=self._figures(workload, target),
                offer="" if (made := self.session.live.offered(key)) is None else offer_words(made),
            )

        self.app.push_screen(
            pages.text(self.session, f"why  {self.session.title(key)}", read, live=True, wrap=True)
        )

    def _figures(self, workload: Workload, target: Target) -> Sequence[str]:
        """What the engines of the group or role replica tell, where they were read."""
        if target.group is None:
            return ()
        uses = engines_of(workload, self.session.door.engines(tuple(engine_pods(workload))))
        found = uses.groups.get(target.group)
        if target.role is not None and target.replica is not None:
            found = uses.replicas.get((target.group, target.role, target.replica))
        return () if found is None else figure_lines(found)

    async def _decided(self, workload: Workload) -> Sequence[str]:
        """What its drivers decide now, where that is known soon enough."""
        if not workload.drivers:
            return ()
        try:
            async with asyncio.timeout(_SOON):
                value = await self.session.door.autoscaling(workload.key)
        except (DataError, TimeoutError):
            return ()
        return headlines(value) if value is not None and value.decisions else ()

    def action_autoscaling(self) -> None:
        """What drives it, and why."""
        target = self.target()
        if self.allow("autoscaling") and target:
            self.app.push_screen(pages.autoscaling(self.session, target.workload.key))

    def action_object(self) -> None:
        """The whole object, read now."""
        target = self.target()
        if self.allow("object") and target:
            key, door = target.workload.key, self.session.door
            self.app.push_screen(
                pages.text(self.session, f"object  {self.session.title(key)}", lambda: door.object_text(key))
            )

    def action_describe(self) -> None:
        """In words."""
        target = self.target()
        if self.allow("describe") and target:
            key, door = target.workload.key, self.session.door
            self.app.push_screen(
                pages.text(
                    self.session,
                    f"describe  {self.session.title(key)}",
                    lambda: door.describe(key),
                    wrap=True,
                )
            )

    def action_logs(self) -> None:
        """Of the only pod, or of one that is chosen; those in trouble come first."""
        target = self.target()
        if not self.allow("logs") or target is None:
            return
        pods = sorted(pods_of(target), key=lambda item: item[1].trouble is None)
        key = target.workload.key
        if key.managed:
            self._open_logs(key, key.name)
            return
        if len(pods) == 1:
            self._open_logs(key, pods[0][1].name)
            return
        choices = [Choice(pod.name, pod.name, _pod_note(pod)) for _, pod in pods]
        dialog = ChoiceDialog(self.session, f"logs of which pod?  {self.session.title(key)}", choices)
        self.app.push_screen(dialog, lambda chosen: self._open_logs(key, chosen) if chosen else None)

    def _open_logs(self, key: WorkloadKey, pod: str) -> None:
        self.app.push_screen(pages.logs(self.session, key, key.namespace or "", pod))


_COUNTS = frozenset({"scale", "more", "fewer"})
"""Written to the workload itself; of all else the plan says which right is missing."""
_ABOUT_WORKLOAD = frozenset(
    {
        "open",
        "scale",
        "more",
        "fewer",
        "pin",
        "edit",
        "delete",
        "test",
        "undo",
        "why",
        "autoscaling",
        "logs",
        "object",
        "describe",
        "copy",
    }
)


def pods_of(target: Target) -> Iterator[tuple[RoleReplica, PodView]]:
    """The pods of what the cursor is on: of one role replica, one group, or all."""
    for group in target.workload.groups:
        if target.group is not None and group.name != target.group:
            continue
        for role in group.roles:
            for replica in role.replicas:
                if target.replica is None or replica.id == target.replica:
                    for pod in replica.pods:
                        yield replica, pod


def _pod_note(pod: PodView) -> str:
    words = [pod.trouble.reason if pod.trouble else str(pod.stage)]
    if pod.restarts:
        words.append(f"{pod.restarts} restarts")
    if pod.node:
        words.append(pod.node)
    return "  ".join(words)
