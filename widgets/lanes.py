"""How many were wanted and how many ready, as a column of signs."""

from __future__ import annotations

from widgets.glyphs import Glyphs

__all__ = ["lane_sign"]


def lane_sign(wanted: int | None, ready: int | None, row: int, rows: int, top: int, glyphs: Glyphs) -> str:
    """The sign in row ``row`` of ``rows``, 0 at the bottom, of a lane that is full at ``top``; blank if none.

    What is ready is drawn in parts of a row, always rounded down: four of five never look like five.
    """
    parts = len(glyphs.lane_ready)
    full = 0 if ready is None or top <= 0 else ready * parts * rows // top - parts * row
    if full > 0:
        return glyphs.lane_ready[min(full, parts) - 1]
    return glyphs.lane_wanted if wanted is not None and wanted * rows > row * top else " "
