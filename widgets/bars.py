"""Bars and small graphs made of characters, exactly as wide as they are told."""

from __future__ import annotations

from collections.abc import Sequence

from widgets.glyphs import Glyphs

__all__ = ["bar", "sparkline"]


def bar(part: float, cells: int, glyphs: Glyphs) -> str:
    """A bar of ``cells`` cells, filled for ``part`` (0 to 1); in halves of a cell, full only when it is 1."""
    part = min(1.0, max(0.0, part))
    halves = 2 * cells if part >= 1.0 else min(int(part * 2 * cells), 2 * cells - 1)
    full, half = divmod(max(0, halves), 2)
    return (glyphs.bar_full * full + glyphs.bar_half * half + glyphs.bar_empty * cells)[:cells]


def sparkline(values: Sequence[float | None], cells: int, glyphs: Glyphs, top: float | None = None) -> str:
    """The last ``cells`` values as rising signs; what is not known is blank, 0 is the lowest sign."""
    seen = values[-cells:] if cells > 0 else ()
    known = [value for value in seen if value is not None]
    highest = max(known, default=0.0) if top is None else top
    steps = len(glyphs.levels) - 1
    out = [
        " "
        if value is None
        else glyphs.levels[1 if highest <= 0 else max(1, min(steps, round(value / highest * steps)))]
        for value in seen
    ]
    return "".join(out).rjust(cells)
