"""A source: all objects of one resource in scope, kept equal to the server's, and how far that holds."""

from __future__ import annotations

import asyncio
import random as randomness
from collections.abc import Callable, Mapping
from typing import Generic, Protocol, TypeVar

import msgspec
from msgspec import Struct

from clients.kube.discovery import Served, collection, serves
from clients.kube.errors import ErrorKind, KubeError
from clients.kube.feed import Feed, HasUid, Timing
from clients.kube.resources import ResourceSpec, Scope
from clients.kube.session import Session
from clients.serving.sources import SourceState, SourceStatus

__all__ = ["Reflector", "ReflectorSink", "Timing"]

Row = TypeVar("Row", bound=HasUid)
SinkRow = TypeVar("SinkRow", bound=HasUid, contravariant=True)

MOST_NAMESPACES = 64
"""Watched one by one when all at once is not allowed: each is a connection."""

_WORST_FIRST = (
    SourceState.DENIED,
    SourceState.LOGIN,
    SourceState.ABSENT,
    SourceState.STALE,
    SourceState.SYNCING,
    SourceState.QUIET,
    SourceState.LIVE,
)


class ReflectorSink(Protocol[SinkRow]):
    """Who is told; every call comes on the reflector's event loop."""

    def replaced(self, rows: Mapping[str, SinkRow]) -> None:
        """After a list: the whole new store by uid. The mapping is the reflector's own and lives on."""
        ...

    def changed(self, row: SinkRow) -> None:
        """A row that is new or has changed."""
        ...

    def removed(self, row: SinkRow) -> None:
        """The last row of an object that is gone."""
        ...

    def status_changed(self, status: SourceStatus) -> None:
        """State, detail or progress has changed; not called for every byte."""
        ...


class _Namespaced(Struct):
    class Meta(Struct):
        """Only the name is of use."""

        name: str = ""

    metadata: Meta = msgspec.field(default_factory=Meta)


class _Namespaces(Struct):
    items: list[_Namespaced] | None = None


