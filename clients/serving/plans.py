"""A proposed change, before it is sent."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from msgspec import Struct

from clients.serving.changes import Bounds, Change, ObjectChange, Verb
from clients.serving.guards import Confirmation, Guard, Level, ScaleInWord
from clients.serving.keys import ObjectRef, WorkloadKey
from clients.serving.operation import Count, Prediction

__all__ = ["Capacity", "Eta", "Money", "ScalePlan", "Step", "StepKind", "Write", "uid_of_new"]


class StepKind(StrEnum):
    """What a step does to one group or role replica."""

    CREATE = "create"
    DELETE = "delete"


class Step(Struct, frozen=True):
    """One group or role replica that is made or removed, at its predicted place in the order."""

    kind: StepKind
    name: str
    """The group's name, or ``group/role-id``."""
    pods: int
    gpus: int
    serving: bool = False
    """It is running now (deletes only)."""
    note: str | None = None
    """Why it is this one: ``not ready, goes first``."""


class Money(Struct, frozen=True):
    """An amount per hour; ``amount`` is a decimal number in text, exact."""

    amount: str
    currency: str


class Eta(Struct, frozen=True):
    """Seconds until done, learned from ``samples`` earlier times; no ``Eta`` is drawn as "no history"."""

    low: float
    high: float
    samples: int


class Capacity(Struct, frozen=True):
    """GPUs on the nodes that a plan's pods may use; ``None`` where the right to see it is missing."""

    free: int | None
    total: int | None
    needed: int
    fits: bool | None
    """Whether what is needed fits pod by pod on those nodes, not just in sum; ``None`` if not known: no right
    to see, or room enough if it were not for what is ``unlooked``."""
    nodes: int | None = None
    """Nodes that these pods may use."""
    usable: int | None = None
    """Of what is needed, GPUs that find room: pod by pod, and whole groups where these are placed at once."""
    models: tuple[tuple[str, int], ...] = ()
    """(GPU model, how many of ``free``) on those nodes; the empty name where nodes do not tell."""
    unschedulable: int | None = None
    """Free ones beside, where these pods ask to go: on nodes that are cordoned, not ready or tainted against
    them."""
    unlooked: tuple[str, ...] = ()
    """What these pods require of their nodes that is not weighed, in words: ``free`` and ``usable`` are what
    there can be at most."""


class Write(Struct, frozen=True):
    """The one request that a plan sends."""

    method: str
    path: str
    content_type: str
    body: Any
    note: str | None = None
    """What a person should know of this way of writing: ``through /scale: the webhook is not asked``."""


class ScalePlan(Struct, frozen=True):
    """What a change would do. Immutable: a different number is a different plan."""

    key: WorkloadKey
    uid: str
    change: Change
    before: Count
    after: Count
    steps: tuple[Step, ...]
    """In predicted order; by name where the order is unknown."""
    order_known: bool
    order_note: str
    """``order of v1.0``, or ``order unknown``, and how that was found out."""
    pods_delta: int
    gpu_delta: int
    capacity: Capacity | None
    eta: Eta | None
    """Learned here."""
    guards: tuple[Guard, ...]
    write: Write | None
    """``None`` when nothing changes."""
    equivalent: str
    """The same as a kubectl line."""
    confirmation: Confirmation
    prediction: Prediction | None = None
    cost_before: Money | None = None
    cost_after: Money | None = None
    generation: int | None = None
    """Of the object the plan was made from."""
    target: ObjectRef | None = None
    """The object that is written, where it is not the workload itself: its HPA, the Deployment behind it."""
    bounds_before: Bounds | None = None
    bounds_after: Bounds | None = None
    notes: tuple[str, ...] = ()
    """What follows from it, in words: when it bites, that pods are made anew."""
    undo: Change | None = None
    """What takes it back."""
    replaces: WorkloadKey | None = None
    """What it is made in the place of: to go to zero once the new one is ready."""
    vendor_time: str = ""
    """How long its vendor says it takes, where nothing was learned yet."""
    scale_in: ScaleInWord = "yes"
    """What its system asks for when some of what serves goes, unless the settings say otherwise."""

    @property
    def named(self) -> str:
        """The name that is typed where one is asked for: a deleted object's own, else the workload's."""
        change = self.change
        if isinstance(change, ObjectChange) and change.verb is Verb.DELETE:
            return change.ref.name
        return self.key.name

    @property
    def level(self) -> Level:
        """The strongest objection of any guard."""
        return max((guard.level for guard in self.guards), default=Level.PASS)

    @property
    def blocked(self) -> bool:
        """Whether it must not be sent, whatever is typed."""
        return self.level is Level.BLOCK


def uid_of_new(key: WorkloadKey) -> str:
    """Stands in a plan for the uid of what it makes, which its system gives out only then."""
    return f"new {key}"
