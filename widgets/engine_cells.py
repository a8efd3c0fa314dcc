"""What stands in a cell of the engines of a group: requests running and waiting, use of the KV cache."""

from __future__ import annotations

from clients.serving.engine_use import EngineUse

__all__ = ["KV", "REQUESTS", "engine_text"]

REQUESTS, KV = "run+wait", "KV %"


def engine_text(use: EngineUse | None, unknown: str) -> tuple[str, str, bool]:
    """``12+3``, ``71``, and whether requests wait."""
    figures = None if use is None else use.figures
    if figures is None:
        return unknown, unknown, False
    running = unknown if figures.running is None else f"{figures.running:.0f}"
    waiting = unknown if figures.waiting is None else f"{figures.waiting:.0f}"
    kv = unknown if figures.kv_percent is None else f"{figures.kv_percent:.0f}"
    return f"{running}+{waiting}", kv, bool(figures.waiting)
