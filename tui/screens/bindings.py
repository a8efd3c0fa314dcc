"""Bindings of a place, out of the table of keys."""

from __future__ import annotations

from textual.binding import Binding, BindingType

from tui.keys import Place, find, pairs

__all__ = ["action_of", "bindings"]

_APP = frozenset(
    {
        "command",
        "help",
        "namespace",
        "context",
        "rights",
        "login",
        "mouse",
        "suspend",
        "quit",
        "sources",
        "events",
        "gpus",
        "load",
        "runs",
        "abort",
    }
)
"""Actions of the application; all others are the screen's own."""
_BEFORE_TEXT = frozenset({"ctrl+x"})
"""Keys that no line of text gets, which would cut with this one."""


def action_of(id_: str) -> str:
    """The action of an entry of the table, as Textual names it from a screen."""
    return f"app.{id_}" if id_ in _APP else id_


def bindings(place: Place) -> list[BindingType]:
    """What the table of keys binds in a place."""
    return [
        Binding(name, action_of(action), find(action, place).label, show=False, priority=name in _BEFORE_TEXT)
        for name, action in pairs(place)
    ]
