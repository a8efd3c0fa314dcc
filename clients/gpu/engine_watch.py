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
from clients.gpu.refusals import Refusals
from clients.serving.engine_figures import EngineReading
from clients.serving.engine_use import Pod

__all__ = ["EngineWatch"]

_LINGER = 30.0
"""Seconds after which a pod that nobody looks at any more is forgotten."""
_LONGEST = 60.0
"""Seconds until a pod is asked again that had no good answer many times, or that has no engine."""
_DOUBLINGS = 8
"""Of the wait after a failure."""
_AT_ONCE = 8
_MOST = 500
"""Pods that are read; of more, those looked at first."""


class _Engine:
    def __init__(self, looked_at: float) -> None:
        self.looked_at = looked_at
        self.due = looked_at
        self.failures = 0
        self.counters: Counters | None = None
        self.reading = EngineReading()


class EngineWatch:
    """The engines of one cluster. Made and used on one event loop."""

    def __init__(
        self,
        door: Door,
        clock: Clock,
        *,
        rate: Callable[[], float] = lambda: 1.0,
        every: float = 5.0,
        changed: Callable[[], None] = lambda: None,
        random: Random | None = None,
    ) -> None:
        """``rate``: the cluster's seconds in one of this machine's.

        ``every`` is in seconds: rates and quantiles are of that long. ``changed`` follows each page.
        """
        self._door = door
        self._clock = clock
        self._rate = rate
        self._every = every
        self._changed = changed
        self._random = random or Random()
        self._labels = Labels()
        self._engines: dict[Pod, _Engine] = {}
        self._woken = asyncio.Event()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._refusals = Refusals(clock, _LONGEST)

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

    def wake(self) -> None:
        """Asks again at once wherever the newest question had no good answer: rights may have been given."""
        now = self._clock.monotonic()
        self._refusals.forget()
        for engine in self._engines.values():
            if engine.failures and engine.due < math.inf:
                engine.due = now

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
        asked_in = self._refusals.round
        reading = await self._ask(pod, engine, asked_in)
        engine.failures = 0 if reading.detail is None else min(_DOUBLINGS, engine.failures + 1)
        asked_anew = engine.failures and asked_in != self._refusals.round
        wait = _LONGEST if reading == EngineReading() else self._every * 2 ** max(0, engine.failures - 1)
        delay = 0.0 if asked_anew else min(_LONGEST, wait) * self._random.uniform(0.9, 1.1)
        engine.due = self._clock.monotonic() + delay
        engine.reading = reading
        self._changed()

    async def _ask(self, pod: Pod, engine: _Engine, asked_in: int) -> EngineReading:
        known = engine.reading.figures
        async with self._slots:
            if (missing := self._refusals.of(pod[0])) is not None:
                return EngineReading(known, missing)
            asked = self._clock.monotonic()
            try:
                # The engine's port is the first that its pod declares, which is what the API server takes.
                path = pod_page(*pod, None)
                reply = await self._door.fetch(path, None, headers=TEXT_FORMAT, limit=LONGEST_PAGE)
                refused = refusal(reply, "pods", pod[0])
                if refused is not None:
                    if refused.right:
                        self._refusals.put(pod[0], refused.detail, asked_in)
                    return EngineReading(known, refused.detail)
                page = read_page(reply.body, self._labels, wanted=WANTED)
            except (DoorError, PageError) as error:
                return EngineReading(known, str(error))
        found = figures(page, asked, engine.counters, self._rate())
        if found is None:
            return EngineReading()
        made, engine.counters = found
        return EngineReading(made)
