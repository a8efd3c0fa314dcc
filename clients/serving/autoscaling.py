"""All that is told of what drives one workload: the autoscaling screen and ``servegrid autoscale`` are this.

Times are cluster time, UTC seconds; ``None`` means not known.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from clients.serving.decision import Decision
from clients.serving.events import Event
from clients.serving.keys import ObjectRef, WorkloadKey
from clients.serving.schedule import Schedule

__all__ = ["AUTOSCALING_VERSION", "Autoscaling", "Bears", "Part", "headroom"]

AUTOSCALING_VERSION = 1


class Bears(StrEnum):
    """How a part of a chain bears on the part before it."""

    IS = "is"
    """The workload's own object: the first part."""
    BELONGS = "belongs"
    """It is owned by the part before it, and has the count."""
    SCALES = "scales"
    BOUNDS = "bounds"
    KEEPS = "keeps"
    """It made the part before it, and rewrites it."""


class Part(Struct, frozen=True):
    """One object of a chain."""

    ref: ObjectRef
    bears: Bears
    kept_by: ObjectRef | None = None
    """Its owner, which rewrites it, where that is not in the chain itself."""


class Autoscaling(Struct, frozen=True):
    """What drives one workload, why it does what it does, and what it will do."""

    key: WorkloadKey
    at: float
    chain: tuple[tuple[Part, ...], ...] = ()
    """Each way to its count, from its own object outwards: (InferenceService, Deployment, HPA, CronHPA)."""
    decisions: tuple[Decision, ...] = ()
    schedules: tuple[Schedule, ...] = ()
    rescales: tuple[Event, ...] = ()
    """Oldest first."""
    conditions: tuple[str, ...] = ()
    """The autoscalers' own, in words. From outside: draw them plain."""
    absences: tuple[str, ...] = ()
    """What is missing or silent: a metrics adapter, a controller, a right."""
    free_groups: int | None = None
    """Groups that the free GPUs hold."""
    v: int = AUTOSCALING_VERSION


def headroom(decision: Decision) -> int | None:
    """How far it may still go up: max less the count that it wants."""
    if decision.maximum is None or decision.desired is None:
        return None
    return max(0, decision.maximum - decision.desired)
