"""HPAs that somebody looks at: what they decide on is read, and what they recommend is kept, while they are.

A decision depends on recommendations that no API tells (fact sheet ``kserve-hpa-lws``, 2.2), so from the
first look on one is made in each period of the controller, until nobody has looked for a while. Others cost
nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from clients.clock import ClusterClock
from clients.kube.hpa_decision import Inputs, decide_from, remember
from clients.kube.hpa_history import History
from clients.kube.hpa_metrics import HpaReader
from clients.kube.hpa_object import HpaObject
from clients.kube.hpa_replicas import DEFAULT_FLAGS
from clients.kube.hpa_rescales import Rescale
from clients.kube.session import Session
from clients.serving.decision import Decision

__all__ = ["HpaLooks"]

_FRESH = 5.0
"""Seconds, of the cluster or of this machine, whichever are over first, for which what was read is used."""
_LINGER = 60.0
"""Seconds of this machine after which nobody looks any more: a page over the screen is no end of looking."""
_GAP = 3
"""Periods of the controller without a look after which what was kept is worth nothing: a machine slept."""
_LONGEST = 1800.0
"""The longest period of a policy: earlier changes limit nothing."""


class _Look:
    """One HPA that is looked at."""

    def __init__(self, since: float, hpa: HpaObject) -> None:
        """``since`` is cluster time. An HPA younger than a period of its controller has no past before it."""
        new = hpa.created is not None and since - hpa.created <= DEFAULT_FLAGS.sync
        self.history = History(since, complete=new)
        self.inputs: Inputs | None = None
        self.read_at = (0.0, 0.0)
        """(cluster time, this machine's)"""
        self.asked_at = 0.0
        self.kept_at: float | None = None
        """Cluster time at which a recommendation was kept last."""
        self.reading = asyncio.Lock()


class HpaLooks:
    """All of one cluster; on the data thread."""

    def __init__(self, session: Session, newest: Callable[[str], HpaObject | None]) -> None:
        """``newest(uid)`` is the HPA as it is now, ``None`` if it is gone."""
        self._clock: ClusterClock = session.clock
        self._reader = HpaReader(session)
        self._newest = newest
        self._looks: dict[str, _Look] = {}
        self._begun = asyncio.Event()

    async def decide(self, hpa: HpaObject, rescales: tuple[Rescale, ...]) -> Decision:
        """What it decides now; ``rescales`` are those that happened while the console ran, oldest first."""
        look = self._looks.get(hpa.uid)
        if look is None:
            look = self._looks[hpa.uid] = _Look(self._clock.now(), hpa)
            for one in rescales:
                if one.before is not None and one.error is None and one.at > self._clock.now() - _LONGEST:
                    look.history.scaled(one.before, one.after, one.at, hpa.behavior)
            self._begun.set()
        look.asked_at = self._clock.monotonic()
        return await self._decide(look, hpa)

    def scaled(self, hpa: HpaObject, rescale: Rescale) -> None:
        """It has moved the count."""
        look = self._looks.get(hpa.uid)
        if look is not None and rescale.before is not None and rescale.error is None:
            look.history.scaled(rescale.before, rescale.after, rescale.at, hpa.behavior)

    async def run(self) -> None:
        """Makes a decision of each in every period of the controller, so that its recommendation is kept."""
        while True:
            await self._begun.wait()
            for uid, look in list(self._looks.items()):
                hpa = self._newest(uid)
                if hpa is None or self._clock.monotonic() - look.asked_at > _LINGER:
                    del self._looks[uid]
                elif look.kept_at is None or self._clock.now() - look.kept_at >= DEFAULT_FLAGS.sync:
                    await self._decide(look, hpa)
            if not self._looks:
                self._begun.clear()
            await asyncio.sleep(min(1.0, DEFAULT_FLAGS.sync / max(self._clock.rate, 1.0) / 4))

    async def _decide(self, look: _Look, hpa: HpaObject) -> Decision:
        async with look.reading:
            there, here = look.read_at
            old = max(self._clock.now() - there, self._clock.monotonic() - here) >= _FRESH
            if look.inputs is None or old:
                look.inputs = await self._reader.read(hpa)
                look.read_at = (self._clock.now(), self._clock.monotonic())
        if look.kept_at is not None and self._clock.now() - look.kept_at > _GAP * DEFAULT_FLAGS.sync:
            look.history = History(self._clock.now())  # What was recommended meanwhile nobody kept.
        made = decide_from(hpa, look.inputs, look.history, self._clock.now())
        if look.kept_at is None or made.at - look.kept_at >= DEFAULT_FLAGS.sync:
            look.kept_at = made.at
            remember(look.history, hpa, made, acted=False)
        return made
