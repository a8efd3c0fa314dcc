"""The one table of keys: bindings, the help screen, the key line, the palette and the docs come from it.

A key has one meaning everywhere. Keys of things that are not built are not in the table, hence nowhere.
"""

# ruff: noqa: E501 - the table is read by columns: one key a line.

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

__all__ = [
    "KEYS",
    "Key",
    "Place",
    "commands",
    "find",
    "help_rows",
    "in_place",
    "key_line",
    "markdown",
    "pairs",
]


class Place(StrEnum):
    """Where a key can be pressed: the screens, and the dialogs."""

    FLEET = "fleet"
    WORKLOAD = "workload"
    EVENTS = "events"
    LOGS = "logs"
    TEXT = "text"
    """A page of text: an object, a description, a reason, the help."""
    SOURCES = "sources"
    AUTOSCALING = "autoscaling"
    GPUS = "gpus"
    GPU_NODE = "gpu node"
    LOAD = "load test"
    RUNS = "kept load tests"
    RUN = "kept load test"
    SCALE = "scale dialog"
    FORM = "form"
    CHOICE = "menu"
    """Any dialog that offers a list, or asks a question."""


_LISTS = frozenset(
    {
        *(Place.FLEET, Place.WORKLOAD, Place.EVENTS, Place.LOGS, Place.TEXT, Place.SOURCES),
        *(Place.AUTOSCALING, Place.GPUS, Place.GPU_NODE, Place.LOAD, Place.RUNS, Place.RUN),
    }
)
_ROWS = frozenset({Place.FLEET, Place.WORKLOAD})
_WIDE = frozenset({Place.WORKLOAD, Place.LOGS, Place.TEXT, Place.GPUS})
"""Where there is something to the side."""
_DIALOGS = frozenset({Place.SCALE, Place.FORM, Place.CHOICE})


class Key(Struct, frozen=True):
    """One thing that can be done, and the keys that do it."""

    id: str
    """The action's name: ``action_<id>`` of the screen."""
    keys: tuple[str, ...]
    """As Textual names them; the first is the one that is shown. Empty: only in the palette."""
    shown: str
    """As a person reads it."""
    label: str
    """For the key line: a word or two."""
    help: str
    """One sentence."""
    places: frozenset[Place]
    section: str
    line: int = 0
    """Its rank in the key line; the lowest is kept longest when room runs out. 0: not there."""
    writes: bool = False
    """It leads to a write: absent in a read-only context."""
    command: str | None = None
    """Its name after ``:``; ``None`` where the palette has no use for it."""


MOVE = "Moving"
LOOK = "Looking"
CHANGE = "Changing"
PROGRAM = "The program"
DIALOG = "In dialogs"

