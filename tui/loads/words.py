"""What a load test and the cluster under it came to, in a few sentences; they can be read while it runs.

Every number is one of the charts' own: seconds since the first request, on this machine's clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from clients.load.histogram import percentiles
from clients.load.lines import Second
from clients.load.result import Result
from clients.load.selfcheck import limits
from clients.serving.decision_words import lasted
from clients.serving.plain import plain
from tui.loads.history import ClusterSecond, History
from widgets.cells import milliseconds

__all__ = ["reading"]

_WINDOW = 5
"""Seconds that one look at the latency or the rate is made of."""
_BROKEN = 2.0
"""Latency counts as broken when it is so many times what it was at the beginning, if there is no limit."""
_KEPT_UP = 0.9
"""Answers as a share of what was asked for, below which a server no longer keeps up."""


def reading(history: History, result: Result | None) -> list[str]:
    """Sentences: whether to trust it, latency, the autoscaler, time to capacity, limit, knee, its end."""
    over = result is not None
    told = (
        _latency(history, over=over),
        _reaction(history, over=over),
        _capacity(history),
        _limit(history),
        _knee(history),
        _afterwards(history),
        _signal(history),
    )
    limited = [f"generator-limited: {why}" for why in _not_trusted(history, result)]
    ending = () if result is None else _ending(result)
    return [*limited, *(line for line in told if line is not None), *ending]


def _latency(history: History, *, over: bool) -> str | None:
    """How it was at its worst, and how it is at the end of the load."""
    windows = list(_windows(history))
    known = [(at, p95) for at, p95 in windows if p95 is not None]
    if not known:
        return None
    worst_at, worst = max(known, key=lambda one: one[1])
    last_at, last = known[-1]
    what = "first token" if history.by_first_token else "latency"
    if last_at - worst_at < _WINDOW or last > 0.8 * worst:
        return f"{what}: p95 {_ms(known[0][1])} at first, {_ms(last)} {'at the end' if over else 'now'}"
    return f"{what}: p95 rose to {_ms(worst)} at {lasted(worst_at)}, and came down to {_ms(last)}"


def _reaction(history: History, *, over: bool) -> str | None:
    """From when it was needed to when more was asked for."""
    first = _first_more(history)
    needed, why = _needed_at(history)
    if first is None:
        cluster = _cluster(history)
        if not cluster or cluster[-1].wanted is None:
            return None
        if not history.signal_name:
            return f"replicas: {cluster[-1].wanted} wanted all along"
        so_far = "" if over else " so far"
        return f"autoscaler: asked for nothing more{so_far}, {cluster[-1].wanted} wanted"
    return f"autoscaler: asked for {first.wanted}, {lasted(max(0, first.at - needed))} after {why}"


def _capacity(history: History) -> str | None:
    """From when it was needed to when all that was asked for was ready."""
    first = _first_more(history)
    if first is None:
        return None
    needed, why = _needed_at(history)
    for told in _cluster(history):
        if told.at < first.at or told.ready is None or told.wanted is None:
            continue
        if told.ready >= told.wanted:
            return f"capacity: {told.ready} ready, {lasted(told.at - needed)} after {why}"
    return "capacity: what was asked for is not all ready yet"


def _afterwards(history: History) -> str | None:
    """From the end of the load to when less was asked for."""
    ended, most = history.ended_at, 0
    if ended is None or _first_more(history) is None:
        return None
    for told in _cluster(history):
        if told.wanted is None:
            continue
        if told.at > ended and told.wanted < most:
            return f"afterwards: {told.wanted} wanted, {lasted(told.at - ended)} after the load ended"
        most = max(most, told.wanted)
    return None


def _limit(history: History) -> str | None:
    """Requests that did not meet the limits."""
    slo, total = history.plan.slo, history.total
    if slo is None:
        return None
    judged = total.ok + total.failed + total.dropped
    if not judged:
        return None
    over = judged - total.slo_met
    named = [
        f"{name} {limit:g} ms"
        for name, limit in (
            ("first token", slo.ttft_ms),
            ("between tokens", slo.tpot_ms),
            ("answer", slo.e2e_ms),
        )
        if limit is not None
    ]
    return f"over the SLO: {over} of {judged} requests ({100 * over / judged:.1f} %), {', '.join(named)}"


def _knee(history: History) -> str | None:
    """Of a ramp: the rate from which answers no longer kept up with what was asked."""
    if history.plan.ramp is None:
        return None
    rates: list[tuple[float, float]] = []
    for begin in range(0, len(history.seconds) - _WINDOW + 1, _WINDOW):
        part = history.seconds[begin : begin + _WINDOW]
        if any(one.phase == "draining" for one in part):
            break
        asked = sum(one.figures.scheduled for one in part) / _WINDOW
        got = sum(one.figures.ok for one in part) / _WINDOW
        rates.append((asked, got))
    for index, ((asked, got), following) in enumerate(pairwise(rates)):
        if asked > 0 and got < _KEPT_UP * asked and following[1] < _KEPT_UP * following[0]:
            then = history.cluster.get((index + 1) * _WINDOW - 1)
            each = f", {got / then.ready:.1f} for each that was ready" if then and then.ready else ""
            return f"knee: answers no longer kept up at {asked:.1f} requests a second{each}"
    return "knee: not reached, answers kept up with every rate" if rates else None


def _signal(history: History) -> str | None:
    """What its driver looks at."""
    last = _cluster(history)[-1:]
    if not last or last[0].signal is None:
        return None
    return f"signal: {plain(history.signal_name, 60)}, {last[0].signal:.0f} % of its target"


def _not_trusted(history: History, result: Result | None) -> tuple[str, ...]:
    """Why the figures tell more of the generator than of the server, so far or in the end."""
    if result is not None:
        return result.generator.why
    cpu = max((one.cpu_percent for one in history.seconds[-_WINDOW:]), default=0.0)
    return limits(history.plan, history.total, cpu)


def _ending(result: Result) -> Iterator[str]:
    if result.ended not in ("duration", "requests"):
        yield f"ended before its time: {plain(result.why or result.ended)}"
    for kind, count in list(result.errors.items())[:3]:
        sample = plain(result.error_samples.get(kind, ""), 120)
        yield f"{count} failed: {plain(kind)}{f' ({sample})' if sample else ''}"


def _windows(history: History) -> Iterator[tuple[int, float | None]]:
    """(its middle in seconds, p95 in ms) of one stretch after the other."""
    for begin in range(0, len(history.seconds), _WINDOW):
        part: Sequence[Second] = history.seconds[begin : begin + _WINDOW]
        (p95,) = percentiles(history.latency_counts(part), (95,))
        yield begin + len(part) // 2, None if p95 is None else p95 / 1000


def _needed_at(history: History) -> tuple[int, str]:
    """When more was needed, and by what that is known."""
    slo = history.slo
    known = [(at, p95) for at, p95 in _windows(history) if p95 is not None]
    if slo is not None:
        for at, p95 in known:
            if p95 > slo:
                return at, "p95 broke the SLO"
    elif known:
        for at, p95 in known[1:]:
            if p95 > _BROKEN * known[0][1]:
                return at, "latency had doubled"
    return 0, "the load began"


def _first_more(history: History) -> ClusterSecond | None:
    """The first second in which more was wanted than at the beginning."""
    cluster = _cluster(history)
    begun = next((told.wanted for told in cluster if told.wanted is not None), None)
    if begun is None:
        return None
    return next((told for told in cluster if told.wanted is not None and told.wanted > begun), None)


def _cluster(history: History) -> list[ClusterSecond]:
    return [history.cluster[at] for at in sorted(history.cluster)]


def _ms(value: float) -> str:
    return milliseconds(value).strip()
