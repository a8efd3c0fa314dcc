"""Lanes of wanted and ready: few rows for many groups, and still never more than is so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from widgets.glyphs import SETS, GlyphSet
from widgets.lanes import lane_sign

NARROW = SETS[GlyphSet.NARROW]
ASCII = SETS[GlyphSet.ASCII]


def column(wanted: int | None, ready: int | None, top: int, rows: int = 4) -> str:
    """From the top row down."""
    return "".join(lane_sign(wanted, ready, row, rows, top, NARROW) for row in range(rows - 1, -1, -1))


@pytest.mark.parametrize(
    ("wanted", "ready", "top", "drawn"),
    [
        (5, 4, 5, "⠒⣿⣿⣿"),
        (5, 5, 5, "⣿⣿⣿⣿"),
        (5, 1, 5, "⠒⠒⠒⣶"),
        (2, 2, 4, "  ⣿⣿"),
        (0, 3, 4, " ⣿⣿⣿"),
        (3, None, 4, " ⠒⠒⠒"),
        (None, None, 4, "    "),
        (0, 0, 0, "    "),
    ],
)
def test_ready_is_drawn_in_parts_of_a_row_under_what_is_wanted(
    wanted: int | None, ready: int | None, top: int, drawn: str
) -> None:
    assert column(wanted, ready, top) == drawn


@given(st.integers(1, 500), st.integers(1, 12), st.data())
def test_a_lane_is_full_only_when_all_are_ready(top: int, rows: int, data: st.DataObject) -> None:
    ready = data.draw(st.integers(0, top))
    drawn = column(top, ready, top, rows)
    assert (drawn == "⣿" * rows) == (ready == top)


def test_in_ascii_no_part_looks_like_what_is_wanted() -> None:
    assert ASCII.lane_wanted not in ASCII.lane_ready
    assert len(set(ASCII.lane_ready)) == len(ASCII.lane_ready)
