"""Pages in Prometheus' text format 0.0.4: what exporters, our agent and model engines serve as ``/metrics``.

A page is read whole or not at all, as Prometheus itself does it: of a page that breaks off, a last number may
have lost its end. The text between braces is the same for all metrics of one GPU and from one scrape to the
next, so it is taken apart once and kept: a page costs a tenth of what it does without.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from sys import intern

from msgspec import Struct

__all__ = ["LONGEST_PAGE", "Exposition", "Labels", "PageError", "Row", "read_page"]

LONGEST_PAGE = 8 << 20
"""Bytes. A node with 16 GPUs in 7 instances, each shared by 8 pods, has some 6 MiB."""

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_PAIR = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(,|$)')
_ESCAPE = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "\\": "\\", '"': '"'}
_TYPES = frozenset(("counter", "gauge", "histogram", "summary", "untyped"))
_KEPT = 65_536
"""Label texts that are kept; the cache starts anew after so many, for pods come and go."""
_MOST_NOTES = 64


class PageError(Exception):
    """A page that cannot be used; one line that says where and why, without quoting what it holds."""


class Row(Struct):
    """All metrics that carry the same labels."""

    labels: Mapping[str, str]
    values: dict[str, float]
    """By metric name as written; may be NaN or infinite."""
    at: float | None = None
    """UTC seconds of the newest of them, where the page says so."""


class Exposition(Struct):
    """A page."""

    rows: list[Row]
    """One for each set of labels as it is written, in the order of the page."""
    types: dict[str, str]
    """What ``# TYPE`` says, by metric name."""
    notes: tuple[str, ...] = ()
    """Comments that are neither HELP nor TYPE, at most 64."""


class Labels:
    """Label texts taken apart before, kept between pages; one for everything on one thread."""

    def __init__(self) -> None:
        self.known: dict[str, Mapping[str, str]] = {}

    def read(self, text: str) -> Mapping[str, str]:
        """The labels of the text between the braces. Raises ValueError."""
        if len(self.known) >= _KEPT:
            self.known.clear()
        found = self.known[text] = _labels(text)
        return found


def read_page(body: bytes, labels: Labels, *, wanted: Collection[str] | None = None) -> Exposition:
    """The metrics of a page; only those named in ``wanted``, if it is given.

    Raises:
        PageError: it is too long, breaks off, is no such page, or says the same thing twice.
    """
    if len(body) > LONGEST_PAGE:
        raise PageError(f"the page is longer than {LONGEST_PAGE >> 20} MiB")
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise PageError("the page is not UTF-8 text") from None
    if text.lstrip()[:1] == "<":
        raise PageError("a web page, not metrics")
    if text and not text.endswith("\n"):
        raise PageError("the page breaks off in the middle of a line")
    return _read(text, labels, wanted)


def _read(text: str, labels: Labels, wanted: Collection[str] | None) -> Exposition:
    rows: dict[str, Row] = {}
    values_of: dict[str, dict[str, float]] = {}
    types: dict[str, str] = {}
    notes: list[str] = []
    names: dict[str, str] = {}
    """What stands before the labels: the metric's name, or nothing if it is not wanted."""
    number = 0
    try:
        for line in text.split("\n"):
            number += 1
            if line[:1] == "#":
                if line[:7] != "# HELP ":
                    _comment(line, types, notes)
                continue
            opened = line.find("{")
            if opened >= 0:
                # A brace may stand in a label's value, but not after the labels.
                head, (block, brace, rest) = line[:opened], line[opened + 1 :].rpartition("}")
                if not brace:
                    raise ValueError("labels are not closed")
            else:
                if not (words := line.split(None, 1)):
                    continue
                if words[0][0] == "#":
                    _comment(line.strip(), types, notes)
                    continue
                head, block, rest = words[0], "", words[-1] if len(words) > 1 else ""
            if (name := names.get(head)) is None:
                told = _checked(head)
                name = names[head] = told if wanted is None or told in wanted else ""
            if not name:
                continue
            values = values_of.get(block)
            if values is None:
                known = labels.known.get(block)
                row = rows[block] = Row(labels.read(block) if known is None else known, {})
                values = values_of[block] = row.values
            if name in values:
                raise ValueError("a series is given twice")
            try:
                values[name] = float(rest)
            except ValueError:
                values[name], at = _stamped(rest)
                row = rows[block]
                row.at = at if row.at is None else max(row.at, at)
    except ValueError as error:
        raise PageError(f"line {number}: {error}") from None
    return Exposition(list(rows.values()), types, tuple(notes))


def _comment(line: str, types: dict[str, str], notes: list[str]) -> None:
    """Takes in a comment. Raises ValueError for a type that is none."""
    words = line.split(None, 3)
    kind = words[1] if len(words) > 1 and words[0] == "#" else ""
    if kind == "TYPE":
        if len(words) < 4 or (told := words[3].strip()) not in _TYPES:
            raise ValueError("a metric of an unknown type")
        types[words[2]] = told
    elif kind != "HELP" and len(notes) < _MOST_NOTES:
        notes.append(line[1:].strip())


def _checked(name: str) -> str:
    name = name.strip()
    if _NAME.fullmatch(name) is None:
        raise ValueError("does not begin with a metric's name")
    return name


def _stamped(rest: str) -> tuple[float, float]:
    """A value followed by its time in milliseconds. Raises ValueError."""
    parts = rest.split()
    if not parts:
        raise ValueError("has no value")
    if len(parts) > 2:
        raise ValueError("has more than a value and a time")
    try:
        return float(parts[0]), int(parts[1]) / 1000
    except (ValueError, IndexError):
        raise ValueError("has a value or a time that is no number") from None


def _labels(text: str) -> Mapping[str, str]:
    """``a="1",b="2"`` taken apart. Raises ValueError."""
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        pair = _PAIR.match(text, at)
        if pair is None:
            if found and not text[at:].strip():
                break
            raise ValueError("has labels that cannot be read")
        name, value, _ = pair.groups()
        if name in found:
            raise ValueError("has a label twice")
        value = _ESCAPE.sub(_escaped, value) if "\\" in value else value
        # Names, and most values, are those of other devices and pages too.
        found[intern(name)] = intern(value)
        at = pair.end()
    return found


def _escaped(found: re.Match[str]) -> str:
    # As Prometheus' own reader: what is no escape stands for itself.
    return _ESCAPES.get(found[1], found[0])
