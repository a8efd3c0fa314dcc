"""watch: changes as they happen, from a version on, to any number of watchers."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Iterable, Mapping
from itertools import islice

import msgspec
from aiohttp import web

from clients.embedded.apiserver.errors import ApiError, Cause, expired, invalid, status_body
from clients.embedded.apiserver.history import Change
from clients.embedded.apiserver.objects import Json, encode
from clients.embedded.apiserver.records import Record
from clients.embedded.apiserver.requests import Accept, Target, flag, number
from clients.embedded.apiserver.responses import Responder
from clients.embedded.apiserver.selectors import Selection
from clients.embedded.apiserver.tables import Tables
from clients.embedded.apiserver.views import View
from clients.embedded.store import Store

__all__ = ["Streams"]

_LAST_BOOKMARK = 2.0
_QUEUE = 20_000
_BATCH = 500
_END_OF_INITIAL = "k8s.io/initial-events-end"


class _Watcher:
    """One stream's queue. It is cut off when it falls too far behind; the client watches again."""

    def __init__(self, selection: Selection) -> None:
        self.selection = selection
        self.queue: deque[tuple[str, Record]] = deque()
        self.closed = False
        self.transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[None] | None = None

    def push(self, change: Change) -> None:
        """Queues what this watcher sees of a change: entering its selection is ADDED, leaving it DELETED."""
        kind, record = change.type, change.record
        if not self.selection.everything:
            seen = self.selection.matches(record) and kind != "DELETED"
            had = change.previous is not None and self.selection.matches(change.previous)
            if not seen and not had:
                return
            if not seen and kind != "DELETED":
                assert change.previous is not None
                kind, record = "DELETED", msgspec.structs.replace(change.previous, rv=record.rv)
            elif kind == "MODIFIED" and not had:
                kind = "ADDED"
        self.queue.append((kind, record))
        if len(self.queue) > _QUEUE:
            self.close()
            if self.transport is not None:
                self.transport.abort()
            return
        self._wake()

    def close(self) -> None:
        """Ends the stream after what is queued."""
        self.closed = True
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def wait(self, seconds: float) -> None:
        """Until something is queued, or for so long."""
        if self.queue or self.closed or seconds <= 0:
            return
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            await asyncio.wait_for(self._waiting, seconds)
        except TimeoutError:
            pass
        finally:
            self._waiting = None


class Streams:
    """All watches of one server."""

    def __init__(
        self, store: Store, responder: Responder, tables: Tables, *, bookmark_seconds: float
    ) -> None:
        self._store = store
        self._bookmark_seconds = bookmark_seconds
        self._responder = responder
        self._tables = tables
        self._watchers: dict[str, list[_Watcher]] = {}
        store.watch(self._spread)
        store.on_withdrawn(self._end)

    def _spread(self, change: Change) -> None:
        for watcher in self._watchers.get(change.resource, ()):
            watcher.push(change)

    def _end(self, resource: str) -> None:
        for watcher in self._watchers.get(resource, ()):
            watcher.close()

    @property
    def count(self) -> int:
        """How many are open."""
        return sum(map(len, self._watchers.values()))

    def close(self) -> None:
        """Ends every stream: the server stops."""
        for resource in self._watchers:
            self._end(resource)

    async def watch(
        self,
        request: web.Request,
        target: Target,
        selection: Selection,
        accept: Accept,
    ) -> web.StreamResponse:
        """Streams until the timeout, the client or the server ends it. Raises ApiError 422 and 500 before."""
        query = request.query
        text = query.get("resourceVersion") or ""
        if text and not text.isdigit():
            raise ApiError(
                500, "InternalError", f"Internal error occurred: invalid resource version {text!r}"
            )
        since = int(text) if text else 0
        bookmarks = flag(query, "allowWatchBookmarks")
        initial = _initial_events(query, since)
        view = View(target.resource, target.version)
        lines = _Lines(view, accept, query, self._tables)
        response = web.StreamResponse(headers=self._responder.headers())
        watcher = _Watcher(selection)
        watcher.transport = request.transport
        seconds = number(query, "timeoutSeconds") or random.randint(1800, 3600)
        loop = asyncio.get_running_loop()
        began = loop.time()
        registered = self._watchers.setdefault(view.key, [])
        await response.prepare(request)
        if not initial and since and not self._store.history.reaches(view.key, since):
            error = expired(f"too old resource version: {since} ({self._store.version})")
            await response.write(_error_line(error))
            await response.write_eof()
            return response
        registered.append(watcher)
        try:
            if initial:
                await self._send_initial(response, lines, selection, _wants_end(query))
            else:
                for change in self._store.history.after(view.key, since):
                    watcher.push(change)
            await self._follow(response, lines, watcher, began + seconds, since, bookmarks)
            await response.write_eof()
        except ConnectionError:
            pass
        finally:
            registered.remove(watcher)
        return response

    async def _send_initial(
        self, response: web.StreamResponse, lines: _Lines, selection: Selection, end: bool
    ) -> None:
        """What exists, as ADDED; then, if asked for, the bookmark that says that this was all."""
        at = self._store.version
        records = self._store.records(lines.view.key, selection.namespace)
        if not selection.everything:
            records = [r for r in records if selection.matches(r)]
        for start in range(0, len(records), _BATCH):
            await response.write(lines.join(("ADDED", r) for r in records[start : start + _BATCH]))
        if end:
            await response.write(lines.bookmark(at, {_END_OF_INITIAL: "true"}))

    async def _follow(
        self,
        response: web.StreamResponse,
        lines: _Lines,
        watcher: _Watcher,
        deadline: float,
        since: int,
        bookmarks: bool,
    ) -> None:
        loop = asyncio.get_running_loop()
        bookmark_at = loop.time() + self._bookmark_seconds
        last = deadline - _LAST_BOOKMARK if deadline - loop.time() > 5 * _LAST_BOOKMARK else None
        queue = watcher.queue
        while True:
            if queue:
                batch = list(islice(queue, _BATCH))
                for _ in batch:
                    queue.popleft()
                if batch[0][1].rv <= since:
                    batch = [b for b in batch if b[1].rv > since]
                if batch:
                    await response.write(lines.join(batch))
                continue
            now = loop.time()
            if watcher.closed or now >= deadline:
                return
            if bookmarks and (now >= bookmark_at or (last is not None and now >= last)):
                if last is not None and now >= last:
                    last = None
                bookmark_at = now + self._bookmark_seconds
                await response.write(lines.bookmark(max(self._store.version, since)))
                continue
            until = min(deadline, bookmark_at, last if last is not None else deadline)
            await watcher.wait(until - now if bookmarks else deadline - now)


