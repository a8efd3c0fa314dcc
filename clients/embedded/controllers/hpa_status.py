"""The status of an HPA while one sync fills it in, traps included.

``currentReplicas`` is what the target asked for when the sync began; ``currentMetrics`` is null after a
sync that looked at no metric; a condition's time moves only with its status, not with reason or message.
"""

from __future__ import annotations

import copy

from clients.embedded.apiserver.objects import Json, timestamp

__all__ = ["StatusDraft"]


class StatusDraft:
    """One sync's status."""

    def __init__(self, status: Json, now: float) -> None:
        self._before = status
        self._now = timestamp(now)
        self.status: Json = copy.deepcopy(status)
        self.status.setdefault("desiredReplicas", 0)
        self.status.setdefault("currentMetrics", None)

    @property
    def changed(self) -> bool:
        """Whether there is anything to write."""
        return self.status != self._before

    def condition(self, kind: str, true: bool, reason: str, message: str) -> None:
        """Sets a condition."""
        conditions: list[Json] = self.status.setdefault("conditions", [])
        value = "True" if true else "False"
        known = next((c for c in conditions if c["type"] == kind), None)
        if known is None:
            known = {"type": kind}
            conditions.append(known)
        since = known["lastTransitionTime"] if known.get("status") == value else self._now
        known.update(status=value, lastTransitionTime=since, reason=reason, message=message)

    def counts(self, current: int, desired: int, metrics: list[Json] | None) -> None:
        """What a sync that came to a count leaves."""
        self.status.update(currentReplicas=current, desiredReplicas=desired, currentMetrics=metrics)

    def failed(self, current: int, metrics: list[Json] | None) -> None:
        """What a sync without a count leaves: the desired count of the last one that had one."""
        self.status.update(currentReplicas=current, currentMetrics=metrics)

    def rescaled(self) -> None:
        """The target was scaled now."""
        self.status["lastScaleTime"] = self._now
