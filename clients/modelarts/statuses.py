"""Statuses of ModelArts services, deployments and instances, and what each allows (SDK 3.1.219, v2).

A status that this version does not know is shown as it is and counts as busy: nothing is written to it.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = [
    "FAILURES",
    "KNOWN",
    "SCALABLE",
    "SETTLED",
    "STARTABLE",
    "STOPPABLE",
    "InstanceStatus",
    "Status",
    "spoken",
]


class Status(StrEnum):
    """``INIT`` only services have, ``RESTARTING`` and ``DELETED`` only deployments."""

    INIT = "INIT"
    DEPLOYING = "DEPLOYING"
    RUNNING = "RUNNING"
    CONCERNING = "CONCERNING"
    """The console calls it Alarm."""
    UPGRADING = "UPGRADING"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"
    FAILED = "FAILED"
    ERROR = "ERROR"
    DELETING = "DELETING"
    INTERRUPTING = "INTERRUPTING"
    RESTARTING = "RESTARTING"
    DELETED = "DELETED"


class InstanceStatus(StrEnum):
    """Of one instance of a deployment."""

    RUNNING = "RUNNING"
    PENDING = "PENDING"
    CONCERNING = "CONCERNING"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"
    DELETED = "DELETED"


KNOWN: frozenset[str] = frozenset(Status)
SCALABLE = frozenset((Status.RUNNING, Status.CONCERNING))
"""MA1: Running or Alarm."""
STOPPABLE = frozenset((Status.RUNNING, Status.DEPLOYING, Status.FAILED, Status.CONCERNING))
STARTABLE = frozenset((Status.STOPPED, Status.FAILED))
FAILURES = frozenset((Status.FAILED, Status.ERROR))
SETTLED = SCALABLE | FAILURES | {Status.STOPPED, Status.DELETED}
"""Nothing moves by itself."""


def spoken(status: str) -> str:
    """``CONCERNING (Alarm)``; any other as it is."""
    return f"{status} (Alarm)" if status == Status.CONCERNING else status or "no status"
