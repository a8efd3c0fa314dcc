"""What stands in one cell of the grid: a role replica's state, its stage and how far it is, in few cells."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from clients.serving.phase import Phase, Stage
from clients.serving.workload import Group, RoleReplica
from widgets.cells import fit, shown, width
from widgets.lines import Piece
from widgets.theme import Look
from widgets.words import MOVING

__all__ = ["GridCells", "phase_text", "replica_text"]


class GridCells:
    """Cells of one width, each text made once: a grid has many cells and few different ones."""

    def __init__(self, look: Look, cells: int) -> None:
        self.look = look
        self.cells = cells
        self._made: dict[object, Piece] = {}
        self._lines: dict[object, tuple[Sequence[RoleReplica | None], Sequence[Piece]]] = {}
        self.blank: Piece = (" " * cells, look.styles.normal)

    def line(
        self, row: object, replicas: tuple[RoleReplica | None, ...], lit: Collection[int]
    ) -> list[Piece]:
        """The pieces of a line; those of replicas that are the same objects as the last time are kept."""
        before, drawn = self._lines.get(row, ((), ()))
        make = self.piece
        if lit:
            self._lines.pop(row, None)
            return [make(replica, column in lit) for column, replica in enumerate(replicas)]
        if len(before) == len(replicas):
            pieces = [
                piece if replica is old else make(replica, False)
                for replica, old, piece in zip(replicas, before, drawn, strict=True)
            ]
        else:
            pieces = [make(replica, False) for replica in replicas]
        self._lines[row] = (replicas, pieces)
        return pieces

    def piece(self, replica: RoleReplica | None, fresh: bool) -> Piece:
        """The replica in exactly the width of this grid's cells; blank where there is none."""
        if replica is None:
            return self.blank
        trouble = replica.trouble
        key = (
            replica.phase,
            None if trouble is None else (trouble.kind, trouble.reason),
            replica.stage,
            replica.progress,
            fresh,
        )
        made = self._made.get(key)
        if made is None:
            if len(self._made) > 5000:
                self._made.clear()
            text = replica_text(replica, self.cells - 1, self.look)
            _, style = self.look.state(replica.phase, None if trouble is None else trouble.kind)
            if fresh:
                style += self.look.styles.strong
            made = self._made[key] = (fit(text, self.cells, ellipsis=self.look.glyphs.ellipsis), style)
        return made


def replica_text(replica: RoleReplica, cells: int, look: Look) -> str:
    """``▸ weights 60%``, shorter where there is less room: ``▸ wts 60%``, ``▸ 60%``, ``▸60``, ``▸``."""
    trouble = replica.trouble
    sign, _ = look.state(replica.phase, None if trouble is None else trouble.kind)
    room = cells - width(sign)
    if trouble is not None:
        reason = shown(trouble.reason, 60)
        return f"{sign} {reason}" if room >= 5 else sign
    glyphs = look.glyphs
    stage = replica.stage
    if replica.phase is Phase.DELETING:
        word = glyphs.stages[Stage.TERMINATING]
        return f"{sign} {word}" if room > len(word) else sign
    if replica.phase not in MOVING:
        return sign
    long = "" if stage is None else glyphs.stages[stage]
    short = "" if stage is None else glyphs.stages_short[stage]
    return sign + _longest(room, (long, short), replica.progress)


def _longest(room: int, words: tuple[str, ...], progress: int | None) -> str:
    """The longest of words and per cent that has room; per cent alone keeps its width from 0 to 99."""
    if progress is None or progress >= 100:  # What is all there only waits for its turn.
        return next((f" {word}" for word in words if word and len(word) < room), "")
    percent = f"{progress}%"
    for word in words:
        if word and len(word) + 6 <= room:
            return f" {word} {percent}"
    if room >= 5:
        return f" {percent}"
    tight = f"{min(99, progress):>2}"
    return f"{tight}%" if room >= 3 else tight if room >= 2 else ""


def phase_text(group: Group, cells: int, look: Look) -> str:
    """A group's phase: ``▸ creating 63%``, ``▸ 63%``, ``▸63``, ``▸``; a trouble's reason in its place."""
    trouble = group.trouble
    sign, _ = look.state(group.phase, None if trouble is None else trouble.kind)
    room = cells - width(sign)
    if trouble is not None:
        reason = shown(trouble.reason, 60)
        return f"{sign} {reason}" if room >= 5 else sign
    progress = group.progress if group.phase in MOVING else None
    return sign + _longest(room, (str(group.phase),), progress)
