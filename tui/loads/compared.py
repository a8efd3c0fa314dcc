"""Load tests side by side: a row for each figure, a column for each run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from clients.load.result import Percentiles, Result
from clients.load.shape import shape
from clients.serving.plain import plain
from tui.loads.saved import RunSummary
from tui.moments import rfc3339

__all__ = ["Compared", "compared"]

_UNKNOWN = "–"


class Compared(Struct, frozen=True):
    """A figure. Texts are plain."""

    name: str
    values: tuple[str, ...]
    """One for each run; ``–`` is not known."""
    change: str = ""
    """Of two runs: by how much the second is above or below the first."""


def compared(runs: Sequence[RunSummary]) -> Iterator[Compared]:
    """What was tested first, then what it came to."""
    yield Compared("workload", tuple(plain(run.key.label) for run in runs))
    yield Compared("load", tuple(plain(shape(run.plan)) for run in runs))
    yield Compared(
        "began", tuple(_UNKNOWN if (at := run.began_at) is None else rfc3339(at, whole=True) for run in runs)
    )
    for name, read, unit in _FIGURES:
        values = [None if run.result is None else read(run.result) for run in runs]
        if any(value is not None for value in values):
            yield Compared(name, tuple(_shown(value, unit) for value in values), _change(values))


_Value = float | str | None


def _of(field: str, which: str) -> Callable[[Result], _Value]:
    def read(result: Result) -> _Value:
        found: Percentiles = getattr(result, field)
        value: _Value = getattr(found, which)
        return value

    return read


_FIGURES: tuple[tuple[str, Callable[[Result], _Value], str], ...] = (
    ("ok a second", lambda result: result.throughput.ok_per_s, ""),
    ("failed", lambda result: float(result.requests.failed), ""),
    ("dropped", lambda result: float(result.requests.dropped), ""),
    ("unfinished", lambda result: float(result.requests.unfinished), ""),
    ("latency p50", _of("latency_from_schedule_ms", "p50"), "ms"),
    ("latency p95", _of("latency_from_schedule_ms", "p95"), "ms"),
    ("latency p99", _of("latency_from_schedule_ms", "p99"), "ms"),
    ("from send p99", _of("latency_from_send_ms", "p99"), "ms"),
    ("p99 with failures", _of("latency_with_failures_ms", "p99"), "ms"),
    ("first token p50", _of("ttft_ms", "p50"), "ms"),
    ("first token p99", _of("ttft_ms", "p99"), "ms"),
    ("a token p50", _of("tpot_ms", "p50"), "ms"),
    ("tokens a second", lambda result: None if result.tokens is None else result.tokens.per_s, ""),
    ("within the SLO", lambda result: None if result.goodput is None else result.goodput.percent, "%"),
)


def _shown(value: _Value, unit: str) -> str:
    if value is None:
        return _UNKNOWN
    if isinstance(value, str):
        return value
    return f"{value:,.1f} {unit}".rstrip() if value % 1 else f"{value:,.0f} {unit}".rstrip()


def _change(values: Sequence[_Value]) -> str:
    """In per cent of the first; empty where that says nothing."""
    if len(values) != 2:
        return ""
    before, after = values
    if not isinstance(before, float) or not isinstance(after, float) or not before or before == after:
        return ""
    return f"{100 * (after - before) / before:+.0f} %"
