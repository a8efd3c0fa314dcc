"""The grid with its groups side by side: a head of three lines, then a line per role replica."""

from __future__ import annotations

from collections.abc import Collection

from rich.segment import Segment
from textual.strip import Strip

from clients.serving.phase import Mark
from clients.serving.workload import Group, RoleReplica, Workload
from widgets.cells import fit, shown, width
from widgets.grid_cells import GridCells, phase_text
from widgets.lines import Piece, strip
from widgets.theme import Look, under_cursor
from widgets.words import group_label

__all__ = ["HEAD", "GridColumns", "RowId", "fits", "replica_rows"]

RowId = tuple[str, str]
"""(role, role replica's id)."""

HEAD = 3
"""Lines above the first role replica."""

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
    return min(16, max((width(shown(row[1], 80)) for row in rows), default=0) + 2)


def fits(workload: Workload, rows: list[RowId], cells: int, look: Look) -> bool:
    """Whether all groups find room side by side."""
    least = _NARROWEST + look.glyphs.column - 1
    return bool(workload.groups) and (cells - _label_width(rows)) // len(workload.groups) >= least


class GridColumns:
    """The drawing of one workload value at one width."""

    def __init__(
        self,
        workload: Workload,
        rows: list[RowId],
        lines: list[tuple[RoleReplica | None, ...]],
        cells: int,
        look: Look,
        kept: GridCells | None,
    ) -> None:
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

    def key(self, row: int, fresh: Collection[str], cursor: tuple[int, int] | None) -> object:
        """What line ``row`` (the head's included) depends on; ``cursor`` is (group, line below the head)."""
        column = None if cursor is None else cursor[0]
        if row < HEAD:
            lit = tuple(group.name in fresh for group in self.workload.groups) if fresh else ()
            return (self._heads, lit, self.cells, self.label, cursor if row == 0 else None)
        on = column if cursor is not None and cursor[1] == row - HEAD else None
        return (
            self.rows[row - HEAD],
            self.lines[row - HEAD],
            self._fresh(row - HEAD, fresh),
            self.cells,
            self.label,
            on,
        )

    def draw(self, row: int, cells: int, fresh: Collection[str], cursor: tuple[int, int] | None) -> Strip:
        """One line."""
        if row < HEAD:
            return self._head(row, cells, fresh, cursor)
        index = row - HEAD
        styles, size = self.look.styles, self.cells.cells
        on = cursor[0] if cursor is not None and cursor[1] == index else -1
        label = fit(shown(self.rows[index][1], 80), self.label - 1, ellipsis=self.look.glyphs.ellipsis) + " "
        pieces = self.cells.line(self.rows[index], self.lines[index], self._fresh(index, fresh))
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

    def _fresh(self, index: int, fresh: Collection[str]) -> tuple[int, ...]:
        if not fresh:
            return ()
        replica = self.rows[index][1]
        groups = self.workload.groups
        return tuple(column for column, group in enumerate(groups) if f"{group.name}/{replica}" in fresh)

    def _head(self, row: int, cells: int, fresh: Collection[str], cursor: tuple[int, int] | None) -> Strip:
        styles = self.look.styles
        names = ("", "phase", "GPU")
        pieces: list[Piece] = [(fit(names[row], self.label - 1) + " ", styles.dim)]
        for column, group in enumerate(self.workload.groups):
            text, style = (self._mark, self._phase, self._gpus)[row](group)
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

    def _gpus(self, group: Group) -> Piece:
        old = " old" if group.outdated and self.cells.cells >= 9 else ""
        return f"{group.gpus}{old}", self.look.styles.dim
