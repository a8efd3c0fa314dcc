"""Why an autoscaler holds or moves a count, and what it does next: one decision, step by step.

A decision goes metric by metric to a proposal, the best proposal is stabilised by earlier recommendations,
rate-limited, clamped to the bounds, and is then the desired count. Values only; the system modules compute
them. Times are cluster time (UTC seconds), durations seconds; a metric's numbers stand in its own ``unit``;
``None`` means not known.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from clients.serving.keys import ObjectRef

__all__ = [
    "Aggregate",
    "Clamped",
    "Decision",
    "MetricDecision",
    "Outcome",
    "PodSample",
    "RateLimited",
    "SampleState",
    "Stabilised",
    "Unit",
]


class Unit(StrEnum):
    """What a metric's numbers count."""

    PERCENT = "%"
    CORES = "cores"
    BYTES = "bytes"
    PLAIN = ""


class Aggregate(StrEnum):
    """How a metric is compared with its target."""

    UTILIZATION = "utilization"
    """Per cent of what the pods request."""
    AVERAGE = "average"
    """Per pod."""
    VALUE = "value"
    """One number for all."""


class SampleState(StrEnum):
    """How a pod counts in a metric."""

    READY = "ready"
    UNREADY = "unready"
    """Left out; counts as 0 where the metric asks for more."""
    MISSING = "missing"
    """Has no sample; counts as 0 where the metric asks for more, as the target where it asks for less."""
    IGNORED = "ignored"
    """Being deleted, or failed."""


class PodSample(Struct, frozen=True):
    """What one pod brings to a metric."""

    pod: str
    state: SampleState
    value: float | None = None
    at: float | None = None
    """When it was measured."""
    counted_as: float | None = None
    """The number put in its place, where one was."""


class MetricDecision(Struct, frozen=True):
    """One metric's own proposal."""

    kind: str
    """``Resource``, ``ContainerResource``, ``Pods``, ``Object``, ``External``; ``policy`` for Kthena's."""
    name: str
    aggregate: Aggregate | None = None
    unit: Unit = Unit.PLAIN
    target: float | None = None
    current: float | None = None
    ratio: float | None = None
    """Current to target, before pods without a say are counted in."""
    proposal: int | None = None
    tolerated: bool = False
    """The ratio is so near to 1 that it asks for no change."""
    selector: str | None = None
    container: str | None = None
    object: str | None = None
    """``Kind/name`` that an Object metric describes."""
    error: str | None = None
    """Why there is no proposal. From outside: draw it plain."""
    pods: tuple[PodSample, ...] = ()
    notes: tuple[str, ...] = ()


class Stabilised(Struct, frozen=True):
    """An earlier recommendation holds the count against the best proposal of now."""

    replicas: int
    """What is left of the proposal."""
    down: bool
    """It holds against going down; else against going up."""
    window: float
    left: float
    """Seconds until it leaves the window; at most so many where it was not ``seen``."""
    by: int | None = None
    """The recommendation that holds it."""
    age: float | None = None
    seen: bool = True
    """False: made before servegrid looked; that there is one is what the controller says."""


class RateLimited(Struct, frozen=True):
    """The step is larger than a policy allows."""

    replicas: int
    policy: str
    """``Pods 4/15s``, ``Percent 100/15s``, ``Disabled``, ``doubling, or 4``."""
    left: float | None = None
    """Seconds until the policy's period lets more through; ``None``: at the next look, or never."""


class Clamped(Struct, frozen=True):
    """A bound stops it."""

    replicas: int
    bound: str
    """``min`` or ``max``."""


class Outcome(StrEnum):
    """What the decision comes to."""

    SCALES = "scales"
    HOLDS = "holds"
    DISABLED = "disabled"
    """The target is at 0, or the autoscaler is paused."""
    NONE = "none"
    """No metric gives a number to decide on: nothing is done."""
    UNKNOWN = "unknown"
    """What it decides on cannot be read from here."""


class Decision(Struct, frozen=True):
    """What an autoscaler does about one count, recomputed."""

    subject: ObjectRef
    """The autoscaler."""
    at: float
    outcome: Outcome
    target: ObjectRef | None = None
    role: str | None = None
    current: int | None = None
    """Replicas the target asks for."""
    minimum: int | None = None
    maximum: int | None = None
    metrics: tuple[MetricDecision, ...] = ()
    best: int | None = None
    """The highest proposal."""
    winner: int | None = None
    """Which of ``metrics`` proposed it."""
    stabilised: Stabilised | None = None
    limited: RateLimited | None = None
    clamped: Clamped | None = None
    adjusted: str | None = None
    """A step that other systems know, in words: Kthena's repair of a role ratio."""
    desired: int | None = None
    reason: str | None = None
    """Why there is no decision, or what else decided it. From outside: draw it plain."""
    since: float | None = None
    """Since when ``reason`` holds."""
    goes_to: int | None = None
    """What the count becomes next if nothing changes; ``None``: it stays."""
    until: float | None = None
    """When it does; it acts at its first look after that."""
    at_latest: bool = False
    """``until`` is the latest time, not the time."""
    interval: float | None = None
    """Seconds between two looks of the autoscaler."""
    assumptions: tuple[str, ...] = ()
    """What cannot be seen from here and is taken to be so."""
