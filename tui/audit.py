"""The audit log: what is about to be sent, before it is sent, and what became of it.

One JSON object a line, three kinds, held together by ``id``: ``intent`` before the dry run, ``sent`` with the
server's answer, ``ended`` when what is observed equals what was asked for, or never will. It answers who
asked for a change, what my last change was, and which changes nobody saw to their end.

No header, token or environment variable is ever part of a record: a write is method, path and body.
"""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

from clients.clock import Clock
from clients.serving.backend import Result, Ticket
from clients.serving.changes import Change
from clients.serving.keys import WorkloadKey
from clients.serving.operation import Count, Outcome, Prediction
from clients.serving.plans import ScalePlan, Write
from tui.audit_places import Place, default_places
from tui.moments import moment, seconds
from tui.version import VERSION

__all__ = [
    "AUDIT_VERSION",
    "AuditLog",
    "AuditUnavailable",
    "Author",
    "Ended",
    "Entry",
    "Intent",
    "Sent",
    "unfinished_lines",
]

AUDIT_VERSION = 1

_PLACE_SECONDS = 3.0
"""A place that has not answered by then (a hung network disk) counts as failed."""

_NEAR = 120.0
"""Cluster seconds between sending and the change that is looked for, where no generation tells."""

_BETWEEN_READINGS = 150.0
"""Seconds of this machine that may lie between two readings of a cloud that answers seldom."""
_ON_ITS_WAY = 1800.0
"""Seconds of this machine after which a change that nobody saw to its end is not looked for any more."""

T = TypeVar("T")


class AuditUnavailable(Exception):  # noqa: N818 (a state of the log)
    """No place takes a record, so nothing may be sent. The text names each place and its error."""


class Author(Struct, frozen=True):
    """Who asks, and through which door."""

    by: str
    """Login name on this machine."""
    context: str | None = None
    as_user: str | None = None
    """Impersonated user."""


class Intent(Struct, frozen=True, tag="intent"):
    """What is about to be sent. Times: ``at`` is the cluster's, ``wall`` this machine's."""

    id: str
    at: datetime
    wall: datetime
    by: Author
    key: WorkloadKey
    uid: str
    change: Change
    before: Count
    after: Count
    write: Write
    confirmed: str
    """What was asked for and given: ``ok``, ``yes``, ``name``."""
    equivalent: str = ""
    prediction: Prediction | None = None
    generation: int | None = None
    """Of the object that the plan was made from."""
    undo: Change | None = None
    """What takes it back."""
    replaces: WorkloadKey | None = None
    """What it is made in the place of."""
    program: str = VERSION
    v: int = AUDIT_VERSION


class Sent(Struct, frozen=True, tag="sent"):
    """The server's answer; ``result`` is ``refused`` also when its dry run said no."""

    id: str
    at: datetime
    result: Result
    message: str = ""
    generation: int | None = None
    """Of the object after the write: what ties it to the change that everybody sees."""
    status: int | None = None
    v: int = AUDIT_VERSION


class Ended(Struct, frozen=True, tag="ended"):
    """How the operation ended."""

    id: str
    at: datetime
    outcome: Outcome
    happened: tuple[str, ...] = ()
    detail: str = ""
    v: int = AUDIT_VERSION


Record = Intent | Sent | Ended

_DECODER = msgspec.json.Decoder(Record)


class Entry(Struct, frozen=True):
    """One change and all that is known of it."""

    intent: Intent
    sent: Sent | None = None
    ended: Ended | None = None

    @property
    def at(self) -> float:
        """Cluster time: of the answer, else of the intent."""
        return seconds(self.sent.at if self.sent is not None else self.intent.at)

    @property
    def unfinished(self) -> bool:
        """It was sent, or may have been, and nobody wrote down its end."""
        if self.ended is not None:
            return False
        return self.sent is None or self.sent.result in (Result.ACCEPTED, Result.UNKNOWN)

    @property
    def applied(self) -> bool:
        """The server took it."""
        return self.sent is not None and self.sent.result is Result.ACCEPTED


