"""What an endpoint does wrong: told by an annotation, from outside, or by a rule, from a scenario."""

from __future__ import annotations

import re
from collections import Counter

from clients.embedded.faults import ENDPOINT_KINDS, FaultKind, Faults
from clients.embedded.gateways.routes import Backend
from clients.embedded.simclock import SimClock

__all__ = ["Misbehaviour"]

_TOLD = re.compile(r"(\S+)(?: (\d{1,3})%)?")
_KINDS = {kind.value: kind for kind in ENDPOINT_KINDS}


class Misbehaviour:
    """Decides for each request."""

    def __init__(self, faults: Faults, clock: SimClock) -> None:
        self._faults = faults
        self._clock = clock
        self._asked: Counter[tuple[str, str, str]] = Counter()

    def of(self, backend: Backend) -> FaultKind | None:
        """What goes wrong with the next request to a backend; an annotation that makes no sense: nothing."""
        kind = self._annotated(backend)
        if kind is not None:
            return kind
        for kind in ENDPOINT_KINDS:
            if self._faults.find(kind, backend.namespace, backend.name, self._clock.now()) is not None:
                return kind
        return None

    def still(self, kind: FaultKind, then: Backend, now: Backend | None) -> bool:
        """Whether what a request met at a backend still holds there."""
        if now is None:
            return False
        if then.fault and now.fault == then.fault:
            return True
        at = self._clock.now()
        return self._faults.holding(kind, now.namespace, now.name, at) is not None

    def _annotated(self, backend: Backend) -> FaultKind | None:
        told = _TOLD.fullmatch(backend.fault.strip())
        kind = None if told is None else _KINDS.get(told[1])
        if told is None or kind is None or told[2] is None:
            return kind
        key = (backend.resource, backend.namespace, backend.name)
        share = min(100, int(told[2]))
        before = self._asked[key] * share // 100
        self._asked[key] += 1
        # Spread evenly, so that a test of a hundred requests meets exactly that many.
        return kind if self._asked[key] * share // 100 > before else None
