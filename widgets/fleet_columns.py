"""The fleet table's columns: which ones fit a width, how wide each is, and what stands in a cell."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import astuple, replace

from clients.serving.cloud_words import each
from clients.serving.driver_words import at_bound, driver_words
from clients.serving.keys import WorkloadKey
from clients.serving.phase import Phase, TroubleKind
from clients.serving.workload import Group, Workload
from widgets.cells import fit, fraction, number, shown, width
from widgets.gpu_cells import mark_style, use_text
from widgets.lines import Line, Piece
from widgets.records import FleetRow
from widgets.theme import Look
from widgets.words import doing, initials, kind_short, role_totals, workload_name

__all__ = ["Column", "Columns", "Layout", "cell", "heading"]


class Column(StrEnum):
    """The columns, in order."""

    NAME = "NAME"
    KIND = "KIND"
    READY = "READY"
    GROUPS = "GROUPS"
    ROLES = "ROLES"
    GPU = "GPU"
    BUSY = "GPU%"
    DRIVER = "DRIVER"
    DOING = "DOING"


class Columns(Struct, frozen=True):
    """The columns of one layout and their widths in cells; one blank stands between two."""

    widths: tuple[tuple[Column, int], ...]
    namespaces: bool
    """Names carry their namespace."""


_LEAST = {
    Column.NAME: 22,
    Column.KIND: 6,
    Column.READY: 9,
    Column.GROUPS: 10,
    Column.ROLES: 26,
    Column.GPU: 4,
    Column.BUSY: 4,
    Column.DRIVER: 12,
    Column.DOING: 30,
}
"""What a column is given, if its contents ask for so much, before the next one goes."""
_DROP = (Column.KIND, Column.BUSY, Column.ROLES, Column.DRIVER, Column.GPU, Column.GROUPS)
"""Which column goes first where there is no room."""
_DRIVER_SHORT = 26
"""Cells that the short form of what drives is given before anything else grows: a schedule beside an HPA."""
_GROW = (
    (Column.NAME, 30),
    (Column.GROUPS, 14),
    (Column.DOING, 40),
    (Column.DRIVER, 44),
    (Column.KIND, 16),
    (Column.NAME, 44),
    (Column.GROUPS, 40),
)
"""Which column is given room first, and up to what; DOING has what is left."""
_WHOLE = frozenset((Column.DRIVER, Column.KIND))
"""Columns with a short and a long form: they grow only to where the long form has room."""


class Layout:
    """Chooses columns for rows and a width; what a workload's cells ask for is measured once per value."""

    def __init__(self) -> None:
        self._measured: dict[WorkloadKey, tuple[Workload, _Sizes]] = {}
        self._rows: Sequence[FleetRow] = ()
        self._widest = _Sizes()
        self._namespaces = False
        self._used = 0
        """Rows of which it is known how busy their GPUs are."""

    def columns(self, cells: int, rows: Sequence[FleetRow]) -> Columns:
        """The columns for ``cells`` cells, never wider than their widest content asks for.

        They depend on names, kinds and how many groups and roles there are, not on live numbers, so a table
        does not jump while things go on.
        """
        self._take(rows)
        wants = self._wants()
        widths = {column: min(least, wants[column][0]) for column, least in _LEAST.items()}
        if not self._used:
            del widths[Column.BUSY]
        for column in _DROP:
            if _total(widths) <= cells:
                break
            widths.pop(column, None)
        if _total(widths) > cells:
            widths[Column.NAME] = max(8, widths[Column.NAME] + cells - _total(widths))
            widths[Column.DOING] = max(0, widths[Column.DOING] + min(0, cells - _total(widths)))
        left = cells - _total(widths)
        if Column.DRIVER in widths:
            more = max(0, min(_DRIVER_SHORT, wants[Column.DRIVER][0]) - widths[Column.DRIVER])
            widths[Column.DRIVER] += min(more, max(0, left))
            left -= min(more, max(0, left))
        for column, limit in _GROW:
            if column in widths:
                more = max(0, min(limit, wants[column][1]) - widths[column])
                if more > left:
                    more = 0 if column in _WHOLE else left
                widths[column] += more
                left -= more
        widths[Column.DOING] += max(0, left)
        return Columns(tuple(widths.items()), self._namespaces)

    def _take(self, rows: Sequence[FleetRow]) -> None:
        """Finds the widest of each column; where the rows are the same, only values that changed may tell."""
        before, self._rows = self._rows, rows
        if len(before) == len(rows):
            changed = [(old, new) for old, new in zip(before, rows, strict=True) if old is not new]
            if all(old.workload.key == new.workload.key for old, new in changed):
                self._used += sum((new.use is not None) - (old.use is not None) for old, new in changed)
                narrower = [row for _, row in changed if self._gives_way(row.workload)]
                if narrower:
                    self._widen(rows)
                return
        if len(self._measured) > 2 * len(rows) + 100:
            self._measured.clear()
        spread = {row.workload.key.namespace for row in rows if not row.workload.key.managed}
        self._namespaces = len(spread) > 1
        self._used = sum(row.use is not None for row in rows)
        self._widen(rows)

    def _widen(self, rows: Sequence[FleetRow]) -> None:
        sizes = [self._size(row.workload) for row in rows]
        self._widest = _Sizes(*map(max, zip(*map(astuple, sizes), strict=True))) if sizes else _Sizes()

    def _gives_way(self, workload: Workload) -> bool:
        """A value of a row that was there: whether the widest may be another row now."""
        was, now = self._measured[workload.key][1], self._size(workload)
        if was is now or was == now:
            return False
        most, self._widest = self._widest, self._widest.with_(now)
        return any(
            old == widest > new
            for old, new, widest in zip(astuple(was), astuple(now), astuple(most), strict=True)
        )

    def _size(self, workload: Workload) -> _Sizes:
        known = self._measured.get(workload.key)
        if known is None:
            sizes = _measure(workload, None)
        elif known[0] is workload or _asks_as_much(known[0], workload):
            sizes = known[1]
        else:
            sizes = _measure(workload, known[1])
        self._measured[workload.key] = (workload, sizes)
        return sizes

    def _wants(self) -> dict[Column, tuple[int, int]]:
        """Cells for the short and for the long form of each column; equal where there is but one."""
        widest = self._widest
        name = widest.full_name if self._namespaces else widest.name
        wants = {
            Column.NAME: (name, name),
            Column.KIND: (widest.kind_short, widest.kind),
            Column.READY: (widest.ready, widest.ready),
            Column.GROUPS: (widest.groups, widest.groups),
            Column.ROLES: (widest.roles, widest.roles),
            Column.GPU: (4, 4),
            Column.BUSY: (4, 4),
            Column.DRIVER: (widest.driver_short, widest.driver),
        }
        headed = {
            column: (max(short, len(column)), max(long, len(column)))
            for column, (short, long) in wants.items()
        }
        return {**headed, Column.DOING: (10_000, 10_000)}


