"""get and list: pages over a snapshot, selectors, versions, and the shapes they come in."""

from __future__ import annotations

import asyncio
import base64
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence

import msgspec
from msgspec import Struct

from clients.embedded.apiserver.errors import ApiError, Cause, bad_request, expired, invalid, not_found
from clients.embedded.apiserver.objects import Json, encode
from clients.embedded.apiserver.records import Record
from clients.embedded.apiserver.requests import Accept, Target, number
from clients.embedded.apiserver.selectors import Selection, select
from clients.embedded.apiserver.tables import Tables
from clients.embedded.apiserver.views import View
from clients.embedded.store import Store

__all__ = ["Listing", "Reader"]

_FUTURE_WAIT = 3.0
_SNAPSHOT_AGE = 60.0
_SNAPSHOTS = 8
_CHUNK = 500


class _Continue(Struct):
    rv: int
    start: int
    id: str


class _Snapshot(Struct):
    """A list begun: later pages show the same version."""

    rv: int
    records: list[Record]
    at: float


class Listing(Struct):
    """A list in pieces; a ``long`` one is better sent as they are made than gathered."""

    long: bool
    chunks: Iterator[bytes]


class Reader:
    """Answers get and list."""

    def __init__(self, store: Store, tables: Tables) -> None:
        self._store = store
        self._tables = tables
        self._snapshots: OrderedDict[str, _Snapshot] = OrderedDict()

    def get(self, target: Target, accept: Accept, query: Mapping[str, str]) -> bytes:
        """One object. Raises ApiError 404."""
        view = View(target.resource, target.version)
        record = self.record(target)
        if accept.kind == "Table":
            return encode(self._tables.table(view, [record], accept.version, query, None))
        if accept.kind == "PartialObjectMetadata":
            return view.partial(record)
        return view.whole(record)

    def record(self, target: Target) -> Record:
        """The encoded object. Raises ApiError 404."""
        definition = target.resource
        name = target.name or ""
        record = self._store.record(definition.view_of or definition.key, target.namespace, name)
        if record is None:
            raise not_found(definition.group, definition.plural, name)
        return record

    def selection(self, target: Target, query: Mapping[str, str]) -> Selection:
        """What the query selects. Raises ApiError 400."""
        labels, fields = query.get("labelSelector", ""), query.get("fieldSelector", "")
        return select(target.resource, target.namespace, labels, fields)

    async def list(self, target: Target, accept: Accept, query: Mapping[str, str]) -> Listing:
        """A list or a page of one. Raises ApiError 400, 410, 422, 504."""
        view = View(target.resource, target.version)
        selection = self.selection(target, query)
        at_least = await self._wait_for_version(query)
        limit = number(query, "limit") or 0
        if at_least == 0 and "continue" not in query:
            limit = 0
        token = query.get("continue")
        if token:
            if query.get("resourceVersion"):
                raise bad_request("specifying resource version is not allowed when using continue")
            place, snapshot = self._resume(token)
        else:
            records = self._store.records(view.key, selection.namespace)
            if selection.selective:
                records = [r for r in records if selection.matches(r)]
            place, snapshot = 0, _Snapshot(self._store.version, records, 0.0)
        end = place + limit if limit > 0 else len(snapshot.records)
        page, left = snapshot.records[place:end], len(snapshot.records) - end
        metadata: Json = {"resourceVersion": str(snapshot.rv)}
        if view.resource.custom:
            # Always there in lists of custom resources, which are no Go structs that leave out what is empty.
            metadata["continue"] = ""
        if left > 0:
            metadata["continue"] = self._keep(token, snapshot, end)
            if not selection.selective:
                metadata["remainingItemCount"] = left
        elif token:
            self._snapshots.pop(_read_token(token).id, None)
        return Listing(len(page) > 2 * _CHUNK, self._encode(view, accept, query, page, metadata))

    def _encode(
        self, view: View, accept: Accept, query: Mapping[str, str], page: Sequence[Record], metadata: Json
    ) -> Iterator[bytes]:
        if accept.kind == "Table":
            yield encode(self._tables.table(view, page, accept.version, query, metadata))
            return
        partial = accept.kind == "PartialObjectMetadataList"
        if partial:
            head = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}
        else:
            head = {"kind": view.resource.list_kind, "apiVersion": view.api_version, "metadata": metadata}
        item = view.partial if partial else view.item
        yield encode(head)[:-1] + b',"items":['
        for start in range(0, len(page), _CHUNK):
            lead = b"," if start else b""
            yield lead + b",".join([item(r) for r in page[start : start + _CHUNK]])
        yield b"]}"

    async def _wait_for_version(self, query: Mapping[str, str]) -> int | None:
        """The resourceVersion asked for, once the store has it. Raises ApiError 504 after three seconds."""
        text = query.get("resourceVersion") or ""
        match = query.get("resourceVersionMatch")
        causes: list[Cause] = []
        if "sendInitialEvents" in query:
            why = "Forbidden: sendInitialEvents is forbidden for list"
            causes.append(Cause("FieldValueForbidden", why, "sendInitialEvents"))
        if match:
            if not text:
                why = "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"
                causes.append(Cause("FieldValueForbidden", why, "resourceVersionMatch"))
            elif match not in ("Exact", "NotOlderThan"):
                why = f'Unsupported value: "{match}": supported values: "Exact", "NotOlderThan", ""'
                causes.append(Cause("FieldValueNotSupported", why, "resourceVersionMatch"))
            elif match == "Exact" and text == "0":
                why = 'Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
                causes.append(Cause("FieldValueForbidden", why, "resourceVersionMatch"))
        if causes:
            raise invalid("meta.k8s.io", "ListOptions", "", causes)
        if not text:
            return None
        if not text.isdigit():
            why = f'strconv.ParseUint: parsing "{text}": invalid syntax'
            raise bad_request(f'invalid resource version: resourceVersion: Invalid value: "{text}": {why}')
        wanted = int(text)
        waited = 0.0
        while self._store.version < wanted:
            if waited >= _FUTURE_WAIT:
                raise _too_large(wanted, self._store.version)
            await asyncio.sleep(0.1)
            waited += 0.1
        if match == "Exact" and wanted != self._store.version:
            raise expired(f"The provided resource version is too old: {wanted} ({self._store.version})")
        return wanted

    def _keep(self, token: str | None, snapshot: _Snapshot, start: int) -> str:
        now = self._store.clock.monotonic()
        key = _read_token(token).id if token else f"{snapshot.rv:x}.{id(snapshot):x}"
        snapshot.at = now
        self._snapshots[key] = snapshot
        self._snapshots.move_to_end(key)
        while len(self._snapshots) > _SNAPSHOTS:
            self._snapshots.popitem(last=False)
        return base64.urlsafe_b64encode(msgspec.json.encode(_Continue(snapshot.rv, start, key))).decode()

    def _resume(self, token: str) -> tuple[int, _Snapshot]:
        place = _read_token(token)
        snapshot = self._snapshots.get(place.id)
        now = self._store.clock.monotonic()
        if snapshot is None or snapshot.rv != place.rv or now - snapshot.at > _SNAPSHOT_AGE:
            self._snapshots.pop(place.id, None)
            raise expired(
                "The provided continue parameter is too old to display a consistent list result. "
                "You must start a new list without the continue parameter."
            )
        return place.start, snapshot


def _read_token(token: str) -> _Continue:
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(token.encode()), type=_Continue)
    except (msgspec.MsgspecError, ValueError) as error:
        raise bad_request(f"invalid continue token: continue key is not valid: {error}") from None


def _too_large(wanted: int, current: int) -> ApiError:
    message = f"Timeout: Too large resource version: {wanted}, current: {current}"
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    details = {"causes": [cause], "retryAfterSeconds": 1}
    return ApiError(504, "Timeout", message, details=details, retry_after=1)
