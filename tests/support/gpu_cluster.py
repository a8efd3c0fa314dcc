"""A scenario behind a real port, and a GPU watch that reads it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from clients.clock import SystemClock
from clients.embedded.api import serve
from clients.embedded.apiserver.access import Identity
from clients.embedded.cluster import Cluster
from clients.embedded.command import application
from clients.embedded.scenarios.catalogue import make_cluster
from clients.gpu.door import Door, Reply
from clients.gpu.watch import GpuWatch, Timing
from clients.kube.proxied import ClusterDoor
from tests.support.kube import session_to

__all__ = ["BRISK", "SlowAnswers", "scenario", "serving", "watching"]

START = 1_700_000_000.0
BRISK = Timing(fleet=0.05, near=0.02, discover=0.2, again=0.05, longest=0.2, prometheus=0.1)
"""Exporters sample every 30 s, so that what is read again quickly is what failed."""


def scenario(name: str, seconds: float = 60) -> Cluster:
    """A scenario that has run for a while, and now stands still."""
    cluster = make_cluster(name, start=START, speed=0)
    cluster.run_for(seconds)
    return cluster


@asynccontextmanager
async def serving(cluster: Cluster, identity: Identity | None = None) -> AsyncIterator[str]:
    """Its URL."""
    runner, port = await serve(application(cluster, identity))
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


class SlowAnswers:
    """A door behind which the server answers pages as ever, and the answers take their time to arrive."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self.held = 0
        self.arrive = asyncio.Event()

    async def fetch(
        self, path: str, params: Mapping[str, str] | None, *, headers: Mapping[str, str], limit: int
    ) -> Reply:
        """The server's answer, once ``arrive`` is set if it is that of a pod."""
        reply = await self._door.fetch(path, params, headers=headers, limit=limit)
        if "/proxy/" in path and not self.arrive.is_set():
            self.held += 1
            await self.arrive.wait()
        return reply


@asynccontextmanager
async def watching(
    url: str,
    *,
    token: str | None = None,
    shown: str | None = None,
    by: Callable[[Door], Door] = lambda door: door,
    **how: Any,
) -> AsyncIterator[GpuWatch]:
    """A watch that runs. ``token`` is for the API server, ``shown`` for our agents; ``by`` wraps the way."""
    async with session_to(url, token=token) as session:
        watch = GpuWatch(by(ClusterDoor(session)), SystemClock(), token=shown, **{"timing": BRISK, **how})
        running = asyncio.ensure_future(watch.run())
        try:
            yield watch
            assert not running.done(), "it ended by itself"
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
