"""Metrics of model engines (vLLM V1 and before, SGLang) by a table of the names they have had.

Names change between versions: the first of each row that a page has counts, and is told beside the value.
Engines of one page (data parallel) add up their requests; the use of their caches is averaged.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

from msgspec import Struct

from clients.gpu.exposition import Exposition
from clients.serving.engine_figures import Bound, EngineFigures

__all__ = ["WANTED", "Counters", "figures"]

_GAUGES: Mapping[str, tuple[str, ...]] = {
    "running": ("vllm:num_requests_running", "sglang:num_running_reqs"),
    "waiting": ("vllm:num_requests_waiting", "sglang:num_queue_reqs"),
    "kv_percent": ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc", "sglang:token_usage"),
    "tokens_per_second": ("sglang:gen_throughput",),
}
_COUNTERS: Mapping[str, tuple[str, ...]] = {
    "tokens_per_second": ("vllm:generation_tokens_total", "sglang:generation_tokens_total"),
    "prompt_tokens_per_second": ("vllm:prompt_tokens_total", "sglang:prompt_tokens_total"),
    "preemptions_per_second": ("vllm:num_preemptions_total",),
}
_HISTOGRAMS: Mapping[str, tuple[str, ...]] = {
    "ttft": ("vllm:time_to_first_token_seconds", "sglang:time_to_first_token_seconds"),
    "queue": ("vllm:request_queue_time_seconds", "sglang:queue_time_seconds"),
}
_BY_REASON = "vllm:num_requests_waiting_by_reason"
_QUANTILES = (("ttft_p50", "ttft", 0.5), ("ttft_p99", "ttft", 0.99), ("queue_p99", "queue", 0.99))
_ENGINES = (("vllm:", "vLLM"), ("sglang:", "SGLang"))
_MOST = 2.0**53
"""What is more, is no count of this world."""
_MEANS = frozenset(("kv_percent",))
_FACTORS = {"kv_percent": 100.0}
"""``_perc`` in a name means a fraction."""

WANTED = frozenset(
    (
        *(name for table in (_GAUGES, _COUNTERS) for names in table.values() for name in names),
        *(f"{name}_bucket" for names in _HISTOGRAMS.values() for name in names),
        _BY_REASON,
    )
)
"""The metrics that are read."""


class Counters(Struct, frozen=True):
    """What rates are made of: the counters of one look."""

    taken_at: float
    totals: Mapping[str, float]
    buckets: Mapping[str, Mapping[float, float]]
    """By histogram: upper bound → how many so far."""


def figures(
    page: Exposition, taken_at: float, before: Counters | None, rate: float = 1.0
) -> tuple[EngineFigures, Counters] | None:
    """An engine's figures, and what the next look needs; ``None`` for a page of no engine that is known.

    ``taken_at`` is in monotonic seconds, ``rate`` the cluster's seconds in one of these.
    Counters that went back have begun anew: nothing a second is known then.
    """
    found: dict[str, list[float]] = {}
    models: set[str] = set()
    reasons: dict[str, float] = {}
    buckets: dict[str, dict[float, float]] = {}
    for row in page.rows:
        for name, value in row.values.items():
            if name not in WANTED or not 0 <= value <= _MOST:
                continue
            if name.endswith("_bucket"):
                _add_bucket(buckets, name, row.labels.get("le"), value)
            elif name == _BY_REASON:
                reason = row.labels.get("reason", "")
                reasons[reason] = reasons.get(reason, 0.0) + value
            else:
                found.setdefault(name, []).append(value)
            if model := row.labels.get("model_name"):
                models.add(model)
    engine = next((told for prefix, told in _ENGINES if any(n.startswith(prefix) for n in found)), None)
    if engine is None:
        return None
    gauges = _first(_GAUGES, found)
    values: dict[str, Any] = {figure: _whole_page(figure, found[name]) for figure, name in gauges.items()}
    counted = _first(_COUNTERS, found)
    held = _first(_HISTOGRAMS, buckets)
    counters = Counters(
        taken_at,
        {figure: sum(found[name]) for figure, name in counted.items()},
        {what: buckets[name] for what, name in held.items()},
    )
    # Measured between two looks it is what this console saw; an engine's own gauge stands in before.
    values |= _rates(counters, before, rate)
    bounds: dict[str, Any] = {
        figure: bound
        for figure, what, share in _QUANTILES
        if (bound := _quantile(counters, before, what, share)) is not None
    }
    names = gauges | counted | held
    made = EngineFigures(
        engine=engine,
        model=", ".join(sorted(models)) or None,
        taken_at=taken_at,
        waiting_by_reason=tuple(sorted(reasons.items())),
        names=tuple(sorted(names.items())),
        **values,
        **bounds,
    )
    return made, counters


def _first(table: Mapping[str, tuple[str, ...]], there: Collection[str]) -> dict[str, str]:
    """The name of each row of a table that is there."""
    chosen = {row: next((name for name in names if name in there), "") for row, names in table.items()}
    return {row: name for row, name in chosen.items() if name}


def _whole_page(figure: str, values: list[float]) -> float:
    total = sum(values)
    return (total / len(values) if figure in _MEANS else total) * _FACTORS.get(figure, 1.0)


def _add_bucket(buckets: dict[str, dict[float, float]], name: str, le: str | None, value: float) -> None:
    try:
        bound = float(le or "")
    except ValueError:
        return
    of = buckets.setdefault(name.removesuffix("_bucket"), {})
    of[bound] = of.get(bound, 0.0) + value


def _rates(now: Counters, before: Counters | None, rate: float) -> dict[str, float]:
    if before is None or now.taken_at <= before.taken_at or rate <= 0:
        return {}
    passed = (now.taken_at - before.taken_at) * rate
    grown = {f: total - before.totals[f] for f, total in now.totals.items() if f in before.totals}
    return {figure: more / passed for figure, more in grown.items() if more >= 0}


def _quantile(now: Counters, before: Counters | None, what: str, share: float) -> Bound | None:
    """The upper bound of the bucket in which the quantile lies, of what came between two looks."""
    if before is None or what not in before.buckets or what not in now.buckets:
        return None
    old = before.buckets[what]
    grown = sorted((bound, count - old.get(bound, 0.0)) for bound, count in now.buckets[what].items())
    total = grown[-1][1]
    if total <= 0 or any(count < 0 for _, count in grown):
        return None
    bound = next(bound for bound, count in grown if count >= share * total)
    if math.isinf(bound):
        finite = [limit for limit, _ in grown if math.isfinite(limit)]
        return Bound(finite[-1], above=True) if finite else None
    return Bound(bound)
