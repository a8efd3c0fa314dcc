"""A pod's containers, and what one of them prints."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from clients.kube.errors import ErrorKind, KubeError
from clients.kube.resources import in_path
from clients.kube.session import Session

__all__ = ["Container", "containers", "tail"]

SILENCE = 86_400.0
"""Seconds that a container may print nothing; a peer that is gone is noticed by TCP keepalive."""
_DEFAULT = "kubectl.kubernetes.io/default-container"
"""The annotation by which a pod names the container that its logs are about."""


class Container(Struct, frozen=True):
    """One container of a pod. Texts are from outside."""

    name: str
    init: bool = False
    state: str | None = None
    """``running``, or ``waiting`` or ``terminated`` with the reason; ``None``: not known."""
    restarts: int = 0


async def containers(session: Session, namespace: str, pod: str) -> tuple[Container, ...]:
    """The pod's containers: the one that its logs are about, then the others in spec order, init ones last.

    It is the one that the pod's annotation names (as kubectl has it), else the first. Read as a list of one:
    the right to list pods is there already. Raises KubeError; kind not_found for a pod that is gone.
    """
    path = f"/api/v1/namespaces/{in_path(namespace)}/pods"
    try:
        listed = msgspec.json.decode(await session.get(path, {"fieldSelector": f"metadata.name={pod}"}))
    except msgspec.MsgspecError:
        raise KubeError(f"GET {path}: answered with no list", kind=ErrorKind.PROTOCOL, sent=True) from None
    found = next(_mappings(_mapping(listed).get("items")), None)
    if found is None:
        raise KubeError(f"pod {pod} is gone", kind=ErrorKind.NOT_FOUND, sent=True)
    metadata, spec, status = (_mapping(found.get(part)) for part in ("metadata", "spec", "status"))
    default = _mapping(metadata.get("annotations")).get(_DEFAULT)
    statuses = {
        one.get("name"): one
        for part in ("containerStatuses", "initContainerStatuses")
        for one in _mappings(status.get(part))
    }
    members = [
        _container(one["name"], statuses.get(one["name"], {}), init=part == "initContainers")
        for part in ("containers", "initContainers")
        for one in _mappings(spec.get(part))
        if isinstance(one.get("name"), str)
    ]
    return tuple(sorted(members, key=lambda one: one.name != default))


def _container(name: str, status: dict[str, Any], *, init: bool) -> Container:
    state = None
    for word, body in _mapping(status.get("state")).items():
        reason = _mapping(body).get("reason")
        state = f"{word}: {reason}" if isinstance(reason, str) and reason else word
    restarts = status.get("restartCount")
    return Container(name, init, state, restarts if isinstance(restarts, int) else 0)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _mappings(value: Any) -> Iterator[dict[str, Any]]:
    return (one for one in value if isinstance(one, dict)) if isinstance(value, list) else iter(())


async def tail(
    session: Session,
    namespace: str,
    pod: str,
    container: str | None,
    *,
    lines: int | None = 200,
    follow: bool = True,
    previous: bool = False,
) -> AsyncIterator[str]:
    """The last ``lines`` lines, or all, and, with ``follow``, those that come, until the container ends.

    Lines are as printed, without their line feed: hostile until passed through ``plain``. Raises KubeError:
    the container has not started (kind invalid), is gone, may not be read, or the connection broke.
    """
    path = f"/api/v1/namespaces/{in_path(namespace)}/pods/{in_path(pod)}/log"
    params: dict[str, str | int | bool] = {}
    if lines is not None:
        params["tailLines"] = lines
    if container:
        params["container"] = container
    if follow and not previous:
        params["follow"] = True
    if previous:
        params["previous"] = True
    async with session.stream(path, params, idle=SILENCE, text=True) as stream:
        async for line in stream:
            yield line.decode("utf-8", "replace").rstrip("\r\n")
