"""The engines of pods that a screen shows, read on the data thread while it asks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

from clients.clock import Clock
from clients.gpu.engine_watch import EngineWatch
from clients.serving.engine_figures import EngineReading
from clients.serving.engine_use import Pod

__all__ = ["Engines"]

_LOOKED = 5.0
"""Seconds after which whoever asked has gone."""
_EVERY = 1.0
"""Seconds between two looks, at least."""


class Engines:
    """Latest wins: ``look`` may be called from any thread, ``turn`` on the data thread."""

    def __init__(self, watch: Callable[[], EngineWatch], clock: Clock) -> None:
        """``watch`` reads the present cluster."""
        self._watch = watch
        self._clock = clock
        self._asked: tuple[float, tuple[Pod, ...]] = (-math.inf, ())
        self._turned_at = -math.inf
        self._value: Mapping[Pod, EngineReading] = MappingProxyType({})

    def look(self, pods: tuple[Pod, ...]) -> Mapping[Pod, EngineReading]:
        """What was read of them last; the same object until that changes. Asking keeps the reading going."""
        self._asked = (self._clock.monotonic(), pods)
        return self._value

    def turn(self) -> None:
        """Takes what is new, if anybody looks."""
        now = self._clock.monotonic()
        asked_at, pods = self._asked
        if now - asked_at > _LOOKED or now - self._turned_at < _EVERY:
            return
        self._turned_at = now
        found = self._watch().look(pods)
        if found != self._value:
            self._value = MappingProxyType(found)
