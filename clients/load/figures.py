"""What a stretch of a load test came to: counts and histograms that add up.

Seconds add up to a run, and the parts of several generators to the whole, both exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from clients.load.histogram import Counts, merge

__all__ = ["HISTOGRAMS", "Figures"]


class Figures(Struct, kw_only=True, omit_defaults=True):
    """Histograms are of microseconds, and of requests that succeeded unless said."""

    scheduled: int = 0
    """Requests that came due."""
    sent: int = 0
    queued: int = 0
    """Due while ``max_in_flight`` were underway, with ``overflow = "queue"``: their wait counts."""
    ok: int = 0
    """Whole answers with a status of 2xx."""
    failed: int = 0
    """Answers of another status, broken, late or none at all; ``errors`` tells which."""
    dropped: int = 0
    """Due while ``max_in_flight`` were underway, with ``overflow = "drop"``: never sent."""
    slo_met: int = 0
    status: dict[int, int] = field(default_factory=dict)
    """Answers by HTTP status."""
    errors: dict[str, int] = field(default_factory=dict)
    """Failures by kind (``clients.load.errors``)."""
    bytes_in: int = 0
    """Of bodies."""
    chunks: int = 0
    """Server-sent events with content."""
    prompt_tokens: int = 0
    """As the server's usage says."""
    output_tokens: int = 0
    output_counted: int = 0
    """Of ``output_tokens`` those that are counted chunks, for the server did not say."""
    untold: int = 0
    """Whole answers of a model without usage and without a stream: their tokens are not known."""

    from_schedule: Counts = field(default_factory=dict)
    """End to end: from when the request was due to the last byte."""
    from_send: Counts = field(default_factory=dict)
    ttft: Counts = field(default_factory=dict)
    """From when it was due to the first content, reasoning or tool call."""
    ttft_from_send: Counts = field(default_factory=dict)
    itl: Counts = field(default_factory=dict)
    """Between one chunk with content and the next."""
    tpot: Counts = field(default_factory=dict)
    """(last - first token) / (tokens - 1), one value a request."""
    lateness: Counts = field(default_factory=dict)
    """Of all requests sent without waiting for room: from when one was due to when it was begun."""
    reader_lag: Counts = field(default_factory=dict)
    """How long what is ready waits until the generator's loop comes to it, sampled all the time."""

    def add(self, other: Figures) -> None:
        """Adds another stretch to this one."""
        for name in _NUMBERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in HISTOGRAMS:
            merge(getattr(self, name), getattr(other, name))
        _add(self.status, other.status)
        _add(self.errors, other.errors)


HISTOGRAMS = (
    "from_schedule",
    "from_send",
    "ttft",
    "ttft_from_send",
    "itl",
    "tpot",
    "lateness",
    "reader_lag",
)
_NUMBERS = tuple(name for name in Figures.__struct_fields__ if name not in (*HISTOGRAMS, "status", "errors"))


def _add(into: dict[Any, int], other: Mapping[Any, int]) -> None:
    for key, count in other.items():
        into[key] = into.get(key, 0) + count
