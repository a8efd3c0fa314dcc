"""The help: the table of keys, those of the present screen first."""

from __future__ import annotations

from tui.keys import Place, help_rows, in_place

__all__ = ["help_text"]


def help_text(place: Place, *, read_only: str | None) -> str:
    """The table as a page; keys that do nothing on the screen it was called from are set off."""
    here = {key.id for key in in_place(place)}
    lines = [f"Keys. Those with a * do something on the screen you come from ({place}).", ""]
    if read_only:
        lines += [read_only + "; keys that change something do nothing", ""]
    for section, keys in help_rows():
        lines.append(section)
        for key in keys:
            star = "*" if key.id in here else " "
            command = f"  :{key.command}" if key.command and key.keys else ""
            lines.append(f"  {star} {key.shown:<11} {key.help}{command}")
        lines.append("")
    lines += [
        "Confirming",
        "    What only adds asks for Enter; what takes away something that serves, or goes to zero, for a typed",
        "    YES; protected contexts for the workload's name. Enter counts only for what was on the screen for",
        "    0.3 seconds, and a paste never confirms.",
    ]
    return "\n".join(lines)
