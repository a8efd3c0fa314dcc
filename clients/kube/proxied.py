"""The pages of pods and services behind a cluster's API server, for whoever reads GPUs and engines."""

from __future__ import annotations

from collections.abc import Mapping

from clients.gpu.door import DoorError, Reply
from clients.kube.errors import KubeError
from clients.kube.session import Session

__all__ = ["ClusterDoor"]

_LIMIT_SECONDS = 20.0
"""The API server gives up dialling a pod after 30 s or more; a page that takes this long helps nobody."""


class ClusterDoor:
    """A ``clients.gpu.door.Door`` through one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def fetch(
        self, path: str, params: Mapping[str, str] | None, *, headers: Mapping[str, str], limit: int
    ) -> Reply:
        """As ``Door.fetch``."""
        try:
            reply = await self._session.fetch(
                path, params, headers=headers, limit=limit, seconds=_LIMIT_SECONDS
            )
        except KubeError as error:
            raise DoorError(error.message) from None
        return Reply(reply.status, reply.body)
