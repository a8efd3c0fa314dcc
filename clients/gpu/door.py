"""The way to pages behind an API server or a URL; whoever opens it says so in these terms.

Nothing of a Kubernetes client is known here: ``clients.kube`` brings a ``Door``, and so does ``web_door``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol
from urllib.parse import quote

import msgspec
from msgspec import Struct

from clients.serving.plain import plain

__all__ = [
    "TEXT_FORMAT",
    "Door",
    "DoorError",
    "Refusal",
    "Reply",
    "pod_page",
    "refusal",
    "service_page",
]

TEXT_FORMAT = {"Accept": "text/plain;version=0.0.4, */*;q=0.1"}
"""Asks for the format that ``exposition`` reads."""
_PATH = "/api/v1/namespaces/{}/{}/{}/proxy{}"


class DoorError(Exception):
    """No answer at all: one plain line that says why."""


class Reply(Struct, frozen=True):
    """An answer, whoever gave it."""

    status: int
    body: bytes


class Door(Protocol):
    """Asks for pages."""

    async def fetch(
        self, path: str, params: Mapping[str, str] | None, *, headers: Mapping[str, str], limit: int
    ) -> Reply:
        """The answer to a GET, of any status. Raises DoorError without one, or if it has more bytes."""
        ...


class Refusal(Struct, frozen=True):
    """Why there is no page, and what to do about it."""

    detail: str
    denied: bool = False
    """A right or a token is missing."""
    right: bool = False
    """It is a right: whoever asks for another pod there is refused too."""
    ours: bool = False
    """Only the way from here is closed: whoever asks inside the cluster may well have the page."""


def pod_page(namespace: str, pod: str, port: int | None, page: str = "/metrics") -> str:
    """The path of a pod's page through the API server; without a port, that of its first declared one."""
    place = pod if port is None else f"{pod}:{port}"
    return _PATH.format(quote(namespace, safe=""), "pods", quote(place, safe=":"), page)


def service_page(namespace: str, service: str, page: str) -> str:
    """The path of a service's page through the API server; ``service`` may be ``[scheme:]name[:port]``."""
    return _PATH.format(quote(namespace, safe=""), "services", quote(service, safe=":"), page)


def refusal(reply: Reply, what: str, namespace: str) -> Refusal | None:
    """Why an answer holds no page; ``None`` for one that does.

    ``what`` is ``pods`` or ``services``. The words of a 503 are those of kube-apiserver (1.37).
    """
    if reply.status == 200:
        return None
    told = _status_message(reply.body)
    if reply.status == 403 and told is not None:
        words = f"right missing: get {what}/proxy in namespace {plain(namespace, 63)}"
        return Refusal(words, denied=True, right=True, ours=True)
    if reply.status == 401:
        return Refusal("it asks for a token: set token_file in [gpu]", denied=True, ours=True)
    if reply.status == 404 and told is not None:
        return Refusal("gone: the API server has no such object")
    if reply.status == 503 and told is not None:
        return _unreached(told)
    if reply.status == 404:
        return Refusal("it answers, but has no such page (404)")
    return Refusal(f"it answers {reply.status} instead of a page")


def _unreached(told: str) -> Refusal:
    """What a 503 of the API server means: it dials pods itself, by their addresses."""
    if "connection refused" in told:
        return Refusal("nobody listens on its port: it is starting, or has ended")
    if "no endpoints available" in told or "no service port" in told:
        return Refusal(f"its service has no endpoint: {plain(told, 120)}")
    return Refusal(
        "the API server cannot reach the pod network: a firewall, security group or network policy between "
        f"the control plane and pods ({plain(told, 120)})",
        ours=True,
    )


class _Status(Struct):
    kind: str = ""
    message: str = ""


def _status_message(body: bytes) -> str | None:
    """What the API server itself says; ``None`` where somebody behind it speaks."""
    try:
        told = msgspec.json.decode(body, type=_Status)
    except msgspec.MsgspecError:
        return None
    return told.message if told.kind == "Status" else None
