"""Whether a ModelServing's status is going to tell the generation that it is of (``silence``).

One sync of Kthena may last: it makes all pods of all new groups under a client-side budget of 5 calls a
second that all ModelServings share.
"""

from __future__ import annotations

from clients.kube.rows import ModelServingRow

__all__ = ["answers"]


def answers(row: ModelServingRow) -> bool:
    """At 0 groups the controller's syncs fail before they reach the status (Kthena #1755).

    A status that somebody wrote without the field tells nothing.
    """
    written = row.status_replicas is not None or bool(row.conditions)
    return bool(row.replicas) and not (written and row.observed_generation is None)