KEYS: tuple[Key, ...] = (
    Key("down", ("j", "down"), "j", "down", "One down; also the arrow key.", _LISTS | _DIALOGS, MOVE),
    Key("up", ("k", "up"), "k", "up", "One up; also the arrow key.", _LISTS | _DIALOGS, MOVE),
    Key("left", ("h", "left"), "h", "left", "One to the left; also the arrow key.", _WIDE, MOVE),
    Key("right", ("l", "right"), "l", "right", "One to the right; also the arrow key.", _WIDE, MOVE),
    Key("top", ("home",), "Home", "top", "To the first.", _LISTS, MOVE),
    Key("top_twice", ("g",), "gg", "top", "To the first: g, and g again within a second.", _LISTS, MOVE),
    Key("bottom", ("G", "end"), "G", "bottom", "To the last.", _LISTS, MOVE),
    Key("page_down", ("pagedown",), "PgDn", "page down", "A page down.", _LISTS | {Place.SCALE}, MOVE),
    Key("page_up", ("pageup",), "PgUp", "page up", "A page up.", _LISTS | {Place.SCALE}, MOVE),
    Key("open", ("enter",), "Enter", "open", "Opens what the cursor is on.", _ROWS | {Place.AUTOSCALING}, MOVE, 1),
    Key("back", ("escape",), "Esc", "back", "Back to where you came from; clears a filter first. Never quits.", _LISTS | _DIALOGS, MOVE, 1),
    Key("next", ("n",), "n", "next trouble", "To the next thing that needs you.", _LISTS, MOVE, 8, command="next"),
    Key("filter", ("slash",), "/", "filter", "Shows only rows that match: text or regex, !not, COLUMN:rx, label:rx.", frozenset({Place.FLEET, Place.EVENTS, Place.LOGS, Place.TEXT}), LOOK, 6, command="filter"),
    Key("sort", ("S",), "S", "sort", "The next sort order; equal rows keep their places.", frozenset({Place.FLEET}), LOOK, 12, command="sort"),
    Key("sort", ("S",), "S", "sort", "The next sort order: by node, idle first, by workload, hottest first.", frozenset({Place.GPUS}), LOOK, 2, command="sort"),
    Key("open", ("enter",), "Enter", "node", "The node under the cursor, with the history of its devices.", frozenset({Place.GPUS}), LOOK, 1, command="node"),
    Key("open", ("enter",), "Enter", "workload", "The grid of the workload that has the device, at its group.", frozenset({Place.GPU_NODE}), LOOK, 1, command="workload"),
    Key("open", ("enter",), "Enter", "open", "The load test under the cursor; with two or more marked, those side by side.", frozenset({Place.RUNS}), LOOK, 1, command="open"),
    Key("mark", ("space",), "Space", "mark", "Marks the load test for a comparison, or takes the mark away.", frozenset({Place.RUNS}), LOOK, 2),
    Key("html", (), ":html", "HTML", "Writes the load test as a page with its charts, and copies the file's name.", frozenset({Place.RUN}), LOOK, 2, command="html"),
    Key("csv", (), ":csv", "CSV", "Writes the load test as a table, a row for each second.", frozenset({Place.RUN}), LOOK, 3, command="csv"),
    Key("json", (), ":json", "JSON", "Writes all that is known of the load test as one JSON object.", frozenset({Place.RUN}), LOOK, 4, command="json"),
    Key("gpus", ("o",), "o", "GPUs", "GPUs and nodes: who has each device, how busy it is, what is wrong with it.", _LISTS - {Place.GPUS}, LOOK, 12, command="gpus"),
    Key("mark", ("space",), "Space", "mark", "Marks the row, or takes the mark away; c copies the names of all marked ones.", frozenset({Place.FLEET}), LOOK),
    Key("events", ("e",), "e", "events", "Events and time line, newest first: of this workload, on other screens of everything.", _LISTS - {Place.EVENTS}, LOOK, 7, command="events"),
    Key("open", ("enter",), "Enter", "details", "Every event with all that is known of it, or the short account again.", frozenset({Place.EVENTS}), LOOK, 2, command="details"),
    Key("why", ("w",), "w", "why", "Why it does what it does: trouble, driver, operation.", _ROWS, LOOK, 5, command="why"),
    Key("autoscaling", ("a",), "a", "autoscaling", "What drives it, why it holds or moves, and what comes next.", _ROWS, LOOK, 6, command="autoscaling"),
    Key("logs", ("L",), "L", "logs", "Logs of one pod: the last 200 lines, then what follows.", _ROWS, LOOK, 9, command="logs"),
    Key("object", ("y",), "y", "object", "The whole object as YAML, read now.", _ROWS | {Place.AUTOSCALING}, LOOK, command="object"),
    Key("describe", ("d",), "d", "describe", "The object, its pods and their events in words.", _ROWS, LOOK, command="describe"),
    Key("container", (), ":container", "another", "The log of another container of the pod, init containers too.", frozenset({Place.LOGS}), LOOK, 9, command="container"),
    Key("previous", (), ":previous", "before", "The log of the container before its last restart, or the present one again.", frozenset({Place.LOGS}), LOOK, 10, command="previous"),
    Key("sources", (), ":sources", "sources", "Where the data comes from, how fresh it is, and what is missing.", _LISTS, LOOK, command="sources"),
    Key("copy", ("c",), "c", "copy", "Copies the name; on an operation or load test its summary; in a plan the equivalent command.", _LISTS | {Place.SCALE}, LOOK, 13, command="copy"),
    Key("scale", ("s",), "s", "scale", "Scales what the cursor is on: the number of groups, or a role.", _ROWS, CHANGE, 2, True, "scale"),
    Key("more", ("plus", "equals_sign"), "+", "one more", "The scale dialog at one more; in the dialog one more again.", _ROWS | {Place.SCALE}, CHANGE, 3, True),
    Key("fewer", ("minus",), "-", "one fewer", "The scale dialog at one fewer; in the dialog one fewer again.", _ROWS | {Place.SCALE}, CHANGE, 4, True),
    Key("pin", ("p",), "p", "pin", "What lasts: pin, change bounds, freeze a direction, suspend, stop; in the scale dialog in place of it.", _ROWS | {Place.AUTOSCALING, Place.SCALE}, CHANGE, 10, True, "pin"),
    Key("edit", ("E",), "E", "edit", "Forms: makes, edits or deletes an HPA or the jobs of a CronHPA.", _ROWS | {Place.AUTOSCALING}, CHANGE, 11, True, "edit"),
    Key("delete", ("ctrl+d",), "ctrl-d", "delete", "Deletes a deployment of Exoscale, its name typed; of all else it says what would.", _ROWS, CHANGE, 0, True, "delete"),
    Key("undo", ("u",), "u", "undo", "Takes my last change of this workload back, through the same dialog.", _ROWS, CHANGE, 10, True, "undo"),
    Key("test", ("t",), "t", "load test", "A load test of the workload: form, one request, then the load; the one that runs.", _ROWS | {Place.LOAD}, CHANGE, 9, True, "test"),
    Key("abort", ("X", "ctrl+x"), "X", "abort load", "Cuts off the load test that runs, at once, from every screen.", _LISTS - {Place.LOAD} | {Place.CHOICE}, CHANGE, command="abort"),
    Key("abort", ("X", "ctrl+x"), "X", "abort load", "Cuts off the load test, at once.", frozenset({Place.LOAD}), CHANGE, 1, command="abort"),
    Key("menu", ("m",), "m", "menu", "What is possible here, and why the rest is not.", _LISTS, CHANGE, 11),
    Key("command", ("colon",), ":", "command", "Finds any command, workload, namespace or context by name.", _LISTS, PROGRAM, 14),
    Key("help", ("question_mark",), "?", "help", "These keys.", _LISTS, PROGRAM, 16, command="help"),
    Key("load", (), ":load", "load test", "The load test that runs, or the last one.", _LISTS, PROGRAM, command="load"),
    Key("runs", (), ":runs", "load tests", "Load tests that were kept: to look at, to compare, to take away.", _LISTS - {Place.RUNS, Place.LOAD}, PROGRAM, command="runs"),
    Key("runs", (), ":runs", "kept ones", "Load tests that were kept: to look at, to compare, to take away.", frozenset({Place.LOAD}), PROGRAM, 12, command="runs"),
    Key("namespace", (), ":ns", "namespace", "Another namespace, several, or all.", _LISTS, PROGRAM, command="ns"),
    Key("context", (), ":ctx", "context", "Another context of the kubeconfig.", _LISTS, PROGRAM, command="ctx"),
    Key("rights", ("ctrl+r",), "ctrl-r", "check rights", "Asks the cluster again what I may do.", _LISTS, PROGRAM, command="rights"),
    Key("login", ("R",), "R", "log in", "Runs the login plugin of the context on this terminal.", _LISTS, PROGRAM, command="login"),
    Key("mouse", ("M",), "M", "mouse", "Mouse on or off; off, the terminal selects text itself.", _LISTS, PROGRAM, command="mouse"),
    Key("suspend", ("ctrl+z",), "ctrl-z", "suspend", "To the shell; fg comes back.", _LISTS, PROGRAM),
    Key("quit", ("q",), "q", "quit", "Ends the console; asks while an operation or a load test of mine runs.", _LISTS, PROGRAM, 15, command="quit"),
    Key("next_field", ("tab",), "Tab", "next field", "To the next field: groups, each role, the confirmation; in a form the next row.", frozenset({Place.SCALE, Place.FORM}), DIALOG, 5),
    Key("confirm", ("enter",), "Enter", "go on", "From a field to the confirmation; there it sends the plan, once it was on screen for 0.3 s.", frozenset({Place.SCALE}), DIALOG, 1),
    Key("confirm", ("enter",), "Enter", "go on", "From a form to the plan of what it asks for; from that of a load test to its first request.", frozenset({Place.FORM}), DIALOG, 1),
    Key("abort", ("ctrl+x",), "ctrl-x", "abort load", "X where letters are typed: in a form, a confirmation, the palette or a filter; the frame says so while load runs.", frozenset({Place.SCALE, Place.FORM}), DIALOG),
    Key("choose", ("enter",), "Enter", "choose", "Takes the choice, once it was on screen for 0.3 s.", frozenset({Place.CHOICE}), DIALOG, 1),
)  # fmt: skip


