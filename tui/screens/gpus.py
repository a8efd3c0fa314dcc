"""Every GPU of the cluster as a heat grid: who has it, how busy it is, what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable

from textual import on
from textual.widget import Widget

from clients.serving.keys import WorkloadKey
from clients.serving.phase import Phase
from tui.keys import Place
from tui.live import Frame
from tui.screens.bindings import bindings
from tui.screens.going import GoingScreen
from tui.screens.gpu_node import GpuNodeScreen
from tui.screens.over_grid import OverGrid
from tui.screens.title import Title
from tui.session import Session
from widgets.cells import shown
from widgets.cursor_words import CursorWords
from widgets.gpu_blocks import Order
from widgets.gpu_cells import device_name, device_words
from widgets.gpu_grid import GpuGrid
from widgets.gpu_head import GpuHead

__all__ = ["GpusScreen"]

_PASSING = {Phase.QUEUED: "waits", Phase.CREATING: "start", Phase.DELETING: "ends"}


class GpusScreen(OverGrid, GoingScreen):
    """GPUs are read while it is on top, those of the node under the cursor as often as can be."""

    place = Place.GPUS
    BINDINGS = bindings(Place.GPUS)
    DEFAULT_CSS = """
    GpusScreen CursorWords { height: 3; }
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.order = Order.NODE

    def body(self) -> Iterable[Widget]:
        """Totals, the grid, and the device under the cursor in full."""
        look = self.session.look
        yield Title(look, f"GPUs  {self.session.live.context.name}")
        yield GpuHead(look)
        yield GpuGrid(look)
        yield CursorWords(look)

    @property
    def grid(self) -> GpuGrid:
        """The devices."""
        return self.query_one(GpuGrid)

    # Data

    def gpu_nodes(self) -> tuple[str, ...]:
        """The node under the cursor is looked at closely."""
        node = self.grid.node if self.drawable else None
        return () if node is None else (node,)

    def draw(self, frame: Frame) -> None:
        """Draws what was read."""
        if frame.gpus_changed or frame.beat or frame.whole:
            self._show()

    def on_resize(self) -> None:
        """The room decides how much a cell says, which stands above the grid."""
        self.call_after_refresh(self._show)

    def _show(self) -> None:
        if not self.drawable:
            return
        live = self.session.live
        self.grid.show(live.gpus, self.order, self.session.door.monotonic(), self._passing())
        self.query_one(GpuHead).show(live.gpus, self.order, dense=self.grid.dense)
        self._say_device()

    def _passing(self) -> dict[tuple[WorkloadKey, str], str]:
        """Groups on their way in or out."""
        return {
            (workload.key, group.name): _PASSING[group.phase]
            for workload in self.session.live.view.workloads.values()
            for group in workload.groups
            if group.phase in _PASSING
        }

    def _say_device(self) -> None:
        words, look = self.query_one(CursorWords), self.session.look
        device = self.grid.device
        if device is None:
            words.show("", "", look.styles.normal)
            return
        name = f"{shown(device.sample.key.node, 80)} {device_name(device.sample)}"
        text = device_words(device, self.session.door.monotonic(), look.glyphs.unknown)
        style = look.styles.dim if device.stale else look.styles.warn if device.marks else look.styles.normal
        words.show(name, text, style)

    @on(GpuGrid.Moved)
    def _moved(self) -> None:
        self._say_device()
        self.show_keys()

    # Keys

    @on(GpuGrid.Opened)
    def action_open(self) -> None:
        """The node under the cursor, at this device."""
        node, device = self.grid.node, self.grid.device
        if node is None:
            self.say("no device is under the cursor")
        else:
            self.app.push_screen(
                GpuNodeScreen(self.session, node, None if device is None else device.sample.key)
            )

    def action_sort(self) -> None:
        """The next order."""
        orders = tuple(Order)
        self.order = orders[(orders.index(self.order) + 1) % len(orders)]
        self._show()

    def action_copy(self) -> None:
        """The device's uuid."""
        device = self.grid.device
        if device is None:
            self.say("no device is under the cursor")
        else:
            uuid = shown(device.sample.key.uuid, 100)
            self.app.copy_to_clipboard(uuid)
            self.say(f"copied {uuid}")
