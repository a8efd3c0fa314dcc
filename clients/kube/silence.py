"""A controller that does not act: the spec's generation stays ahead of the one that the status tells.

Controllers write ``status.observedGeneration`` at the end of a sync, and one sync may last. So the status or
any sign of work will do.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from clients.kube.rows import PodRow
from clients.serving.phase import Trouble, TroubleKind
from clients.serving.workload import Workload

__all__ = ["REASON", "Told", "behind_since", "silence"]

REASON = "ControllerSilent"

_STEPS = (
    (30.0, "30 s"),
    (60.0, "1 min"),
    (120.0, "2 min"),
    (300.0, "5 min"),
    (1800.0, "30 min"),
    (7200.0, "2 h"),
)
"""How long (cluster seconds) is said in steps: a row that counted seconds would be drawn every second."""


class Told(Protocol):
    """An object whose status tells which generation of its spec it is of."""

    @property
    def generation(self) -> int | None:
        """Of the spec."""
        ...

    @property
    def observed_generation(self) -> int | None:
        """Of the status; ``None`` before its controller has written one."""
        ...

    @property
    def created(self) -> float | None:
        """UTC seconds."""
        ...

    @property
    def deleted(self) -> float | None:
        """When it is to be deleted: then nothing is to be expected any more."""
        ...


def behind_since(row: Told, previous: Workload | None, now: float) -> float | None:
    """Since when the status has not told this generation; ``None`` if it has, or none is told."""
    seen = row.observed_generation
    if row.generation is None or row.deleted is not None or (seen is not None and seen >= row.generation):
        return None
    if (
        previous is not None
        and previous.behind_since is not None
        and previous.observed_generation == row.observed_generation
    ):
        return previous.behind_since
    if previous is None and seen is None and row.generation == 1 and row.created is not None:
        return min(row.created, now)
    return now


def silence(
    row: Told, behind: float | None, pods: Iterable[PodRow], acted: float | None, now: float
) -> tuple[Trouble | None, float | None]:
    """What to say of a controller that is ``behind`` since then, and when to look again.

    ``acted`` is when it was last seen to do anything for any object.
    """
    if behind is None:
        return None, None
    signs = [] if acted is None else [acted]
    signs += [pod.created for pod in pods if pod.created is not None]
    signs += [pod.deleted - (pod.grace or 0.0) for pod in pods if pod.deleted is not None]
    since = max([behind, *(sign for sign in signs if sign <= now)])
    told = [words for seconds, words in _STEPS if now - since >= seconds]
    following = next((since + seconds for seconds, _ in _STEPS if since + seconds > now), None)
    if not told:
        return None, following
    message = f"the controller has not taken up generation {row.generation} for {told[-1]}"
    return Trouble(TroubleKind.BLOCKED, REASON, message, since), following
