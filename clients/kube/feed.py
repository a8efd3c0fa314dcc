"""List, then watch, of one resource in one namespace or in all: one connection's worth of a source.

Rules by ``kube-client.md`` 2.2 (client-go 1.36's behaviour, measured): list in pages without a version,
watch from the list's version with bookmarks, resume from the last version after every cut, list again only
when the server has forgotten that version.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

import msgspec
from msgspec import Struct

from clients.kube.backoff import Backoff
from clients.kube.errors import ErrorKind, KubeError, StreamIdleError
from clients.kube.session import Params, Session
from clients.kube.wire import (
    Event,
    changed_object,
    decode_event,
    decode_page,
    error_of,
    identity,
    version_of,
)
from clients.serving.plain import plain
from clients.serving.sources import SourceState

__all__ = ["Feed", "FeedOwner", "HasUid", "Timing"]


class HasUid(Protocol):
    """What every row has."""

    uid: str


Row = TypeVar("Row", bound=HasUid)


class Timing(Struct, frozen=True):
    """The limits of a feed in seconds; tests make them short."""

    page: int = 500
    """Objects, not seconds."""
    list_limit: float = 60.0
    """For one page."""
    watch_min: int = 240
    watch_max: int = 480
    """``timeoutSeconds`` asked of the server, a random number between them."""
    idle: float = 75.0
    """Bookmarks come every 60 s: a stream without a byte for this long is stuck."""
    short: float = 1.0
    """A watch that ends sooner without an event counts as a failure."""
    settled: float = 10.0
    """A stream that lived this long makes the next failure the first one."""
    backoff_first: float = 0.8
    backoff_longest: float = 30.0
    denied: float = 60.0
    absent: float = 30.0
    login: float = 30.0
    relist_spread: float = 1.0
    """Before a list after 410: all clients of a restarted server are told 410 at the same moment."""


PATIENCE = 4
"""Answers without progress at the same version after which the list is read again: an event that can not
be read stands in the way of every resumption."""


class FeedOwner(Protocol[Row]):
    """Who holds the rows of one or several feeds."""

    def feed_replaced(self, feed: Feed[Row], rows: dict[str, Row]) -> None:
        """The feed's rows after a list, by uid."""
        ...

    def feed_changed(self, row: Row) -> None:
        """A row that is new or has changed."""
        ...

    def feed_removed(self, uid: str) -> None:
        """An object is gone."""
        ...

    def feed_status(self, feed: Feed[Row]) -> None:
        """The feed's state, detail or progress has changed."""
        ...


