"""HPAs that somebody looks at (fact sheet ``kserve-hpa-lws``, 2.2): see ``looks``."""

from __future__ import annotations

from collections.abc import Callable

from clients.kube.hpa_decision import Inputs, decide_from, remember
from clients.kube.hpa_history import History
from clients.kube.hpa_metrics import HpaReader
from clients.kube.hpa_object import HpaObject
from clients.kube.hpa_replicas import DEFAULT_FLAGS
from clients.kube.hpa_rescales import Rescale
from clients.kube.looks import Looks
from clients.kube.session import Session
from clients.serving.decision import Decision

__all__ = ["HpaLooks"]

_LONGEST = 1800.0
"""The longest period of a policy: earlier changes limit nothing."""


class HpaLooks(Looks[HpaObject, Inputs, History, Decision]):
    """All of one cluster; on the data thread."""

    def __init__(
        self,
        session: Session,
        newest: Callable[[str], HpaObject | None],
        rescales: Callable[[HpaObject], tuple[Rescale, ...]],
    ) -> None:
        """``newest(uid)`` is the HPA as it is now, ``None`` if it is gone.

        ``rescales(hpa)`` are those that happened while the console ran, oldest first.
        """
        super().__init__(session.clock, DEFAULT_FLAGS.sync)
        self._reader = HpaReader(session)
        self._newest = newest
        self._rescales = rescales

    def key(self, subject: HpaObject) -> str:
        """Its uid."""
        return subject.uid

    def newest(self, subject: HpaObject) -> HpaObject | None:
        """As it is now."""
        return self._newest(subject.uid)

    def begin(self, subject: HpaObject, now: float) -> History:
        """An HPA younger than a period of its controller has no past before the first look."""
        new = subject.created is not None and now - subject.created <= DEFAULT_FLAGS.sync
        history = History(now, complete=new)
        for one in self._rescales(subject):
            if one.before is not None and one.error is None and one.at > now - _LONGEST:
                history.scaled(one.before, one.after, one.at, subject.behavior)
        return history

    def forgotten(self, now: float) -> History:
        """Nothing."""
        return History(now)

    async def read(self, subject: HpaObject, past: History) -> Inputs:
        """Its target, pods and metrics."""
        return await self._reader.read(subject)

    def make(self, subject: HpaObject, inputs: Inputs, past: History, now: float, *, keep: bool) -> Decision:
        """The decision, which a controller that acts on it remembers."""
        made = decide_from(subject, inputs, past, now)
        if keep:
            remember(past, subject, made, acted=False)
        return made

    def scaled(self, hpa: HpaObject, rescale: Rescale) -> None:
        """It has moved the count."""
        history = self.past(hpa)
        if history is not None and rescale.before is not None and rescale.error is None:
            history.scaled(rescale.before, rescale.after, rescale.at, hpa.behavior)
