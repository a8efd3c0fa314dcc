"""What this user may do, asked of the server before a key is offered."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from clients.kube.errors import KubeError
from clients.kube.session import Session
from clients.serving.plain import plain

__all__ = ["Access", "Right"]

PATH = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
LIMIT = 5.0


class Right(Struct, frozen=True):
    """Whether something is allowed; None: the server would not say, so try."""

    allowed: bool | None
    detail: str
    """The missing right by name (``no right to patch modelservings/scale in llm``), with the reason."""


class _Status(Struct):
    allowed: Any = None
    denied: Any = None
    reason: Any = None


class _Review(Struct):
    status: _Status | None = None


class Access:
    """Self-subject access reviews, each asked once until ``forget``."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[tuple[str, ...], Right] = {}

    async def can(
        self,
        verb: str,
        group: str,
        resource: str,
        namespace: str | None,
        subresource: str = "",
        name: str = "",
    ) -> Right:
        """The right to do ``verb`` on a resource; never raises KubeError.

        A refused or failed review is not kept: it is asked again next time.
        """
        key = (verb, group, resource, namespace or "", subresource, name)
        known = self._known.get(key)
        if known is not None:
            return known
        attributes = {
            "verb": verb,
            "group": group,
            "resource": resource,
            "namespace": namespace or "",
            "subresource": subresource,
            "name": name,
        }
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {field: value for field, value in attributes.items() if value}},
        }
        try:
            reply = await self._session.send("POST", PATH, body=body, timeout=LIMIT)
            status = msgspec.json.decode(reply.body, type=_Review).status
        except KubeError as error:
            return Right(None, f"rights unknown: {error.message}")
        except msgspec.MsgspecError:
            status = None
        if status is None or not isinstance(status.allowed, bool):
            return Right(None, "rights unknown: the server's review says nothing")
        what = f"{resource}/{subresource}" if subresource else resource
        where = f" in {namespace}" if namespace else ""
        detail = f"may {verb} {what}{where}"
        if not status.allowed:
            reason = f": {status.reason}" if isinstance(status.reason, str) and status.reason else ""
            detail = f"no right to {verb} {what}{where}{reason}"
        right = Right(status.allowed, plain(detail))
        self._known[key] = right
        return right

    def forget(self) -> None:
        """The next question goes to the server."""
        self._known.clear()
