"""A store and its server on a free loopback port, in the test's own event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from clients.clock import SystemClock
from clients.embedded.api import make_app, serve
from clients.embedded.store import Store

Serve = Callable[..., Coroutine[Any, Any, aiohttp.ClientSession]]


@pytest.fixture
def store() -> Store:
    return Store(SystemClock(), seed=1)


@pytest.fixture
async def served(store: Store) -> AsyncIterator[Serve]:
    """``await served(**options of make_app)`` gives a session whose base URL is the server."""
    runners: list[web.AppRunner] = []
    sessions: list[aiohttp.ClientSession] = []

    async def start(**options: Any) -> aiohttp.ClientSession:
        runner, port = await serve(make_app(store, **options))
        runners.append(runner)
        session = aiohttp.ClientSession(f"http://127.0.0.1:{port}", trust_env=False)
        sessions.append(session)
        return session

    yield start
    for session in sessions:
        await session.close()
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
async def http(served: Serve) -> aiohttp.ClientSession:
    """The plain server."""
    return await served()