class Reflector(Generic[Row]):
    """List and watch of a ResourceSpec, in all namespaces or in the given ones.

    Where the whole cluster is refused (403), the namespaces that are known are watched one by one (the
    context's, and those that may be listed), and the cluster is asked again once a minute.
    """

    def __init__(
        self,
        session: Session,
        spec: ResourceSpec,
        *,
        decode: Callable[[msgspec.Raw], Row],
        sink: ReflectorSink[Row],
        namespaces: tuple[str, ...] | None,
        gate: asyncio.Semaphore,
        known: tuple[str, ...] = (),
        timing: Timing | None = None,
        random: Callable[[], float] = randomness.random,
    ) -> None:
        """``known`` are namespaces to fall back to where the whole cluster is refused."""
        self.spec = spec
        self._session = session
        self._decode = decode
        self._sink = sink
        self._gate = gate
        self._timing = timing or Timing()
        self._random = random
        self._fallback = known
        named = namespaces if spec.scope is Scope.NAMESPACED else None
        self._given = tuple(dict.fromkeys(named)) if named else None
        self._rows: dict[str, Row] = {}
        self._feeds: list[Feed[Row]] = []
        self._served: Served | None = None
        self._refusal: KubeError | None = None
        self._left_out = 0
        self._told: tuple[object, ...] | None = None
        self._woken = asyncio.Event()

    @property
    def rows(self) -> Mapping[str, Row]:
        """The current rows by uid."""
        return self._rows

    @property
    def whole(self) -> bool:
        """Whether the rows are of the whole cluster, not of some namespaces."""
        return self._given is None and self._refusal is None

    @property
    def status(self) -> SourceStatus:
        """The state at this moment."""
        feeds = self._feeds
        state, detail = self._combined()
        contacts = [feed.contact for feed in feeds if feed.contact is not None]
        tries = [feed.next_try for feed in feeds if feed.next_try is not None]
        loading = [feed.loading for feed in feeds if feed.loading is not None]
        have, of = len(self._rows), None
        if loading and state in (SourceState.SYNCING, SourceState.STALE):
            have = sum(entry[0] for entry in loading) + (len(self._rows) if len(feeds) > 1 else 0)
            if len(feeds) == 1:
                of = loading[0][1]
        return SourceStatus(
            cluster=self._session.cluster,
            name=self.spec.source,
            state=state,
            required=self.spec.required,
            last_contact=min(contacts) if contacts and len(contacts) == len(feeds) else None,
            detail=detail,
            have=have,
            of=of,
            next_try=min(tries) if tries else None,
        )

    async def run(self) -> None:
        """Keeps the rows true for ever; ends only by cancellation."""
        while True:
            if self._given is not None:
                await self._follow(self._given)
            else:
                feed = self._feed(None, denied_ends=self.spec.scope is Scope.NAMESPACED)
                self._feeds = [feed]
                await feed.run()
                self._refusal = feed.refusal
                await self._follow_known()

    def wake(self) -> None:
        """Tries now whatever waits; open streams are opened again from where they stand."""
        self._woken.set()
        for feed in self._feeds:
            feed.wake()

    def mark_stale(self, reason: str, asked: float | None = None) -> None:
        """The heartbeat says that the server is dead: believed until a byte of this source comes.

        ``asked`` is when the question went out that was not answered (monotonic): a source that has heard
        something since is left as it is.
        """
        for feed in self._feeds:
            feed.mark_stale(reason, asked)

    def mark_contact(self) -> None:
        """The heartbeat says that the server is back."""
        for feed in self._feeds:
            feed.mark_contact()

    def feed_replaced(self, feed: Feed[Row], rows: dict[str, Row]) -> None:
        """A feed has read its list."""
        if len(self._feeds) > 1 or feed.namespace is not None:
            others = {uid: row for uid, row in self._rows.items() if _namespace(row) != feed.namespace}
            rows = {**others, **rows}
        self._rows = rows
        self._sink.replaced(rows)

    def feed_changed(self, row: Row) -> None:
        """A feed has seen a new or changed object."""
        self._rows[row.uid] = row
        self._sink.changed(row)

    def feed_removed(self, uid: str) -> None:
        """A feed has seen an object go."""
        row = self._rows.pop(uid, None)
        if row is not None:
            self._sink.removed(row)

    def feed_status(self, feed: Feed[Row]) -> None:
        """A feed's state has changed: told on if the source's has."""
        if feed not in self._feeds:
            return
        status = self.status
        told = (status.state, status.detail, status.of, status.next_try)
        loading = feed.loading is not None
        if told != self._told or loading:
            self._told = told
            self._sink.status_changed(status)

    def _feed(self, namespace: str | None, *, denied_ends: bool) -> Feed[Row]:
        params = {"labelSelector": self.spec.label_selector, "fieldSelector": self.spec.field_selector}
        return Feed(
            self._session,
            self,
            name=f"{self.spec.plural}.{self.spec.group}" if self.spec.group else self.spec.plural,
            namespace=namespace,
            locate=self._locate,
            params={key: value for key, value in params.items() if value},
            decode=self._decode,
            gate=self._gate,
            timing=self._timing,
            random=self._random,
            denied_ends=denied_ends,
        )

    async def _locate(self, namespace: str | None) -> str | None:
        served = await serves(self._session, self.spec)
        return collection(served, self.spec, namespace) if served is not None else None

    async def _follow(self, namespaces: tuple[str, ...]) -> None:
        """Follows exactly these namespaces; a refusal in one is this source's refusal."""
        self._feeds = [self._feed(namespace, denied_ends=False) for namespace in namespaces]
        async with asyncio.TaskGroup() as group:
            for feed in self._feeds:
                group.create_task(feed.run())

    async def _follow_known(self) -> None:
        """After a refusal for the whole cluster: follows what is allowed until the whole is allowed."""
        running: dict[str, tuple[Feed[Row], asyncio.Task[None]]] = {}
        refused: dict[str, int] = {}
        round_ = 0
        try:
            while True:
                known = await self._known()
                self._left_out = max(0, len(known) - MOST_NAMESPACES)
                wanted = set(known[:MOST_NAMESPACES])
                for name in [
                    name for name, (_, task) in running.items() if task.done() or name not in wanted
                ]:
                    _, task = running.pop(name)
                    if task.done():
                        refused[name] = round_
                        task.result()
                    else:
                        task.cancel()
                for name in sorted(wanted - running.keys()):
                    # Asking each refused namespace each minute would load the server for nothing.
                    if name not in refused or round_ - refused[name] >= 10 or self._woken.is_set():
                        feed = self._feed(name, denied_ends=True)
                        running[name] = (feed, asyncio.ensure_future(feed.run()))
                self._woken.clear()
                self._feeds = [feed for feed, _ in running.values()]
                self._keep(set(running))
                self._announce()
                await self._until_next(running)
                if await self._whole_allowed():
                    self._refusal = None
                    return
                round_ += 1
        finally:
            for _, task in running.values():
                task.cancel()
            await asyncio.gather(*(task for _, task in running.values()), return_exceptions=True)

    async def _until_next(self, running: Mapping[str, tuple[Feed[Row], asyncio.Task[None]]]) -> None:
        """Waits a minute, or until woken; refusals that come in meanwhile are shown as they come."""
        waker = asyncio.ensure_future(self._woken.wait())
        loop = asyncio.get_running_loop()
        end = loop.time() + self._timing.denied
        pending = {task for _, task in running.values()}
        try:
            while (left := end - loop.time()) > 0 and not waker.done():
                await asyncio.wait({waker, *pending}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                if any(task.done() for task in pending):
                    pending = {task for task in pending if not task.done()}
                    self._keep({name for name, (_, task) in running.items() if not task.done()})
                    self._announce()
        finally:
            waker.cancel()

    async def _known(self) -> tuple[str, ...]:
        """The namespaces to try: those asked for, the context's, then those that may be listed."""
        first = (*self._fallback, *((self._session.namespace,) if self._session.namespace else ()))
        try:
            body = await self._session.get("/api/v1/namespaces")
            listed = msgspec.json.decode(body, type=_Namespaces).items or []
        except (KubeError, msgspec.MsgspecError):
            listed = []
        return tuple(
            dict.fromkeys((*first, *(entry.metadata.name for entry in listed if entry.metadata.name)))
        )

    async def _whole_allowed(self) -> bool:
        try:
            path = await self._locate(None)
            if path is None:
                return True
            await self._session.get(path, {"limit": 1})
        except KubeError as error:
            if error.kind is ErrorKind.FORBIDDEN:
                self._refusal = error
            return False
        return True

    def _keep(self, namespaces: set[str]) -> None:
        """Drops rows of namespaces that are no longer followed: nothing would ever correct them.

        With none followed at all they stay, as old as the source's age says.
        """
        if not namespaces:
            return
        kept = {uid: row for uid, row in self._rows.items() if _namespace(row) in namespaces}
        if len(kept) != len(self._rows):
            self._rows = kept
            self._sink.replaced(kept)

    def _announce(self) -> None:
        status = self.status
        self._told = (status.state, status.detail, status.of, status.next_try)
        self._sink.status_changed(status)

    def _combined(self) -> tuple[SourceState, str | None]:
        """One state for all feeds: the worst, where refused namespaces nobody named count only if all are."""
        feeds = self._feeds
        narrowed = self._refusal is not None and any(feed.namespace is not None for feed in feeds)
        followed = [feed for feed in feeds if feed.refusal is None] if narrowed else feeds
        if self._refusal is not None and not followed:
            advice = "" if self._session.namespace or feeds else "; name a namespace with -n"
            return SourceState.DENIED, f"{self._refusal.message}{advice}"
        if not feeds:
            return SourceState.SYNCING, None
        states = [(_state(feed), feed) for feed in followed]
        worst, feed = min(states, key=lambda entry: _WORST_FIRST.index(entry[0]))
        detail = feed.outage if worst is SourceState.STALE and feed.outage else feed.detail
        if detail and feed.namespace and len(followed) > 1:
            detail = f"{feed.namespace}: {detail}"
        parts = [detail] if detail else []
        if narrowed:
            names = sorted(feed.namespace or "" for feed in followed)
            shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
            left = f", {self._left_out} left out" if self._left_out else ""
            parts.append(f"only namespace {shown}{left}: no right to read all")
        bad = {uid: text for feed in followed for uid, text in feed.unreadable.items()}
        if bad:
            parts.append(f"{len(bad)} unreadable: {next(reversed(bad.values()))}")
        return worst, "; ".join(parts) or None


def _state(feed: Feed[Row]) -> SourceState:
    dead = feed.outage is not None and feed.state in (
        SourceState.LIVE,
        SourceState.QUIET,
        SourceState.SYNCING,
    )
    return SourceState.STALE if dead else feed.state


def _namespace(row: HasUid) -> str | None:
    return getattr(row, "namespace", None)
