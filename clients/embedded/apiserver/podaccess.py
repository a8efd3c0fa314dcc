"""Pod logs, and the proxy to pods, services and nodes: the simulation says what is behind them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
from aiohttp import web
from msgspec import Struct

from clients.embedded.apiserver.errors import ApiError, bad_request
from clients.embedded.apiserver.objects import Json
from clients.embedded.apiserver.requests import Target, flag, number
from clients.embedded.apiserver.responses import Responder
from clients.embedded.apiserver.times import micro_rfc3339

__all__ = ["LogQuery", "LogSource", "Logs", "Proxy", "ProxyAnswer", "ProxyRequest", "ProxySource"]

_HOP_BY_HOP = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "host",
        "authorization",
        "content-length",
    )
)


class LogQuery(Struct, frozen=True):
    """Which lines are wanted."""

    namespace: str
    pod: str
    container: str
    tail: int | None = None
    """The newest so many lines; None: all."""
    follow: bool = False
    previous: bool = False
    """Of the container's former run."""
    since: float | None = None
    """UTC seconds."""


LogSource = Callable[[LogQuery], AsyncIterator[tuple[float, str]]]
"""(UTC seconds, line), oldest first; when following, then what comes, until the container ends."""


class Logs:
    """Answers ``pods/log``."""

    def __init__(self, responder: Responder, now: Callable[[], float]) -> None:
        self._responder = responder
        self._now = now
        self.source: LogSource | None = None

    async def answer(self, request: web.Request, target: Target, pod: Json) -> web.StreamResponse:
        """Lines as plain text. Raises ApiError 400 where no container is chosen or it has not started."""
        query = request.query
        container = self._container(pod, query.get("container"))
        previous = flag(query, "previous")
        self._refuse_not_started(pod, container, previous=previous)
        seconds = number(query, "sinceSeconds")
        asked = LogQuery(
            target.namespace or "",
            target.name or "",
            container,
            number(query, "tailLines"),
            flag(query, "follow"),
            previous,
            self._now() - seconds if seconds is not None else None,
        )
        stamped, left = flag(query, "timestamps"), number(query, "limitBytes")
        response = web.StreamResponse(headers=self._responder.headers("text/plain"))
        await response.prepare(request)
        if self.source is not None and (asked.tail != 0 or asked.follow):
            async for at, line in self.source(asked):
                text = f"{micro_rfc3339(at)} {line}\n" if stamped else f"{line}\n"
                data = text.encode("utf-8", "replace")
                if left is not None:
                    data = data[:left]
                    left -= len(data)
                await response.write(data)
                if left == 0:
                    break
        await response.write_eof()
        return response

    def _container(self, pod: Json, wanted: str | None) -> str:
        spec, name = pod.get("spec") or {}, pod["metadata"]["name"]
        inits = [c.get("name") for c in spec.get("initContainers") or ()]
        mains = [c.get("name") for c in spec.get("containers") or ()]
        if wanted:
            if wanted not in (*mains, *inits):
                raise bad_request(f"container {wanted} is not valid for pod {name}")
            return wanted
        if len(mains) == 1:
            return str(mains[0])
        listed = " ".join(str(n) for n in mains)
        more = f" or one of the init containers: [{' '.join(map(str, inits))}]" if inits else ""
        raise bad_request(
            f"a container name must be specified for pod {name}, choose one of: [{listed}]{more}"
        )

    def _refuse_not_started(self, pod: Json, container: str, *, previous: bool) -> None:
        status = pod.get("status") or {}
        told = [*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())]
        found = next((c for c in told if c.get("name") == container), None)
        name = pod["metadata"]["name"]
        if previous and not (found or {}).get("lastState", {}).get("terminated"):
            raise bad_request(f'previous terminated container "{container}" in pod "{name}" not found')
        waiting = ((found or {}).get("state") or {}).get("waiting")
        if not previous and waiting and not (found or {}).get("restartCount"):
            reason = waiting.get("reason", "ContainerCreating")
            raise bad_request(f'container "{container}" in pod "{name}" is waiting to start: {reason}')


class ProxyRequest(Struct, frozen=True):
    """A request for what runs behind a pod, service or node."""

    resource: str
    """pods, services or nodes"""
    namespace: str
    name: str
    port: str
    """Number or name; empty for the default."""
    scheme: str
    method: str
    path: str
    """With its leading slash."""
    query: str
    headers: dict[str, str]
    body: bytes


class ProxyAnswer(Struct, frozen=True):
    """What it answers."""

    status: int = 200
    headers: dict[str, str] = {}
    body: bytes = b""


ProxySource = Callable[[ProxyRequest], Awaitable["ProxyAnswer | str | None"]]
"""An answer; or the base URL of a real server on loopback to pass it to; or None: nobody is there."""


class Proxy:
    """Answers ``pods|services|nodes/proxy``: path and status are passed through."""

    def __init__(self, responder: Responder) -> None:
        self._responder = responder
        self._session: aiohttp.ClientSession | None = None
        self.source: ProxySource | None = None

    async def answer(self, request: web.Request, target: Target) -> web.StreamResponse:
        """Passes the request on. Raises ApiError 503 where nobody answers."""
        scheme, name, port = _taken_apart(target.name or "")
        asked = ProxyRequest(
            resource=target.resource.plural,
            namespace=target.namespace or "",
            name=name,
            port=port,
            scheme=scheme,
            method=request.method,
            path=target.rest or "/",
            query=request.query_string,
            headers={k: v for k, v in request.headers.items() if k.lower() not in _HOP_BY_HOP},
            body=await request.read(),
        )
        found = await self.source(asked) if self.source is not None else None
        if found is None:
            raise ApiError(
                503, "ServiceUnavailable", f'no endpoints available for {asked.resource[:-1]} "{target.name}"'
            )
        if isinstance(found, str):
            return await self._forward(request, asked, found)
        headers = self._responder.headers(found.headers.get("Content-Type", "text/plain; charset=utf-8"))
        return web.Response(status=found.status, body=found.body, headers=headers | found.headers)

    async def _forward(self, request: web.Request, asked: ProxyRequest, base: str) -> web.StreamResponse:
        if self._session is None:
            self._session = aiohttp.ClientSession(trust_env=False, auto_decompress=False)
        url = base.rstrip("/") + asked.path + (f"?{asked.query}" if asked.query else "")
        try:
            async with self._session.request(
                asked.method, url, headers=asked.headers, data=asked.body or None, allow_redirects=False
            ) as upstream:
                kept = {k: v for k, v in upstream.headers.items() if k.lower() not in _HOP_BY_HOP}
                response = web.StreamResponse(status=upstream.status, headers=kept)
                await response.prepare(request)
                async for chunk in upstream.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
                return response
        except aiohttp.ClientConnectionError as error:
            message = f"error trying to reach service: {error}"
            raise ApiError(503, "ServiceUnavailable", message) from None

    async def close(self) -> None:
        """Closes the connections to real servers."""
        if self._session is not None:
            await self._session.close()


def _taken_apart(name: str) -> tuple[str, str, str]:
    """``[scheme:]name[:port]`` → (scheme, name, port)."""
    parts = name.split(":")
    if len(parts) == 3:
        return parts[0] or "http", parts[1], parts[2]
    if len(parts) == 2 and parts[0] in ("http", "https"):
        return parts[0], parts[1], ""
    return "http", parts[0], parts[1] if len(parts) == 2 else ""
