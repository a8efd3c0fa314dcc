"""What drives a workload: the sentence, the chain, the decision step by step, schedules, what happened."""

from __future__ import annotations

from collections.abc import Iterator

from textual.strip import Strip

from clients.serving.autoscaling import Autoscaling, Part
from clients.serving.autoscaling_words import headlines, named, part_words, rescale_words
from clients.serving.keys import ObjectRef
from clients.serving.plain import plain
from widgets.cells import age, clock_time, fit, shown, width, wrapped
from widgets.decision_lines import decision_lines, labelled, outcome_style
from widgets.lines import Line, LineWidget, strip
from widgets.schedule_lines import schedule_lines
from widgets.theme import DEFAULT_LOOK, Look

__all__ = ["AutoscalingView"]

_SENTENCE = 2
"""Lines that the sentence always has, so that nothing below it moves as it grows."""
_RESCALES = 50


class AutoscalingView(LineWidget):
    """A cursor stands on the objects of the chain; past them the page scrolls."""

    def __init__(self, look: Look = DEFAULT_LOOK) -> None:
        super().__init__(look)
        self._value: Autoscaling | None = None
        self._utc_offset = 0.0
        self._said = "reading"
        self._cursor = 0
        self._parts: list[tuple[int, Part]] = []
        """(row, object) of what the cursor can stand on."""

    def show(self, value: Autoscaling | None, *, utc_offset: float = 0.0, said: str = "") -> None:
        """Draws the value; ``said`` is why there is none, or why it is old."""
        self._value, self._utc_offset, self._said = value, utc_offset, said
        self.update_rows()

    @property
    def selected(self) -> ObjectRef | None:
        """The object under the cursor."""
        return self._parts[self._cursor][1].ref if self._cursor < len(self._parts) else None

    def move(self, rows: int) -> None:
        """The cursor; where it cannot go further, the page."""
        wanted = self._cursor + rows
        in_sight = not self._parts or self._parts[self._cursor][0] >= self.top
        if 0 <= wanted < len(self._parts) and (rows > 0 or in_sight):
            self._cursor = wanted
            self.update_rows()
            self.reveal(self._parts[wanted][0])
        else:
            self.scroll_rows(rows)

    def move_first(self) -> None:
        """The first object, at the top of the page."""
        self._cursor = 0
        self.update_rows()
        self.scroll_rows(-self.row_count)

    # Drawing

    def row_keys(self) -> list[object]:
        """The lines themselves, each with whether the cursor is on it."""
        rows: list[object] = []
        self._parts = []
        for line, part in self._lines(self.size.width):
            if part is not None:
                self._parts.append((len(rows), part))
            rows.append((line, part is not None and len(self._parts) - 1 == self._cursor))
        self._cursor = max(0, min(self._cursor, len(self._parts) - 1))
        return rows

    def draw_row(self, row: int, cells: int) -> Strip:
        """The line, cut or padded; the cursor is laid over it."""
        key = self._keys[row]
        assert isinstance(key, tuple)
        line, under = key
        return strip(line, cells, self.look, self.look.styles.cursor if under else None)

    def _lines(self, cells: int) -> Iterator[tuple[Line, Part | None]]:
        value, styles = self._value, self.look.styles
        if self._said:
            for part in wrapped(plain(self._said, 400), max(10, cells - 2)):
                yield ((f" {part}", styles.dim if value is None else styles.warn),), None
        if value is None:
            return
        yield from ((line, None) for line in self._head(value, cells))
        yield (), None
        yield from self._chain(value, cells)
        for line in self._rest(value, cells):
            yield line, None

    def _head(self, value: Autoscaling, cells: int) -> Iterator[Line]:
        styles = [outcome_style(decision.outcome, self.look) for decision in value.decisions]
        for at, words in enumerate(headlines(value)):
            parts = wrapped(words, max(10, cells - 2))
            for part in [*parts, *[""] * (_SENTENCE - len(parts))]:
                yield ((f" {part}", styles[at] if at < len(styles) else self.look.styles.strong),)

    def _chain(self, value: Autoscaling, cells: int) -> Iterator[tuple[Line, Part | None]]:
        """A tree: what two ways have in common is drawn once."""
        styles, drawn = self.look.styles, set[tuple[Part, ...]]()
        rows = [(depth, way[: depth + 1]) for way in value.chain for depth in range(len(way))]
        labels = [f"{'  ' * depth}{named(path[-1].ref)}" for depth, path in rows]
        size = min(max((width(label) for label in labels), default=0), max(20, cells // 2))
        for label, (_, path) in zip(labels, rows, strict=True):
            if path in drawn:
                continue
            drawn.add(path)
            words = self._facts(value, path[-1])
            text = fit(label, size, ellipsis=self.look.glyphs.ellipsis)
            yield ((f" {text}  ", styles.normal), (words, styles.dim)), path[-1]

    def _facts(self, value: Autoscaling, part: Part) -> str:
        """What an object does in the chain, in a few words."""
        words = part_words(part)
        for decision in value.decisions:
            if decision.subject == part.ref and decision.maximum is not None:
                role = "" if decision.role is None else f"{shown(decision.role, 40)} "
                low = self.look.glyphs.unknown if decision.minimum is None else decision.minimum
                words += f"  {role}{low}-{decision.maximum}"
        return words

    def _rest(self, value: Autoscaling, cells: int) -> Iterator[Line]:
        styles = self.look.styles
        for decision in value.decisions:
            yield ()
            yield from decision_lines(
                decision, value.free_groups, cells, self.look, titled=len(value.decisions) > 1
            )
        yield from self._section("missing", value.absences, cells, warn=True)
        for schedule in value.schedules:
            yield ()
            yield from schedule_lines(schedule, value.at, self._utc_offset, cells, self.look)
        yield from self._section("conditions", value.conditions, cells)
        if value.rescales:
            yield ()
            for at, event in enumerate(reversed(value.rescales[-_RESCALES:])):
                moved, who, why = rescale_words(event)
                when = f"{clock_time(event.at, self._utc_offset)} {age(value.at - event.at):>4} ago"
                text = f"{when}  {fit(moved, 9)} {who}  {why}"
                yield from labelled("rescales" if at == 0 else "", text, cells, self.look)
        assumed = dict.fromkeys(words for decision in value.decisions for words in decision.assumptions)
        if assumed:
            yield ()
        for at, words in enumerate(assumed):
            yield from labelled("assumed" if at == 0 else "", plain(words), cells, self.look, styles.dim)

    def _section(
        self, label: str, texts: tuple[str, ...], cells: int, *, warn: bool = False
    ) -> Iterator[Line]:
        style = self.look.styles.warn if warn else self.look.styles.normal
        if texts:
            yield ()
        for at, words in enumerate(texts):
            yield from labelled(label if at == 0 else "", plain(words), cells, self.look, style)
