"""The pace of data ticks."""

from __future__ import annotations

from tui.frames import FLOOR_FPS, Pace


def _ticks(pace: Pace, start: float, seconds: float, backlog: int) -> int:
    """Ticks of a timer at the full pace, and how many of them draw."""
    return sum(pace.due(start + index / 20, backlog) for index in range(int(seconds * 20)))


def test_every_tick_draws_while_the_terminal_keeps_up() -> None:
    assert _ticks(Pace(20), 100.0, 2.0, 0) == 40


def test_nothing_is_drawn_behind_a_backlog_and_the_pace_falls_to_the_floor() -> None:
    pace = Pace(20)
    assert _ticks(pace, 100.0, 1.0, 3) == 0
    assert pace.fps == FLOOR_FPS
    assert pace.lagging
    assert pace.skipped == 20


def test_a_small_backlog_is_no_reason_to_wait() -> None:
    pace = Pace(20)
    assert _ticks(pace, 100.0, 1.0, 2) == 20
    assert not pace.lagging


def test_the_pace_comes_back_step_by_step_once_it_is_calm() -> None:
    pace = Pace(20)
    _ticks(pace, 100.0, 1.0, 9)
    assert 1 <= _ticks(pace, 101.0, 1.0, 0) <= 3
    _ticks(pace, 102.0, 4.0, 0)
    assert pace.fps == 20
    assert _ticks(pace, 106.0, 1.0, 0) == 20
