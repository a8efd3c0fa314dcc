"""The proxy to pods and services: which pod and port is meant, and who of this process answers there.

Found as kube-apiserver (1.37) finds them: a pod by its address, a service through its EndpointSlices.
Nothing is dialled: a port on which no ``PodPages`` answers is one that refuses connections. Nodes refuse
always; what their kubelets serve is not simulated.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address
from typing import Protocol

from aiohttp import web
from msgspec import Struct

from clients.embedded.apiserver.errors import ApiError, bad_request, not_found
from clients.embedded.apiserver.objects import Json, at_path
from clients.embedded.apiserver.requests import Target
from clients.embedded.apiserver.responses import Responder
from clients.embedded.store import Store

__all__ = ["Handler", "PageAnswer", "PageRequest", "PodPages", "Proxy"]

_SLICES = "endpointslices.discovery.k8s.io"
_SERVICE = "kubernetes.io/service-name"
_DEFAULT_PORTS = {"http": 80, "https": 443}
_KUBELET_PORT = 10250
# What concerns the way to the API server alone, and whose right it was to come there.
_NOT_PASSED_ON = frozenset(
    (
        "authorization",
        "connection",
        "content-length",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)


class PageRequest(Struct, frozen=True):
    """A request as it reaches a container."""

    method: str
    path: str
    """With its leading slash."""
    query: str
    headers: dict[str, str]
    body: bytes


class PageAnswer(Struct, frozen=True):
    """What the container answers."""

    status: int = 200
    headers: dict[str, str] = {}
    body: bytes = b""


Handler = Callable[[PageRequest], Awaitable[PageAnswer]]


class PodPages(Protocol):
    """What some pods serve over HTTP: an engine's API, an exporter's figures."""

    def handler(self, pod: Json, port: int) -> Handler | None:
        """Who answers on a port of a pod that has an address; None if nobody listens there now."""


class _Place(Struct, frozen=True):
    """Where a request goes."""

    address: str
    port: str
    pod: Json | None = None


class Proxy:
    """Answers ``pods|services|nodes/proxy``: path, query, body and status are passed through."""

    def __init__(self, store: Store, responder: Responder, pages: Sequence[PodPages]) -> None:
        """The first of ``pages`` that has a handler for a pod's port answers."""
        self._store = store
        self._responder = responder
        self._pages = pages

    async def answer(self, request: web.Request, target: Target) -> web.StreamResponse:
        """Passes the request on. Raises ApiError 400 and 404 for a bad place, 503 where nobody answers."""
        place = self._find(target)
        handler = self._handler(place)
        if handler is None:
            message = f"dial tcp {place.address}:{place.port}: connect: connection refused"
            raise _unavailable(f"error trying to reach service: {message}")
        asked = PageRequest(
            method=request.method,
            path=target.rest or "/",
            query=request.query_string,
            headers={k: v for k, v in request.headers.items() if k.lower() not in _NOT_PASSED_ON},
            body=await request.read(),
        )
        found = await handler(asked)
        headers = self._responder.headers("text/plain; charset=utf-8") | found.headers
        return web.Response(status=found.status, body=found.body, headers=headers)

    def _handler(self, place: _Place) -> Handler | None:
        if place.pod is None or not place.port.isdecimal():
            return None
        for pages in self._pages:
            found = pages.handler(place.pod, int(place.port))
            if found is not None:
                return found
        return None

    def _find(self, target: Target) -> _Place:
        plural, namespace = target.resource.plural, target.namespace or ""
        scheme, name, port = _taken_apart(target.name or "", plural[:-1])
        if plural == "pods":
            return self._pod(namespace, name, port or None, _DEFAULT_PORTS[scheme])
        if plural == "services":
            return self._service(namespace, name, port)
        node = self._store.get("nodes", None, name)
        if node is None:
            raise not_found("", "nodes", name)
        addresses = {a.get("type"): a.get("address") for a in at_path(node, ("status", "addresses")) or ()}
        return _Place(addresses.get("InternalIP") or name, port or str(_KUBELET_PORT))

    def _pod(self, namespace: str, name: str, port: str | None, default: int) -> _Place:
        pod = self._store.get("pods", namespace, name)
        if pod is None:
            raise not_found("", "pods", name)
        if port is None:
            containers = at_path(pod, ("spec", "containers")) or ()
            declared = (c["ports"][0].get("containerPort") for c in containers if c.get("ports"))
            port = str(next(declared, default))
        address = at_path(pod, ("status", "podIP")) or ""
        if not _routable(address):
            raise bad_request("address not allowed")
        return _Place(address, port, pod)

    def _service(self, namespace: str, name: str, port: str) -> _Place:
        if port.isdecimal():
            port = self._port_name(namespace, name, int(port))
        for record in self._store.records(_SLICES, namespace, {_SERVICE: name}):
            found = self._store.get(_SLICES, namespace, record.name) or {}
            endpoints = [e for e in found.get("endpoints") or () if _ready(e)]
            random.shuffle(endpoints)
            for offered in found.get("ports") or ():
                if offered.get("name", "") != port or not offered.get("port"):
                    continue
                for endpoint in endpoints:
                    pod = self._pod_behind(namespace, endpoint)
                    if pod is not None:
                        return _Place(endpoint["addresses"][0], str(offered["port"]), pod)
        raise _unavailable(f'no endpoints available for service "{name}"')

    def _port_name(self, namespace: str, name: str, port: int) -> str:
        service = self._store.get("services", namespace, name)
        if service is None:
            raise not_found("", "services", name)
        for offered in at_path(service, ("spec", "ports")) or ():
            if offered.get("port") == port:
                return str(offered.get("name", ""))
        raise _unavailable(f'no service port {port} found for service "{name}"')

    def _pod_behind(self, namespace: str, endpoint: Json) -> Json | None:
        """The pod of an endpoint, if it still has that address."""
        about = endpoint.get("targetRef") or {}
        if about.get("namespace") != namespace:
            return None
        pod = self._store.get("pods", namespace, about.get("name", ""))
        held = [told.get("ip") for told in at_path(pod, ("status", "podIPs")) or ()]
        return pod if endpoint["addresses"][0] in held else None


def _ready(endpoint: Json) -> bool:
    return bool(endpoint.get("addresses")) and at_path(endpoint, ("conditions", "ready")) is not False


def _routable(address: str) -> bool:
    try:
        told = ip_address(address)
    except ValueError:
        return False
    return not (told.is_loopback or told.is_multicast or told.is_unspecified or told.is_link_local)


def _unavailable(message: str) -> ApiError:
    return ApiError(503, "ServiceUnavailable", message)


def _taken_apart(name: str, what: str) -> tuple[str, str, str]:
    """``[scheme:]name[:port]`` → (scheme, name, port). Raises ApiError 400."""
    parts = name.split(":")
    scheme, found, port = (
        ("", *parts, "") if len(parts) == 1 else ("", *parts) if len(parts) == 2 else parts[:3]
    )
    if len(parts) > 3 or not found or scheme not in ("", "http", "https"):
        raise bad_request(f'invalid {what} request "{name}"')
    return scheme or "http", found, port
