"""A histogram of a pod's page, and the 95th percentile of what came into it of late, as Kthena takes it.

Its autoscaler compares with the newest page that is 60 s old or older (HEAD 3cc05728; fact sheet ``kthena``,
section 7). Without one it takes all that a pod has ever told.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from msgspec import Struct

__all__ = ["AGE", "Buckets", "PastPages", "quantile"]

AGE = 60.0
"""Seconds, of the cluster."""
_KEPT = 300.0
_SHARE = 95


class Buckets(Struct, frozen=True):
    """One histogram so far: (upper bound, how many up to it), the bounds rising."""

    counts: tuple[tuple[float, int], ...]
    total: int


class _Page(Struct, frozen=True):
    started: float | None
    """When the pod started: one of the same name that started since has another history."""
    histograms: Mapping[str, Buckets]


class PastPages:
    """The histograms of a target's pods as they were at each look."""

    def __init__(self) -> None:
        self._looks: list[tuple[float, dict[str, _Page]]] = []

    def begin(self, now: float) -> None:
        """A look begins; ``now`` is cluster time."""
        self._looks = [entry for entry in self._looks if entry[0] >= now - _KEPT]
        self._looks.append((now, {}))

    def wait(self, now: float) -> float:
        """Seconds until there is a look to compare with."""
        return max(0.0, self._looks[0][0] + AGE - now)

    def put(self, pod: str, started: float | None, histograms: Mapping[str, Buckets]) -> None:
        """What a pod's page holds at the look that began last."""
        _, pages = self._looks[-1]
        known = pages.get(pod)
        pages[pod] = _Page(started, {**(known.histograms if known is not None else {}), **histograms})

    def before(self, pod: str, started: float | None, metric: str, now: float) -> Buckets | None:
        """The histogram to compare with; ``None`` where the pod had none then, so that all of it counts."""
        pages = next((pages for at, pages in reversed(self._looks) if at <= now - AGE), {})
        page = pages.get(pod)
        return page.histograms.get(metric) if page is not None and page.started == started else None


def quantile(now: Buckets, before: Buckets | None) -> float:
    """Of what came in since ``before``, evenly spread within each bucket; 0 where nothing came.

    Raises ValueError where the two do not belong together.
    """
    if before is not None and [at for at, _ in before.counts] != [at for at, _ in now.counts]:
        raise ValueError("its buckets are others than before")
    past = [0] * len(now.counts) if before is None else [count for _, count in before.counts]
    new = now.total - (0 if before is None else before.total)
    if new < 0:
        raise ValueError("it counts backwards")
    if new == 0:
        return 0.0
    rank = -(-new * _SHARE // 100)
    low, below = 0.0, 0
    for (bound, count), old in zip(now.counts, past, strict=True):
        upto = count - old
        if upto < below:
            raise ValueError("it counts backwards")
        high = 2 * low if math.isinf(bound) else bound
        if upto > below and rank <= upto:
            return high - (upto - rank) * (high - low) / (upto - below)
        low, below = high, upto
    raise ValueError("its buckets hold less than it counts")
