"""The grid with its groups side by side: a head, then a line per role replica.

The head has mark, phase and GPUs of each group; where GPUs are measured also how busy and how full they are,
and where there is room what their engines do.
"""

from __future__ import annotations

from collections.abc import Collection

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from clients.serving.gpu_use import GpuUse
from clients.serving.gpus import GpuMark
from clients.serving.keys import WorkloadKey
from clients.serving.phase import Mark
from clients.serving.workload import Group, RoleReplica, Workload
from widgets.cells import fit, shown, width
from widgets.engine_cells import KV, REQUESTS, engine_text
from widgets.gpu_cells import mark_style, use_text
from widgets.grid_cells import GridCells, phase_text
from widgets.lines import Piece, strip
from widgets.records import GridView
from widgets.theme import Look, under_cursor
from widgets.words import group_label

__all__ = ["GridColumns", "RowId", "fits", "replica_rows"]

_Note = tuple[tuple[str, str], Style]
"""What the devices of a role replica do, long and short."""
Figures = tuple[str, str, GpuMark | None]
"""Busy and memory in per cent, and the worst mark."""
RowId = tuple[str, str]
"""(role, role replica's id)."""

_HEAD = ("", "phase", "GPU")
_MEASURED = ("busy %", "mem %")
_ENGINES = (REQUESTS, KV)

_NARROWEST, _WIDEST = 4, 19


def replica_rows(workload: Workload) -> tuple[list[RowId], list[tuple[RoleReplica | None, ...]]]:
    """The role replicas that any group has, and a line of them across the groups for each.

    Roles come in spec order, replicas by ordinal. Groups are mostly alike, which makes it a plain turning of
    columns into lines.
    """
    groups = workload.groups
    shapes = [
        [(role.name, [replica.id for replica in role.replicas]) for role in group.roles] for group in groups
    ]
    if all(shape == shapes[0] for shape in shapes):
        columns = [[replica for role in group.roles for replica in role.replicas] for group in groups]
        rows = [(role, replica) for role, ids in shapes[0] for replica in ids] if shapes else []
        return rows, list(zip(*columns, strict=True))
    order: dict[str, int] = {spec.name: index for index, spec in enumerate(workload.role_specs)}
    seen: dict[RowId, int | None] = {}
    found: list[dict[RowId, RoleReplica]] = []
    for group in groups:
        at = {(role.name, replica.id): replica for role in group.roles for replica in role.replicas}
        found.append(at)
        for role in group.roles:
            order.setdefault(role.name, len(order))
        for row, replica in at.items():
            seen.setdefault(row, replica.ordinal)
    rows = sorted(seen, key=lambda row: (order[row[0]], _ordinal(seen[row]), row[1]))
    return rows, [tuple(at.get(row) for at in found) for row in rows]


def _ordinal(ordinal: int | None) -> float:
    return float("inf") if ordinal is None else ordinal


def _label_width(rows: list[RowId]) -> int:
    named = max((width(shown(row[1], 80)) for row in rows), default=0)
    return min(16, max(named, *map(len, (*_HEAD, *_MEASURED))) + 2)


def fits(workload: Workload, rows: list[RowId], cells: int, look: Look) -> bool:
    """Whether all groups find room side by side."""
    least = _NARROWEST + look.glyphs.column - 1
    return bool(workload.groups) and (cells - _label_width(rows)) // len(workload.groups) >= least