def _initial_events(query: Mapping[str, str], since: int) -> bool:
    """Whether the stream begins with what exists. Raises ApiError 422 for options that contradict."""
    asked = query.get("sendInitialEvents")
    match = query.get("resourceVersionMatch")
    if query.get("continue"):
        why = "Forbidden: resourceVersionMatch is forbidden when continue is provided"
        raise _bad_options(why, "resourceVersionMatch")
    if asked is None:
        if match:
            why = (
                "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
            )
            raise _bad_options(why, "resourceVersionMatch")
        return since == 0
    if match != "NotOlderThan":
        why = "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        raise _bad_options(why, "resourceVersionMatch")
    return flag(query, "sendInitialEvents")


def _wants_end(query: Mapping[str, str]) -> bool:
    return flag(query, "sendInitialEvents") and flag(query, "allowWatchBookmarks")


def _bad_options(why: str, field: str) -> ApiError:
    return invalid("meta.k8s.io", "ListOptions", "", [Cause("FieldValueForbidden", why, field)])


def _error_line(error: ApiError) -> bytes:
    body = status_body(error.code, error.reason, error.message)
    return encode({"type": "ERROR", "object": body}) + b"\n"


class _Lines:
    """Changes as lines of one stream."""

    def __init__(self, view: View, accept: Accept, query: Mapping[str, str], tables: Tables) -> None:
        self.view = view
        self._accept = accept
        self._query = query
        self._tables = tables

    def join(self, batch: Iterable[tuple[str, Record]]) -> bytes:
        """One line for each change."""
        parts: list[bytes] = []
        for kind, record in batch:
            parts += (b'{"type":"', kind.encode(), b'","object":', self._shown(record), b"}\n")
        return b"".join(parts)

    def _shown(self, record: Record) -> bytes:
        if self._accept.kind == "Table":
            metadata = {"resourceVersion": str(record.rv)}
            return encode(
                self._tables.table(self.view, [record], self._accept.version, self._query, metadata)
            )
        if self._accept.kind is not None:
            return self.view.partial(record)
        return self.view.whole(record)

    def bookmark(self, version: int, annotations: dict[str, str] | None = None) -> bytes:
        """Says how far the stream has come."""
        metadata: Json = {"resourceVersion": str(version)}
        if annotations:
            metadata["annotations"] = annotations
        obj: Json = {"kind": self.view.kind, "apiVersion": self.view.api_version, "metadata": metadata}
        if self._accept.kind == "Table":
            obj = {
                "kind": "Table",
                "apiVersion": f"meta.k8s.io/{self._accept.version}",
                "metadata": metadata,
                "columnDefinitions": [],
                "rows": [],
            }
        elif self._accept.kind is not None:
            obj |= {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
        elif not self.view.resource.custom:
            obj |= {"spec": {}, "status": {}}
        return encode({"type": "BOOKMARK", "object": obj}) + b"\n"
