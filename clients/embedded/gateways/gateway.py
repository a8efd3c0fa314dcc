"""The gateways: an ingress that routes by Host, and Kthena's router that routes by model (both on loopback).

They answer for themselves in their own words: nginx with pages, the router (main, August 2026) with JSON
strings. Neither checks who asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
from aiohttp import web

from clients.embedded.api import serve
from clients.embedded.apiserver.objects import encode
from clients.embedded.cluster import Cluster
from clients.embedded.faults import FaultKind
from clients.embedded.gateways.misbehaviour import Misbehaviour
from clients.embedded.gateways.routes import Backend, Routes
from clients.embedded.gateways.serving import Broken, Serving, reset

__all__ = ["Gateways"]

_MAX_BODY = 16 << 20
_LOOK_AGAIN = 0.05
"""Real seconds between two looks whether a stall is over."""
_REASONS = {
    404: "Not Found",
    429: "Too Many Requests",
    502: "Bad Gateway",
    503: "Service Temporarily Unavailable",
}

_Refuse = Callable[[int, str], web.Response]
"""A gateway's own answer: (status, what a router says; nginx has one page a status)."""


class Gateways:
    """Both of one cluster. Only what somebody asks costs anything."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._routes = Routes(cluster.store, cluster.pods, cluster.traffic.asked)
        self._misbehaviour = Misbehaviour(cluster.faults, cluster.clock)
        self._serving = Serving(cluster.traffic, cluster.demand, cluster.engine_pages, cluster.clock)
        self._runners: list[web.AppRunner] = []

    async def start(self) -> dict[str, str]:
        """Listens, and lets the cluster's objects say where. Answers URLs by ``ingress`` and ``router``."""
        found = {}
        for name, handle, listener in (
            ("ingress", self._ingress, self._cluster.ingress),
            ("router", self._router, self._cluster.router),
        ):
            app = web.Application(client_max_size=_MAX_BODY)
            app.router.add_route("*", "/{path:.*}", handle)
            runner, port = await serve(app)
            self._runners.append(runner)
            listener.listen("127.0.0.1", port)
            found[name] = f"http://127.0.0.1:{port}"
        return found

    async def close(self) -> None:
        """Listens no longer."""
        for runner in self._runners:
            await runner.cleanup()

    # -- nginx -------------------------------------------------------------------------------------------

    async def _ingress(self, request: web.Request) -> web.StreamResponse:
        host = request.headers.get("Host", "").partition(":")[0].lower()

        def route() -> Backend | None:
            return self._routes.by_host(host, request.path)

        backend = route()
        if backend is None:
            return self._page(404, "")
        found = await self._forwarded(request, backend, route, self._page)
        return self._page(502, "") if isinstance(found, Broken) else found

    def _page(self, status: int, _said: str) -> web.Response:
        told = f"{status} {_REASONS[status]}"
        text = (
            f"<html>\r\n<head><title>{told}</title></head>\r\n<body>\r\n<center><h1>{told}</h1></center>\r\n"
            "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
        )
        return self._serving.said(status, text.encode(), "text/html")

    # -- Kthena's router ---------------------------------------------------------------------------------

    async def _router(self, request: web.Request) -> web.StreamResponse:
        if request.method == "GET" and request.path in ("/v1/models", "/models"):
            return self._models()
        try:
            body = msgspec.json.decode(await request.read())
        except msgspec.DecodeError as error:
            return self._word(400, str(error))
        model = body.get("model") if isinstance(body, dict) else None
        if not isinstance(model, str) or not model.strip():
            return self._word(404, "model not found")
        if not body.get("prompt") and not body.get("messages"):
            return self._word(404, "prompt not found")

        def route() -> Backend | None:
            return self._routes.by_model(model)[1] if self._routes.has_model(model) else None

        if not self._routes.has_model(model):
            return self._word(404, "route not found")
        where, backend = self._routes.by_model(model)
        if backend is None:
            return self._word(404, f"can't find model server: {where}")
        found = await self._forwarded(request, backend, route, self._word)
        return self._word(500, "request processing failed") if isinstance(found, Broken) else found

    def _models(self) -> web.Response:
        data = [
            {"id": name, "object": "model", "created": 0, "owned_by": "kthena"}
            for name in self._routes.models()
        ]
        return self._serving.said(200, encode({"object": "list", "data": data}))

    def _word(self, status: int, said: str) -> web.Response:
        return self._serving.said(status, encode(said))

    # -- both --------------------------------------------------------------------------------------------

    async def _forwarded(
        self, request: web.Request, backend: Backend, route: Callable[[], Backend | None], refuse: _Refuse
    ) -> web.StreamResponse | Broken:
        fault = self._misbehaviour.of(backend)
        if fault is FaultKind.STALL:
            await self._stalled(fault, backend, route)
        elif fault is FaultKind.RESET:
            return reset(request)
        elif fault is FaultKind.BUSY:
            return refuse(429, "token usage exceeds rate limit")
        team = None if fault is FaultKind.UNAVAILABLE else self._routes.team(backend)
        if team is None:
            return refuse(503, f"no available pods for model server: {backend.namespace}/{backend.name}")
        return await self._serving.answer(request, team, fault, backend.model)

    async def _stalled(self, fault: FaultKind, backend: Backend, route: Callable[[], Backend | None]) -> None:
        """Until the stall is over."""
        while True:
            await asyncio.sleep(_LOOK_AGAIN)
            if not self._misbehaviour.still(fault, backend, route()):
                return
