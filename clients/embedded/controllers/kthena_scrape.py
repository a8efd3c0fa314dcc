"""What Kthena's autoscaler takes from a pod's page: sums of counters and gauges, and p95s of histograms.

As its HEAD does it (kthena.md 7): a metric must have a type; of a histogram the first series counts, against
the newest page that is 60 s old or older, else against nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable
from itertools import pairwise

from msgspec import Struct

from clients.embedded.apiserver.objects import Json
from clients.embedded.apiserver.proxy import PageAnswer, PageRequest, PodPages

__all__ = ["Past", "ScrapeError", "scrape", "value_of"]

_LINE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?")
_LE = re.compile(r'(?:^|,)le="([^"]*)"')
_AGE = 60.0
_KEPT = 300.0
_PERCENTILE = 95


class ScrapeError(Exception):
    """A page that cannot be had or used: the whole group of pods then says nothing."""


class Buckets(Struct, frozen=True):
    """A histogram so far, the bounds rising."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: int


class Past:
    """Histograms of earlier looks at one target, by pod and metric; kept for 300 s."""

    def __init__(self) -> None:
        self._looks: list[tuple[float, dict[tuple[str, str], Buckets]]] = []

    def look(self, now: float) -> None:
        """A look begins."""
        self._looks = [look for look in self._looks if look[0] + _KEPT >= now] + [(now, {})]

    def exchange(self, pod: str, metric: str, buckets: Buckets) -> Buckets | None:
        """Notes what a pod (its uid) tells now; what it told 60 s ago or more, if there is such a look."""
        now, noted = self._looks[-1]
        noted[(pod, metric)] = buckets
        old = [look for look in self._looks if look[0] + _AGE <= now]
        return old[-1][1].get((pod, metric)) if old else None


def scrape(pages: PodPages, pod: Json, port: int, uri: str) -> str:
    """The text of a pod's page. Raises ScrapeError where nobody listens, or answers with anything else."""
    handler = pages.handler(pod, port)
    if handler is None:
        raise ScrapeError(f"connection refused by {pod['metadata']['name']}:{port}")
    answer = _at_once(handler(PageRequest("GET", uri, "", {}, b"")))
    if not 200 <= answer.status < 300:
        raise ScrapeError(f"invalid metric response for pod {pod['metadata']['name']}")
    return answer.body.decode()


def _at_once(answer: Awaitable[PageAnswer]) -> PageAnswer:
    """A page of figures waits for nothing, and simulated time stands still meanwhile."""
    try:
        next(answer.__await__())
    except StopIteration as done:
        found: PageAnswer = done.value
        return found
    raise ScrapeError("the page did not come in time")


def value_of(page: str, metric: str, pod: str, past: Past) -> float | None:
    """One metric of a page; None if it is not there. Raises ScrapeError for what Kthena cannot use."""
    kind = re.search(rf"^# TYPE {re.escape(metric)} (\w+)$", page, re.MULTILINE)
    told = [(found[1], found[2], found[3]) for line in page.splitlines() if (found := _LINE.fullmatch(line))]
    if kind is not None and kind[1] == "histogram":
        buckets = _buckets(told, metric)
        return None if buckets is None else _quantile(buckets, past.exchange(pod, metric, buckets))
    values = [float(value) for name, _, value in told if name == metric]
    if not values:
        return None
    if kind is None or kind[1] not in ("counter", "gauge"):
        raise ScrapeError(f"unsupported metric type of {metric}")
    return sum(values)


def _buckets(told: list[tuple[str, str, str]], metric: str) -> Buckets | None:
    """The first series of a histogram."""
    series: dict[str, dict[float, int]] = {}
    totals: dict[str, int] = {}
    for name, labels, value in told:
        bound = _LE.search(labels or "")
        if name == f"{metric}_bucket" and bound is not None:
            series.setdefault(_LE.sub("", labels), {})[float(bound[1])] = int(float(value))
        elif name == f"{metric}_count":
            totals[labels or ""] = int(float(value))
    if not series:
        return None
    labels, counts = next(iter(series.items()))
    return Buckets(tuple(sorted(counts)), tuple(counts[b] for b in sorted(counts)), totals.get(labels, 0))


def _quantile(now: Buckets, before: Buckets | None) -> float:
    if before is not None and before.bounds != now.bounds:
        raise ScrapeError("unmatched buckets")
    olds = before.counts if before is not None else (0,) * len(now.counts)
    counts = [count - old for count, old in zip(now.counts, olds, strict=True)]
    total = now.total - (before.total if before is not None else 0)
    if total < 0 or any(later < earlier for earlier, later in pairwise(counts)):
        raise ScrapeError("the histogram went backwards")
    if total == 0:
        return 0.0
    rank = math.ceil(total * _PERCENTILE / 100)
    place = next((index for index, count in enumerate(counts) if count >= rank), None)
    if place is None:
        raise ScrapeError("percentile not found")
    low = now.bounds[place - 1] if place else 0.0
    high = now.bounds[place]
    high = 2 * low if math.isinf(high) else high
    inside = counts[place] - (counts[place - 1] if place else 0)
    return high - (counts[place] - rank) * (high - low) / inside
