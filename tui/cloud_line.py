"""One zone or region of a managed cloud behind the fleet."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from clients.serving.backend import BackendError, CloudBackend, TellsLogs
from clients.serving.keys import WorkloadKey
from tui.line import Line
from tui.scaling import Scaling

__all__ = ["CloudLine"]


class CloudLine(Line):
    """Made by ``tui.lines``."""

    def __init__(self, name: str, backend: CloudBackend, scaling: Scaling) -> None:
        super().__init__(name, backend, scaling)
        self._cloud = backend

    def attend(self, key: WorkloadKey) -> None:
        """It is read more often for as long as this is said."""
        self._cloud.attend(key)

    async def object(self, key: WorkloadKey) -> dict[str, Any]:
        """As the cloud tells it."""
        return await self._cloud.object(key)

    def logs(
        self, key: WorkloadKey, namespace: str, pod: str, container: str | None, *, previous: bool
    ) -> AsyncIterator[str]:
        """Of the workload as a whole: there are no pods to choose from."""
        if not isinstance(self._cloud, TellsLogs):
            raise BackendError(f"{self.name} gives out no logs")
        del namespace, pod, container, previous
        return self._cloud.logs(key)
