"""A scale operation: from a changed desired count until what is observed equals it.

This module holds the values; ``clients.serving.follow`` moves them along.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from clients.serving.keys import WorkloadKey

__all__ = ["Count", "Operation", "Outcome", "Prediction", "StageTimes"]


class Outcome(StrEnum):
    """How it ended."""

    DONE = "done"
    REVERTED = "reverted"
    """The desired count was changed again before it was reached, to something else than a going on."""
    TIMED_OUT = "timed out"
    FAILED = "failed"
    """Its system gave it up, and said so."""
    GONE = "gone"
    """The workload was deleted meanwhile."""


class Count(Struct, frozen=True):
    """What is wanted: groups, and replicas of each role within every group."""

    groups: int | None
    roles: tuple[tuple[str, int], ...] = ()

    def role(self, name: str) -> int | None:
        """Replicas of the role, or ``None`` if there is no such role."""
        for role, replicas in self.roles:
            if role == name:
                return replicas
        return None


class Prediction(Struct, frozen=True):
    """What the plan said before the change was sent."""

    order: tuple[str, ...] | None
    """Names of groups (or ``group/role-id``) in predicted order; ``None`` where the order is unknown."""
    eta_low: float | None = None
    """Seconds."""
    eta_high: float | None = None
    samples: int = 0


class StageTimes(Struct, frozen=True):
    """When one affected item passed each station, cluster time; ``None`` while it has not."""

    name: str
    begun: float | None = None
    scheduled: float | None = None
    started: float | None = None
    ready: float | None = None
    gone: float | None = None
    failures: int = 0
    removing: bool = False
    """It is to go; else it is to be made."""


class Operation(Struct, frozen=True):
    """One scale operation of one workload."""

    id: str
    key: WorkloadKey
    by: str
    """Who asked: a person's name from our audit log, a driver's reference, a field manager, ``unknown``."""
    before: Count
    after: Count
    started_at: float
    affected: tuple[str, ...]
    """Names of what is to be made or removed: groups, or ``group/role-id`` for role replicas."""
    done: int = 0
    total: int = 0
    happened: tuple[str, ...] = ()
    """Affected names in the order in which they were begun."""
    prediction: Prediction | None = None
    mine: bool = False
    """Asked for by this user, from servegrid."""
    reason: str | None = None
    ended_at: float | None = None
    outcome: Outcome | None = None
    detail: str | None = None
    times: tuple[StageTimes, ...] = ()
    retargeted_at: float | None = None
    """When the wanted count last moved on in the same direction: the time limit runs from here."""
