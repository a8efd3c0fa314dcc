"""The agent's HTTP server: ``GET /metrics`` and ``GET /healthz``, and nothing that changes anything."""

from __future__ import annotations

import asyncio
import ipaddress

from aiohttp import web
from aiohttp.typedefs import Handler

from clients.clock import Clock
from clients.gpu.agent.attribution import Attribution
from clients.gpu.agent.page import CONTENT_TYPE, Pods, page
from clients.gpu.agent.sampling import Sampling
from clients.gpu.agent.token import Token, TokenError

__all__ = ["Served", "is_loopback", "serve"]

_CONNECTIONS = 64
"""Readers are a Prometheus or two and a few consoles; each connection may hold a page in memory."""
_IDLE = 30.0
"""Seconds that a connection may take to send a request, and may stay open after one."""
_LINE, _FIELD, _HEADERS = 2048, 8190, 64
"""Of a request: its first line and each header in bytes, and the number of headers."""


class Served:
    """A running server."""

    def __init__(self, runner: web.AppRunner, server: asyncio.Server) -> None:
        self._runner = runner
        self._server = server
        self.port: int = server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stops listening, lets answers on their way be sent, and closes all connections."""
        self._server.close()
        await self._runner.cleanup()


class _Full(asyncio.Protocol):
    """One connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


async def serve(
    address: str,
    port: int,
    *,
    sampling: Sampling,
    attribution: Attribution,
    clock: Clock,
    hostname: str,
    token: Token | None = None,
) -> Served:
    """Listens on ``address``; ``port`` 0 takes a free one.

    Raises:
        OSError: it cannot listen there.
    """
    door = _Door(token, loopback=is_loopback(address))
    pages = _Pages(sampling, attribution, clock, hostname)
    app = web.Application(middlewares=[door.pass_through], client_max_size=1)
    app.router.add_get("/metrics", pages.metrics)
    app.router.add_get("/healthz", pages.healthz)
    runner = web.AppRunner(
        app,
        access_log=None,
        handle_signals=False,
        keepalive_timeout=_IDLE,
        lingering_time=0,
        shutdown_timeout=2,
        max_line_size=_LINE,
        max_field_size=_FIELD,
        max_headers=_HEADERS,
    )
    await runner.setup()
    handlers = runner.server
    assert handlers is not None

    def accept() -> asyncio.Protocol:
        return handlers() if len(handlers.connections) < _CONNECTIONS else _Full()

    try:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(accept, address, port, backlog=_CONNECTIONS)
    except OSError:
        await runner.cleanup()
        raise
    return Served(runner, server)


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches what listens there."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


class _Door:
    """Who may ask, and by which name. /healthz tells nothing worth a token, and kubelets have none."""

    def __init__(self, token: Token | None, *, loopback: bool) -> None:
        self._token = token
        self._loopback = loopback

    @web.middleware
    async def pass_through(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answers what is refused, hands on what is not."""
        refusal = self._refusal(request)
        return refusal if refusal is not None else await handler(request)

    def _refusal(self, request: web.Request) -> web.Response | None:
        if self._loopback and not _names_loopback(request.headers.get("Host", "")):
            # Else a web page could read it, by pointing a name of its own at 127.0.0.1.
            return web.Response(status=421, text="this address is for this machine alone\n")
        if self._token is None or request.path == "/healthz":
            return None
        try:
            shown = self._token.shown_in(request.headers)
        except TokenError:
            return web.Response(status=503, text="the agent's token file cannot be read\n")
        if shown:
            return None
        return web.Response(status=401, text="token needed\n", headers={"WWW-Authenticate": "Bearer"})


def _names_loopback(host: str) -> bool:
    name = host.partition("]")[0][1:] if host.startswith("[") else host.partition(":")[0]
    return is_loopback(name)


class _Pages:
    """What is served."""

    def __init__(self, sampling: Sampling, attribution: Attribution, clock: Clock, hostname: str) -> None:
        self._sampling = sampling
        self._attribution = attribution
        self._clock = clock
        self._hostname = hostname

    async def metrics(self, _: web.Request) -> web.Response:
        """The newest sample with the pods of this moment."""
        sample = self._sampling.newest
        asked = self._attribution
        rows = sample.devices if sample is not None else ()
        pods = Pods([asked.holders(row) for row in rows], asked.trouble, asked.claims())
        text = page(sample, pods, self._clock.monotonic(), self._hostname)
        return web.Response(body=text.encode(), headers={"Content-Type": CONTENT_TYPE})

    async def healthz(self, _: web.Request) -> web.Response:
        """Ill only where a new process would help: an agent that says that there is no driver is well."""
        stuck = self._sampling.stuck()
        if stuck is not None:
            return web.Response(status=503, text=f"NVML has not answered for {stuck:.0f} s\n")
        return web.Response(text="ok\n")
