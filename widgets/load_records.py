"""What the widgets of a load test draw: slices of time, marks on the same axis, a line for each group.

Times are seconds since the load began, latencies milliseconds from when a request was due. ``None`` is not
known, and drawn as nothing or as ``–``, never as 0.
"""

from __future__ import annotations

from msgspec import Struct

__all__ = ["GroupLoad", "LoadColumn", "LoadMark", "LoadProgress", "LoadView"]


class LoadColumn(Struct, frozen=True):
    """A slice of time."""

    ok: float | None = None
    """Answers a second."""
    failed: float | None = None
    """Failures a second, with what was dropped."""
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    in_flight: float | None = None
    waiting: float | None = None
    """Requests that wait in the engines' queues."""
    busy: float | None = None
    """Of the workload's GPUs, per cent."""
    wanted: int | None = None
    ready: int | None = None
    signal: float | None = None
    """What the driver looks at, in per cent of its target."""


class LoadMark(Struct, frozen=True):
    """Something that happened, on the time axis."""

    at: float
    sign: str
    """One ASCII character: ``^`` up, ``v`` down, ``+`` ready, ``!`` trouble, ``|`` of the load itself."""
    text: str
    """A few words, plain: ``HPA 2>3``."""
    guide: bool = False
    """A line through the charts shows the moment."""


class LoadView(Struct, frozen=True):
    """All charts of one load test."""

    columns: tuple[LoadColumn, ...] = ()
    """Oldest first, from second 0."""
    step: float = 1.0
    """Seconds of a column."""
    newest: LoadColumn = LoadColumn()
    """The last second that is known: the numbers beside the charts."""
    marks: tuple[LoadMark, ...] = ()
    slo: float | None = None
    """A limit on the latency."""
    signal_name: str = ""
    """What the driver looks at."""
    end: float | None = None
    """When the load ends, or ended."""


class LoadProgress(Struct, frozen=True):
    """The line that says how far it is."""

    state: str
    """``warm-up``, ``load``, ``draining``, ``over``, …: plain."""
    running: bool
    done: float | None = None
    """0 to 1; ``None`` while nobody can say."""
    elapsed: float = 0.0
    planned: float | None = None
    """Seconds."""
    ok: int = 0
    failed: int = 0
    in_flight: int = 0


class GroupLoad(Struct, frozen=True):
    """One group while load runs."""

    label: str
    """Plain."""
    state: str
    """Its phase, or the trouble it is in: plain."""
    trouble: bool = False
    running: float | None = None
    """Requests in its engines."""
    waiting: float | None = None
    kv: float | None = None
    """Use of the KV cache, per cent."""
    tokens: float | None = None
    """Output tokens a second, by the engines' own count."""
    busy: float | None = None
    """Of its GPUs, per cent."""
