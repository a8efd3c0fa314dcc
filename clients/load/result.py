"""What a load test came to, as it is shown, saved and compared: the nested JSON of docs/load.md."""

from __future__ import annotations

import math
from typing import Literal

import msgspec
from msgspec import Struct

from clients.load.figures import Figures
from clients.load.histogram import Counts, percentiles
from clients.load.lines import Ending, Finished
from clients.load.plan import LoadPlan, Slo
from clients.load.selfcheck import limits

__all__ = [
    "RESULT_VERSION",
    "ColdStart",
    "Generator",
    "Goodput",
    "Percentiles",
    "Requests",
    "Result",
    "Tokens",
]

RESULT_VERSION = 1

Milliseconds = float | Literal["infinite"] | None
"""``None`` is unknown: nothing was counted."""


class Percentiles(Struct, frozen=True):
    """Milliseconds, each at most 0.4 % off (``clients.load.histogram``)."""

    p50: Milliseconds
    p90: Milliseconds
    p95: Milliseconds
    p99: Milliseconds
    p99_9: Milliseconds

    @classmethod
    def of(cls, counts: Counts, *, beyond: int = 0) -> Percentiles:
        """From microseconds; ``beyond`` requests never came to an end, which is ``"infinite"``."""
        return cls(*(_ms(value) for value in percentiles(counts, (50, 90, 95, 99, 99.9), beyond=beyond)))


class Requests(Struct, frozen=True):
    """Of those due after the warm-up; ``warmup`` are the others."""

    scheduled: int
    sent: int
    ok: int
    failed: int
    dropped: int
    unfinished: int
    oldest_unfinished_s: float | None
    warmup: int
    queued: int = 0
    """Of those scheduled: found no room when they were due, and waited."""


class Throughput(Struct, frozen=True):
    """Over the measured time."""

    ok_per_s: float
    sent_per_s: float
    bytes_per_s: float


class Tokens(Struct, frozen=True):
    """``counted``: the server gave no usage (for some answers), so that chunks were counted: show a ``~``."""

    prompt: int | None
    output: int | None
    counted: bool
    per_s: float | None
    per_s_per_user: float | None
    """While it is being answered, at the median: 1000 / TPOT."""


class Goodput(Struct, frozen=True):
    """Requests that met every limit, of all that were scheduled."""

    percent: float
    met: int
    slo: Slo


class ColdStart(Struct, frozen=True):
    """From the first request to the first success; the warm-up counts here."""

    first_request_at: float | None
    first_ok_s: float | None
    failed_before: int


class Generator(Struct, frozen=True):
    """Whether the generator itself can be trusted."""

    verdict: Literal["ok", "generator-limited"]
    why: tuple[str, ...]
    lateness_ms: Percentiles
    reader_lag_ms: Percentiles
    cpu_mean_percent: float
    cpu_max_percent: float
    event_loop: str
    workers: int


class Result(Struct, frozen=True, kw_only=True):
    """A run. Fields are only ever added; unknown is ``None``."""

    v: int = RESULT_VERSION
    plan: LoadPlan
    started_at: float
    """UTC seconds since the epoch, like every ``_at``."""
    ended_at: float
    ended: Ending
    why: str
    measured_s: float
    requests: Requests
    throughput: Throughput
    latency_from_schedule_ms: Percentiles
    """End to end, from when a request was due."""
    latency_from_send_ms: Percentiles
    latency_with_failures_ms: Percentiles
    """From schedule, with what failed, was dropped or did not finish as infinite."""
    ttft_ms: Percentiles
    """From when a request was due."""
    ttft_from_send_ms: Percentiles
    itl_ms: Percentiles
    tpot_ms: Percentiles
    tokens: Tokens | None
    """``None`` of protocols without tokens."""
    goodput: Goodput | None
    status: dict[str, int]
    errors: dict[str, int]
    error_samples: dict[str, str]
    cold_start: ColdStart
    generator: Generator

    @classmethod
    def of(cls, plan: LoadPlan, started_at: float, end: Finished) -> Result:
        """From the end of a run, or of several of its parts joined."""
        figures = end.figures
        seconds = max(end.measured_s, 1e-3)
        lost = figures.failed + figures.dropped + end.unfinished
        return cls(
            plan=plan,
            started_at=started_at,
            ended_at=end.at,
            ended=end.ended,
            why=end.why,
            measured_s=round(end.measured_s, 3),
            requests=Requests(
                figures.scheduled,
                figures.sent,
                figures.ok,
                figures.failed,
                figures.dropped,
                end.unfinished,
                None if end.oldest_unfinished_s is None else round(end.oldest_unfinished_s, 1),
                end.warmup_requests,
                figures.queued,
            ),
            throughput=Throughput(
                *(round(n / seconds, 2) for n in (figures.ok, figures.sent, figures.bytes_in))
            ),
            latency_from_schedule_ms=Percentiles.of(figures.from_schedule),
            latency_from_send_ms=Percentiles.of(figures.from_send),
            latency_with_failures_ms=Percentiles.of(figures.from_schedule, beyond=lost),
            ttft_ms=Percentiles.of(figures.ttft),
            ttft_from_send_ms=Percentiles.of(figures.ttft_from_send),
            itl_ms=Percentiles.of(figures.itl),
            tpot_ms=Percentiles.of(figures.tpot),
            tokens=_tokens(plan, figures, seconds),
            goodput=_goodput(plan, figures),
            status={str(status): count for status, count in sorted(figures.status.items())},
            errors=dict(sorted(figures.errors.items())),
            error_samples=end.samples,
            cold_start=_cold_start(end),
            generator=_generator(plan, end),
        )

    def json(self) -> bytes:
        """One object."""
        return msgspec.json.encode(self)


def _ms(microseconds: float | None) -> Milliseconds:
    if microseconds is None:
        return None
    return "infinite" if math.isinf(microseconds) else round(microseconds / 1000, 3)


def _tokens(plan: LoadPlan, figures: Figures, seconds: float) -> Tokens | None:
    if not plan.protocol.startswith("openai"):
        return None
    (tpot,) = percentiles(figures.tpot, (50,))
    unsaid = figures.output_counted > 0 or figures.untold > 0
    return Tokens(
        None if unsaid else figures.prompt_tokens,
        None if figures.untold else figures.output_tokens,
        figures.output_counted > 0,
        None if figures.untold else round(figures.output_tokens / seconds, 2),
        round(1e6 / tpot, 2) if tpot else None,
    )


def _goodput(plan: LoadPlan, figures: Figures) -> Goodput | None:
    if plan.slo is None or not figures.scheduled:
        return None
    return Goodput(round(100 * figures.slo_met / figures.scheduled, 2), figures.slo_met, plan.slo)


def _cold_start(end: Finished) -> ColdStart:
    waited = None
    if end.first_sent_at is not None and end.first_ok_at is not None:
        waited = round(end.first_ok_at - end.first_sent_at, 3)
    return ColdStart(end.first_sent_at, waited, end.failed_before_ok)


def _generator(plan: LoadPlan, end: Finished) -> Generator:
    found = limits(plan, end.figures, end.cpu_max_percent)
    return Generator(
        "generator-limited" if found else "ok",
        found,
        Percentiles.of(end.figures.lateness),
        Percentiles.of(end.figures.reader_lag),
        round(end.cpu_mean_percent, 1),
        round(end.cpu_max_percent, 1),
        end.event_loop,
        plan.workers,
    )
