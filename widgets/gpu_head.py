"""What stands above the GPUs: how many there are of what, how they are read, and what the letters mean."""

from __future__ import annotations

from clients.serving.gpu_view import GpuView, counts_of
from clients.serving.sources import SourceState
from widgets.cells import number, shown, wrapped
from widgets.gpu_blocks import Order
from widgets.gpu_cells import legend
from widgets.lines import Line, Piece, TextWidget

__all__ = ["GpuHead"]


class GpuHead(TextWidget):
    """Three lines."""

    DEFAULT_CSS = """
    GpuHead { height: 3; }
    """

    _view = GpuView()
    _order = Order.NODE

    def show(self, view: GpuView, order: Order) -> None:
        """Draws the view."""
        self._view, self._order = view, order
        self.update_rows()

    def lay_out(self, cells: int) -> list[Line]:
        """Totals; source and order; letters."""
        styles, view = self.look.styles, self._view
        counts = counts_of(view)
        unknown = self.look.glyphs.unknown
        told = (
            ("GPUs", counts.total),
            ("allocated", counts.allocated),
            ("busy", counts.busy),
            ("idle", counts.idle),
            ("free", counts.free),
            ("unschedulable", counts.unschedulable),
        )
        first: list[Piece] = []
        for name, value in told:
            warn = name == "idle" and bool(value)
            first.append((f"{number(value, 5, unknown)} ", styles.warn if warn else styles.strong))
            first.append((name, styles.dim))
        if counts.stale:
            first += [(f"{counts.stale:>5} ", styles.warn), ("old", styles.dim)]
        shows = "temperature in °C" if self._order is Order.HOTTEST else "busy in %"
        second: list[Piece] = [(f" by {self._order}", styles.accent), (f"  cells show {shows}  ", styles.dim)]
        state = view.state
        if state is not SourceState.LIVE or view.detail:
            style = styles.normal if state is SourceState.LIVE else styles.warn
            said = shown(view.detail, 300) if view.detail else "reading"
            second.append((said if state is SourceState.LIVE else f"{state}: {said}", style))
        else:
            kinds = sorted({str(agent.kind) for agent in view.agents})
            second.append((f"live, {len(view.agents)} nodes by {', '.join(kinds)}", styles.dim))
        letters = wrapped(legend(), max(20, cells - 2))[0]
        return [tuple(first), tuple(second), ((f" {letters}", styles.dim),)]
