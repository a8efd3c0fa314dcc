"""The embedded server on a thread of its own, reached over HTTP like any other."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

from clients.clock import SystemClock
from clients.embedded.accounts import namespace_account, viewer_account
from clients.embedded.api import make_app, serve
from clients.embedded.apiserver.access import Identity
from clients.embedded.apiserver.podlogs import LogQuery
from clients.embedded.apiserver.proxy import Handler, PageAnswer, PageRequest
from clients.embedded.store import Store
from tests.conformance.client import Json, Target

_NS = "ns-only"


async def _lines(query: LogQuery) -> AsyncIterator[tuple[float, str]]:
    """Five lines of the past; when following, one that comes later."""
    told = [f"{query.container} line {i}" for i in range(5)]
    stamped = [(1_700_000_000.0 + i, line) for i, line in enumerate(told)]
    for at, line in stamped[-query.tail :] if query.tail else stamped:
        yield at, line
    if query.follow:
        await asyncio.sleep(0.05)
        yield 1_700_000_100.0, f"{query.container} later"


class _Behind:
    """Port 8000 of every pod answers with what was asked; the status is in the path."""

    def handler(self, pod: Json, port: int) -> Handler | None:
        async def answer(asked: PageRequest) -> PageAnswer:
            told = f"{asked.method} {pod['metadata']['name']} {port} {asked.path} {asked.query}"
            status = 418 if asked.path.startswith("/teapot") else 200
            seen = {"Content-Type": "text/x-told", "X-Seen": ",".join(sorted(asked.headers)).lower()}
            return PageAnswer(status, seen, told.encode() + asked.body)

        return answer if port == 8000 else None


def start_embedded() -> Iterator[Target]:
    """Serves until the generator is closed."""
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    ports: list[int] = []

    async def run() -> None:
        store = Store(SystemClock())
        store.create("namespaces", {"metadata": {"name": _NS}}, manager="setup")
        tokens = {"viewer-token": viewer_account(store), "ns-token": namespace_account(store, _NS)}
        identity = Identity(tokens)
        runner, port = await serve(make_app(store, identity=identity, logs=_lines, pages=(_Behind(),)))
        ports.append(port)
        ready.set()
        await stop.wait()
        await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),), daemon=True)
    thread.start()
    assert ready.wait(60)
    try:
        yield Target("embedded", f"http://127.0.0.1:{ports[0]}", "", "viewer-token", "ns-token", _NS)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(60)
        loop.close()
