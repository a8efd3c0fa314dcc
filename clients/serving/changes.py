"""What can be asked of a workload. Later systems add theirs; each is one immutable value."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from clients.serving.keys import ObjectRef

__all__ = [
    "Bounds",
    "BoundsChange",
    "Change",
    "Direction",
    "FreezeChange",
    "ObjectChange",
    "ReplicasChange",
    "RunChange",
    "SuspendChange",
    "Verb",
    "inverse",
]


class ReplicasChange(Struct, frozen=True, tag="replicas"):
    """New counts: of groups, of replicas of roles within every group, or both in one write."""

    groups: int | None = None
    """``None`` leaves the number of groups alone."""
    roles: tuple[tuple[str, int], ...] = ()
    expect_groups: int | None = None
    """Refuse unless the desired count is this now (``--current``)."""


class Bounds(Struct, frozen=True):
    """Between what an autoscaler may set a count; ``None`` where the object does not say."""

    minimum: int | None
    maximum: int | None

    @property
    def pinned(self) -> bool:
        """It leaves no choice."""
        return self.minimum is not None and self.minimum == self.maximum

    def clamp(self, count: int) -> int:
        """The nearest count that they allow."""
        if self.maximum is not None and count > self.maximum:
            return self.maximum
        return self.minimum if self.minimum is not None and count < self.minimum else count

    def __str__(self) -> str:
        low = "–" if self.minimum is None else self.minimum
        return f"{low}-{'–' if self.maximum is None else self.maximum}"


class BoundsChange(Struct, frozen=True, tag="bounds"):
    """New bounds of what drives the workload, written where they last: the owner's, if one would revert."""

    minimum: int | None = None
    """``None`` leaves it alone."""
    maximum: int | None = None
    role: str | None = None
    """The component or role whose bounds are meant; ``None`` where there is only one."""
    pin: bool = False
    """Minimum and maximum become one; the old pair is kept, to be put back by unpinning."""


class RunChange(Struct, frozen=True, tag="run"):
    """Stops a service without losing it, or resumes it."""

    running: bool


class SuspendChange(Struct, frozen=True, tag="suspend"):
    """Keeps an autoscaler from acting at all, or lets it act again; counts stay what they are."""

    driver: ObjectRef
    suspended: bool


class Direction(StrEnum):
    """Which way an autoscaler may not go."""

    IN = "in"
    OUT = "out"


class FreezeChange(Struct, frozen=True, tag="freeze"):
    """Keeps an autoscaler from going one way, or lets it go that way again."""

    driver: ObjectRef
    direction: Direction
    frozen: bool


class Verb(StrEnum):
    """What is done to an object as a whole."""

    CREATE = "create"
    PATCH = "patch"
    DELETE = "delete"


class ObjectChange(Struct, frozen=True, tag="object"):
    """An object made, edited or deleted by a form: an HPA, a CronHPA's jobs."""

    verb: Verb
    ref: ObjectRef
    body: str
    """JSON: the object to create, or a JSON Patch; empty for a deletion."""


Change = ReplicasChange | BoundsChange | RunChange | SuspendChange | FreezeChange | ObjectChange


def inverse(change: ReplicasChange, groups: int | None, roles: dict[str, int]) -> ReplicasChange:
    """The change that takes ``change`` back, given the counts as they were before it."""
    return ReplicasChange(
        groups=None if change.groups is None else groups,
        roles=tuple((name, roles[name]) for name, _ in change.roles if name in roles),
    )
