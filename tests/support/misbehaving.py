"""A small API server on loopback that keeps real objects and can be told to misbehave in any way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from tests.support.held_port import held_port

Json = dict[str, Any]
Match = Callable[[web.Request], bool]
Act = Callable[[web.Request], Awaitable[web.StreamResponse]]

GROUP = "things.example.com"
GENERATION = 1


def status(code: int, reason: str, message: str = "", **more: Any) -> Json:
    """A meta/v1 Status."""
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason,
            "message": message or reason, **more}  # fmt: skip


def event(kind: str, thing: Any, *, compact: bool = True) -> bytes:
    """A line of a watch, written as kube-apiserver does, or with spaces as another server may."""
    separators = (",", ":") if compact else None
    return json.dumps({"type": kind, "object": thing}, separators=separators).encode() + b"\n"


def is_list(request: web.Request) -> bool:
    """A list request, not a watch."""
    return request.path.endswith("/things") and "watch" not in request.query


def is_watch(request: web.Request) -> bool:
    """A watch request."""
    return "watch" in request.query


def anything(request: web.Request) -> bool:
    """Every request."""
    return True


class Fault:
    """What happens to the next ``times`` requests that match (None: to all of them)."""

    def __init__(self, match: Match, act: Act, times: int | None) -> None:
        self.match = match
        self.act = act
        self.left = times


class Misbehaving:
    """Serves ``things`` (namespaced) and ``namespaces``; faults come first, then the truth."""

    def __init__(self) -> None:
        self.objects: dict[str, Json] = {}
        self.namespaces = ["kube-system", "a", "b"]
        self.version = 1000
        self.oldest = 0
        self.log: list[tuple[int, str, bytes]] = []
        self.watchers: list[asyncio.Queue[bytes | None]] = []
        self.requests: list[web.Request] = []
        self.faults: list[Fault] = []
        self.denied: set[tuple[str, str | None]] = set()
        """(verb, namespace), None for all namespaces."""
        self.installed = True
        self.token: str | None = None
        self.kube_system_uid: str | None = "uid-of-kube-system"
        self.clock_rate: float | None = None
        self.date: str | None = None
        self.bookmark_every: float | None = None
        self.bookmarks = 0
        self._held, self.port = held_port()
        self._runner: web.AppRunner | None = None

    # The truth

    def put(self, name: str, namespace: str = "a", *, uid: str | None = None, **fields: Any) -> Json:
        """Creates an object, or changes the one of this name."""
        known = next((o for o in self.objects.values() if _key(o) == (namespace, name)), None)
        self.version += 1
        uid = uid or (known["metadata"]["uid"] if known else f"uid-{namespace}-{name}-{self.version}")
        meta = {"name": name, "namespace": namespace, "uid": uid, "resourceVersion": str(self.version)}
        thing = {"apiVersion": f"{GROUP}/v1", "kind": "Thing", "metadata": meta, **fields}
        self.objects[uid] = thing
        self._tell("MODIFIED" if known else "ADDED", thing)
        return thing

    def delete(self, name: str, namespace: str = "a") -> None:
        """Deletes an object."""
        uid = next(uid for uid, o in self.objects.items() if _key(o) == (namespace, name))
        thing = self.objects.pop(uid)
        self.version += 1
        thing["metadata"]["resourceVersion"] = str(self.version)
        self._tell("DELETED", thing)

    def _tell(self, kind: str, thing: Json) -> None:
        line = event(kind, thing)
        self.log.append((self.version, thing["metadata"]["namespace"], line))
        for queue in self.watchers:
            queue.put_nowait(line)

    def forget(self) -> None:
        """Drops the history: a watch from an older version is answered 410."""
        self.log.clear()
        self.oldest = self.version

    def say(self, line: bytes) -> None:
        """Sends these bytes on all open watches, without any change of objects."""
        for queue in self.watchers:
            queue.put_nowait(line)

    # Faults

    def fault(self, match: Match, act: Act, times: int | None = 1) -> Fault:
        """Adds a fault."""
        fault = Fault(match, act, times)
        self.faults.append(fault)
        return fault

    def answer(
        self,
        match: Match,
        code: int,
        body: str | Json,
        *,
        times: int | None = 1,
        kind: str = "application/json",
        headers: dict[str, str] | None = None,
    ) -> Fault:
        """The next matching requests get this answer."""
        text = body if isinstance(body, str) else json.dumps(body)

        async def act(request: web.Request) -> web.StreamResponse:
            return web.Response(status=code, text=text, content_type=kind, headers=headers)

        return self.fault(match, act, times)

    def stream(self, match: Match, *pieces: bytes, end: str, times: int | None = 1) -> Fault:
        """The next matching requests get these bytes, then the stream ends ``clean``, ``cut`` or ``hang``."""

        async def act(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers={"Content-Type": "application/json"})
            response.enable_chunked_encoding()
            await response.prepare(request)
            for piece in pieces:
                await response.write(piece)
            if end == "cut":
                assert request.transport is not None
                request.transport.abort()
            elif end == "hang":
                await asyncio.Event().wait()
            return response

        return self.fault(match, act, times)

    def hang(self, match: Match, *, times: int | None = 1) -> Fault:
        """The next matching requests are never answered, their connections stay open."""

        async def act(request: web.Request) -> web.StreamResponse:
            await asyncio.Event().wait()
            raise AssertionError

        return self.fault(match, act, times)

    def cut_watches(self) -> None:
        """Breaks every open watch in the middle of a chunk."""
        for queue in self.watchers:
            queue.put_nowait(None)

    def count(self, match: Match) -> int:
        """How many matching requests came so far."""
        return sum(match(request) for request in self.requests)

    # The server

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listens, on the same port as before if it did before."""
        app = web.Application(client_max_size=1 << 26)
        app.router.add_route("*", "/{path:.*}", self._serve)
        app.on_response_prepare.append(self._stamp)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.01)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()

    async def stop(self) -> None:
        """Refuses connections from here on and closes the open ones."""
        self.cut_watches()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def close(self) -> None:
        """Stops for good; the port is anybody's again."""
        await self.stop()
        self._held.close()

    async def _stamp(self, request: web.Request, response: web.StreamResponse) -> None:
        if self.date is not None:
            response.headers["Date"] = self.date

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        if self.token is not None and request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response(status(401, "Unauthorized"), status=401)
        for fault in self.faults:
            if fault.left != 0 and fault.match(request):
                if fault.left is not None:
                    fault.left -= 1
                return await fault.act(request)
        path = request.path
        if path == "/readyz":
            return web.Response(text="ok")
        if path == "/version":
            rate = {} if self.clock_rate is None else {"clockRate": self.clock_rate}
            return web.json_response({"gitVersion": "v1.36.0", **rate})
        if path.startswith("/api/v1/namespaces"):
            return self._namespaces(path)
        if path == f"/apis/{GROUP}" and self.installed:
            return web.json_response({"versions": [{"version": "v2"}, {"version": "v1"}]})
        if path == f"/apis/{GROUP}/v1" and self.installed:
            return web.json_response({"resources": [{"name": "things"}]})
        if path.startswith(f"/apis/{GROUP}/v1/") and self.installed:
            return await self._things(request)
        return web.Response(status=404, text="404 page not found\n")

    def _namespaces(self, path: str) -> web.Response:
        if path == "/api/v1/namespaces":
            if ("list", "namespaces") in self.denied:
                return web.json_response(status(403, "Forbidden"), status=403)
            items = [{"metadata": {"name": name}} for name in self.namespaces]
            return web.json_response({"metadata": {"resourceVersion": "1"}, "items": items})
        if self.kube_system_uid is None:
            return web.json_response(status(403, "Forbidden", "no right to get namespaces"), status=403)
        return web.json_response({"metadata": {"uid": self.kube_system_uid}})

    async def _things(self, request: web.Request) -> web.StreamResponse:
        parts = request.path.split("/")
        namespace = parts[5] if "namespaces" in parts else None
        verb = "watch" if is_watch(request) else "list"
        if (verb, namespace) in self.denied:
            where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
            message = f'things.{GROUP} is forbidden: User "u" cannot {verb} resource "things" {where}'
            return web.json_response(status(403, "Forbidden", message), status=403)
        return await (self._watch if verb == "watch" else self._list)(request, namespace)

    async def _list(self, request: web.Request, namespace: str | None) -> web.StreamResponse:
        items = sorted((o for o in self.objects.values() if namespace in (None, _key(o)[0])), key=_key)
        limit, start = int(request.query.get("limit", 0)), int(request.query.get("continue", 0))
        page = items[start : start + limit] if limit else items[start:]
        meta: Json = {"resourceVersion": str(self.version)}
        if start + len(page) < len(items):
            meta |= {"continue": str(start + len(page)), "remainingItemCount": len(items) - start - len(page)}
        return web.json_response({"kind": "ThingList", "metadata": meta, "items": page})

    async def _watch(self, request: web.Request, namespace: str | None) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        since = int(request.query["resourceVersion"])
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        if since < self.oldest:
            await response.prepare(request)
            gone = {"type": "ERROR", "object": status(410, "Expired", "too old resource version")}
            await response.write(json.dumps(gone).encode() + b"\n")
            return response
        for version, where, line in self.log:
            if version > since and namespace in (None, where):
                queue.put_nowait(line)
        self.watchers.append(queue)
        try:
            await response.prepare(request)
            while True:
                try:
                    line_ = await asyncio.wait_for(queue.get(), self.bookmark_every)
                except TimeoutError:
                    meta = {"metadata": {"resourceVersion": str(self.version)}}
                    line_ = json.dumps({"type": "BOOKMARK", "object": meta}).encode() + b"\n"
                    self.bookmarks += 1
                if line_ is None:
                    if request.transport is not None:
                        request.transport.abort()
                    return response
                here = f'"namespace":"{namespace}"'.encode()
                if namespace is None or here in line_ or b'"BOOKMARK"' in line_:
                    await response.write(line_)
        finally:
            self.watchers.remove(queue)


def _key(thing: Json) -> tuple[str, str]:
    return str(thing["metadata"]["namespace"]), str(thing["metadata"]["name"])


@asynccontextmanager
async def misbehaving() -> AsyncIterator[Misbehaving]:
    """A running server."""
    server = Misbehaving()
    await server.start()
    try:
        yield server
    finally:
        await server.close()
