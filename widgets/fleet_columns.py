"""The fleet table's columns: which ones fit a width, how wide each is, and what stands in a cell."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

from clients.serving.keys import WorkloadKey
from clients.serving.phase import Phase, TroubleKind
from clients.serving.workload import Group, Workload
from widgets.cells import fit, fraction, number, shown, width
from widgets.lines import Line, Piece
from widgets.records import FleetRow
from widgets.theme import Look
from widgets.words import doing, driver, initials, kind_short, role_totals, workload_name

__all__ = ["Column", "Columns", "Layout", "cell", "heading"]


class Column(StrEnum):
    """The columns, in order."""

    NAME = "NAME"
    KIND = "KIND"
    READY = "READY"
    GROUPS = "GROUPS"
    ROLES = "ROLES"
    GPU = "GPU"
    DRIVER = "DRIVER"
    DOING = "DOING"


class Columns(Struct, frozen=True):
    """The columns of one layout and their widths in cells; one blank stands between two."""

    widths: tuple[tuple[Column, int], ...]
    namespaces: bool
    """Names carry their namespace."""


_NARROWEST = {
    Column.NAME: 18,
    Column.KIND: 6,
    Column.READY: 7,
    Column.GROUPS: 10,
    Column.ROLES: 11,
    Column.GPU: 5,
    Column.DRIVER: 10,
    Column.DOING: 28,
}
_WIDEST = {
    Column.NAME: 44,
    Column.KIND: 16,
    Column.READY: 7,
    Column.GROUPS: 40,
    Column.ROLES: 26,
    Column.GPU: 5,
    Column.DRIVER: 30,
}
_DROP = (Column.KIND, Column.ROLES, Column.DRIVER, Column.GPU, Column.GROUPS)
"""Which column goes first where there is no room."""
_GROW = (
    (Column.NAME, 26),
    (Column.GROUPS, 14),
    (Column.DOING, 34),
    (Column.ROLES, 15),
    (Column.DRIVER, 18),
    (Column.KIND, 12),
    (Column.DOING, 40),
    (Column.NAME, 44),
    (Column.GROUPS, 40),
    (Column.DRIVER, 30),
    (Column.ROLES, 26),
    (Column.KIND, 16),
)
"""Which column is given room first, and up to what."""


class Layout:
    """Chooses columns for rows and a width; what a workload's cells ask for is measured once per value."""

    def __init__(self) -> None:
        self._measured: dict[WorkloadKey, tuple[Workload, _Needs]] = {}

    def columns(self, cells: int, rows: Sequence[FleetRow]) -> Columns:
        """The columns for ``cells`` cells, never wider than their widest content asks for.

        They depend on names, kinds and how many groups and roles there are, not on live numbers, so a table
        does not jump while things go on.
        """
        namespaces = len({row.workload.key.namespace for row in rows}) > 1
        wants = self._wants(rows, namespaces)
        widths = {column: min(least, wants[column]) for column, least in _NARROWEST.items()}
        for column in _DROP:
            if _total(widths) <= cells:
                break
            del widths[column]
        if _total(widths) > cells:
            widths[Column.NAME] = max(8, widths[Column.NAME] + cells - _total(widths))
            widths[Column.DOING] = max(0, widths[Column.DOING] + min(0, cells - _total(widths)))
        left = cells - _total(widths)
        for column, limit in _GROW:
            if column in widths:
                more = max(0, min(left, min(limit, wants[column]) - widths[column]))
                widths[column] += more
                left -= more
        widths[Column.DOING] += max(0, left)
        return Columns(tuple(widths.items()), namespaces)

    def _wants(self, rows: Sequence[FleetRow], namespaces: bool) -> dict[Column, int]:
        measured = self._measured
        if len(measured) > 2 * len(rows) + 100:
            measured.clear()
        widest = [0] * 6
        for row in rows:
            value = row.workload
            known = measured.get(value.key)
            if known is None or known[0] is not value:
                known = measured[value.key] = (value, _measure(value))
            widest = list(map(max, widest, known[1]))
        full, short, kind, groups, roles, drivers = widest
        wants = {
            Column.NAME: full if namespaces else short,
            Column.KIND: kind,
            Column.READY: 0,
            Column.GROUPS: groups,
            Column.ROLES: roles,
            Column.GPU: 0,
            Column.DRIVER: drivers,
        }
        sized = {column: min(_WIDEST[column], max(want, len(column))) for column, want in wants.items()}
        return {**sized, Column.READY: 7, Column.GPU: 5, Column.DOING: 10_000}


_Needs = tuple[int, int, int, int, int, int]
"""Cells for: name with namespace, name alone, kind, groups, roles, driver."""