class _Sizes(Struct, frozen=True):
    """Cells that the contents of columns take."""

    full_name: int = 0
    name: int = 0
    kind: int = 0
    kind_short: int = 0
    ready: int = 0
    groups: int = 0
    roles: int = 0
    driver: int = 0
    driver_short: int = 0

    def with_(self, other: _Sizes) -> _Sizes:
        """The larger of both, one by one."""
        return _Sizes(*map(max, astuple(self), astuple(other)))


def _asks_as_much(was: Workload, now: Workload) -> bool:
    """Most new values of a workload differ in what their groups do, which takes no other room."""
    return (
        bool(now.role_specs)
        and was.drivers == now.drivers
        and was.role_specs == now.role_specs
        and was.desired == now.desired
        and len(was.groups) == len(now.groups)
    )


def _measure(workload: Workload, before: _Sizes | None) -> _Sizes:
    """``before``: of the workload's last value. What a driver says moves with its metric, and only grows.

    Names stay what they are.
    """
    letters = initials([spec.name for spec in workload.role_specs])
    roles = [
        len(letters[name]) + 3 + 2 * len(str(wanted))
        for name, _, wanted in role_totals(workload)
        if name in letters
    ]
    said = width(driver_words(workload.drivers))
    named = before or _Sizes(
        full_name=width(workload_name(workload, with_namespace=True)),
        name=width(workload_name(workload, with_namespace=False)),
        kind=width(shown(workload.key.kind, 40)),
        kind_short=width(kind_short(workload.key.kind)),
    )
    return replace(
        named,
        ready=1 + 2 * len(str(workload.desired or 0)),
        groups=len(workload.groups),
        roles=sum(roles) - 1 if roles else width(each(workload)),
        driver=said if before is None else max(said, before.driver),
        driver_short=width(driver_words(workload.drivers, signal=False)),
    )


def _total(widths: dict[Column, int]) -> int:
    return sum(widths.values()) + len(widths) - 1


def heading(columns: Columns, look: Look) -> Line:
    """The names of the columns."""
    names = [
        fit(column.value, cells, right=column in (Column.GPU, Column.BUSY))
        for column, cells in columns.widths
    ]
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
            ) or each(workload)
            return ((fit(text, cells, ellipsis=cut), styles.normal),)
        case Column.GPU:
            return ((fit(number(workload.gpus, cells), cells, right=True, ellipsis=cut), styles.normal),)
        case Column.BUSY:
            return _busy(row, cells, look)
        case Column.DRIVER:
            text = driver_words(workload.drivers)
            if width(text) > cells:
                text = driver_words(workload.drivers, signal=False)
            style = styles.warn if at_bound(workload.drivers) else styles.normal
            return ((fit(text, cells, ellipsis=cut), style if workload.drivers else styles.dim),)
        case Column.DOING:
            trouble = workload.trouble
            style = styles.normal if trouble is None else look.trouble_style(trouble.kind)
            sign = "" if trouble is None else look.glyphs.trouble(trouble.kind).strip() + " "
            text = doing(workload, eta) or row.offer
            return ((fit(sign + text, cells, ellipsis=cut), style),)


def _busy(row: FleetRow, cells: int, look: Look) -> Line:
    """The letter of the worst mark, and how busy its devices are; blank where it has none."""
    if row.use is None:
        return ((" " * cells, look.styles.normal),)
    busy, _, mark = use_text(row.use, look)
    letter, style = mark_style(mark, look)
    return ((letter + fit(busy, cells - 1, right=True), style),)


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
