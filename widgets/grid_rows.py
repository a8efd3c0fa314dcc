"""The grid with a line per group, for workloads with more groups than find room side by side.

Ranges of groups in which nothing goes on are folded into one line, so that what moves and what fails stays
in sight among hundreds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from msgspec import Struct
from textual.strip import Strip

from clients.serving.phase import Mark, Phase
from clients.serving.workload import Group, RoleReplica, Workload
from widgets.cells import fit, shown, width
from widgets.engine_cells import engine_text
from widgets.glyphs import GlyphSet
from widgets.gpu_cells import mark_style, use_text
from widgets.grid_cells import phase_text
from widgets.lines import Piece, strip
from widgets.records import GridView
from widgets.theme import Look, under_cursor
from widgets.words import group_label, initials

__all__ = ["HEAD", "Entry", "GridRows"]

HEAD = 1
"""Lines above the first group: how many there are of what."""

_STEADY = frozenset((Phase.RUNNING, Phase.QUEUED, Phase.ABSENT))
_FOLD_FROM = 3
_LABEL, _PHASE, _GPUS, _MEASURED, _ENGINE = 12, 18, 8, 16, 14
_ROOMY = 110
"""Cells of a line that has room for what engines do."""


class Entry(Struct, frozen=True):
    """One line: a group, or several that are alike and lie side by side."""

    groups: tuple[Group, ...]

    @property
    def folded(self) -> bool:
        """Whether it stands for a range."""
        return len(self.groups) > 1


class GridRows:
    """The drawing of one workload value."""

    def __init__(self, view: GridView, look: Look, *, unfolded: bool) -> None:
        workload = self.workload = view.workload
        self._use = view.use
        self._engines = view.engines.groups
        self.look = look
        worst = {group: use_text(use, look)[2] for (_, group), use in view.use.groups.items()}
        self.entries = _entries(workload.groups, worst, unfolded)
        self.letters = initials([spec.name for spec in workload.role_specs] or _role_names(workload))

    def index_of(self, group: str) -> int | None:
        """The line on which a group is."""
        for index, entry in enumerate(self.entries):
            if any(member.name == group for member in entry.groups):
                return index
        return None

    def replicas(self, index: int) -> list[tuple[str, RoleReplica]]:
        """(role, role replica) in the order in which line ``index`` shows them; none for a range."""
        entry = self.entries[index]
        if entry.folded:
            return []
        return [(role.name, replica) for role in entry.groups[0].roles for replica in role.replicas]

    def key(self, row: int, fresh: Collection[str], cursor: tuple[int, RoleReplica | None] | None) -> object:
        """What a line depends on; ``cursor`` is (entry, role replica)."""
        if row < HEAD:
            return tuple((group.phase, group.trouble is not None) for group in self.workload.groups)
        index = row - HEAD
        entry = self.entries[index]
        on = cursor[1] if cursor is not None and cursor[0] == index else None
        here = cursor is not None and cursor[0] == index
        return (entry, self._measured(entry), self._engine(entry), self._fresh(entry, fresh), here, on)

    def draw(
        self, row: int, cells: int, fresh: Collection[str], cursor: tuple[int, RoleReplica | None] | None
    ) -> Strip:
        """One line."""
        if row < HEAD:
            return strip(self._head(), cells, self.look)
        index = row - HEAD
        entry = self.entries[index]
        here = cursor is not None and cursor[0] == index
        on = cursor[1] if cursor is not None and here else None
        lit = self._fresh(entry, fresh)
        pieces = self._range(entry) if entry.folded else self._group(entry.groups[0], cells, on)
        if lit:
            pieces = [(text, style + self.look.styles.strong) for text, style in pieces]
        over = self.look.styles.cursor if here and on is None else None
        lead = self.look.glyphs.cursor if here else " "
        return strip([(lead + " ", self.look.styles.accent), *pieces], cells, self.look, over)

    def _fresh(self, entry: Entry, fresh: Collection[str]) -> bool:
        return bool(fresh) and any(group.name in fresh for group in entry.groups)

    def _head(self) -> list[Piece]:
        look = self.look
        tally: dict[Piece, tuple[int, str]] = {}
        for group in self.workload.groups:
            trouble = None if group.trouble is None else group.trouble.kind
            sign = look.state(group.phase, trouble)
            word = str(group.phase if trouble is None else trouble)
            tally[sign] = (tally.get(sign, (0, word))[0] + 1, word)
        pieces: list[Piece] = [(f"  {len(self.workload.groups)} groups", look.styles.dim)]
        for (text, style), (count, word) in sorted(tally.items(), key=lambda item: -item[1][0]):
            pieces.append((f"   {text.strip()} {count} {word}", style))
        return pieces

    def _group(self, group: Group, cells: int, on: RoleReplica | None) -> list[Piece]:
        look, styles = self.look, self.look.styles
        cut = look.glyphs.ellipsis
        _, style = look.state(group.phase, None if group.trouble is None else group.trouble.kind)
        pieces: list[Piece] = [
            (
                look.glyphs.mark(group.mark) + " ",
                styles.accent if group.mark is Mark.ACTIVE else styles.normal,
            ),
            (fit(group_label(group), _LABEL, ellipsis=cut) + " ", styles.normal),
            (fit(phase_text(group, _PHASE, look), _PHASE, ellipsis=cut) + " ", style),
            (fit(f"{group.gpus} GPU", _GPUS, ellipsis=cut) + " ", styles.dim),
            *self._measured(Entry((group,))),
            *(self._engine(Entry((group,))) if cells >= _ROOMY else ()),
        ]
        room = max(12, cells // 2 - 10)
        for role in group.roles:
            letter = self.letters.get(role.name) or shown(role.name, 3)
            pieces.append((f"{letter} ", styles.dim))
            used = 0
            for replica in role.replicas:
                sign, its = look.state(
                    replica.phase, None if replica.trouble is None else replica.trouble.kind
                )
                if used + width(sign) > room:
                    pieces.append((cut, styles.dim))
                    break
                used += width(sign)
                pieces.append((sign, under_cursor(its, styles.cursor) if replica is on else its))
            pieces.append(("  ", styles.normal))
        if on is not None:
            pieces.append((f"{shown(on.id, 60)} ", styles.strong))
            if on.stage is not None:
                pieces.append(
                    (
                        look.glyphs.stages[on.stage]
                        + ("" if on.progress is None else f" {on.progress}%")
                        + " ",
                        styles.normal,
                    )
                )
        trouble = group.trouble if on is None or on.trouble is None else on.trouble
        if trouble is not None:
            pieces.append((shown(trouble.message or trouble.reason), look.trouble_style(trouble.kind)))
        return pieces

    def _measured(self, entry: Entry) -> tuple[Piece, ...]:
        """``z 0% mem 93%``: mark, how busy and how full; of a range the least and the most busy group."""
        if not self._use.groups:
            return ()
        found = (self._use.groups.get((self.workload.key, group.name)) for group in entry.groups)
        uses = [use for use in found if use is not None]
        styles, unknown = self.look.styles, self.look.glyphs.unknown
        if not uses:
            return ((fit("", _MEASURED), styles.dim),)
        _, memory, mark = use_text(uses[0], self.look)
        letter, style = mark_style(mark, self.look)
        busy = [use.busy.percent for use in uses if use.busy is not None]
        low, high = (f"{min(busy):.0f}", f"{max(busy):.0f}") if busy else (unknown, unknown)
        span = low if low == high else f"{low}-{high}"
        full = f" mem {memory}%" if len(uses) == 1 else ""
        return ((fit(f"{letter} {span}%{full}", _MEASURED), style),)

    def _engine(self, entry: Entry) -> tuple[Piece, ...]:
        """``12+3 KV 71%``: requests that run and wait, use of the cache; a range has no such figures."""
        if not self._engines or entry.folded:
            return ()
        use = self._engines.get(entry.groups[0].name)
        requests, kv, waits = engine_text(use, self.look.glyphs.unknown)
        styles = self.look.styles
        text = "" if use is None else f"{requests} KV {kv}%"
        return ((fit(text, _ENGINE) + " ", styles.warn if waits else styles.normal),)

    def _range(self, entry: Entry) -> list[Piece]:
        look, styles = self.look, self.look.styles
        first, last = entry.groups[0], entry.groups[-1]
        sign, style = look.state(first.phase, None)
        dots = ".." if look.glyphs.name is GlyphSet.ASCII else look.glyphs.ellipsis
        end = str(last.ordinal) if last.ordinal is not None else group_label(last)
        gpus = sum(group.gpus for group in entry.groups)
        return [
            (look.glyphs.mark(first.mark) + " ", styles.normal),
            (
                fit(f"{group_label(first)}{dots}{end}", _LABEL, ellipsis=look.glyphs.ellipsis) + " ",
                styles.normal,
            ),
            (fit(f"{sign} {first.phase}", _PHASE) + " ", style),
            (fit(f"{gpus} GPU", _GPUS) + " ", styles.dim),
            *self._measured(entry),
            (f"{len(entry.groups)} groups", styles.dim),
        ]


def _entries(groups: tuple[Group, ...], worst: Mapping[str, object], unfolded: bool) -> list[Entry]:
    if unfolded:
        return [Entry((group,)) for group in groups]
    out: list[Entry] = []
    run: list[Group] = []
    for group in groups:
        same = bool(run) and worst.get(run[-1].name) == worst.get(group.name)
        if run and not (same and _steady(group) and _alike(run[-1], group)):
            out.extend(_close(run))
            run = []
        if _steady(group):
            run.append(group)
        else:
            out.append(Entry((group,)))
    out.extend(_close(run))
    return out


def _close(run: list[Group]) -> list[Entry]:
    return [Entry(tuple(run))] if len(run) >= _FOLD_FROM else [Entry((group,)) for group in run]


def _steady(group: Group) -> bool:
    return group.phase in _STEADY and group.trouble is None and group.mark is not Mark.ACTIVE


def _alike(one: Group, other: Group) -> bool:
    neighbours = one.ordinal is None or other.ordinal is None or other.ordinal == one.ordinal + 1
    return (
        neighbours and one.phase is other.phase and one.mark is other.mark and one.outdated is other.outdated
    )


def _role_names(workload: Workload) -> list[str]:
    return list(dict.fromkeys(role.name for group in workload.groups for role in group.roles))
