"""A small HTTP server on loopback that answers as it was told to, one request after the other."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def says(code: int, text: str = "{}", **headers: str) -> Answer:
    """This answer."""

    async def act(request: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=code, text=text, content_type="application/json", headers=named)

    return act


async def hangs(request: web.Request) -> web.StreamResponse:
    """No answer at all."""
    await asyncio.Event().wait()
    raise AssertionError


async def breaks(request: web.Request) -> web.StreamResponse:
    """The request is read, then the connection breaks."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def half(request: web.Request) -> web.StreamResponse:
    """The beginning of a body, then the connection breaks."""
    response = web.StreamResponse(headers={"Content-Length": "100"})
    await response.prepare(request)
    await response.write(b'{"half": ')
    assert request.transport is not None
    request.transport.abort()
    return response


class SmallCloud:
    """Answers from ``script``, the last one again and again; keeps what was asked."""

    def __init__(self) -> None:
        self.script: list[Answer] = [says(200)]
        self.requests: list[web.Request] = []
        self.bodies: list[bytes] = []
        self.url = ""

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.bodies.append(await request.read())
        self.requests.append(request)
        act = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        return await act(request)


@asynccontextmanager
async def small_cloud(tls: ssl.SSLContext | None = None) -> AsyncIterator[SmallCloud]:
    """A running one; over TLS with ``tls``."""
    cloud = SmallCloud()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", cloud._serve)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.01)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        cloud.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{runner.addresses[0][1]}/v2"
        yield cloud
    finally:
        await runner.cleanup()
