"""What one HPA recommended and did before: kept here as its controller keeps it in its own memory.

The controller tells nobody its earlier recommendations (fact sheet ``kserve-hpa-lws``, 2.2), so they are
recomputed at every look and kept from the moment the console began to watch. What was before that is unknown.
"""

from __future__ import annotations

from msgspec import Struct

from clients.kube.hpa_object import Behavior, Rules

__all__ = ["Change", "History", "Recommendation"]

_MOST = 1024
"""Entries of each kind; the longest window the API allows (3600 s) holds 240 looks."""


class Recommendation(Struct, frozen=True, gc=False):
    """What the metrics asked for at a look, before it was stabilised."""

    replicas: int
    at: float


class Change(Struct, frozen=True, gc=False):
    """By how many replicas a look changed the count, without sign."""

    replicas: int
    at: float


class History:
    """One HPA's past. Times are cluster time."""

    def __init__(self, since: float, *, complete: bool = False) -> None:
        """``complete``: the HPA was new at ``since``, so that there is no past before it."""
        self.since = since
        self.complete = complete
        self.recommendations: list[Recommendation] = []
        self.ups: list[Change] = []
        self.downs: list[Change] = []

    def reaches(self, now: float, window: float) -> bool:
        """Whether all of the last ``window`` seconds is known."""
        return self.complete or self.since <= now - window

    def seen(self, current: int, now: float) -> None:
        """A look; at its very first one the controller takes the count it finds as a recommendation."""
        if self.complete and not self.recommendations:
            self.recommendations.append(Recommendation(current, now))

    def recommended(self, replicas: int, now: float, window: float) -> None:
        """What the metrics asked for now. One entry older than ``window`` is replaced, as upstream does."""
        made = Recommendation(replicas, now)
        old = [index for index, entry in enumerate(self.recommendations) if entry.at < now - window]
        if old:
            self.recommendations[old[-1]] = made
        else:
            self.recommendations.append(made)
            del self.recommendations[:-_MOST]

    def scaled(self, before: int, after: int, now: float, behavior: Behavior | None) -> None:
        """The HPA changed the count. Remembered only where there is a behavior to limit it by."""
        if behavior is None or before == after:
            return
        up = after > before
        _keep(self.ups if up else self.downs, abs(after - before), now, behavior.up if up else behavior.down)


def _keep(changes: list[Change], replicas: int, now: float, rules: Rules) -> None:
    longest = max((policy.period for policy in rules.policies), default=0)
    made = Change(replicas, now)
    old = [index for index, entry in enumerate(changes) if entry.at < now - longest]
    if old:
        changes[old[-1]] = made
    else:
        changes.append(made)
        del changes[:-_MOST]
