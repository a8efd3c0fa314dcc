"""What stands above the GPUs: how many there are of what, how they are read, and what the letters mean."""

from __future__ import annotations

from rich.style import Style

from clients.serving.gpu_view import GpuView, counts_of
from clients.serving.sources import SourceState
from widgets.cells import number, packed, shown, width, wrapped
from widgets.gpu_blocks import Order
from widgets.gpu_cells import legend
from widgets.lines import Line, Piece, TextWidget

__all__ = ["GpuHead"]

_MOST = 3
"""Lines about what is wrong."""


class GpuHead(TextWidget):
    """Totals; in which order, and how they are read; letters. As many lines as that takes."""

    DEFAULT_CSS = """
    GpuHead { height: 3; }
    """

    _view = GpuView()
    _order = Order.NODE
    _dense = False

    def show(self, view: GpuView, order: Order, *, dense: bool = False) -> None:
        """Draws the view; ``dense``: its cells have one sign."""
        self._view, self._order, self._dense = view, order, dense
        self.update_rows()
        self._fit()

    def resized(self) -> None:
        """Narrower takes more lines."""
        super().resized()
        self._fit()

    def lay_out(self, cells: int) -> list[Line]:
        """What is wrong is told in full: it names the right or the network that is missing."""
        styles, room = self.look.styles, max(20, cells - 2)
        tens = "tens of " if self._dense else ""
        shows = f"temperature in {tens}°C" if self._order is Order.HOTTEST else f"busy in {tens}%"
        lead = f" by {self._order}"
        also = f"  cells show {shows}"
        said, style = self._said()
        parts = wrapped(said, room, room - width(lead) - width(also) - 2)[:_MOST]
        source: list[Line] = [
            ((lead, styles.accent), (f"{also}  ", styles.dim), (parts[0], style)),
            *(((f" {part}", style),) for part in parts[1:]),
        ]
        letters: list[Line] = [((f" {part}", styles.dim),) for part in packed(legend(), room)]
        return [self._totals(), *source, *letters]

    def _totals(self) -> Line:
        styles, unknown = self.look.styles, self.look.glyphs.unknown
        counts = counts_of(self._view)
        told = (
            ("GPUs", counts.total),
            ("allocated", counts.allocated),
            ("busy", counts.busy),
            ("idle", counts.idle),
            ("free", counts.free),
            ("unschedulable", counts.unschedulable),
        )
        pieces: list[Piece] = [(" ", styles.normal)]
        for name, value in told:
            warn = name == "idle" and bool(value)
            pieces.append((f"{number(value, 4, unknown)} ", styles.warn if warn else styles.strong))
            pieces.append((f"{name} ", styles.dim))
        if counts.stale:
            pieces += [(f"{number(counts.stale, 4, unknown)} ", styles.warn), ("old", styles.dim)]
        return tuple(pieces)

    def _said(self) -> tuple[str, Style]:
        """How devices are read, and what is wrong with that."""
        view, styles = self._view, self.look.styles
        live = view.state is SourceState.LIVE
        if live and not view.detail:
            kinds = sorted({str(agent.kind) for agent in view.agents})
            return f"live, {len(view.agents)} nodes by {', '.join(kinds)}", styles.dim
        said = shown(view.detail, 300) if view.detail else "reading"
        return (said, styles.normal) if live else (f"{view.state}: {said}", styles.warn)

    def _fit(self) -> None:
        if self.size.width and self.size.height != self.row_count:
            self.styles.height = self.row_count