def in_place(place: Place) -> tuple[Key, ...]:
    """The keys of a place, in the table's order."""
    return tuple(key for key in KEYS if place in key.places)


def find(action: str, place: Place | None = None) -> Key:
    """The key of an action. Raises ``KeyError`` for an action that is not in the table."""
    for key in KEYS:
        if key.id == action and (place is None or place in key.places):
            return key
    raise KeyError(action)


def pairs(place: Place) -> list[tuple[str, str]]:
    """(key as Textual names it, action) of everything that a place binds."""
    return [(name, key.id) for key in in_place(place) for name in key.keys]


def key_line(place: Place, *, writes: bool = True) -> tuple[Key, ...]:
    """The keys for the bottom line, most important first; without those that write where nothing may be."""
    home = place is Place.FLEET
    keys = [
        key
        for key in in_place(place)
        if key.line and (writes or not key.writes) and not (home and key.id == "back")
    ]
    # The last one is always kept: in a dialog that is the way out.
    return tuple(sorted(keys, key=lambda key: (key.id == "back" and place in _DIALOGS, key.line)))


def commands(place: Place, *, writes: bool = True) -> tuple[Key, ...]:
    """What the palette offers in a place."""
    return tuple(key for key in in_place(place) if key.command and (writes or not key.writes))


def help_rows(place: Place | None = None) -> tuple[tuple[str, tuple[Key, ...]], ...]:
    """(section, its keys) for the help screen; with a place only what is bound there."""
    sections: dict[str, list[Key]] = {}
    for key in KEYS:
        if place is None or place in key.places:
            sections.setdefault(key.section, []).append(key)
    return tuple((name, tuple(keys)) for name, keys in sections.items())


def markdown() -> str:
    """The table as a page of the documentation."""
    lines = ["# Keys", "", "One meaning everywhere. This page is generated from `tui/keys.py`.", ""]
    for section, keys in help_rows():
        lines += [f"## {section}", "", "| key | does | where |", "| --- | --- | --- |"]
        for key in keys:
            where = "everywhere" if key.places >= _LISTS else ", ".join(sorted(key.places))
            name = key.shown.replace("|", "\\|")
            command = f" (`:{key.command}`)" if key.command and key.keys else ""
            lines.append(f"| `{name}`{command} | {key.help} | {where} |")
        lines.append("")
    return "\n".join(lines)
