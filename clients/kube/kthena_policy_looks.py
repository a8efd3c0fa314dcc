"""Kthena policies that somebody looks at (``looks``): no API tells their metric values, nor their past."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from clients.kube.kthena_policy_decision import PolicyHistory, PolicyValue, decide
from clients.kube.kthena_policy_metrics import PolicyReader
from clients.kube.kthena_policy_object import PolicyObject, Shape
from clients.kube.kthena_quantiles import PastPages
from clients.kube.looks import Looks
from clients.kube.session import Session
from clients.serving.decision import Decision

__all__ = ["PolicyLooks"]

_PERIOD = 15.0
"""``--autoscaling-sync-period-seconds``, the default."""

_Counts: TypeAlias = Mapping[tuple[str, str | None], int]
_Values: TypeAlias = Mapping[str | None, Mapping[str, PolicyValue]]


class _Past:
    """What one policy recommended and read before."""

    def __init__(self, since: float) -> None:
        self._since = since
        self._histories: dict[str | None, PolicyHistory] = {}
        self._pages: dict[tuple[str, str | None], PastPages] = {}

    def histories(self, policy: PolicyObject) -> Mapping[str | None, PolicyHistory]:
        """By role; ``None`` for whole targets."""
        for role in {target.role for target in policy.targets}:
            self._histories.setdefault(role, PolicyHistory(self._since))
        return self._histories

    def pages(self, target: str, role: str | None) -> PastPages:
        """Of one target's pods."""
        return self._pages.setdefault((target, role), PastPages())


class PolicyLooks(Looks[PolicyObject, _Values, _Past, tuple[Decision, ...]]):
    """All of one cluster; on the data thread."""

    def __init__(
        self,
        session: Session,
        newest: Callable[[str], PolicyObject | None],
        counts: Callable[[PolicyObject], _Counts],
    ) -> None:
        """``newest(uid)`` is the policy as it is now, ``None`` if it is gone.

        ``counts(policy)``: what its targets ask for, by (name, role).
        """
        super().__init__(session.clock, _PERIOD)
        self._reader = PolicyReader(session)
        self._newest = newest
        self._counts = counts

    def key(self, subject: PolicyObject) -> str:
        """With an edit the controller begins anew."""
        return f"{subject.uid}/{subject.generation}"

    def newest(self, subject: PolicyObject) -> PolicyObject | None:
        """As it is now."""
        now = self._newest(subject.uid)
        return now if now is not None and self.key(now) == self.key(subject) else None

    def begin(self, subject: PolicyObject, now: float) -> _Past:
        """Nothing: no API tells what it recommended."""
        return _Past(now)

    def forgotten(self, now: float) -> _Past:
        """Nothing."""
        return _Past(now)

    async def read(self, subject: PolicyObject, past: _Past) -> _Values:
        """The metrics of each role, or of all targets together."""
        read = await asyncio.gather(
            *(
                self._reader.read(target, past.pages(target.target.name, target.role))
                for target in subject.targets
            )
        )
        if subject.shape is Shape.HETEROGENEOUS:
            return {None: _together(read)}
        return {target.role: found for target, found in zip(subject.targets, read, strict=True)}

    def make(
        self, subject: PolicyObject, inputs: _Values, past: _Past, now: float, *, keep: bool
    ) -> tuple[Decision, ...]:
        """One decision for each target and role."""
        return decide(subject, self._counts(subject), inputs, past.histories(subject), now, keep=keep)


def _together(targets: Iterable[Mapping[str, PolicyValue]]) -> dict[str, PolicyValue]:
    """Several targets' values as one; one that the controller cannot have either is left out, as it does."""
    found: dict[str, PolicyValue] = {}
    for values in targets:
        for name, value in values.items():
            known = found.get(name)
            if known is None or value.hidden or (known.error is not None and not known.hidden):
                found[name] = value
            elif value.error is None and known.error is None:
                found[name] = PolicyValue(
                    known.total + value.total,
                    (known.reporters or 0) + (value.reporters or 0),
                    known.unready + value.unready,
                    pods=(*known.pods, *value.pods),
                )
    return found
