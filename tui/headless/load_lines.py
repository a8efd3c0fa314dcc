"""A load test as lines of text: its progress, its result, one reply."""

from __future__ import annotations

from collections.abc import Iterator

from clients.load.histogram import percentiles
from clients.load.lines import Reply, Second
from clients.load.plan import LoadPlan
from clients.load.progress import done
from clients.load.result import Milliseconds, Percentiles, Result
from clients.load.shape import shape
from clients.serving.plain import plain
from tui.headless.output import aligned

__all__ = ["progress_line", "reply_lines", "result_lines"]

_BAR = 24
_UNKNOWN = "–"


def progress_line(plan: LoadPlan, second: Second, due: int) -> str:
    """How far it is, and how the last second was; ``due`` requests came due so far."""
    figures = second.figures
    share = 1.0 if second.phase == "draining" else done(plan, second.number, due) or 0.0
    bar = "#" * round(share * _BAR) + "." * (_BAR - round(share * _BAR))
    p50, p99 = percentiles(figures.from_schedule, (50, 99))
    parts = [
        f"[{bar}] {second.number} s {second.phase}",
        f"{figures.ok} ok/s",
        f"{figures.failed} failed/s",
        f"{second.in_flight} in flight",
        f"p50 {_ms(None if p50 is None else p50 / 1000)} p99 {_ms(None if p99 is None else p99 / 1000)} ms",
    ]
    if second.waiting:
        parts.insert(-1, f"{second.waiting} waiting")
    return "  ".join(parts)


def reply_lines(reply: Reply) -> Iterator[str]:
    """One request: status, time, reply."""
    status = reply.error if reply.status is None else f"status {reply.status}"
    took = f"{reply.took_ms:.1f} ms"
    first = "" if reply.ttft_ms is None else f", first token after {reply.ttft_ms:.1f} ms"
    tokens = "" if reply.output_tokens is None else f", {reply.output_tokens} tokens"
    yield f"{status} in {took}{first}{tokens}"
    if reply.error is not None:
        yield plain(f"failed: {reply.error}: {reply.message}", 600)
    elif reply.text:
        yield plain(reply.text.strip(), 600)


def result_lines(result: Result, width: int | None) -> Iterator[str]:
    """A run's result."""
    plan = result.plan
    yield plain(f"{plan.effective_method} {plan.url}  {plan.protocol}  {plan.model or ''}".rstrip(), 400)
    yield f"{plan.effective_loop} loop, {shape(plan)}, seed {plan.seed}; ended: {result.ended}{_why(result)}"
    yield ""
    yield from aligned([("", "p50", "p90", "p95", "p99", "p99.9"), *_rows(result)], width)
    yield "milliseconds"
    yield ""
    yield _requests(result)
    throughput = result.throughput
    yield (
        f"{throughput.ok_per_s:g} ok a second, {throughput.sent_per_s:g} sent, "
        f"{throughput.bytes_per_s:.0f} bytes, over {result.measured_s:g} s"
    )
    yield from _model(result)
    if result.status:
        yield "status " + ", ".join(f"{status}: {count}" for status, count in result.status.items())
    for kind, count in result.errors.items():
        yield plain(f"{count} × {kind}: {result.error_samples.get(kind, '')}".rstrip(": "), 400)
    cold = result.cold_start
    if cold.failed_before and cold.first_ok_s is not None:
        yield f"first success after {cold.first_ok_s:g} s, {cold.failed_before} failed before"
    yield from _trust(result)


def _why(result: Result) -> str:
    return f", {plain(result.why, 300)}" if result.why else ""


def _rows(result: Result) -> Iterator[tuple[str, ...]]:
    for name, values in (
        ("latency, from when due", result.latency_from_schedule_ms),
        ("latency, from sending", result.latency_from_send_ms),
        ("latency, failures infinite", result.latency_with_failures_ms),
        ("first token, from when due", result.ttft_ms),
        ("first token, from sending", result.ttft_from_send_ms),
        ("between chunks", result.itl_ms),
        ("a token", result.tpot_ms),
    ):
        if values.p50 is not None:
            yield name, *_all(values)


def _all(values: Percentiles) -> tuple[str, ...]:
    return tuple(_ms(value) for value in (values.p50, values.p90, values.p95, values.p99, values.p99_9))


def _ms(value: Milliseconds) -> str:
    if value is None:
        return _UNKNOWN
    return value if isinstance(value, str) else f"{value:.1f}"


def _requests(result: Result) -> str:
    requests = result.requests
    parts = [f"{requests.scheduled} requests", f"{requests.ok} ok", f"{requests.failed} failed"]
    if requests.queued:
        parts.append(f"{requests.queued} waited for room")
    if requests.dropped:
        parts.append(f"{requests.dropped} dropped")
    if requests.unfinished:
        parts.append(f"{requests.unfinished} unfinished, oldest {requests.oldest_unfinished_s:g} s")
    if requests.warmup:
        parts.append(f"{requests.warmup} of the warm-up not counted")
    return ", ".join(parts)


def _model(result: Result) -> Iterator[str]:
    tokens = result.tokens
    if tokens is not None:
        about = "~" if tokens.counted else ""
        total = _UNKNOWN if tokens.output is None else f"{about}{tokens.output}"
        per_s = _UNKNOWN if tokens.per_s is None else f"{about}{tokens.per_s:g}"
        each = _UNKNOWN if tokens.per_s_per_user is None else f"{about}{tokens.per_s_per_user:g}"
        asked = _UNKNOWN if tokens.prompt is None else str(tokens.prompt)
        yield f"{total} output tokens, {per_s} a second, {each} a second for each user; {asked} prompt tokens"
    if result.goodput is not None:
        yield f"{result.goodput.percent:g} % within the SLO ({result.goodput.met} of all scheduled)"


def _trust(result: Result) -> Iterator[str]:
    generator = result.generator
    yield (
        f"generator: {generator.verdict}; begun late by p99 {_ms(generator.lateness_ms.p99)} ms, read late "
        f"by p99 {_ms(generator.reader_lag_ms.p99)} ms, {generator.cpu_mean_percent:g} % of a core, "
        f"{generator.event_loop}"
    )
    yield from (f"  do not trust these figures: {why}" for why in generator.why)