class Feed(Generic[Row]):
    """Keeps its owner's rows equal to the server's objects until cancelled."""

    def __init__(
        self,
        session: Session,
        owner: FeedOwner[Row],
        *,
        name: str,
        namespace: str | None,
        locate: Callable[[str | None], Awaitable[str | None]],
        params: Params,
        decode: Callable[[msgspec.Raw], Row],
        gate: asyncio.Semaphore,
        timing: Timing,
        random: Callable[[], float],
        denied_ends: bool = False,
    ) -> None:
        self.namespace = namespace
        self.state = SourceState.SYNCING
        self.detail: str | None = None
        self.synced = False
        """A list has been read to its end at least once."""
        self.loading: tuple[int, int | None] | None = None
        """(have, of) while a list is read."""
        self.contact: float | None = None
        """Monotonic seconds of the last byte."""
        self.next_try: float | None = None
        self.outage: str | None = None
        """Why the heartbeat calls the server dead; a byte of this feed proves it wrong."""
        self.unreadable: dict[str, str] = {}
        """uid → what is wrong, of objects that exist and can not be decoded."""
        self.refusal: KubeError | None = None
        """The 403 that ended ``run``, with ``denied_ends``."""
        self._session = session
        self._owner = owner
        self._name = name
        self._locate = locate
        self._params = dict(params)
        self._decode = decode
        self._gate = gate
        self._timing = timing
        self._random = random
        self._denied_ends = denied_ends
        self._monotonic = session.clock.monotonic
        self._backoff = Backoff(timing.backoff_first, timing.backoff_longest, random)
        self._version: str | None = None
        self._path: str | None = None
        self._scope: asyncio.Timeout | None = None
        self._stuck = 0
        self._cut = False
        """The connection was lost since the last answer: the server may be another one now."""

    async def run(self) -> None:
        """List and watch for ever; with ``denied_ends`` returns at a 403, which is then ``refusal``."""
        while True:
            try:
                if self._path is None:
                    self._path = await self._locate(self.namespace)
                if self._path is None:
                    self._absent()
                    delay = self._timing.absent
                else:
                    if self._version is None:
                        await self._list(self._path)
                    elif self._cut:
                        await self._compare(self._path)
                    delay = await self._watch(self._path)
            except KubeError as error:
                if error.kind is ErrorKind.FORBIDDEN and self._denied_ends:
                    self.refusal = error
                    return
                delay = self._failed(error)
            if delay > 0:
                await self._pause(delay)

    def wake(self) -> None:
        """Ends a wait, or opens an open stream again from where it stands."""
        if self._scope is not None and not self._scope.expired():
            self._scope.reschedule(asyncio.get_running_loop().time())

    def mark_stale(self, reason: str, asked: float | None = None) -> None:
        """The heartbeat says that the server is dead; a byte since it ``asked`` says the contrary."""
        heard = asked is not None and self.contact is not None and self.contact > asked
        if self.outage is None and not heard:
            self.outage = reason
            self._owner.feed_status(self)

    def mark_contact(self) -> None:
        """The heartbeat says that the server is back: what was open may be dead, so try anew at once."""
        if self.outage is not None:
            self.outage = None
            if self.state in (SourceState.LIVE, SourceState.QUIET):
                self._set(SourceState.STALE, "the server is back; connecting again")
            self._cut = True
            self.wake()

    def _set(self, state: SourceState, detail: str | None = None) -> None:
        if state is self.state and detail == self.detail:
            return
        self.state, self.detail = state, detail
        self._owner.feed_status(self)

    def _heard(self) -> None:
        self.contact = self._monotonic()
        if self.outage is not None:
            self.outage = None
            self._owner.feed_status(self)

    def _absent(self) -> None:
        self._version = None
        self._path = None
        if self.synced:
            self.synced = False
            self.unreadable.clear()
            self._owner.feed_replaced(self, {})
        self._set(SourceState.ABSENT, f"{self._name} is not installed")

    def _failed(self, error: KubeError) -> float:
        """Takes note of a failure; the seconds until the next try."""
        self.loading = None
        timing = self._timing
        kind = error.kind
        if error.status is not None and kind is not ErrorKind.UNAUTHORIZED:
            self.contact, self.outage = self._monotonic(), None
        if kind is ErrorKind.UNREACHABLE:
            self._cut = True
        if kind is ErrorKind.GONE:
            self._version = None
            self._set(SourceState.SYNCING if not self.synced else SourceState.STALE, "reading the list again")
            return self._random() * timing.relist_spread
        if kind is ErrorKind.NOT_FOUND:
            self._absent()
            return timing.absent
        if kind is ErrorKind.FORBIDDEN:
            self._version = None
            self._set(SourceState.DENIED, error.message)
            return max(timing.denied, error.retry_after or 0.0)
        if kind in (ErrorKind.LOGIN, ErrorKind.UNAUTHORIZED):
            self._set(SourceState.LOGIN, error.message)
            return timing.login
        if kind is ErrorKind.INVALID or error.status == 500:
            self._stuck += 1
        if self._stuck >= PATIENCE:
            self._version, self._stuck = None, 0
        self._set(SourceState.STALE, error.message)
        return self._backoff.next(error.retry_after)

    async def _pause(self, seconds: float) -> None:
        self.next_try = self._monotonic() + seconds
        self._owner.feed_status(self)
        try:
            async with asyncio.timeout(seconds) as self._scope:
                await asyncio.Event().wait()
        except TimeoutError:
            pass
        finally:
            self._scope = None
            self.next_try = None

    async def _list(self, path: str) -> None:
        """Reads the whole list and swaps the rows; raises KubeError and leaves the old rows."""
        async with self._gate:
            if not self.synced:
                self._set(SourceState.SYNCING)
            for limit in (self._timing.page, self._timing.page, self._timing.page, 0):
                try:
                    rows, bad, version = await self._pages(path, limit)
                    break
                except KubeError as error:
                    # The token of the next page has expired: from the start, the last time in one piece.
                    if error.kind is not ErrorKind.GONE or not limit:
                        raise
        self.loading = None
        self._version, self._cut = version, False
        self.unreadable = bad
        self.synced = True
        self._owner.feed_replaced(self, rows)
        if self.state is not SourceState.DENIED:
            # Where the list is allowed and the watch is not, the watch that follows would say so again.
            self._set(SourceState.LIVE)

    async def _pages(self, path: str, limit: int) -> tuple[dict[str, Row], dict[str, str], str]:
        rows: dict[str, Row] = {}
        bad: dict[str, str] = {}
        token = version = ""
        while True:
            params: dict[str, str | int | bool] = dict(self._params)
            if limit:
                params["limit"] = limit
            if token:
                params["continue"] = token
            body = await self._session.get(path, params, timeout=self._timing.list_limit)
            page = decode_page(body, f"GET {path}")
            self._heard()
            version = version or page.metadata.version
            for raw in page.items or ():
                row = self._row(raw, bad)
                if row is not None:
                    rows[row.uid] = row
            token = page.metadata.token
            have = len(rows) + len(bad)
            remaining = page.metadata.remaining
            self.loading = (have, have + remaining if remaining is not None else None if token else have)
            self._owner.feed_status(self)
            if not token:
                return rows, bad, version
            await asyncio.sleep(0)

    def _row(self, raw: msgspec.Raw, bad: dict[str, str]) -> Row | None:
        """The decoded object, or None after noting in ``bad`` what is wrong with it."""
        try:
            row = self._decode(raw)
            if row.uid:
                return row
            complaint = "has no uid"
        except Exception as error:
            # A decoder that stumbles over one object, whatever over, must not cost us all the others.
            complaint = plain(f"{type(error).__name__}: {error}", 160)
        uid, name = identity(raw)
        bad[uid or f"?{len(bad)}"] = f"{plain(name, 120) or 'an object without a name'}: {complaint}"
        return None

    async def _compare(self, path: str) -> None:
        """After a lost connection: a server whose history is shorter than ours is another or a restored one.

        Watching from a version that it has not reached yet would be silent for ever (kube-apiserver 1.36).
        """
        body = await self._session.get(path, {**self._params, "limit": 1}, timeout=self._timing.list_limit)
        version = decode_page(body, f"GET {path}").metadata.version
        self._cut = False
        self._heard()
        ours = self._version or ""
        if version.isdigit() and ours.isdigit() and int(version) < int(ours):
            await self._list(path)

    async def _watch(self, path: str) -> float:
        """Follows the changes until the stream ends; the seconds to wait before the next one."""
        timing = self._timing
        monotonic = self._monotonic
        seconds = timing.watch_min + round(self._random() * (timing.watch_max - timing.watch_min))
        params: dict[str, str | int | bool] = {
            **self._params,
            "watch": True,
            "allowWatchBookmarks": True,
            "resourceVersion": self._version or "",
            "timeoutSeconds": seconds,
        }
        began = monotonic()
        before = self._version
        fruitful = False
        try:
            async with asyncio.timeout(None) as self._scope:
                async with self._session.stream(path, params, idle=timing.idle) as lines:
                    self._heard()
                    self._set(SourceState.LIVE)
                    async for line in lines:
                        self.contact = monotonic()
                        if self.outage is not None:
                            self._heard()
                        if not self._quick(line):
                            self._apply(decode_event(line))
                        fruitful = True
        except TimeoutError:
            return 0.0
        except StreamIdleError as error:
            # A stream on which not even a bookmark came may stand at a version that this server never had.
            self._cut = not fruitful
            self._set(SourceState.QUIET, f"{error.message}; connecting again")
            return 0.0
        except (msgspec.MsgspecError, UnicodeDecodeError):
            self._stuck += 1
            raise KubeError(
                f"GET {path}: the watch sent something that is no event", kind=ErrorKind.PROTOCOL, sent=True
            ) from None
        finally:
            self._scope = None
            if self._version != before:
                self._stuck = 1 if self._stuck else 0
            if monotonic() - began >= timing.settled:
                self._backoff.reset()
        if not fruitful and monotonic() - began < timing.short:
            raise KubeError(
                f"GET {path}: the server ends the watch at once", kind=ErrorKind.SERVER, sent=True
            )
        return 0.0

    def _quick(self, line: bytes) -> bool:
        """Takes in a new or changed object, decoding it only once.

        False, with nothing done, for everything else: the long way then says what it is.
        """
        raw = changed_object(line)
        if raw is None:
            return False
        try:
            row = self._decode(raw)
            version = getattr(row, "resource_version", None) or version_of(raw)
        except Exception:
            return False
        if not row.uid:
            return False
        self._take(row)
        self._version = version or self._version
        return True

    def _take(self, row: Row) -> None:
        self._owner.feed_changed(row)
        if self.unreadable and self.unreadable.pop(row.uid, None) is not None:
            self._owner.feed_status(self)

    def _apply(self, event: Event) -> None:
        """One event into the owner's rows; raises KubeError for an ERROR event."""
        kind, raw = event.type, event.object
        if kind == "BOOKMARK":
            self._version = version_of(raw) or self._version
            return
        if kind == "ERROR":
            error = error_of(raw, f"watch of {self._name}")
            self._stuck += error.status != 500
            raise error
        if kind not in ("ADDED", "MODIFIED", "DELETED"):
            raise msgspec.DecodeError("no such event")
        try:
            version = version_of(raw)
        except msgspec.MsgspecError:
            version = ""
        if kind == "DELETED":
            uid = identity(raw)[0]
            if uid:
                self._owner.feed_removed(uid)
                if self.unreadable.pop(uid, None) is not None:
                    self._owner.feed_status(self)
        else:
            bad: dict[str, str] = {}
            row = self._row(raw, bad)
            if row is not None:
                self._take(row)
            else:
                self.unreadable.update(bad)
                self._owner.feed_status(self)
        if version:
            self._version = version