class GridColumns:
    """The drawing of one workload value at one width."""

    def __init__(
        self,
        view: GridView,
        rows: list[RowId],
        lines: list[tuple[RoleReplica | None, ...]],
        cells: int,
        high: int,
        look: Look,
        kept: GridCells | None,
    ) -> None:
        """In so many ``cells`` a line; lines of engines are there where all fits into ``high`` lines."""
        workload = view.workload
        self.workload = workload
        self.rows = rows
        self.lines = lines
        self.look = look
        self.label = _label_width(rows)
        size = min(_WIDEST, (cells - self.label) // len(workload.groups))
        self.cells = (
            kept if kept is not None and kept.cells == size and kept.look is look else GridCells(look, size)
        )
        self._heads = tuple(
            (group.name, group.mark, group.phase, group.trouble, group.progress, group.gpus, group.outdated)
            for group in workload.groups
        )
        key, use = workload.key, view.use
        self._uses: tuple[Figures | None, ...] = ()
        self._notes: list[tuple[_Note | None, ...]] = []
        self._engines: tuple[tuple[str, str, bool], ...] = ()
        if use.groups or view.measured:
            found = (use.groups.get((key, group.name)) for group in workload.groups)
            self._uses = tuple(None if one is None else use_text(one, look) for one in found)
            self._notes = [
                tuple(self._note(use, key, group.name, row) for group in workload.groups) for row in rows
            ]
        self.head = len(_HEAD) + (len(_MEASURED) if self._uses else 0)
        """Lines above the first role replica."""
        told = view.measured or view.engines.groups
        if told and len(rows) + self.head + len(_ENGINES) <= high:
            self.head += len(_ENGINES)
            engines = view.engines.groups
            self._engines = tuple(
                engine_text(engines.get(group.name), look.glyphs.unknown) for group in workload.groups
            )

    def _note(self, use: GpuUse, key: WorkloadKey, group: str, row: RowId) -> _Note | None:
        found = use.replicas.get((key, group, *row))
        if found is None:
            return None
        busy, memory, mark = use_text(found, self.look)
        letter, style = mark_style(mark, self.look)
        short = f"{letter}{busy:>2}"
        return (f"{short}/{memory:>2}", short), style

    def key(self, row: int, fresh: Collection[str], cursor: tuple[int, int] | None) -> object:
        """What line ``row`` (the head's included) depends on; ``cursor`` is (group, line below the head)."""
        column = None if cursor is None else cursor[0]
        if len(_HEAD) <= row < self.head:
            return (self._uses, self._engines, self.cells, self.label)
        if row < self.head:
            lit = tuple(group.name in fresh for group in self.workload.groups) if fresh else ()
            return (self._heads, lit, self.cells, self.label, cursor if row == 0 else None)
        index = row - self.head
        on = column if cursor is not None and cursor[1] == index else None
        return (
            self.rows[index],
            self.lines[index],
            self._notes[index] if self._notes else None,
            self._fresh(index, fresh),
            self.cells,
            self.label,
            on,
        )

    def draw(self, row: int, cells: int, fresh: Collection[str], cursor: tuple[int, int] | None) -> Strip:
        """One line."""
        if row < self.head:
            return self._head(row, cells, fresh, cursor)
        index = row - self.head
        styles, size = self.look.styles, self.cells.cells
        on = cursor[0] if cursor is not None and cursor[1] == index else -1
        label = fit(shown(self.rows[index][1], 80), self.label - 1, ellipsis=self.look.glyphs.ellipsis) + " "
        pieces = self.cells.line(self.rows[index], self.lines[index], self._fresh(index, fresh))
        if self._notes:
            pieces = list(map(self._noted, pieces, self._notes[index]))
        if on >= 0:
            text, style = pieces[on]
            here = (fit(text.rstrip(), size - 1), under_cursor(style, styles.cursor))
            pieces = [*pieces[:on], here, (" ", styles.normal), *pieces[on + 1 :]]
        segments = [Segment(label, styles.strong if on >= 0 else styles.dim)]
        text, style = "", styles.normal
        for piece in pieces:
            if piece[1] is style:
                text += piece[0]
            else:
                if text:
                    segments.append(Segment(text, style))
                text, style = piece
        segments.append(Segment(text, style))
        room = cells - self.label - size * len(self.lines[index])
        if room:
            segments.append(Segment(" " * room, styles.normal))
        return Strip(segments, cells)

    def _noted(self, piece: Piece, note: _Note | None) -> Piece:
        """The cell with what its devices do, where its own words leave room; a mark gives it its style."""
        text, style = piece
        said = text.rstrip()
        room = self.cells.cells - width(said) - 2
        words = next((words for words in note[0] if width(words) <= room), None) if note and said else None
        if note is None or words is None:
            return piece
        quiet = style == self.look.styles.normal
        return fit(f"{said} {words}", self.cells.cells), note[1] if quiet else style

    def _fresh(self, index: int, fresh: Collection[str]) -> tuple[int, ...]:
        if not fresh:
            return ()
        replica = self.rows[index][1]
        groups = self.workload.groups
        return tuple(column for column, group in enumerate(groups) if f"{group.name}/{replica}" in fresh)

    def _head(self, row: int, cells: int, fresh: Collection[str], cursor: tuple[int, int] | None) -> Strip:
        styles = self.look.styles
        names = (*_HEAD, *(_MEASURED if self._uses else ()), *_ENGINES)
        pieces: list[Piece] = [(fit(names[row], self.label - 1) + " ", styles.dim)]
        for column, group in enumerate(self.workload.groups):
            if row < len(_HEAD):
                text, style = (self._mark, self._phase, self._gpus)[row](group)
            elif self._engines and row >= self.head - len(_ENGINES):
                text, style = self._engine(column, row - self.head)
            else:
                text, style = self._measured(column, row - len(_HEAD))
            if row == 1 and group.name in fresh:
                style += styles.strong
            text = fit(text, self.cells.cells - 1, ellipsis=self.look.glyphs.ellipsis)
            if row == 0 and cursor is not None and column == cursor[0]:
                style = under_cursor(style, styles.cursor) if cursor[1] < 0 else style + styles.strong
            pieces += [(text, style), (" ", styles.normal)]
        return strip(pieces, cells, self.look)

    def _mark(self, group: Group) -> Piece:
        look = self.look
        mark = look.glyphs.mark(group.mark)
        label = group_label(group)
        room = self.cells.cells - 1 - width(mark)
        if group.ordinal is not None and width(label) + 1 > room:
            label = str(group.ordinal)
        gap = " " if width(label) + 1 <= room else ""
        style = look.styles.accent if group.mark is Mark.ACTIVE else look.styles.normal
        return mark + gap + label, style

    def _phase(self, group: Group) -> Piece:
        _, style = self.look.state(group.phase, None if group.trouble is None else group.trouble.kind)
        return phase_text(group, self.cells.cells - 1, self.look), style

    def _measured(self, column: int, line: int) -> Piece:
        """How busy its devices are, with the letter of their worst mark; how full they are."""
        figures = self._uses[column]
        if figures is None:
            return self.look.glyphs.unknown, self.look.styles.dim
        letter, style = mark_style(figures[2], self.look)
        if line:
            return figures[1], style if figures[2] is GpuMark.MEMORY else self.look.styles.normal
        return f"{figures[0]}{letter.strip()}", style

    def _engine(self, column: int, line: int) -> Piece:
        """Requests that run and wait; how full the cache is."""
        requests, kv, waits = self._engines[column]
        styles = self.look.styles
        return (kv, styles.normal) if line == -1 else (requests, styles.warn if waits else styles.normal)

    def _gpus(self, group: Group) -> Piece:
        old = " old" if group.outdated and self.cells.cells >= 9 else ""
        return f"{group.gpus}{old}", self.look.styles.dim
