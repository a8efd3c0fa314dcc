"""Text cut and padded by cells, and numbers that keep their width."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from widgets.bars import bar, sparkline
from widgets.cells import age, clip, clock_time, duration, fit, fraction, number, percent, shown, span
from widgets.glyphs import SETS, GlyphSet


@given(st.text(max_size=60), st.integers(0, 40), st.booleans())
def test_fitted_text_is_exactly_as_wide_as_asked(text: str, cells: int, right: bool) -> None:
    safe = shown(text)
    assert cell_len(fit(safe, cells, right=right)) == cells
    assert cell_len(clip(safe, cells)) <= cells


@given(st.text(max_size=300), st.integers(1, 100))
def test_shown_text_acts_on_nothing(text: str, limit: int) -> None:
    safe = shown(text, limit)
    assert len(safe) <= limit
    assert not any(char < " " or "\x7f" <= char <= "\x9f" or char in "\u202e\u200b\ufe0f" for char in safe)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (59.4, "59s"),
        (60, "1m00s"),
        (100, "1m40s"),
        (7500, "2h05m"),
        (273600, "3d04h"),
        (None, "–"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(9.9, "9s"), (99, "99s"), (100, "1m"), (5940, "1h"), (9 * 86400, "9d"), (None, "–")]
)
def test_ages(seconds: float | None, text: str) -> None:
    assert age(seconds) == text


def test_what_is_not_known_is_never_zero() -> None:
    assert fraction(None, None) == "–"
    assert fraction(None, 4) == "–/4"
    assert fraction(0, 4) == "0/4"
    assert number(None, 4) == "   –"
    assert percent(None) == "–"


def test_a_range_is_one_number_where_its_ends_are_close() -> None:
    assert span(98, 102) == "~1m40s"
    assert span(60, 120) == "1m00s-2m00s"


def test_times_of_day_are_shown_where_the_reader_is() -> None:
    assert clock_time(50731.0) == "14:05:31"
    assert clock_time(50731.0, 3600) == "15:05:31"
    assert clock_time(0.0, -3600) == "23:00:00"


@pytest.mark.parametrize("name", GlyphSet)
def test_bars_are_full_only_when_all_is_done(name: GlyphSet) -> None:
    glyphs = SETS[name]
    for part in (0.0, 0.01, 0.5, 0.999, 1.0, 7.0, -1.0):
        drawn = bar(part, 12, glyphs)
        assert cell_len(drawn) == 12
        assert (drawn == glyphs.bar_full * 12) is (part >= 1.0)
    assert bar(0.0, 12, glyphs) == glyphs.bar_empty * 12


def test_sparkline_ends_at_the_last_value_and_leaves_gaps() -> None:
    glyphs = SETS[GlyphSet.ASCII]
    assert sparkline([0, None, 8], 5, glyphs) == "  . #"
    assert len(sparkline([1, 2, 3, 4], 2, glyphs)) == 2