class AuditLog:
    """Written on the data thread's loop; what it returns may be read anywhere."""

    def __init__(self, places: Sequence[Place], clock: Clock) -> None:
        self._places = tuple(places)
        self._clock = clock
        self._entries: dict[str, Entry] = {}
        self.problem: str | None = None
        """Why the log is not where it should be; ``None`` while it is."""

    @classmethod
    def in_directories(cls, state: Path, runtime: Path | None, clock: Clock) -> AuditLog:
        """The usual places: state directory, runtime directory, system log."""
        return cls(default_places(state, runtime, unfinished_lines), clock)

    async def intend(self, plan: ScalePlan, author: Author, at: float) -> Intent:
        """Writes down what will be sent.

        Raises:
            AuditUnavailable: no place takes it; then it must not be sent.
        """
        assert plan.write is not None, "a plan that changes nothing is not sent"
        intent = Intent(
            id=uuid.uuid4().hex,
            at=moment(at),
            wall=moment(self._clock.now()),
            by=author,
            key=plan.key,
            uid=plan.uid,
            change=plan.change,
            before=plan.before,
            after=plan.after,
            write=plan.write,
            confirmed=plan.confirmation,
            equivalent=plan.equivalent,
            prediction=plan.prediction,
            generation=plan.generation,
            undo=plan.undo,
            replaces=plan.replaces,
        )
        await self._write(intent)
        return intent

    async def answered(self, intent: Intent, ticket: Ticket) -> None:
        """Writes down the answer. A failure to do so is kept in ``problem``: the change is made already."""
        record = Sent(
            intent.id,
            moment(ticket.sent_at),
            ticket.result,
            ticket.message,
            ticket.generation,
            ticket.status,
        )
        await self._write_if_possible(record)

    async def ended(
        self, change: str, at: float, outcome: Outcome, happened: tuple[str, ...] = (), detail: str = ""
    ) -> None:
        """Writes down the end of the operation with the id ``change``, once."""
        entry = self._entries.get(change)
        if entry is None or entry.ended is None:
            await self._write_if_possible(Ended(change, moment(at), outcome, happened, detail))

    def entries(self) -> tuple[Entry, ...]:
        """Every change in the log, by anybody who writes here, oldest first."""
        for place in self._places:
            self._take_in(place.read_new())
        return tuple(self._entries.values())

    @property
    def known(self) -> tuple[Entry, ...]:
        """Every change as far as the log was read, oldest first. Touches no disk."""
        return tuple(self._entries.values())

    def unfinished(self, cluster: str) -> tuple[Entry, ...]:
        """Changes to this cluster whose end nobody wrote down: taken up again at start."""
        return tuple(e for e in self.entries() if e.unfinished and e.intent.key.cluster == cluster)

    def polled(self, uid: str, before: Count | None, after: Count) -> Entry | None:
        """Which of our changes led from ``before`` to ``after`` where counts are read now and then only.

        Such a system names nobody: it is a change of ours if it asked for just that step, and was either not
        seen to its end yet or came to it since the reading before. ``before`` is ``None`` at first sight.
        """
        now = self._clock.now()
        for entry in reversed(self.entries()):
            intent = entry.intent
            if intent.uid != uid or not (entry.applied or entry.unfinished):
                continue
            limit = _BETWEEN_READINGS if entry.ended is not None else _ON_ITS_WAY
            near = abs(now - seconds(intent.wall)) <= limit
            return entry if near and intent.after == after and before in (None, intent.before) else None
        return None

    def asked(self, uid: str, generation: int | None, at: float, after: Count | None = None) -> Entry | None:
        """Which of our changes made the object's desired count what it became at ``at``, if one did.

        The generation that the server gave back with the write decides. Where there is none (the answer
        was lost, or the write went through ``/scale``), the same counts at about the same time do.
        """
        mine = [entry for entry in self.entries() if entry.intent.uid == uid]
        for entry in reversed(mine):
            if generation is not None and entry.sent is not None and entry.sent.generation == generation:
                return entry
        for entry in reversed(mine):
            told = entry.sent is not None and entry.sent.generation is not None and generation is not None
            may_be = entry.applied or entry.unfinished
            if may_be and not told and entry.intent.after == after and abs(entry.at - at) <= _NEAR:
                return entry
        return None

    def last_change(self, uid: str, by: str | None = None) -> Entry | None:
        """The newest change to the object that the server took, as far as the log was read; ``by`` a person.

        Touches no disk: it is asked for with every frame.
        """
        mine = (e for e in self.known if e.intent.uid == uid and by in (None, e.intent.by.by) and e.applied)
        return max(mine, key=lambda entry: entry.at, default=None)

    async def _write_if_possible(self, record: Record) -> None:
        try:
            await self._write(record)
        except AuditUnavailable:
            _fold(self._entries, record)

    async def _write(self, record: Record) -> None:
        line = msgspec.json.encode(record)
        failures: list[str] = []
        for place in self._places:
            try:
                await _on_a_thread(lambda place=place: place.append(line), _PLACE_SECONDS)  # type: ignore[misc]
            except TimeoutError:
                failures.append(f"{place.name}: no answer within {_PLACE_SECONDS:.0f} s")
            except OSError as error:
                failures.append(f"{place.name}: {error.strerror or error}")
            else:
                self.problem = f"audit log kept in {place.name} ({failures[0]})" if failures else None
                _fold(self._entries, record)
                return
        self.problem = "nowhere to keep the audit log: " + "; ".join(failures)
        raise AuditUnavailable(self.problem)

    def _take_in(self, data: bytes) -> None:
        for _, record in _records(data):
            _fold(self._entries, record)


def unfinished_lines(data: bytes) -> bytes:
    """Of the lines of a log, those of changes whose end is not among them."""
    entries: dict[str, Entry] = {}
    lines: dict[str, dict[bytes, None]] = {}
    for line, record in _records(data):
        _fold(entries, record)
        lines.setdefault(record.id, {})[line + b"\n"] = None
    return b"".join(b"".join(lines[change]) for change, entry in entries.items() if entry.unfinished)


def _records(data: bytes) -> Iterator[tuple[bytes, Record]]:
    """Every record with its line; what is none is passed over."""
    for line in data.splitlines():
        try:
            yield line, _DECODER.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue


def _fold(entries: dict[str, Entry], record: Record) -> None:
    entry = entries.get(record.id)
    if isinstance(record, Intent):
        if entry is None:
            entries[record.id] = Entry(record)
    elif entry is None:
        return
    elif isinstance(record, Sent):
        if entry.sent is None:
            entries[record.id] = msgspec.structs.replace(entry, sent=record)
    elif entry.ended is None:
        entries[record.id] = msgspec.structs.replace(entry, ended=record)


async def _on_a_thread(work: Callable[[], T], limit: float) -> T:
    """Runs blocking work without blocking the loop; ``TimeoutError`` when it hangs, and the loop goes on.

    A daemon thread and not the loop's pool: a write that hangs on a dead disk must not keep the program
    from ending.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        try:
            result, error = work(), None
        except OSError as failure:
            result, error = None, failure
        try:
            loop.call_soon_threadsafe(settle, result, error)
        except RuntimeError:
            pass  # The loop has ended; nobody waits any more.

    threading.Thread(target=run, name="audit", daemon=True).start()
    async with asyncio.timeout(limit):
        return await future
