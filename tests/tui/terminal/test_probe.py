"""The question to the terminal, in terminals that draw widths their own way, are silent, or are typed at."""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from tests.support.pty import Terminal
from tests.support.screen import Screen
from tui.terminal.probe import Probe, choose_glyphs, probe
from widgets.glyphs import GlyphSet

_PROGRAM = """
import json, os, sys, termios
from tui.terminal.probe import choose_glyphs, probe
before = termios.tcgetattr(0)
found = probe(0, 1, deadline=float(sys.argv[2]))
same = termios.tcgetattr(0) == before
with open(sys.argv[1] + ".part", "w") as file:
    json.dump([found.narrow, found.emoji, found.dark, found.typed.decode(), same, choose_glyphs(found)], file)
os.rename(sys.argv[1] + ".part", sys.argv[1])
"""


def _asked(
    tmp_path: Path,
    *,
    width: Callable[[str], int] = cell_len,
    silent: bool = False,
    deadline: float = 30.0,
    typed: str = "",
    term: str = "xterm-256color",
) -> tuple[list[Any], Screen]:
    """What the probe found, and the screen that it left."""
    report = tmp_path / "report"
    screen = Screen(80, 24, width=width)
    screen.answer_cursor = not silent
    with Terminal(
        [sys.executable, "-c", _PROGRAM, str(report), str(deadline)],
        80,
        24,
        env={"TERM": term},
        screen=screen,
    ) as terminal:
        if typed:
            terminal.send(typed)
        terminal.wait(report.exists)
        return json.loads(report.read_text()), screen


def _ambiguous_is_wide(char: str) -> int:
    return 2 if unicodedata.east_asian_width(char) == "A" else cell_len(char)


def _old_table(char: str) -> int:
    return min(1, cell_len(char))


def test_a_common_terminal_draws_all_as_it_should_and_is_left_as_it_was(tmp_path: Path) -> None:
    (narrow, emoji, dark, typed, same, chosen), screen = _asked(tmp_path)
    assert (narrow, emoji, dark, typed) == (True, True, True, "")
    assert same, "the terminal's settings"
    assert chosen == GlyphSet.NARROW
    assert not "".join(screen.text()).strip()
    assert not screen.strange


def test_where_ambiguous_characters_are_wide_ascii_is_chosen(tmp_path: Path) -> None:
    (narrow, _, _, _, _, chosen), _ = _asked(tmp_path, width=_ambiguous_is_wide)
    assert narrow is False
    assert chosen == GlyphSet.ASCII


def test_where_emoji_are_one_cell_narrow_holds_and_emoji_do_not(tmp_path: Path) -> None:
    (narrow, emoji, _, _, _, chosen), _ = _asked(tmp_path, width=_old_table)
    assert (narrow, emoji, chosen) == (True, False, GlyphSet.NARROW)


def test_a_silent_terminal_costs_the_deadline_and_nothing_else(tmp_path: Path) -> None:
    (narrow, emoji, _, _, same, chosen), _ = _asked(tmp_path, silent=True, deadline=0.2)
    assert (narrow, emoji) == (None, None)
    assert same
    assert chosen == GlyphSet.NARROW


def test_what_is_typed_meanwhile_is_kept(tmp_path: Path) -> None:
    (_, _, _, typed, _, _), _ = _asked(tmp_path, silent=True, deadline=0.6, typed="jjG")
    assert typed == "jjG"


def test_terminals_that_print_an_osc_are_not_sent_one(tmp_path: Path) -> None:
    (narrow, _, dark, _, _, _), screen = _asked(tmp_path, term="linux")
    assert narrow is True
    assert dark is None
    assert not screen.titles


def test_without_a_terminal_nothing_is_asked() -> None:
    reading, writing = os.pipe()
    try:
        assert probe(reading, writing) == Probe(None, None, None, b"")
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize(
    ("narrow", "chosen"), [(True, GlyphSet.NARROW), (False, GlyphSet.ASCII), (None, GlyphSet.NARROW)]
)
def test_the_choice(narrow: bool | None, chosen: GlyphSet) -> None:
    assert choose_glyphs(Probe(narrow, None, None, b"")) is chosen
