"""What a group or role replica is doing, what is wrong with it, and why it is doing it."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

__all__ = ["Cause", "ControllerState", "Mark", "Phase", "Stage", "Trouble", "TroubleKind"]


class Phase(StrEnum):
    """What it is doing."""

    QUEUED = "queued"
    """Wanted, and nothing of it exists yet."""
    CREATING = "creating"
    SCALING = "scaling"
    """A group that already ran, while its roles gain or lose replicas."""
    UPDATING = "updating"
    RUNNING = "running"
    DELETING = "deleting"
    ABSENT = "absent"


class TroubleKind(StrEnum):
    """What stands beside the phase when something is wrong."""

    BLOCKED = "blocked"
    """It waits for something that it may never get."""
    FAILED = "failed"
    DEGRADED = "degraded"
    """It was running and now is less."""


class Trouble(Struct, frozen=True, gc=False):
    """What is wrong, in words that a person can act on. Both texts come from outside: draw them plain."""

    kind: TroubleKind
    reason: str
    """Short: ``Unschedulable``, ``CrashLoopBackOff``, ``ImagePullBackOff``."""
    message: str
    """The sentence: which resource and how many short, the last words of the crash, which image."""
    since: float | None = None
    """Cluster time (UTC seconds) when it was first so, where known."""


class Cause(StrEnum):
    """Why it is doing what it does."""

    SCALE = "scale"
    ROLLOUT = "rollout"
    RECOVERY = "recovery"


class Mark(StrEnum):
    """A group's place in the running scale operation: the symbols of Kthena's scaling guide."""

    DONE = "done"
    PENDING = "pending"
    ACTIVE = "active"


class ControllerState(StrEnum):
    """Kthena's own words for a group or role replica (a role replica is never ``Scaling``)."""

    CREATING = "Creating"
    RUNNING = "Running"
    SCALING = "Scaling"
    DELETING = "Deleting"


class Stage(StrEnum):
    """How far a pod, or the slowest pod of a role replica, has come on its way to ready."""

    UNSCHEDULED = "unscheduled"
    IMAGE = "image"
    INIT = "init"
    WEIGHTS = "weights"
    """The engine's container runs and is not yet ready for the first time: it loads the model."""
    PROBING = "probing"
    """It has started (startup probe passed, or it was ready before) and its readiness probe says no."""
    READY = "ready"
    TERMINATING = "terminating"
