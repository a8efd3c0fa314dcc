"""An engine's figures in words: in a sentence, and each with the metric that it was read from."""

from __future__ import annotations

from clients.serving.engine_figures import EngineFigures
from clients.serving.engine_use import EngineUse
from clients.serving.plain import plain

__all__ = ["engine_words", "figure_lines"]


def engine_words(use: EngineUse) -> str:
    """``vLLM: 12 running, 3 waiting (3 capacity), KV 71%, TTFT ≤ 0.25 s (p99 ≤ 1 s), 812 tokens/s``."""
    said: list[str] = []
    figures = use.figures
    if figures is not None:
        engines = figures.engine if use.engines == 1 else f"{use.engines} {figures.engine}"
        parts = [
            f"{_count(figures.running)} running",
            f"{_count(figures.waiting)} waiting{_reasons(figures)}",
        ]
        if figures.kv_percent is not None:
            parts.append(f"KV {figures.kv_percent:.0f}%")
        if figures.ttft_p50 is not None:
            parts.append(f"TTFT {figures.ttft_p50} (p99 {figures.ttft_p99})")
        if figures.tokens_per_second is not None:
            parts.append(f"{figures.tokens_per_second:.0f} tokens/s")
        if figures.preemptions_per_second:
            parts.append(f"{figures.preemptions_per_second:.1f} preemptions/s")
        said.append(f"{engines}: {', '.join(parts)}")
    if use.detail is not None:
        which = "engine" if use.silent == 1 else "engines"
        if use.engines + use.silent > 1:
            which = f"{use.silent} {which}"
        said.append(f"{which}: {plain(use.detail, 200)}")
    return "; ".join(said)


def figure_lines(use: EngineUse) -> list[str]:
    """Every figure that is known with the names under which engines tell it, a line each."""
    figures = use.figures
    if figures is None:
        return [] if use.detail is None else [plain(use.detail, 300)]
    found = (
        ("running", "requests running", _count(figures.running)),
        ("waiting", "requests waiting", f"{_count(figures.waiting)}{_reasons(figures)}"),
        ("kv_percent", "KV cache in use", _told(figures.kv_percent, "%", 0)),
        ("tokens_per_second", "tokens generated", _told(figures.tokens_per_second, "/s", 0)),
        ("prompt_tokens_per_second", "prompt tokens", _told(figures.prompt_tokens_per_second, "/s", 0)),
        ("preemptions_per_second", "preemptions", _told(figures.preemptions_per_second, "/s", 1)),
        ("ttft", "time to first token", f"{figures.ttft_p50 or '–'}, p99 {figures.ttft_p99 or '–'}"),
        ("queue", "time waiting", f"p99 {figures.queue_p99 or '–'}"),
    )
    lines: list[str] = []
    for what, words, value in found:
        names = [plain(name, 80) for figure, name in figures.names if figure == what]
        if names:
            lines.append(f"{words:<20} {value:<28} {', '.join(names)}")
    if use.detail is not None:
        lines.append(f"{use.silent} of {use.engines + use.silent} silent: {plain(use.detail, 300)}")
    return lines


def _count(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


def _reasons(figures: EngineFigures) -> str:
    told = [f"{count:.0f} {plain(reason, 40)}" for reason, count in figures.waiting_by_reason if count]
    return f" ({', '.join(told)})" if told else ""


def _told(value: float | None, unit: str, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}{unit}"
