"""The filter line: which rows are shown, and what the hidden ones would have said.

Grammar: words are separated by spaces and all must match. A word is text or a regular expression, without
regard to case, looked for in every column; ``!word`` must not match; ``COLUMN:word`` looks in one column;
``label:word`` looks at ``key=value`` labels; ``"two words"`` keeps a space. Several words for the same
column are alternatives, words for different columns add up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct

__all__ = ["LABEL", "Filter", "Hidden", "Term", "parse"]

LABEL = "label"
_WORD = re.compile(r"""(!?)((?:[A-Za-z%_]+:)?)("[^"]*"|\S+)""")


class Term(Struct, frozen=True):
    """One word of the filter."""

    pattern: re.Pattern[str]
    column: str | None = None
    """Lower case; ``None``: every column."""
    negative: bool = False


class Hidden(Struct, frozen=True):
    """What a filter leaves out."""

    count: int = 0
    failing: int = 0
    """How many of those are in trouble: a filter must not hide a fire."""

    @property
    def words(self) -> str:
        """For the filter line: ``9 hidden, 2 of them failing``."""
        if not self.count:
            return "nothing hidden"
        return f"{self.count} hidden" + (f", {self.failing} of them failing" if self.failing else "")


class Filter(Struct, frozen=True):
    """A parsed filter. An empty one matches everything."""

    text: str
    terms: tuple[Term, ...] = ()
    notes: tuple[str, ...] = ()
    """What could not be taken as it was typed, and how it was taken instead."""

    def matches(self, cells: Mapping[str, str], labels: Iterable[tuple[str, str]] = ()) -> bool:
        """Whether a row is shown: ``cells`` maps lower-case column names to what they show."""
        if not self.terms:
            return True
        lines = [f"{name}={value}" for name, value in labels]
        either: dict[str, bool] = {}
        for term in self.terms:
            if term.column is None:
                found = any(term.pattern.search(cell) for cell in cells.values())
            elif term.column == LABEL:
                found = any(term.pattern.search(line) for line in lines)
            else:
                found = bool(term.pattern.search(cells.get(term.column, "")))
            if term.negative:
                if found:
                    return False
            elif term.column is None:
                if not found:
                    return False
            else:
                either[term.column] = either.get(term.column, False) or found
        return all(either.values())


def parse(text: str, columns: Iterable[str]) -> Filter:
    """The filter that ``text`` asks for; never fails: what it can't take as typed it takes literally."""
    known = {column.lower() for column in columns} | {LABEL}
    terms: list[Term] = []
    notes: list[str] = []
    for match in _WORD.finditer(text.strip()):
        negative, prefix, word = bool(match[1]), match[2], match[3]
        column: str | None = None
        if prefix:
            column = prefix[:-1].lower()
            if column not in known:
                notes.append(f"no column {column}; there are {', '.join(sorted(known))}")
                word, column = prefix + word, None
        if len(word) >= 2 and word.startswith('"') and word.endswith('"'):
            word = word[1:-1]
        if word:
            terms.append(Term(_pattern(word, notes), column, negative))
    return Filter(text.strip(), tuple(terms), tuple(notes))


def _pattern(word: str, notes: list[str]) -> re.Pattern[str]:
    try:
        return re.compile(word, re.IGNORECASE)
    except re.error:
        notes.append(f"{word} is no regular expression, so it is taken as text")
        return re.compile(re.escape(word), re.IGNORECASE)
