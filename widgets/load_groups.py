"""Groups under load, a line each, and what is to be said of the test so far."""

from __future__ import annotations

from collections.abc import Sequence

from textual.strip import Strip

from widgets.cells import fit, shown, wrapped
from widgets.lines import Line, LineWidget, TextWidget, strip
from widgets.load_records import GroupLoad
from widgets.theme import DEFAULT_LOOK, Look

__all__ = ["GroupTable", "Reading"]


class GroupTable(LineWidget):
    """One line a group; more than find room scroll."""

    DEFAULT_CSS = """
    GroupTable { width: 60; height: 1fr; }
    """
    pinned = 1

    def __init__(self, look: Look = DEFAULT_LOOK) -> None:
        super().__init__(look)
        self._groups: tuple[GroupLoad, ...] = ()

    def show(self, groups: Sequence[GroupLoad]) -> None:
        """Draws them."""
        self._groups = tuple(groups)
        self.update_rows()

    def row_keys(self) -> list[object]:
        """The heading, and a group each."""
        return ["head", *self._groups]

    def draw_row(self, row: int, cells: int) -> Strip:
        """Name, state, requests, cache, tokens, GPUs."""
        styles, unknown = self.look.styles, self.look.glyphs.unknown
        if row == 0:
            head = f" {'GROUP':<8} {'STATE':<12} {'RUN':>5} {'WAIT':>5} {'KV%':>4} {'TOK/S':>6} {'GPU%':>5}"
            return strip(((head, styles.dim),), cells, self.look)
        group = self._groups[row - 1]
        ellipsis = self.look.glyphs.ellipsis
        numbers = "".join(
            f" {unknown if value is None else f'{value:.0f}':>{width}}"
            for value, width in (
                (group.running, 5),
                (group.waiting, 5),
                (group.kv, 4),
                (group.tokens, 6),
                (group.busy, 5),
            )
        )
        line: Line = (
            (f" {fit(shown(group.label, 40), 8, ellipsis=ellipsis)} ", styles.strong),
            (
                fit(shown(group.state, 40), 12, ellipsis=ellipsis),
                styles.alarm if group.trouble else styles.normal,
            ),
            (numbers, styles.normal),
        )
        return strip(line, cells, self.look)


class Reading(TextWidget):
    """Sentences, each from its own line on."""

    DEFAULT_CSS = """
    Reading { height: 1fr; }
    """

    def __init__(self, look: Look = DEFAULT_LOOK) -> None:
        super().__init__(look)
        self._sentences: tuple[str, ...] = ()

    def show(self, sentences: Sequence[str]) -> None:
        """Draws them."""
        self._sentences = tuple(sentences)
        self.update_rows()

    def lay_out(self, cells: int) -> list[Line]:
        """Wrapped at blanks; the part before a colon stands out."""
        styles = self.look.styles
        if not self._sentences:
            return [((" nothing can be said yet", styles.dim),)]
        lines: list[Line] = []
        for sentence in self._sentences:
            head, colon, rest = shown(sentence, 400).partition(": ")
            name = head + colon if colon and len(head) < 24 else ""
            words = rest if name else shown(sentence, 400)
            for index, text in enumerate(wrapped(words, max(10, cells - 3), max(10, cells - 2 - len(name)))):
                lines.append(
                    ((f" {name}", styles.strong), (text, styles.normal))
                    if index == 0
                    else ((f"   {text}", styles.normal),)
                )
        return lines
