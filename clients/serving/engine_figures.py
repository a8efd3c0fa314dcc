"""What a model engine says of itself: requests, cache, latency and throughput."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["Bound", "EngineFigures", "EngineReading"]


class Bound(Struct, frozen=True, gc=False):
    """A quantile as a histogram knows it: between two bounds, so that only ``at most`` is true."""

    seconds: float
    above: bool = False
    """It is more than ``seconds``, the last bound."""

    def __str__(self) -> str:
        """``≤ 0.5 s``"""
        return f"{'>' if self.above else '≤'} {self.seconds:g} s"


class EngineFigures(Struct, frozen=True):
    """One engine's figures. Rates and quantiles are of the time between two looks. ``None``: not known."""

    engine: str
    """``vLLM`` or ``SGLang``."""
    model: str | None
    taken_at: float
    """Monotonic seconds."""
    running: float | None = None
    """Requests."""
    waiting: float | None = None
    waiting_by_reason: tuple[tuple[str, float], ...] = ()
    kv_percent: float | None = None
    """Use of the KV cache, the mean over engines of one page."""
    tokens_per_second: float | None = None
    prompt_tokens_per_second: float | None = None
    preemptions_per_second: float | None = None
    ttft_p50: Bound | None = None
    """Time to the first token, as the engine sees it."""
    ttft_p99: Bound | None = None
    queue_p99: Bound | None = None
    """Time spent waiting."""
    names: tuple[tuple[str, str], ...] = ()
    """(figure, metric name that was found)."""


class EngineReading(Struct, frozen=True):
    """What was read of one pod's engine. Neither: nothing yet, or its page is not one of an engine."""

    figures: EngineFigures | None = None
    """The newest; they stay when the engine stops answering, and ``figures.taken_at`` tells their age."""
    detail: str | None = None
    """Why the newest question had no good answer."""
