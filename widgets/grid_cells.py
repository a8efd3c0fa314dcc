"""What stands in one cell of the grid: a role replica's state, its stage and how far it is, in few cells."""

from __future__ import annotations

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
        self.blank: Piece = (" " * cells, look.styles.normal)

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
    percent = "" if replica.progress is None else f"{replica.progress}%"
    long = "" if stage is None else glyphs.stages[stage]
    short = "" if stage is None else glyphs.stages_short[stage]
    for words in (f" {long} {percent}", f" {short} {percent}", f" {percent or short}", percent or short):
        text = words.rstrip()
        if len(text) <= room:
            return sign + text
    digits = str(min(99, replica.progress or 0)) if replica.progress is not None else ""
    return sign + digits if len(digits) <= room else sign


def phase_text(group: Group, cells: int, look: Look) -> str:
    """A group's phase: ``▸ creating 63%``, ``▸ 63%``, ``▸63``, ``▸``; a trouble's reason in its place."""
    trouble = group.trouble
    sign, _ = look.state(group.phase, None if trouble is None else trouble.kind)
    room = cells - width(sign)
    if trouble is not None:
        reason = shown(trouble.reason, 60)
        return f"{sign} {reason}" if room >= 5 else sign
    word = str(group.phase)
    percent = f"{group.progress}%" if group.progress is not None and group.phase in MOVING else ""
    for words in (f" {word} {percent}", f" {percent}" if percent else f" {word}", percent):
        text = words.rstrip()
        if text and len(text) <= room:
            return sign + text
    digits = str(min(99, group.progress or 0)) if percent else ""
    return sign + digits if len(digits) <= room else sign