def _measure(workload: Workload) -> _Needs:
    letters = initials([spec.name for spec in workload.role_specs])
    roles = sum(
        len(letters[name]) + 3 + 2 * len(str(wanted))
        for name, _, wanted in role_totals(workload)
        if name in letters
    )
    return (
        width(workload_name(workload, with_namespace=True)),
        width(workload_name(workload, with_namespace=False)),
        width(shown(workload.key.kind, 40)),
        len(workload.groups),
        roles,
        width(driver(workload.drivers)),
    )


def _total(widths: dict[Column, int]) -> int:
    return sum(widths.values()) + len(widths) - 1


def heading(columns: Columns, look: Look) -> Line:
    """The names of the columns."""
    names = [fit(column.value, cells, right=column is Column.GPU) for column, cells in columns.widths]
    return (("  " + " ".join(names), look.styles.dim),)


def cell(column: Column, cells: int, row: FleetRow, columns: Columns, eta: str, look: Look) -> Line:
    """What stands in one cell, in exactly ``cells`` cells."""
    workload = row.workload
    styles = look.styles
    cut = look.glyphs.ellipsis
    match column:
        case Column.NAME:
            return (
                (
                    fit(workload_name(workload, with_namespace=columns.namespaces), cells, ellipsis=cut),
                    styles.normal,
                ),
            )
        case Column.KIND:
            kind = shown(workload.key.kind, 40)
            kind = kind if width(kind) <= cells else kind_short(workload.key.kind)
            return ((fit(kind, cells, ellipsis=cut), styles.dim),)
        case Column.READY:
            ready = workload.ready if workload.capabilities.ready_known else None
            short = ready is not None and workload.desired is not None and ready < workload.desired
            text = fraction(ready, workload.desired, look.glyphs.unknown)
            return ((fit(text, cells, ellipsis=cut), styles.accent if short else styles.normal),)
        case Column.GROUPS:
            return _groups(workload, cells, look)
        case Column.ROLES:
            letters = initials([name for name, _, _ in role_totals(workload)])
            text = " ".join(
                f"{letters[name]} {ready}/{wanted}" for name, ready, wanted in role_totals(workload)
            )
            return ((fit(text, cells, ellipsis=cut), styles.normal),)
        case Column.GPU:
            return ((fit(number(workload.gpus, cells), cells, right=True, ellipsis=cut), styles.normal),)
        case Column.DRIVER:
            text = driver(workload.drivers)
            return ((fit(text, cells, ellipsis=cut), styles.normal if workload.drivers else styles.dim),)
        case Column.DOING:
            trouble = workload.trouble
            style = styles.normal if trouble is None else look.trouble_style(trouble.kind)
            sign = "" if trouble is None else look.glyphs.trouble(trouble.kind).strip() + " "
            return ((fit(sign + doing(workload, eta), cells, ellipsis=cut), style),)


def _groups(workload: Workload, cells: int, look: Look) -> Line:
    if not workload.groups:
        word = "zero" if workload.desired == 0 else look.glyphs.unknown if workload.desired is None else ""
        return ((fit(word, cells), look.styles.dim),)
    if len(workload.groups) * look.glyphs.column <= cells:
        pieces = _runs(workload.groups, look)
    else:
        pieces = _folded(workload.groups, cells, look)
    used = sum(width(text) for text, _ in pieces)
    return (*pieces, (" " * (cells - used), look.styles.normal))


def _runs(groups: Sequence[Group], look: Look) -> list[Piece]:
    pieces: list[Piece] = []
    for group in groups:
        text, style = look.state(group.phase, None if group.trouble is None else group.trouble.kind)
        if pieces and pieces[-1][1] is style:
            pieces[-1] = (pieces[-1][0] + text, style)
        else:
            pieces.append((text, style))
    return pieces


def _folded(groups: Sequence[Group], cells: int, look: Look) -> list[Piece]:
    """How many are in each state: what is wrong first where not all fit, so that it is never cut off."""
    tally: dict[tuple[Phase, TroubleKind | None], int] = {}
    for group in groups:
        state = (group.phase, None if group.trouble is None else group.trouble.kind)
        tally[state] = tally.get(state, 0) + 1
    merged: dict[Piece, int] = {}
    for (phase, trouble), count in tally.items():
        sign = look.state(phase, trouble)
        merged[sign] = merged.get(sign, 0) + count
    order = sorted(merged.items(), key=lambda item: _weight(item[0], look))
    texts = [(f"{sign.strip()}{count}", style) for (sign, style), count in order]
    while texts and sum(width(text) + 1 for text, _ in texts) - 1 > cells:
        texts.pop()
    pieces: list[Piece] = []
    for text, style in texts:
        pieces.append((text if not pieces else " " + text, style))
    return pieces


def _weight(sign: Piece, look: Look) -> int:
    """Failures, other troubles, what moves, the rest."""
    for weight, style in enumerate((look.styles.alarm, look.styles.warn, look.styles.accent)):
        if sign[1] is style and (sign[0] in look.glyphs.troubles.values() or style is look.styles.accent):
            return weight
    return 3
