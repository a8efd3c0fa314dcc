"""The head of the workload screen: what it is, where it can be reached, what drives it."""

from __future__ import annotations

from clients.serving.driver_words import driver_words
from clients.serving.workload import Workload
from widgets.cells import fraction, shown
from widgets.lines import Line, Piece, TextWidget

__all__ = ["Header"]


class Header(TextWidget):
    """Two lines."""

    DEFAULT_CSS = """
    Header { height: 2; }
    """

    _workload: Workload | None = None
    _gone = False
    _cost = ""

    def show(self, workload: Workload | None, *, gone: bool = False, cost: str = "") -> None:
        """Draws the workload; ``gone``: it was deleted, this is what it was last. ``cost``: in words."""
        self._workload, self._gone, self._cost = workload, gone, cost
        self.update_rows()

    def lay_out(self, cells: int) -> list[Line]:
        """Name and reach; then driver, what only its system has, owner, version."""
        styles, unknown = self.look.styles, self.look.glyphs.unknown
        workload = self._workload
        if workload is None:
            return [((" reading", styles.dim),)]
        key = workload.key
        first: list[Piece] = [
            (f" {shown(key.label, 120)}", styles.head),
            (f"  {shown(key.kind, 40)}", styles.dim),
            (f"  {fraction(workload.ready, workload.desired, unknown)} ready", styles.normal),
        ]
        if self._gone:
            first.append(("  it is gone: this is what it was last", styles.alarm))
        if workload.in_rotation is not None:
            ready, known = workload.in_rotation
            style = styles.normal if ready == known else styles.warn
            first.append((f"  in rotation {ready}/{known}", style))
        if workload.endpoint:
            first.append((f"  {shown(workload.endpoint, 200)}", styles.accent))
        second: list[Piece] = [(" driver ", styles.dim), (driver_words(workload.drivers), styles.normal)]
        if self._cost:
            second += [("  cost ", styles.dim), (shown(self._cost, 80), styles.normal)]
        for name, fact in workload.about:
            second += [(f"  {shown(name, 40)} ", styles.dim), (shown(fact, 60), styles.normal)]
        if workload.owner:
            second += [("  owner ", styles.dim), (shown(str(workload.owner), 80), styles.normal)]
        if workload.version:
            second += [("  order ", styles.dim), (shown(workload.version, 40), styles.normal)]
        second += [("  GPUs ", styles.dim), (str(workload.gpus), styles.normal)]
        if workload.warnings:
            second.append((f"  {shown(workload.warnings[0])}", styles.warn))
        return [tuple(first), tuple(second)]
