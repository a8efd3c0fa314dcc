"""The output in a real terminal: it survives resizing, suspension and a terminal that does not read."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from tests.support.pty import Terminal
from tui.exits import Exit
from tui.terminal.driver import MOST_WAITING

_APP = ("-m", "tests.support.demo_app")


def _repainted(terminal: Terminal) -> list[str]:
    """The screen, once everything that was sent afresh onto a blank one has made it what it was."""
    terminal.settled(0.5)
    with_diffs = terminal.text()
    terminal.screen.feed(b"\x1b[2J")
    terminal.send("r")
    terminal.wait(lambda: terminal.text() == with_diffs)
    return with_diffs


def _count(terminal: Terminal) -> int:
    """The frame that the screen shows; -1 while it shows none."""
    found = re.search(r"count (\d+)", "\n".join(terminal.text()))
    return int(found[1]) if found else -1


def _state(process: int) -> str:
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]


def test_little_is_sent_for_little_change_and_nothing_for_none() -> None:
    with Terminal.python(*_APP, "calm") as terminal:
        terminal.wait("count 0")
        terminal.settled(0.4)
        first = terminal.bytes
        terminal.settled(0.5)
        assert terminal.bytes == first
        terminal.send("c")
        terminal.wait("count 1")
        terminal.settled()
        assert 0 < terminal.bytes - first < 120
        assert terminal.screen.strange == []


def test_after_any_resize_the_screen_is_what_a_repaint_draws() -> None:
    with Terminal.python(*_APP, "calm", columns=100, lines=40) as terminal:
        terminal.wait("count 0")
        terminal.settled()
        for columns, lines in ((140, 45), (60, 36), (61, 36), (100, 40)):
            terminal.resize(columns, lines)
            terminal.wait(lambda: "prod" in terminal.text()[0] and "quit" in terminal.text()[-1])
            drawn = _repainted(terminal)
            assert "prod" in drawn[0]
            assert "quit" in drawn[-1]


def test_after_resizes_while_everything_moves_the_screen_is_what_a_repaint_draws() -> None:
    with Terminal.python(*_APP, "busy", columns=120, lines=40) as terminal:
        terminal.wait("count 3")
        for columns, lines in ((150, 45), (60, 20), (90, 36), (91, 36), (120, 40)):
            before = _count(terminal)
            terminal.resize(columns, lines)
            terminal.wait(lambda before=before: _count(terminal) > before + 1)  # type: ignore[misc]
        terminal.send("p")
        terminal.wait("paused")
        _repainted(terminal)
        assert terminal.screen.strange == []


def test_a_resize_and_back_between_two_frames_repairs_the_screen() -> None:
    with Terminal.python(*_APP, "calm", columns=100, lines=40) as terminal:
        terminal.wait("count 0")
        terminal.settled()
        before = terminal.text()
        terminal.resize(90, 40)
        terminal.resize(100, 40)
        terminal.wait(lambda: terminal.text() == before)


def test_suspending_gives_the_terminal_back_and_resuming_draws_it_again() -> None:
    with Terminal.python(*_APP, "calm") as terminal:
        terminal.wait("count 0")
        terminal.settled()
        before = terminal.text()
        terminal.send("z")
        terminal.wait(lambda: _state(terminal.process.pid) == "T")
        terminal.wait(lambda: "?1049" not in terminal.screen.modes)
        terminal.screen.feed(b"$ some shell output\r\n")
        terminal.signal(signal.SIGCONT)
        terminal.wait(lambda: terminal.text() == before)
        assert "?1049" in terminal.screen.modes
        terminal.send("c")
        terminal.wait("count 1")


def test_a_plain_stop_and_go_on_repairs_the_screen_and_keys_count_once() -> None:
    with Terminal.python(*_APP, "calm") as terminal:
        terminal.wait("count 0")
        terminal.settled()
        before = terminal.text()
        terminal.signal(signal.SIGSTOP)
        terminal.wait(lambda: _state(terminal.process.pid) == "T")
        terminal.screen.feed(b"\x1b[2J")
        terminal.signal(signal.SIGCONT)
        terminal.wait(lambda: terminal.text() == before)
        terminal.send("c")
        terminal.wait("count 1")
        terminal.settled()
        assert terminal.find("count 1")


def test_a_terminal_that_does_not_read_stops_nothing(tmp_path: Path) -> None:
    """Keys work while no byte is taken, frames are left out, and the last state is drawn in the end."""
    report = tmp_path / "report"
    with Terminal.python(*_APP, "busy", str(report), columns=150, lines=40) as terminal:
        terminal.wait("count 5")
        terminal.stop_reading()
        full: list[int] = []

        def left_out_while_full() -> bool:
            """More than five since what waits was first seen to be as much as may wait."""
            terminal.send("w")
            told = report.read_text() if report.exists() else ""
            if told.endswith("\n"):
                left_out, waiting = (int(figure) for figure in told.split())
                assert waiting <= MOST_WAITING + 1, "what waits is bounded, one frame being written"
                if waiting > MOST_WAITING:
                    full.append(left_out)
            return bool(full) and full[-1] > full[0] + 5

        terminal.wait(left_out_while_full)
        terminal.send("p")
        terminal.go_on_reading()
        terminal.wait("paused")
        _repainted(terminal)


def test_a_closed_terminal_ends_the_program() -> None:
    with Terminal.python(*_APP, "calm") as terminal:
        terminal.wait("count 0")
        terminal.settled()
        terminal.hang_up()
        assert terminal.process.wait(60) == Exit.INTERRUPTED


def test_no_color_sends_no_colour_but_still_marks_what_matters() -> None:
    with Terminal.python(*_APP, "hostile", env={"NO_COLOR": "1", "COLORTERM": "truecolor"}) as terminal:
        terminal.wait("count 0")
        terminal.settled()
        styles = {style for line in terminal.screen.styles for style in line}
        assert {(front, back) for _, front, back in styles} == {("", "")}
        assert any("1" in attributes for attributes, _, _ in styles)
        assert any("7" in attributes for attributes, _, _ in styles)


def test_colours_are_the_terminals_own_sixteen() -> None:
    with Terminal.python(*_APP, "hostile", env={"COLORTERM": "truecolor"}) as terminal:
        terminal.wait("count 0")
        terminal.settled()
        colours = {colour for line in terminal.screen.styles for _, *pair in line for colour in pair}
        assert colours
        assert all(colour == "" or colour.isdecimal() for colour in colours)
        assert "32" not in colours, "green says nothing here"


def test_nothing_is_left_behind_on_the_terminal() -> None:
    with Terminal.python(*_APP, "calm") as terminal:
        terminal.wait("count 0")
        terminal.send("q")
        assert terminal.ended() == 0
        terminal.settled()
        assert terminal.screen.modes == {"?7", "?25"}
