from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from clients.kube.session import Session
from tests.support.kube import session_to
from tests.support.misbehaving import Misbehaving, misbehaving


@pytest.fixture
async def server() -> AsyncIterator[Misbehaving]:
    async with misbehaving() as running:
        for name in ("one", "two", "three", "four", "five"):
            running.put(name, value=len(name))
        yield running


@pytest.fixture
async def session(server: Misbehaving) -> AsyncIterator[Session]:
    async with session_to(server.url) as opened:
        yield opened
