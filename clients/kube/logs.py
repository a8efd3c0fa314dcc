"""What a container prints."""

from __future__ import annotations

from collections.abc import AsyncIterator

from clients.kube.resources import in_path
from clients.kube.session import Session

__all__ = ["tail"]

SILENCE = 86_400.0
"""Seconds that a container may print nothing; a peer that is gone is noticed by TCP keepalive."""


async def tail(
    session: Session,
    namespace: str,
    pod: str,
    container: str | None,
    *,
    lines: int = 200,
    follow: bool = True,
    previous: bool = False,
) -> AsyncIterator[str]:
    """The last ``lines`` lines and, with ``follow``, those that come, until the container ends.

    Lines are as printed, without their line feed: hostile until passed through ``plain``. Raises KubeError:
    the container has not started (kind invalid), is gone, may not be read, or the connection broke.
    """
    path = f"/api/v1/namespaces/{in_path(namespace)}/pods/{in_path(pod)}/log"
    params: dict[str, str | int | bool] = {"tailLines": lines}
    if container:
        params["container"] = container
    if follow and not previous:
        params["follow"] = True
    if previous:
        params["previous"] = True
    async with session.stream(path, params, idle=SILENCE, text=True) as stream:
        async for line in stream:
            yield line.decode("utf-8", "replace").rstrip("\r\n")
