"""One workload: its head, the running operation, the ordered grid, the time line."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from textual import on
from textual.events import Resize
from textual.widget import Widget

from clients.serving.engine_use import EngineUse, EngineUses
from clients.serving.events import Event
from clients.serving.figure_words import engine_words
from clients.serving.gpu_use import Use
from clients.serving.keys import WorkloadKey
from clients.serving.phase import Trouble
from clients.serving.plain import plain
from clients.serving.workload import Group, Workload
from tui.keys import Place
from tui.live import Frame
from tui.needs import Need, arrival
from tui.screens.acting import ActingScreen, Target
from tui.screens.bindings import bindings
from tui.screens.header import Header
from tui.screens.over_grid import OverGrid
from tui.session import Session
from tui.summary import summary
from widgets.cells import shown
from widgets.cursor_words import CursorWords
from widgets.gpu_cells import use_words
from widgets.group_grid import GroupGrid, Selection
from widgets.operation_strip import OperationStrip
from widgets.records import StripView, TimeView
from widgets.spent_words import spent_words
from widgets.timeline import LANES, TimeLine
from widgets.words import group_label, group_words, progress, quiet, replica_words

__all__ = ["WorkloadScreen"]

_EVENTS = 200
_AGAIN = 3.0
"""Seconds within which another ``c`` copies the next thing."""
_NODES = 16
"""Nodes of a workload whose GPUs are looked at closely."""
_NARROW, _LOW = 100, 20
"""Columns and lines: with fewer columns what is under the cursor takes a line more, if there are enough."""


class WorkloadScreen(OverGrid, ActingScreen):
    """Its grid is always in sight; what it was last stays when it is deleted."""

    place = Place.WORKLOAD
    BINDINGS = bindings(Place.WORKLOAD)
    DEFAULT_CSS = """
    WorkloadScreen GroupGrid { height: 1fr; min-height: 4; }
    WorkloadScreen TimeLine { height: 5; }
    """

    def __init__(
        self, session: Session, key: WorkloadKey, need: Need | None = None, *, at: Selection | None = None
    ) -> None:
        super().__init__(session)
        self.key = key
        self._need = need
        self._begin = at
        self._last: Workload | None = None
        self._events: tuple[Event, ...] = ()
        self._placed: tuple[Workload | None, tuple[str, ...]] = (None, ())
        self._copied = (-_AGAIN, -1)

    def body(self) -> Iterable[Widget]:
        """Head, operation, grid, its cell under the cursor in full, time line."""
        look = self.session.look
        yield Header(look)
        yield OperationStrip(look)
        yield GroupGrid(look)
        yield CursorWords(look)
        yield TimeLine(look)

    @property
    def grid(self) -> GroupGrid:
        """The ordered grid."""
        return self.query_one(GroupGrid)

    # Data

    def draw(self, frame: Frame) -> None:
        """Draws what concerns this workload."""
        live, door = self.session.live, self.session.door
        now = door.now(self.key.cluster)
        newest = live.workload(self.key)
        if newest is not None:
            self._last = newest
        if frame.whole or self.key in frame.changed or self.key in frame.removed or frame.sources_changed:
            self.query_one(Header).show(
                self._last, gone=newest is None and self._last is not None, cost=self._cost()
            )
            if self._last is not None:
                self.query_one(OperationStrip).show(self._strip(self._last), now)
                self.grid.show(live.grid(self._last), now, door.monotonic())
                self._say_cell()
        if frame.whole or any(event.key == self.key for event in frame.events):
            self._events = live.account(self.key, _EVENTS)
            self._show_time()
        elif frame.beat and self.query_one(TimeLine).pinned:
            self._show_time()
        if self._need is not None and self._last is not None:
            need, self._need = self._need, None
            self._point(need)
        if self._begin is not None and self._last is not None:
            begin, self._begin = self._begin, None
            self.grid.select(begin.group, begin.replica)

    def gpu_nodes(self) -> tuple[str, ...]:
        """Those of its pods are looked at closely."""
        workload, nodes = self._placed
        newest = self.session.live.workload(self.key)
        if newest is not workload and newest is not None:
            nodes = _nodes_of(newest)
            self._placed = newest, nodes
        return nodes

    def engines_of(self) -> WorkloadKey | None:
        """So are its engines."""
        return self.key

    def _cost(self) -> str:
        """Unknown where a cloud's price is; for a cluster's row without prices nothing is said."""
        spent = self.session.door.spent(self.key)
        if spent is None:
            return "unknown" if self.key.managed else ""
        return spent_words(spent, self.session.options.utc_offset)

    def _show_time(self) -> None:
        line = self.query_one(TimeLine)
        lanes = self.session.live.lanes(self.key) if line.size.height > LANES + 2 else ()
        view = TimeView(self._events, lanes, utc_offset=self.session.options.utc_offset, named=False)
        line.show(view, self.session.door.now(self.key.cluster))

    def _strip(self, workload: Workload) -> StripView:
        live = self.session.live
        operation = live.operation(self.key)
        return StripView(
            operation,
            live.eta(self.key),
            f"{quiet(workload)}, nothing is being scaled",
            None if operation is None else progress(operation, workload),
        )

    def _say_cell(self) -> None:
        """What the cell under the cursor has no room for."""
        look, words = self.session.look, self.query_one(CursorWords)
        name, text, trouble = self._cell()
        style = look.styles.dim if trouble is None else look.trouble_style(trouble.kind)
        words.show(name, text, style)

    def _cell(self) -> tuple[str, str, Trouble | None]:
        """Name, sentence and trouble of what the cursor is on."""
        live, selection = self.session.live, self.grid.selection
        gpus = live.gpus.use
        engines = EngineUses() if self._last is None else live.engines(self._last)
        for group in self._last.groups if self._last is not None and selection is not None else ():
            if selection is None or group.name != selection.group:
                continue
            for role in group.roles:
                for replica in role.replicas:
                    if (role.name, replica.id) == (selection.role, selection.replica):
                        name = f"{_full(group)} {shown(replica.id, 80)}"
                        at = (group.name, role.name, replica.id)
                        used = self._used(gpus.replicas.get((self.key, *at)), engines.replicas.get(at))
                        return name, replica_words(replica) + used, replica.trouble
            used = self._used(gpus.groups.get((self.key, group.name)), engines.groups.get(group.name))
            return _full(group), group_words(group) + used, group.trouble
        return "", "", None

    def _used(self, use: Use | None, engines: EngineUse | None) -> str:
        gpus = "" if use is None else f"; {use_words(use, self.session.door.monotonic())}"
        return gpus if engines is None else f"{gpus}; {engine_words(engines)}"

    def on_resize(self, event: Resize) -> None:
        """The time line takes what a screen can spare: four lines at 80x24, a graph from 36 lines on.

        What is under the cursor is told in full: GPUs and engines too.
        """
        height = event.size.height
        self.query_one(TimeLine).styles.height = 4 if height < 30 else max(9, height // 3)
        long = event.size.width < _NARROW and height >= _LOW
        self.query_one(CursorWords).styles.height = 3 if long else 2
        self.call_after_refresh(self._show_time)

    # Cursor

    def target(self) -> Target | None:
        """The group or role replica under the cursor."""
        workload = self.session.live.workload(self.key)
        if workload is None:
            return None
        selection = self.grid.selection
        if selection is None:
            return Target(workload)
        return Target(workload, selection.group, selection.role, selection.replica)

    @on(GroupGrid.Moved)
    def _moved(self) -> None:
        self._say_cell()
        self.on_target()

    @on(GroupGrid.Opened)
    async def _opened(self) -> None:
        self.action_why()

    def go_to(self, need: Need) -> None:
        """The group in trouble, here or in another workload."""
        if need.key == self.key:
            self._point(need)
        else:
            self.app.switch_screen(WorkloadScreen(self.session, need.key, need))

    def _point(self, need: Need) -> None:
        if need.group:
            self.grid.select(need.group, need.replica)
        self.say(arrival(self.session.live.needs, need))

    def events_of(self) -> WorkloadKey:
        """This one's."""
        return self.key

    def follow(self, key: WorkloadKey) -> None:
        """It is followed here."""
        self.say("accepted: the strip above follows it until what is seen equals what is wanted")

    # Keys

    def action_open(self) -> None:
        """A steady range unfolds; a group or role replica says why it is as it is."""
        if not self.grid.across and self.grid.selection is None:
            self.grid.toggle_fold()
        else:
            self.grid.open()

    def action_copy(self) -> None:
        """The operation's summary; pressed again what the cursor is on, the name, the endpoint."""
        things = self._copies()
        now = self.session.door.monotonic()
        at, index = self._copied
        index = (index + 1) % len(things) if now - at < _AGAIN else 0
        self._copied = (now, index)
        what, text = things[index]
        self.app.copy_to_clipboard(text)
        more = things[(index + 1) % len(things)][0] if len(things) > 1 else ""
        self.say(f"copied {what}" + (f" (c again: {more})" if more else ""))

    def _copies(self) -> list[tuple[str, str]]:
        workload = self._last
        things: list[tuple[str, str]] = []
        operation = self.session.live.operation(self.key)
        if operation is not None:
            title = plain(self.session.title(self.key), 300)
            text = summary(operation, title, self.session.door.now(self.key.cluster))
            things.append(("the operation's summary", text))
        selection = self.grid.selection
        if selection is not None:
            things.append((f"the group's name {plain(selection.group)}", plain(selection.group)))
        things.append((f"the name {plain(self.key.name)}", plain(self.key.name)))
        if workload is not None and workload.endpoint:
            things.append(("the endpoint", plain(workload.endpoint, 1000)))
        return things


def _full(group: Group) -> str:
    """In a sentence there is room for the whole name of a group without an ordinal."""
    return shown(group.name, 100) if group.ordinal is None else group_label(group)


def _nodes_of(workload: Workload) -> tuple[str, ...]:
    """Where its pods with GPUs are, the first of them."""
    places = (
        pod.node
        for group in workload.groups
        for role in group.roles
        for replica in role.replicas
        for pod in replica.pods
        if pod.gpus and pod.node
    )
    return tuple(islice(dict.fromkeys(places), _NODES))
