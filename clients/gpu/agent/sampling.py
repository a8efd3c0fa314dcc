"""The thread that samples: a driver that hangs holds up neither the server nor the end of the agent."""

from __future__ import annotations

import threading
from collections.abc import Callable

from clients.clock import Clock
from clients.gpu.agent.sampler import Sampler
from clients.gpu.agent.samples import NodeSample

__all__ = ["Sampling"]

_STUCK = 120.0
"""Seconds in one pass after which only a new process can help."""

_FAREWELL = 2.0
"""Seconds that a pass gets to end when the agent does."""


class Sampling:
    """Samples every ``interval`` seconds, counted from start to start; keeps only the newest sample."""

    def __init__(self, sampler: Sampler, clock: Clock, interval: float, tell: Callable[[str], None]) -> None:
        """``tell`` gets a line whenever a trouble begins, changes or ends; it is called from the thread."""
        self._sampler = sampler
        self._clock = clock
        self._interval = interval
        self._tell = tell
        self._told = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nvml", daemon=True)
        self.newest: NodeSample | None = None
        self._begun = clock.monotonic()

    def start(self) -> None:
        """Begins with a first pass at once."""
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            begun = self._clock.monotonic()
            self._begun = begun
            self.newest = sample = self._sampler.sample()
            self._report(sample)
            self._stop.wait(max(0.0, begun + self._interval - self._clock.monotonic()))
        self._sampler.close()

    def _report(self, sample: NodeSample) -> None:
        lost = [f"gpu {row.device.index}: {row.reason}" for row in sample.devices if row.reason]
        trouble = sample.absent or "; ".join(lost)
        if trouble != self._told:
            self._told = trouble
            self._tell(trouble or f"all GPUs are read, driver {sample.driver}")

    def stuck(self) -> float | None:
        """Seconds that a pass has lasted, once it is so long that it will not end; else None."""
        lasting = self._clock.monotonic() - self._begun
        return lasting if lasting > _STUCK + self._interval else None

    def stop(self) -> None:
        """Ends the thread and closes NVML; a pass that hangs is left behind."""
        self._stop.set()
        self._thread.join(_FAREWELL)
