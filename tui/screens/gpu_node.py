"""One node: its devices with their history, power, heat, throttling and XIDs in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from textual import on
from textual.events import Resize
from textual.widget import Widget
from textual.widgets import Static

from clients.serving.gpu_use import DeviceView
from clients.serving.gpus import DeviceKey
from tui.door import DataError
from tui.keys import Place
from tui.live import Frame
from tui.screens.bindings import bindings
from tui.screens.going import GoingScreen
from tui.screens.title import Title
from tui.screens.workload import WorkloadScreen
from tui.session import Session
from widgets.cells import shown
from widgets.gpu_node import DeviceDetail, DevicePast, NodeDevices, agent_words
from widgets.group_grid import Selection

if TYPE_CHECKING:
    from clients.gpu.history import Point

__all__ = ["GpuNodeScreen"]


class GpuNodeScreen(GoingScreen):
    """Read as often as its exporter samples, while it is on top."""

    place = Place.GPU_NODE
    BINDINGS = bindings(Place.GPU_NODE)
    DEFAULT_CSS = """
    GpuNodeScreen #agent { height: auto; max-height: 3; padding: 0 1; }
    """

    def __init__(self, session: Session, node: str, device: DeviceKey | None) -> None:
        super().__init__(session)
        self.node = node
        self._first = device
        self._asking = False
        self._past: Mapping[DeviceKey, DevicePast] = {}

    def body(self) -> Iterable[Widget]:
        """How it is read, its devices, and the one under the cursor in full."""
        look = self.session.look
        yield Title(look, f"node  {self.session.live.context.name} / {shown(self.node, 200)}")
        yield Static(id="agent", markup=False)
        yield NodeDevices(look)
        yield DeviceDetail(look)

    @property
    def devices(self) -> NodeDevices:
        """The lines."""
        return self.query_one(NodeDevices)

    # Data

    def gpu_nodes(self) -> tuple[str, ...]:
        """This one is looked at closely."""
        return (self.node,)

    def draw(self, frame: Frame) -> None:
        """Draws what was read, and asks for what was before."""
        if not (frame.gpus_changed or frame.beat or frame.whole):
            return
        if self._first is not None:
            first, self._first = self._first, None
            self.devices.select(first)
        self._show()
        if not self._asking:
            self._asking = True
            self.run_worker(self._ask(), group="history", exit_on_error=False)

    async def _ask(self) -> None:
        try:
            found = await self.session.door.gpu_history([view.sample.key for view in self._views()])
            self._past = {key: _past(points) for key, points in found.items()}
        except DataError:
            return  # The line above the devices says what is wrong.
        finally:
            self._asking = False
        if self.drawable:
            self._show()

    def _views(self) -> list[DeviceView]:
        return [view for view in self.session.live.gpus.use.devices if view.sample.key.node == self.node]

    def _show(self) -> None:
        now = self.session.door.monotonic()
        agents = self.session.live.gpus.agents
        agent = next((agent for agent in agents if agent.node == self.node), None)
        said, wrong = agent_words(agent, now)
        line = self.query_one("#agent", Static)
        if str(line.content) != said:
            line.update(said)
            line.styles.text_style = "bold" if wrong else "none"
        self.devices.show(self._views(), self._past)
        self._detail()

    def _detail(self) -> None:
        device = self.devices.device
        past = DevicePast() if device is None else self._past.get(device.sample.key, DevicePast())
        self.query_one(DeviceDetail).show(device, past, self.session.door.monotonic())

    @on(NodeDevices.Moved)
    def _moved(self) -> None:
        self._detail()
        self.show_keys()

    def on_resize(self, event: Resize) -> None:
        """Few lines leave less for what is wrong."""
        self.query_one(DeviceDetail).styles.height = 7 if event.size.height < 30 else 9

    # Cursor

    def move(self, right: int, down: int) -> None:
        """Over devices."""
        del right
        self.devices.move(down)

    def turn(self, pages: int) -> None:
        """By whole screens."""
        self.devices.move(pages * max(1, self.devices.room - 1))

    def to_top(self) -> None:
        """The first device."""
        self.devices.move(-self.devices.row_count)

    def to_bottom(self) -> None:
        """The last device."""
        self.devices.move(self.devices.row_count)

    # Keys

    @on(NodeDevices.Opened)
    def action_open(self) -> None:
        """The grid of the workload that has the device, at its group."""
        device = self.devices.device
        if device is None or not device.places:
            self.say("no workload of the fleet has this device")
            return
        place = device.places[0]
        at = Selection(place.group, place.role, place.replica)
        self.app.push_screen(WorkloadScreen(self.session, place.workload, at=at))

    def action_copy(self) -> None:
        """The node's name."""
        name = shown(self.node, 253)
        self.app.copy_to_clipboard(name)
        self.say(f"copied {name}")


def _past(points: Sequence[Point]) -> DevicePast:
    return DevicePast(
        busy=tuple(point.busy for point in points),
        memory=tuple(point.memory for point in points),
        power=tuple(point.power for point in points),
        temperature=tuple(point.temperature for point in points),
        span=points[-1].at - points[0].at if points else None,
    )
