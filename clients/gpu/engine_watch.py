"""Reads the engines of pods that somebody looks at, through the API server's proxy; on the data thread."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable
from random import Random

from clients.clock import Clock
from clients.gpu.door import TEXT_FORMAT, Door, DoorError, pod_page, refusal
from clients.gpu.engines import WANTED, Counters, figures
from clients.gpu.exposition import LONGEST_PAGE, Labels, PageError, read_page
from clients.serving.engine_figures import EngineReading

__all__ = ["EngineWatch"]

Pod = tuple[str, str]
"""Namespace and name."""

_LINGER = 30.0
"""Seconds after which a pod that nobody looks at any more is forgotten."""
_AT_ONCE = 8
_MOST = 500
"""Pods that are read; of more, those looked at first."""


class _Engine:
    def __init__(self, looked_at: float) -> None:
        self.looked_at = looked_at
        self.due = looked_at
        self.counters: Counters | None = None
        self.reading = EngineReading()


class EngineWatch:
    """The engines of one cluster. Made and used on one event loop."""

    def __init__(
        self,
        door: Door,
        clock: Clock,
        *,
        every: float = 5.0,
        changed: Callable[[], None] = lambda: None,
        random: Random | None = None,
    ) -> None:
        """``every`` is in seconds: rates and quantiles are of that long. ``changed`` follows each page."""
        self._door = door
        self._clock = clock
        self._every = every
        self._changed = changed
        self._random = random or Random()
        self._labels = Labels()
        self._engines: dict[Pod, _Engine] = {}
        self._woken = asyncio.Event()
        self._slots = asyncio.Semaphore(_AT_ONCE)

    def look(self, pods: Iterable[Pod]) -> dict[Pod, EngineReading]:
        """Somebody looks at the engines of these pods, and has what was read of them last."""
        now = self._clock.monotonic()
        found: dict[Pod, EngineReading] = {}
        for pod in pods:
            engine = self._engines.get(pod)
            if engine is None:
                if len(self._engines) >= _MOST:
                    continue
                engine = self._engines[pod] = _Engine(now)
                self._woken.set()
            engine.looked_at = now
            found[pod] = engine.reading
        return found

    async def run(self) -> None:
        """Reads until it is cancelled."""
        async with asyncio.TaskGroup() as reading:
            while True:
                await self._woken.wait()
                self._woken.clear()
                while self._engines:
                    now = self._clock.monotonic()
                    self._engines = {p: e for p, e in self._engines.items() if now - e.looked_at <= _LINGER}
                    for pod, engine in self._engines.items():
                        if engine.due <= now:
                            engine.due = math.inf
                            reading.create_task(self._read(pod, engine))
                    await asyncio.sleep(min(0.2, self._every))

    async def _read(self, pod: Pod, engine: _Engine) -> None:
        await self._ask(pod, engine)
        engine.due = self._clock.monotonic() + self._every * self._random.uniform(0.9, 1.1)
        self._changed()

    async def _ask(self, pod: Pod, engine: _Engine) -> None:
        async with self._slots:
            asked = self._clock.monotonic()
            try:
                # The engine's port is the first that its pod declares, which is what the API server takes.
                path = pod_page(*pod, None)
                reply = await self._door.fetch(path, None, headers=TEXT_FORMAT, limit=LONGEST_PAGE)
                refused = refusal(reply, "pods", pod[0])
                if refused is not None:
                    engine.reading = EngineReading(engine.reading.figures, refused.detail)
                    return
                page = read_page(reply.body, self._labels, wanted=WANTED)
            except (DoorError, PageError) as error:
                engine.reading = EngineReading(engine.reading.figures, str(error))
                return
            found = figures(page, asked, engine.counters)
            if found is None:
                engine.reading = EngineReading(None, "its page is not one of vLLM or SGLang")
            else:
                made, engine.counters = found
                engine.reading = EngineReading(made)
