"""XIDs, the driver's own reports of GPU errors, from one event set over all GPUs.

An XID is told once, to whoever listens at that moment: those from before the agent's start are not known.
"""

from __future__ import annotations

import ctypes
from typing import Any

import pynvml
from pynvml import NVMLError

from clients.clock import Clock

__all__ = ["Xids"]

_MOST_PER_PASS = 64
"""A GPU in a storm of errors must not hold up the pass."""


class Xids:
    """The last XID of each GPU, by UUID. Outlives the event set, which ends with each closing of NVML."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._set: Any = None
        self._heard: dict[int, str] = {}
        self._last: dict[str, tuple[int, float]] = {}

    def open(self) -> None:
        """Begins to listen.

        Raises:
            NVMLError: no event set can be had.
        """
        self._heard.clear()
        self._set = pynvml.nvmlEventSetCreate()

    def hear(self, handle: Any, uuid: str) -> None:
        """Adds a GPU.

        Raises:
            NVMLError: this GPU or driver has no XID events.
        """
        pynvml.nvmlDeviceRegisterEvents(handle, pynvml.nvmlEventTypeXidCriticalError, self._set)
        self._heard[_address(handle)] = uuid

    def take(self) -> None:
        """Takes in what happened since the last pass; waits for nothing.

        Raises:
            NVMLError: listening has failed, for instance with a GPU that is lost.
        """
        if self._set is None:
            return
        for _ in range(_MOST_PER_PASS):
            try:
                event = pynvml.nvmlEventSetWait_v2(self._set, 0)
            except pynvml.NVMLError_Timeout:
                return
            uuid = self._heard.get(_address(event.device))
            if uuid is not None and event.eventType == pynvml.nvmlEventTypeXidCriticalError:
                self._last[uuid] = (int(event.eventData), self._clock.now())

    def last(self, uuid: str) -> tuple[int, float] | None:
        """The last XID of a GPU and when it was heard (UTC seconds); None if none was."""
        return self._last.get(uuid)

    def hears(self, uuid: str) -> bool:
        """Whether an XID of this GPU would be heard."""
        return uuid in self._heard.values()

    def close(self) -> None:
        """Ends listening; what was heard stays known."""
        if self._set is not None:
            event_set, self._set = self._set, None
            try:
                pynvml.nvmlEventSetFree(event_set)
            except NVMLError:
                pass  # Closing NVML ends it too.


def _address(handle: Any) -> int:
    """A handle is a pointer into the library; the same GPU has the same one while NVML is open."""
    return ctypes.cast(handle, ctypes.c_void_p).value or 0
