"""Scaling, for the console and the command line alike: plan, guards, confirmation, audit, dry run, write.

Nothing is sent but through ``Scaling.send``, and nothing is sent twice. What was begun is carried to its end
also when the one who asked is gone: a write whose answer nobody waits for is still written down.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import msgspec
from msgspec import Struct

from clients.serving.affected import count_of
from clients.serving.backend import Backend, BackendError, MakesWorkloads, Result, Ticket
from clients.serving.changes import BoundsChange, Change, ObjectChange, Verb
from clients.serving.confirm import accepts, confirmation
from clients.serving.events import Event, EventKind
from clients.serving.follow import ActorHint
from clients.serving.guards import CHANGED, Confirmation, Guard, Level, ScaleInWord
from clients.serving.operation import Operation, Outcome
from clients.serving.plans import ScalePlan, uid_of_new
from clients.serving.workload import Driver, Workload
from tui.audit import AuditLog, AuditUnavailable, Author, Entry, Intent
from tui.door import Asked
from tui.moments import seconds
from tui.pins import Pin, Pins
from tui.settings import ContextMode

__all__ = ["NotSent", "Policy", "Scaling"]

_LATE_HINT = 15.0
"""Cluster seconds after an operation was seen to begin in which its author may still become known."""

_LATE_BOUNDS = 60.0
"""Cluster seconds within which an owner has written bounds on to the autoscaler that it keeps."""

_LONGEST_SEND = 120.0
"""Seconds after which an intent without an answer is not being sent by anybody any more."""

_LAST_ANSWER = 3.0
"""Seconds that an answer is still waited for when the program ends."""


class Policy(Struct, frozen=True):
    """What the settings say about writes in the context."""

    mode: ContextMode = ContextMode.LIVE
    confirm_scale_in: ScaleInWord | None = None
    """``None``: what each system asks for by itself."""


class NotSent(Exception):  # noqa: N818 (a decision, not a failure)
    """Nothing was sent: a guard blocks it, it was not confirmed, or there is no audit log to write to."""


class Scaling:
    """One backend's changes. All coroutines run on the backend's loop."""

    def __init__(self, backend: Backend, audit: AuditLog, author: Author, policy: Policy, pins: Pins) -> None:
        self.pins = pins
        self._backend = backend
        self._audit = audit
        self._author = author
        self._policy = policy
        self._tasks: set[asyncio.Task[None]] = set()
        self._sending: set[asyncio.Task[Ticket]] = set()

    @property
    def policy(self) -> Policy:
        """What the settings say here."""
        return self._policy

    @property
    def problem(self) -> str | None:
        """Why the audit log is not where it should be."""
        return self._audit.problem

    async def plan(self, workload: Workload, change: Change) -> ScalePlan:
        """The plan with every guard that can be known without sending it, and what must be typed for it."""
        return self._under_policy(await self._backend.plan(workload, change))

    async def plan_new(self, change: ObjectChange) -> ScalePlan:
        """The same for a workload that is not there yet. Raises NotSent where none can be made from here."""
        if not isinstance(self._backend, MakesWorkloads):
            raise NotSent("servegrid makes nothing there")
        return self._under_policy(await self._backend.plan_new(change))

    async def dry_run(self, plan: ScalePlan) -> ScalePlan:
        """The same plan with the server's word on it. Nothing is sent for a plan that changes nothing."""
        if plan.write is None:
            return plan
        return self._under_policy(await self._backend.dry_run(plan))

    def _under_policy(self, plan: ScalePlan) -> ScalePlan:
        guards = plan.guards
        if self._policy.mode is ContextMode.READ_ONLY and not any(g.id == "read-only" for g in guards):
            where = f"context {self._author.context}" if self._author.context else "this cluster"
            guard = Guard(
                "read-only",
                Level.BLOCK,
                f"{where} is read-only here",
                ("start without --read-only, or change its mode in the settings",),
            )
            guards = (*guards, guard)
        asked = Confirmation.NONE
        if plan.write is not None:
            asked = confirmation(
                plan.before,
                plan.after,
                plan.steps,
                confirm_scale_in=self._policy.confirm_scale_in or plan.scale_in,
                protected=self._policy.mode is ContextMode.PROTECTED,
                guards=guards,
                elsewhere=True,
                deletes=_deletes(plan),
            )
        return msgspec.structs.replace(plan, guards=guards, confirmation=asked)

    async def send(self, plan: ScalePlan, *, typed: str | None) -> Ticket:
        """Writes the intent down, asks the server by its dry run, sends the change once, notes the answer.

        ``typed`` is what the person answered, ``None`` for nothing. Cancelled in the middle, it still goes
        on to the answer's line in the log before the cancellation takes effect.

        Raises:
            NotSent: with one line of why; the cluster was not touched.
        """
        plan = self._under_policy(plan)
        if plan.write is None:
            raise NotSent("nothing changes, so nothing is sent")
        if plan.blocked:
            raise NotSent(_blocks(plan))
        if not accepts(plan.confirmation, typed, plan.named):
            raise NotSent("not confirmed")
        sending = asyncio.ensure_future(self._send(plan))
        self._sending.add(sending)
        sending.add_done_callback(self._sending.discard)
        try:
            return await asyncio.shield(sending)
        except asyncio.CancelledError:
            await asyncio.wait((sending,))
            raise

    async def _send(self, plan: ScalePlan) -> Ticket:
        try:
            intent = await self._audit.intend(plan, self._author, self._backend.clock.now())
        except AuditUnavailable as error:
            raise NotSent(f"{error}; without an audit log nothing is changed") from None
        ticket = await self._refusal(plan) or await self._apply(plan)
        await self._audit.answered(intent, ticket)
        if ticket.result is Result.ACCEPTED and (plan.before == plan.after or _deletes(plan)):
            # No count will show it, so that there is nothing to follow: taken is done.
            await self._audit.ended(intent.id, self._backend.clock.now(), Outcome.DONE)
        return self._remembered(plan, ticket)

    def _remembered(self, plan: ScalePlan, ticket: Ticket) -> Ticket:
        """Keeps what a pin took the place of; whatever else moves its bounds ends it."""
        change = plan.change
        before, after = plan.bounds_before, plan.bounds_after
        if ticket.result is not Result.ACCEPTED or not isinstance(change, BoundsChange):
            return ticket
        if before is None or after is None or not after.pinned or after.minimum is None:
            self.pins.drop(plan.key, change.role)
        else:
            now, by = self._backend.clock.now(), self._author.by
            self.pins.keep(Pin(plan.key, plan.uid, change.role, after.minimum, before, by, now))
        if self.pins.problem is None:
            return ticket
        said = f"{ticket.message}; what stood there before could not be kept: {self.pins.problem}"
        return msgspec.structs.replace(ticket, message=said)

    async def _refusal(self, plan: ScalePlan) -> Ticket | None:
        """What keeps the plan from being sent, if anything does."""
        try:
            checked = await self._backend.dry_run(plan)
            for guard in checked.guards:
                if guard.id == CHANGED:
                    return self._ticket(plan, Result.CONFLICT, f"{guard.reason}; nothing was applied")
            return self._ticket(plan, Result.REFUSED, _blocks(checked)) if checked.blocked else None
        except BackendError as error:
            return self._ticket(plan, Result.REFUSED, f"dry run: {error.message}; nothing was changed")
        except asyncio.CancelledError:
            return self._ticket(plan, Result.REFUSED, "the program ended before it was sent")

    async def _apply(self, plan: ScalePlan) -> Ticket:
        """Sends it, once. Where no answer comes, nobody knows, and that is what is written down."""
        try:
            return await self._backend.apply(plan)
        except BackendError as error:
            result = Result.UNKNOWN if error.sent else Result.REFUSED
            return self._ticket(plan, result, error.message)
        except asyncio.CancelledError:
            said = "the program ended before an answer came; it may or may not have been applied"
            return self._ticket(plan, Result.UNKNOWN, said)

    def _ticket(self, plan: ScalePlan, result: Result, message: str) -> Ticket:
        return Ticket(plan.key, result, self._backend.clock.now(), message)

    def undo(self, workload: Workload) -> Change | None:
        """The inverse of my last change to this workload; ``None`` if there was none."""
        last = self._audit.last_change(workload.uid, self._author.by)
        if last is None:
            return None
        return last.intent.undo

    def wrote(self, workload: Workload) -> Asked | None:
        """The newest change in the log, by anybody, if it asked for the counts that are wanted now."""
        entry = self._audit.last_change(workload.uid)
        if (
            entry is None
            or entry.intent.after != count_of(workload)
            or entry.intent.before == entry.intent.after
        ):
            return None
        told = entry.sent.generation if entry.sent is not None else None
        intent = entry.intent
        return Asked(intent.by.by, entry.at, intent.before, intent.after, told == workload.generation)

    def actor(self, before: Workload | None, after: Workload) -> ActorHint | None:
        """Who asked for the counts that ``after`` has, by the log. Cheap where nothing changed."""
        now = self._backend.clock.now()
        if before is not None and count_of(before) == count_of(after):
            operation = before.operation
            if operation is None or operation.mine or now - operation.started_at > _LATE_HINT:
                return None
        entry = self._entry(before, after, now)
        if entry is None:
            return None
        intent = entry.intent
        return ActorHint(
            by=intent.by.by,
            after=intent.after,
            mine=intent.by.by == self._author.by,
            prediction=intent.prediction,
        )

    def _entry(self, before: Workload | None, after: Workload, now: float) -> Entry | None:
        """The change in the log that made the counts what they are; of what is new also its creation."""
        wanted, audit = count_of(after), self._audit
        new = uid_of_new(after.key)
        if not after.key.managed:
            found = audit.asked(after.uid, after.generation, now, wanted)
            return audit.asked(new, None, now, wanted) if found is None and before is None else found
        if before is None:
            return audit.polled(after.uid, None, wanted) or audit.polled(new, None, wanted)
        was = count_of(before)
        if was == wanted and before.operation is not None:
            was = before.operation.before
        return audit.polled(after.uid, was, wanted)

    def bounded(self, workload: Workload, driver: Driver) -> str | None:
        """Who set the bounds that a driver has now, by the log; ``None`` where nobody did of late."""
        now = self._backend.clock.now()
        for entry in reversed(self._audit.known):
            intent, change = entry.intent, entry.intent.change
            if intent.uid == workload.uid and isinstance(change, BoundsChange):
                late = now - entry.at > _LATE_BOUNDS
                sent = entry.applied or entry.unfinished
                return intent.by.by if sent and not late and _has(driver, change) else None
        return None

    def unfinished(self) -> tuple[Operation, ...]:
        """Operations that an earlier run sent and did not see to their end; the fleet takes them up."""
        newest: dict[str, Intent] = {}
        for entry in self._audit.entries():
            if entry.unfinished and entry.applied:
                newest[entry.intent.uid] = entry.intent
        return tuple(
            Operation(
                id=f"{intent.uid}@{seconds(intent.at):.3f}",
                key=intent.key,
                by=intent.by.by,
                before=intent.before,
                after=intent.after,
                started_at=seconds(intent.at),
                affected=(),
                prediction=intent.prediction,
                mine=intent.by.by == self._author.by,
            )
            for intent in newest.values()
        )

    def operation_ended(self, operation: Operation) -> None:
        """Writes down the end of an operation for every change of ours that it carried out.

        That is the one that asked for what it came to, and those before it that it grew out of (2 to 4,
        then 4 to 6), not one that has just put an end to it.
        """
        if operation.outcome is None:
            return
        mine = [e for e in self._audit.unfinished(operation.key.cluster) if e.intent.key == operation.key]
        newest = max((e.at for e in mine if e.intent.after == operation.after), default=None)
        for entry in mine:
            if newest is not None and entry.at <= newest:
                self._note_end(entry, operation.outcome, operation.happened, operation.detail or "")

    async def take_up(self, workloads: Iterable[Workload]) -> None:
        """Settles, after the first look, what an earlier run left: applied it shows, or it does not.

        What was applied and still runs is followed by the fleet.
        """
        self._settle(self._audit.unfinished(self._backend.cluster), workloads)
        await self.settle()

    def reconsider(self, workloads: Iterable[Workload], seen_at: float) -> list[Event]:
        """Settles what was sent without an answer, once it shows what came of it, and tells of it.

        ``seen_at`` is this machine's time.
        """
        lost = [
            entry
            for entry in self._audit.unfinished(self._backend.cluster)
            if entry.sent is not None and entry.sent.result is Result.UNKNOWN
        ]
        now = self._backend.clock.now()
        return [
            Event(
                at=now,
                seen_at=seen_at,
                cluster=entry.intent.key.cluster,
                kind=EventKind.ACTION,
                key=entry.intent.key,
                before="a change without an answer",
                after=detail,
                actor=entry.intent.by.by,
            )
            for entry, detail in self._settle(lost, workloads)
        ]

    def _settle(self, entries: Iterable[Entry], workloads: Iterable[Workload]) -> list[tuple[Entry, str]]:
        """Writes down the end of each whose end can be told, and says how it was found.

        What is old enough to be sent by nobody any more and does not show, was not applied.
        """
        now = self._backend.clock.now()
        present = {workload.key: workload for workload in workloads}
        found: list[tuple[Entry, str]] = []
        for entry in entries:
            workload = present.get(entry.intent.key)
            ended = None if workload is None else _ended(entry, workload, now)
            if ended is not None:
                outcome, detail = ended
                self._note_end(entry, outcome, (), detail)
                found.append((entry, detail))
        return found

    def _note_end(self, entry: Entry, outcome: Outcome, happened: tuple[str, ...], detail: str) -> None:
        ended = self._audit.ended(entry.intent.id, self._backend.clock.now(), outcome, happened, detail)
        task = asyncio.ensure_future(ended)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settle(self) -> None:
        """Waits until every end is written down."""
        while self._tasks:
            await asyncio.wait(tuple(self._tasks))

    async def close(self) -> None:
        """Brings everything to its line in the log: an answer that does not come soon is not known."""
        if self._sending:
            _, unanswered = await asyncio.wait(tuple(self._sending), timeout=_LAST_ANSWER)
            for sending in unanswered:
                sending.cancel()
            if unanswered:
                await asyncio.wait(unanswered)
        await self.settle()


