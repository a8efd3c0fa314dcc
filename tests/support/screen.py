"""A small terminal: takes bytes, keeps the cells, and answers what programs ask of terminals.

It knows what Textual and this program send, and counts everything else as ``strange`` so that a test can
say that nothing else was sent. Wide characters take two cells; writing into one half blanks the other,
as xterm does. ``width`` may be replaced to play a terminal with other ideas of widths.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable

from rich.cells import cell_len

__all__ = ["Screen"]

_SEQUENCE = re.compile(
    r"\x1b(?:"
    r"\[(?P<private>[<=>?]?)(?P<args>[0-9;:]*)(?P<middle>[ !\"#$%&'()*+,\-./]*)(?P<final>[@-~])"
    r"|\](?P<osc>[^\x07\x1b]*)(?:\x07|\x1b\\)"
    r"|[PX^_][^\x1b]*\x1b\\"
    r"|(?P<short>[()][A-Z0-9]|[78=>cDEHM])"
    r")"
)
_INCOMPLETE = re.compile(r"\x1b(?:\[[<=>?]?[0-9;:]*[ -/]*|\][^\x07\x1b]*\x1b?|[PX^_][^\x1b]*\x1b?|[()]?)?$")

Style = tuple[frozenset[str], str, str]
"""(attributes, foreground, background), colours as the terminal was told."""

PLAIN: Style = (frozenset(), "", "")


class Screen:
    """What a person would see."""

    def __init__(self, columns: int, lines: int, *, width: Callable[[str], int] = cell_len) -> None:
        self.width = width
        self.replies: list[bytes] = []
        self.modes: set[str] = set()
        self.strange: list[str] = []
        """Controls that acted and were not expected."""
        self.titles: list[str] = []
        self.answer_cursor = True
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self.resize(columns, lines)

    def resize(self, columns: int, lines: int) -> None:
        """Another size; everything is blank."""
        self.columns, self.lines = columns, lines
        self.x = self.y = 0
        self.style = PLAIN
        self.chars: list[list[str]] = [[" "] * columns for _ in range(lines)]
        self.styles: list[list[Style]] = [[PLAIN] * columns for _ in range(lines)]

    def text(self) -> list[str]:
        """The lines as text; the second half of a wide character is nothing."""
        return ["".join(line) for line in self.chars]

    def feed(self, data: bytes) -> None:
        """Takes bytes as they come, cut anywhere."""
        text = self._held + self._decoder.decode(data)
        self._held = ""
        at = 0
        while at < len(text):
            char = text[at]
            if char == "\x1b":
                match = _SEQUENCE.match(text, at)
                if match:
                    self._obey(match)
                    at = match.end()
                elif _INCOMPLETE.match(text, at):
                    self._held = text[at:]
                    return
                else:
                    self.strange.append(text[at : at + 8])
                    at += 1
            else:
                self._put(char)
                at += 1

    def _put(self, char: str) -> None:
        if char == "\r":
            self.x = 0
        elif char == "\n":
            self.y = min(self.y + 1, self.lines - 1)
        elif char < " " or "\x7f" <= char <= "\x9f":
            self.strange.append(char)
        else:
            cells = self.width(char)
            if cells == 0:
                at = max(0, min(self.x, self.columns) - 1)
                if not self.chars[self.y][at] and at:
                    at -= 1
                self.chars[self.y][at] += char
                return
            if self.x + cells > self.columns:
                self.x = self.columns - cells
            for offset in range(cells):
                self._blank_halves(self.x + offset)
            for offset in range(cells):
                self.chars[self.y][self.x + offset] = "" if offset else char
                self.styles[self.y][self.x + offset] = self.style
            self.x += cells

    def _blank_halves(self, x: int) -> None:
        """Writing over half of a wide character leaves a blank where its other half was."""
        line = self.chars[self.y]
        if line[x] == "" and x:
            line[x - 1] = " "
            line[x] = " "
        if x + 1 < self.columns and line[x + 1] == "" and line[x] != "":
            line[x + 1] = " "

    def _obey(self, match: re.Match[str]) -> None:
        final = match["final"]
        if match["osc"] is not None:
            self.titles.append(match["osc"])
            if match["osc"] == "11;?":
                self.replies.append(b"\x1b]11;rgb:1010/1010/1010\x1b\\")
            return
        if final is None:
            if match["short"] is None:
                self.strange.append(match[0])
            return
        numbers = [int(number or 0) for number in re.split("[;:]", match["args"])] if match["args"] else []
        private = match["private"]
        first = numbers[0] if numbers else 0
        if private == "?" and final in "hl":
            for number in numbers:
                (self.modes.add if final == "h" else self.modes.discard)(f"?{number}")
                if number == 1049:
                    self._erase(0, self.lines)
        elif private == "?" and final == "p" and match["middle"] == "$":
            self.replies.append(b"\x1b[?%d;%d$y" % (first, 2 if first == 2026 else 0))
        elif private in "<>" and private and final == "u":
            pass
        elif private:
            self.strange.append(match[0])
        elif final in "Hf":
            self.y = max(0, min(first or 1, self.lines) - 1)
            self.x = max(0, min((numbers[1] if len(numbers) > 1 else 1) or 1, self.columns) - 1)
        elif final == "G":
            self.x = max(0, min(first or 1, self.columns) - 1)
        elif final == "m":
            self._style(numbers or [0])
        elif final == "J":
            self._erase(0 if first == 2 else self.y + 1, self.lines)
            if first == 0:
                self._clear(self.x)
        elif final == "K":
            self._clear(0 if first == 2 else self.x)
        elif final == "n" and first == 6:
            if self.answer_cursor:
                self.replies.append(b"\x1b[%d;%dR" % (self.y + 1, min(self.x, self.columns - 1) + 1))
        elif final == "c":
            self.replies.append(b"\x1b[?62;22c")
        else:
            self.strange.append(match[0])

    def _erase(self, start: int, end: int) -> None:
        for y in range(start, end):
            self.chars[y] = [" "] * self.columns
            self.styles[y] = [PLAIN] * self.columns

    def _clear(self, start: int) -> None:
        for x in range(start, self.columns):
            self.chars[self.y][x] = " "
            self.styles[self.y][x] = PLAIN

    def _style(self, numbers: list[int]) -> None:
        attributes, front, back = self.style
        left = iter(numbers)
        for number in left:
            if number == 0:
                attributes, front, back = PLAIN
            elif number in (38, 48):
                kind = next(left)
                color = f"#{next(left)}" if kind == 5 else f"rgb{[next(left) for _ in range(3)]}"
                front, back = (color, back) if number == 38 else (front, color)
            elif 30 <= number <= 37 or 90 <= number <= 97:
                front = str(number)
            elif 40 <= number <= 47 or 100 <= number <= 107:
                back = str(number)
            elif number == 39:
                front = ""
            elif number == 49:
                back = ""
            else:
                attributes |= {str(number)}
        self.style = (attributes, front, back)
