"""The help: the table of keys, those of the present screen marked."""

from __future__ import annotations

import textwrap

from tui.keys import Place, help_rows, in_place

__all__ = ["help_text"]

_INDENT = 16
_CONFIRMING = """\
What only adds asks for Enter; what takes away something that serves, or goes to zero, for a typed YES; \
protected contexts for the workload's name. Enter counts only for what was on the screen for 0.3 seconds, \
and a paste never confirms."""


def help_text(place: Place, cells: int, *, read_only: str | None) -> str:
    """The table as a page of lines of at most ``cells`` cells."""
    here = {key.id for key in in_place(place)}
    lines = _wrapped(f"Keys. Those with a * do something on the screen you come from ({place}).", cells, "")
    lines.append("")
    if read_only:
        lines += [*_wrapped(f"{read_only}; keys that change something do nothing", cells, ""), ""]
    for section, keys in help_rows():
        lines.append(section)
        for key in keys:
            star = "*" if key.id in here else " "
            command = f"  :{key.command}" if key.command and key.keys else ""
            head = f"  {star} {key.shown:<{_INDENT - 4}}"
            lines += _wrapped(key.help + command, cells, head)
        lines.append("")
    return "\n".join([*lines, "Confirming", *_wrapped(_CONFIRMING, cells, "    ")])


def _wrapped(text: str, cells: int, head: str) -> list[str]:
    """The text behind its head, further lines below each other."""
    return textwrap.wrap(
        text,
        max(20, cells),
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        drop_whitespace=True,
    )