def _deletes(plan: ScalePlan) -> bool:
    return isinstance(plan.change, ObjectChange) and plan.change.verb is Verb.DELETE


def _blocks(plan: ScalePlan) -> str:
    return "; ".join(guard.reason for guard in plan.guards if guard.level is Level.BLOCK)


def _ended(entry: Entry, workload: Workload, now: float) -> tuple[Outcome, str] | None:
    """How a change ended whose end nobody wrote down, and how that is known; ``None``: not to be told yet."""
    if workload.uid != entry.intent.uid:
        return Outcome.GONE, "another object has its name now"
    if workload.operation is not None:
        return None
    shows = _shows(entry.intent, workload)
    if shows:
        return Outcome.DONE, "found done"
    if now - entry.at <= _LONGEST_SEND:
        return None
    if shows is None:
        return Outcome.TIMED_OUT, "no answer came, and nothing that is watched tells whether it was applied"
    return Outcome.REVERTED, "not applied, or changed since"


def _shows(intent: Intent, workload: Workload) -> bool | None:
    """Whether what is there is what the change asked for; ``None`` for what no workload shows."""
    change = intent.change
    if isinstance(change, BoundsChange):
        return any(_has(driver, change) for driver in workload.drivers)
    if intent.before == intent.after:
        return None
    return count_of(workload) == intent.after


def _has(driver: Driver, change: BoundsChange) -> bool:
    """Whether the bounds are those that were asked for."""
    return (
        driver.role == change.role
        and change.minimum in (None, driver.minimum)
        and change.maximum in (None, driver.maximum)
    )
