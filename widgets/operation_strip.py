"""The strip above the grid: how far the running operation is, or how the last one compares to its plan."""

from __future__ import annotations

from clients.serving.account import score
from clients.serving.operation import Operation, Outcome
from widgets.bars import bar
from widgets.cells import duration, shown, span
from widgets.lines import Line, Piece, TextWidget
from widgets.records import StripView
from widgets.words import counts, earlier, grows

__all__ = ["OperationStrip"]


class OperationStrip(TextWidget):
    """Two lines. Running: what, who, how far, how long still. Ended: predicted beside happened."""

    DEFAULT_CSS = """
    OperationStrip { height: 2; }
    """

    _view = StripView(None)
    _now = 0.0

    def show(self, view: StripView, now: float) -> None:
        """Draws the view at cluster time ``now``."""
        self._view, self._now = view, now
        self.update_rows()

    def lay_out(self, cells: int) -> list[Line]:
        """Both lines."""
        operation = self._view.operation
        styles = self.look.styles
        if operation is None:
            return [((" " + shown(self._view.quiet or "", 300), styles.dim),)]
        if operation.ended_at is None:
            return self._under_way(operation, cells)
        return self._over(operation)

    def _under_way(self, operation: Operation, cells: int) -> list[Line]:
        styles, glyphs = self.look.styles, self.look.glyphs
        noun = _noun(operation)
        eta = self._view.eta
        took = duration(max(0.0, self._now - operation.started_at))
        first: list[Piece] = [
            (f" {counts(operation.before, operation.after)} ", styles.strong),
            (f"{operation.done} of {operation.total} {noun} done", styles.normal),
            (f"  {took}", styles.dim),
        ]
        if eta is None:
            first.append((", no history", styles.dim))
        else:
            growing = grows(operation.before, operation.after)
            first.append((f", {span(eta.low, eta.high)} to go", styles.normal))
            first.append((f", {earlier(eta.samples, growing=growing)}", styles.dim))
        who = f"by {shown(operation.by, 80)}" + (f": {shown(operation.reason)}" if operation.reason else "")
        if self._view.progress is None:
            return [tuple(first), ((f" {who}", styles.dim),)]
        drawn = bar(self._view.progress / 100, max(10, min(40, cells // 3)), glyphs)
        return [tuple(first), ((f" {drawn}", styles.accent), (f"  {who}", styles.dim))]

    def _over(self, operation: Operation) -> list[Line]:
        styles = self.look.styles
        outcome = operation.outcome or Outcome.DONE
        good = outcome is Outcome.DONE
        first: list[Piece] = [
            (f" {counts(operation.before, operation.after)} ", styles.strong),
            (f"{outcome}", styles.normal if good else styles.alarm),
            (f", {operation.done} of {operation.total} {_noun(operation)}", styles.normal),
            (f", by {shown(operation.by, 80)}", styles.dim),
        ]
        if operation.detail:
            first.append((f": {shown(operation.detail)}", styles.normal if good else styles.warn))
        return [tuple(first), ((f" {score(operation)}", styles.normal),)]


def _noun(operation: Operation) -> str:
    replicas = any("/" in name for name in operation.affected)
    noun = "role replica" if replicas else "group"
    return noun if operation.total == 1 else noun + "s"
