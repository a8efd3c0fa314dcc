"""Rules that stand between a plan and its being sent."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Literal

from msgspec import Struct

__all__ = ["CHANGED", "DRY_RUN", "Confirmation", "Guard", "Level", "ScaleInWord"]

ScaleInWord = Literal["yes", "ok"]
"""Whether removing what serves, while some of it stays, needs the typed word YES."""

CHANGED = "changed"
"""Id of the guard that says that somebody else was faster: a conflict, and no fault of the plan."""
DRY_RUN = "dry-run"
"""Id of the guard that tells the server's own word on a plan, or what stands in its place."""


class Level(IntEnum):
    """How much a guard objects; the highest of a plan's guards counts."""

    PASS = 0
    WARN = 1
    CONFIRM = 2
    BLOCK = 3


class Guard(Struct, frozen=True):
    """One rule's word on one plan."""

    id: str
    """Stable: ``right``, ``read-only``, ``current``, ``changed``, ``dry-run``, ``webhook``, ``gang``,
    ``owner``, ``driver``, ``overshoot``, ``gpus``, ``operation``, ``stale``, ``rules``, ``restart``,
    ``rival``, ``metrics``, ``metric``, ``controller``; of Exoscale ``total``, ``gpu-count``, ``quota``,
    ``authorized``, ``zero``, ``state``, ``identity``, ``lost``, ``name``;
    of ModelArts ``scale-in``, ``stop``, ``cost``, ``frozen``, ``state``, ``identity``.
    """
    level: Level
    reason: str
    remedies: tuple[str, ...] = ()


class Confirmation(StrEnum):
    """What a person has to type before a plan is sent."""

    NONE = "none"
    """Nothing changes, so nothing is sent."""
    OK = "ok"
    YES = "yes"
    """The three letters YES: something that serves goes away, or capacity goes to zero."""
    NAME = "name"
    """The workload's name: protected contexts, and deletes."""
