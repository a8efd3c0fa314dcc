"""What goes wrong between a client and a fake cloud, and what was asked of it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from enum import StrEnum

from aiohttp import web
from msgspec import Struct

__all__ = ["Fault", "FaultKind", "FaultQueue", "Seen"]


class FaultKind(StrEnum):
    """What goes wrong with one request."""

    STATUS = "status"
    """Answered with ``status`` and ``body`` instead."""
    HANG = "hang"
    """Never answered."""
    CUT = "cut"
    """Half an answer, then the connection ends."""
    DEAF = "deaf"
    """Done, and the connection ends without an answer."""
    LOST = "lost"
    """Not done, and the connection ends without an answer."""


class Fault(Struct):
    """One rule; it hits requests of its method whose path contains ``path``."""

    kind: FaultKind
    method: str = "GET"
    path: str = ""
    status: int = 500
    body: str = "{}"
    headers: tuple[tuple[str, str], ...] = ()
    times: int | None = 1
    """How often it still applies; ``None`` for ever."""


class Seen(Struct, frozen=True):
    """A request that came in."""

    method: str
    path: str
    body: bytes
    status: int | None
    """``None`` where it was not answered."""


class FaultQueue:
    """Stands before a fake cloud's answers; the first rule that applies hits."""

    def __init__(self) -> None:
        self.rules: deque[Fault] = deque()
        self.seen: list[Seen] = []

    async def serve(
        self, request: web.Request, answer: Callable[[bytes], Awaitable[web.Response]]
    ) -> web.StreamResponse:
        """The answer, or what a rule makes of it."""
        body = await request.read()
        fault = self._next(request)
        status: int | None = None
        try:
            if fault is None:
                response = await answer(body)
                status = response.status
                return response
            if fault.kind is FaultKind.STATUS:
                status = fault.status
                return web.Response(status=status, text=fault.body, headers=dict(fault.headers))
            if fault.kind is FaultKind.HANG:
                await asyncio.Event().wait()
            if fault.kind is FaultKind.LOST:
                return _hang_up(request, web.Response())
            return await _broken(request, await answer(body), half=fault.kind is FaultKind.CUT)
        finally:
            self.seen.append(Seen(request.method, request.path_qs, body, status))

    def _next(self, request: web.Request) -> Fault | None:
        for fault in self.rules:
            if fault.times != 0 and fault.method == request.method and fault.path in request.path:
                if fault.times is not None:
                    fault.times -= 1
                return fault
        return None


def _hang_up(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return response


async def _broken(request: web.Request, response: web.Response, *, half: bool) -> web.StreamResponse:
    if not half:
        return _hang_up(request, response)
    body = response.body
    assert isinstance(body, bytes)
    stream = web.StreamResponse(headers={"Content-Length": str(len(body))})
    await stream.prepare(request)
    await stream.write(body[: len(body) // 2])
    return _hang_up(request, stream)
