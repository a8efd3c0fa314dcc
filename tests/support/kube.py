"""A session, a reflector with short limits and a sink that keeps notes, to test the Kubernetes client."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from msgspec import Struct

from clients.clock import SystemClock
from clients.kube.config import ClusterConfig
from clients.kube.credentials import Credential, Credentials, StaticCredentials
from clients.kube.reflector import Reflector, Timing
from clients.kube.resources import ResourceSpec, Scope
from clients.kube.session import Session
from clients.serving.sources import SourceState, SourceStatus

THINGS = ResourceSpec(
    source="things",
    group="things.example.com",
    plural="things",
    kind="Thing",
    versions=("v1",),
    required=True,
)
SHORT = Timing(
    page=3, list_limit=2, idle=20, short=0.05, settled=0.3, backoff_first=0.02, backoff_longest=0.1,
    denied=0.15, absent=0.15, login=0.15, relist_spread=0.02,
)  # fmt: skip


BRISK = msgspec.structs.replace(SHORT, idle=0.4)
"""A stream that is silent for less than half a second counts as stuck."""


class Thing(Struct):
    """A row."""

    uid: str
    namespace: str
    name: str
    value: int | None


class _Meta(Struct):
    uid: str
    name: str
    namespace: str = ""


class _Shape(Struct):
    metadata: _Meta
    value: int | None = None


_shape = msgspec.json.Decoder(_Shape)


def decode_thing(raw: msgspec.Raw) -> Thing:
    """A strict decoder: a value that is no number is an error."""
    shape = _shape.decode(raw)
    return Thing(shape.metadata.uid, shape.metadata.namespace, shape.metadata.name, shape.value)


class Notes:
    """A sink that keeps its own copy by the calls alone, and the states passed through."""

    def __init__(self) -> None:
        self.rows: dict[str, Thing] = {}
        self.states: list[SourceState] = []
        self.statuses: list[SourceStatus] = []
        self.replacements = 0

    def replaced(self, rows: Mapping[str, Thing]) -> None:
        self.rows = dict(rows)
        self.replacements += 1

    def changed(self, row: Thing) -> None:
        self.rows[row.uid] = row

    def removed(self, row: Thing) -> None:
        del self.rows[row.uid]

    def status_changed(self, status: SourceStatus) -> None:
        self.statuses.append(status)
        if not self.states or self.states[-1] is not status.state:
            self.states.append(status.state)


class Running:
    """A reflector at work."""

    def __init__(self, reflector: Reflector[Thing], notes: Notes) -> None:
        self.reflector = reflector
        self.notes = notes

    def agrees(self, objects: Mapping[str, dict[str, Any]]) -> bool:
        """Both the reflector's rows and the sink's copy are the server's objects."""
        truth = {uid: (o["metadata"]["name"], o.get("value")) for uid, o in objects.items()}
        return all(
            {uid: (row.name, row.value) for uid, row in rows.items()} == truth
            for rows in (self.reflector.rows, self.notes.rows)
        )

    def live(self) -> bool:
        return self.reflector.status.state is SourceState.LIVE


async def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Waits for a condition; fails when it does not come true in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition did not come true"
        await asyncio.sleep(0.005)


def config_for(
    url: str,
    *,
    token: str | None = None,
    credentials: Credentials | None = None,
    namespace: str | None = None,
    **more: Any,
) -> ClusterConfig:
    """A configuration that needs no file."""
    static = StaticCredentials(Credential(f"Bearer {token}" if token else None))
    return ClusterConfig(
        context="test",
        namespace=namespace,
        server=url,
        credentials=credentials or static,
        source="kubeconfig",
        **more,
    )


@asynccontextmanager
async def session_to(url: str, **how: Any) -> AsyncIterator[Session]:
    """An open session."""
    session = await Session.open(config_for(url, **how), SystemClock())
    try:
        yield session
    finally:
        await session.close()


@asynccontextmanager
async def reflecting(
    session: Session,
    *,
    spec: ResourceSpec = THINGS,
    namespaces: tuple[str, ...] | None = None,
    timing: Timing = SHORT,
    gate: asyncio.Semaphore | None = None,
) -> AsyncIterator[Running]:
    """A running reflector of things."""
    notes = Notes()
    reflector = Reflector(
        session, spec, decode=decode_thing, sink=notes, namespaces=namespaces,
        gate=gate or asyncio.Semaphore(2), timing=timing,
    )  # fmt: skip
    task = asyncio.ensure_future(reflector.run())
    try:
        yield Running(reflector, notes)
        assert not task.done(), "the reflector ended by itself"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


__all__ = [
    "BRISK",
    "SHORT",
    "THINGS",
    "Notes",
    "Running",
    "Scope",
    "Thing",
    "config_for",
    "decode_thing",
    "reflecting",
    "session_to",
    "until",
]
