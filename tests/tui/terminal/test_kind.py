"""What the environment tells of a terminal."""

from __future__ import annotations

import pytest

from tui.terminal.kind import colour_depth, dark_background, over_slow_line, plain_terminal
from widgets.theme import Depth


class _Stream:
    def __init__(self, tty: bool) -> None:
        self.tty = tty

    def isatty(self) -> bool:
        return self.tty


@pytest.mark.parametrize(
    ("environ", "out", "in_", "words"),
    [
        ({"TERM": "xterm-256color"}, True, True, None),
        ({"TERM": "dumb"}, True, True, "dumb"),
        ({}, True, True, "TERM"),
        ({"TERM": "xterm"}, False, True, "output"),
        ({"TERM": "xterm"}, True, False, "input"),
    ],
)
def test_when_plain_lines_have_to_do(
    environ: dict[str, str], out: bool, in_: bool, words: str | None
) -> None:
    reason = plain_terminal(environ, _Stream(out), _Stream(in_))
    assert reason is None if words is None else words in str(reason)


def test_no_output_at_all_is_not_a_terminal() -> None:
    assert plain_terminal({"TERM": "xterm"}, None) is not None


@pytest.mark.parametrize(
    ("environ", "depth"),
    [
        ({"TERM": "xterm-256color"}, Depth.INDEXED),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, Depth.TRUE),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": "1"}, Depth.NONE),
        ({"TERM": "xterm", "NO_COLOR": ""}, Depth.ANSI),
        ({"TERM": "linux"}, Depth.ANSI),
        ({"TERM": "screen"}, Depth.ANSI),
        ({"TERM": "vt100"}, Depth.NONE),
        ({}, Depth.NONE),
    ],
)
def test_colour_depth(environ: dict[str, str], depth: Depth) -> None:
    assert colour_depth(environ) is depth


@pytest.mark.parametrize(
    ("value", "dark"),
    [("15;0", True), ("0;15", False), ("0;default;15", False), ("12;8", True), ("", None), ("x", None)],
)
def test_background(value: str, dark: bool | None) -> None:
    assert dark_background({"COLORFGBG": value}) is dark


def test_slow_lines() -> None:
    assert over_slow_line({"SSH_CONNECTION": "1.2.3.4 5 6.7.8.9 22"})
    assert over_slow_line({"TMUX": "/tmp/tmux"})
    assert not over_slow_line({"TERM": "xterm"})
