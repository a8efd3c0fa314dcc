"""Hostile text in every field, in a real terminal: no byte of it acts."""

from __future__ import annotations

from tests.support.pty import Terminal

_APP = ("-m", "tests.support.demo_app")


def test_no_byte_of_hostile_text_acts() -> None:
    with Terminal.python(*_APP, "hostile", columns=150, lines=50) as terminal:
        terminal.wait("count 0")
        terminal.settled()
        terminal.send("c")
        terminal.wait("count 1")
        terminal.settled()
        assert terminal.find("␛[2J")
        assert terminal.find("[bold red]markup[/]")
        assert terminal.screen.strange == []
        assert not any("owned" in title for title in terminal.screen.titles)
        assert "?1049" in terminal.screen.modes
        for acting in (b"\x1b[31mred", b"\x1b]0;owned", b"\x1b[2J", b"\x1bc", b"\x9b5n", b"\x00"):
            assert acting not in terminal.raw
        for hidden in ("\u202e", "\u2066", "\u200b", "\ufe0f", "\u2028", "\x85"):
            assert hidden.encode() not in terminal.raw
        terminal.send("q")
        assert terminal.ended() == 0
