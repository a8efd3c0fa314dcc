"""Which ordinals the controller gives to new ServingGroups and role replicas."""

from __future__ import annotations

__all__ = ["MOST_QUEUED", "free_ordinals"]

MOST_QUEUED = 256
"""Queued groups, or queued replicas of a role, shown one by one: a mistyped million must not hang."""


def free_ordinals(taken: set[int], wanted: int, missing: int, *, append: bool, below: int = 0) -> list[int]:
    """Ordinals that the controller gives to ``missing`` new ones, ascending.

    HEAD fills the lowest gaps below ``wanted``; v0.2 to v1.0 append after the highest and fill only gaps
    below the partition (``below``).
    """
    found: list[int] = []
    limit = below if append else wanted
    for ordinal in range(min(limit, len(taken) + missing)):
        if len(found) == missing:
            break
        if ordinal not in taken:
            found.append(ordinal)
    following = max(max(taken, default=-1) + 1, limit if append else 0)
    if append:
        while len(found) < missing:
            found.append(following)
            following += 1
    return found
