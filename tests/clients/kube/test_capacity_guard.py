"""What a plan says of the GPUs that it needs."""

from __future__ import annotations

import pytest

from clients.kube.capacity_guard import capacity_guard
from clients.serving.guards import Level
from clients.serving.plans import Capacity

APART = ("pod anti-affinity", "topology spread")


@pytest.mark.parametrize(
    ("capacity", "level", "words"),
    [
        (Capacity(24, 128, 8, True, 16, 8), Level.PASS, "8 GPUs needed, 24 free"),
        (
            Capacity(None, None, 8, None),
            Level.WARN,
            "8 GPUs needed, free ones unknown: no right to list them",
        ),
        (Capacity(4, 16, 8, False, 2, 4), Level.WARN, "4 GPUs short: 8 needed, 4 free on 2 nodes"),
        (
            Capacity(4, 16, 8, False, 2, 3, unschedulable=12),
            Level.WARN,
            "4 GPUs short: 8 needed, 4 free on 2 nodes, of use are 3 of them; 12 more unschedulable",
        ),
        (
            Capacity(8, 16, 8, False, 2, 4),
            Level.WARN,
            "8 GPUs needed and 8 free, but scattered: of use are 4 of them, no node holds the other pods",
        ),
        (
            Capacity(24, 128, 8, None, 16, 8, unlooked=APART),
            Level.WARN,
            "8 GPUs needed, at most 24 of the free ones fit; "
            "pod anti-affinity and topology spread not looked at",
        ),
        (
            Capacity(4, 16, 8, False, 2, 2, unlooked=APART[:1]),
            Level.WARN,
            "4 GPUs short: 8 needed, 4 free on 2 nodes, of use are at most 2 of them; "
            "pod anti-affinity not looked at",
        ),
    ],
)
def test_words(capacity: Capacity, level: Level, words: str) -> None:
    guard = capacity_guard(capacity)
    assert guard is not None
    assert (guard.id, guard.level, guard.reason) == ("gpus", level, words)


def test_nothing_needed_nothing_said() -> None:
    assert capacity_guard(Capacity(0, 0, 0, True)) is None
    assert capacity_guard(None) is None
