"""The fleet: one row a workload. Home."""

from __future__ import annotations

from collections.abc import Iterable

from textual import on
from textual.events import Resize
from textual.widget import Widget

from clients.serving.driver_words import driver_words
from clients.serving.keys import WorkloadKey
from clients.serving.plain import plain
from clients.serving.sources import SourceState
from tui.filter import Hidden, parse
from tui.keys import Place
from tui.live import Frame
from tui.needs import Need, arrival
from tui.rows import COLUMNS, Rows
from tui.screens import pages
from tui.screens.acting import ActingScreen, Target
from tui.screens.bindings import bindings
from tui.screens.filter_line import FilterLine
from tui.session import Session
from widgets.cells import shown
from widgets.cursor_words import CursorWords
from widgets.fleet_table import FleetTable
from widgets.records import FleetRow, FleetView
from widgets.spent_words import spent_in_all_words
from widgets.words import doing, quiet, remaining

__all__ = ["FleetScreen"]


class FleetScreen(ActingScreen):
    """Rows in a stable order under a cursor that stays with its workload."""

    place = Place.FLEET
    BINDINGS = bindings(Place.FLEET)

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.rows = Rows()
        self._row_of: dict[WorkloadKey, FleetRow] = {}
        self._told: tuple[str, ...] = ()
        """What stands under the rows."""
        self._keys: tuple[WorkloadKey, ...] = ()
        self._shown: list[FleetRow] = []
        """The rows of ``_keys``, one by one."""
        self._at: dict[WorkloadKey, int] = {}
        """Where a row stands among them."""

    def body(self) -> Iterable[Widget]:
        """The table, its row under the cursor in full, and the filter line while there is a filter."""
        yield FleetTable(self.session.look)
        yield CursorWords(self.session.look)
        yield FilterLine(COLUMNS)

    @property
    def table(self) -> FleetTable:
        """The rows."""
        return self.query_one(FleetTable)

    # Data

    def draw(self, frame: Frame) -> None:
        """Takes in what changed, and hands the rows to the table."""
        live = self.session.live
        workloads = frame.view.workloads
        self.rows.take(workloads, frame.changed)
        for key in frame.changed:
            workload = workloads.get(key)
            if workload is not None:
                row = self._row_of[key] = live.row(workload)
                if key in self._at:
                    self._shown[self._at[key]] = row
        for key in frame.removed:
            self._row_of.pop(key, None)
        costs = frame.beat and self._below() != self._told
        if frame.changed or frame.removed or frame.sources_changed or frame.whole or costs:
            self._show()

    def gpu_nodes(self) -> tuple[str, ...]:
        """GPUs are read while it is on top, for their column."""
        return ()

    def _show(self) -> None:
        door = self.session.door
        keys = self.rows.shown
        if keys is not self._keys:
            self._keys = keys
            self._shown = [self._row_of[key] for key in keys]
            self._at = {key: place for place, key in enumerate(keys)}
        shown = tuple(self._shown)
        hidden = self.rows.hidden
        note = None
        if not shown:
            note = "no workload passes the filter" if hidden.count else self._empty()
        self._told = self._below()
        view = FleetView(
            shown, loading=self._loading(), arriving=self._arriving(), note=note, below=self._told
        )
        self.table.show(view, door.now(), door.monotonic())
        self.query_one(FilterLine).result(self.rows.filter, hidden)
        self._say_row()

    def _below(self) -> tuple[str, ...]:
        """What all of it costs, where prices are known, and what is not shown."""
        spent, options = self.session.door.spent_in_all, self.session.options
        cost = "" if spent is None else spent_in_all_words(spent, options.utc_offset)
        return tuple(text for text in (cost, str(self.session.live.view.not_shown)) if text)

    def _say_row(self) -> None:
        """What the columns have no room for."""
        row = self._row_of.get(self.table.cursor) if self.table.cursor else None
        words, look = self.query_one(CursorWords), self.session.look
        if row is None:
            words.show("", "", look.styles.normal)
            return
        workload = row.workload
        trouble = workload.trouble
        text = doing(workload, remaining(row.eta)) or row.offer or quiet(workload)
        if workload.drivers:
            text += f"; driver {driver_words(workload.drivers)}"
        words.show(
            shown(workload.key.name, 100),
            text,
            look.styles.dim if trouble is None else look.trouble_style(trouble.kind),
        )

    def _loading(self) -> bool:
        required = [source for source in self.session.live.view.sources if source.required]
        return not required or any(source.state is SourceState.SYNCING for source in required)

    def _arriving(self) -> bool:
        cluster = self.session.live.context.cluster
        return all(key.cluster != cluster for key in self.session.live.view.workloads)

    def _empty(self) -> str:
        """What an empty table says: what is so, and what to do."""
        context = self.session.live.context
        sources = self.session.live.view.sources
        if not sources:
            return f"connecting to {plain(context.name)}"
        for state, words in _BAD.items():
            for source in sources:
                if source.required and source.state is state:
                    detail = f": {plain(source.detail, 600)}" if source.detail else ""
                    return f"{plain(source.name)} {words}{detail}"
        if self._loading():
            have = sum(source.have for source in sources)
            return f"connected to {plain(context.name)}, reading the first list: {have} objects so far"
        where = ", ".join(map(plain, context.namespaces)) if context.namespaces else "any namespace"
        return (
            f"no workloads in {where} of {plain(context.name)}  (:ns another namespace, :ctx another context)"
        )

    def start_anew(self) -> None:
        """Another context or other namespaces: other rows."""
        order, chosen = self.rows.order, self.rows.filter
        self.rows = Rows()
        self.rows.order = order
        self.rows.set_filter(chosen)
        self._row_of.clear()
        self.table.clear_picks()
        self.take(self.session.live.whole())

    # Cursor

    def target(self) -> Target | None:
        """The workload under the cursor."""
        key = self.table.cursor
        workload = self.session.live.workload(key) if key else None
        return Target(workload) if workload else None

    @on(FleetTable.Highlighted)
    def _highlighted(self) -> None:
        self._say_row()
        self.on_target()

    @on(FleetTable.Opened)
    def _opened(self, event: FleetTable.Opened) -> None:
        self.follow(event.key)

    def move(self, right: int, down: int) -> None:
        """Rows only: there is nothing to the side."""
        del right
        self.table.move(down)

    def turn(self, pages: int) -> None:
        """By whole screens."""
        self.table.move_page(pages)

    def to_top(self) -> None:
        """The first row."""
        self.table.move_first()

    def to_bottom(self) -> None:
        """The last row."""
        self.table.move_last()

    def go_to(self, need: Need) -> None:
        """The row of what needs a person; a filter that hides it is taken away."""
        if not self.table.select(need.key):
            self.query_one(FilterLine).clear()
            self._filter_by("")
            self.table.select(need.key)
        self.say(arrival(self.session.live.needs, need))

    def follow(self, key: WorkloadKey) -> None:
        """Opens the workload's grid."""
        self.table.select(key)
        self.app.push_screen(pages.workload(self.session, key))

    def on_resize(self, event: Resize) -> None:
        """The note of an empty table stays right."""
        del event
        self.call_after_refresh(self._show)

    # Keys

    def action_open(self) -> None:
        """The grid of the workload under the cursor."""
        if self.table.cursor is None:
            self.say("no workload is under the cursor")
        else:
            self.follow(self.table.cursor)

    def action_back(self) -> None:
        """Takes the filter away, then the marks; the fleet is home, so there it ends."""
        if self.rows.filter.text:
            self.query_one(FilterLine).clear()
        elif self.table.picked:
            self.table.clear_picks()
        else:
            self.say("this is the first screen; q quits")

    def action_filter(self) -> None:
        """Opens the filter line."""
        self.query_one(FilterLine).open()

    @on(FilterLine.Changed)
    def _filtered(self, event: FilterLine.Changed) -> None:
        self._filter_by(event.text)

    def _filter_by(self, text: str) -> None:
        self.rows.set_filter(parse(text, COLUMNS))
        self._show()

    @property
    def hidden(self) -> Hidden:
        """What the filter leaves out."""
        return self.rows.hidden

    def action_sort(self) -> None:
        """The next order."""
        order = self.rows.next_order()
        self._show()
        self.say(f"sorted by {order}")

    def action_mark(self) -> None:
        """Marks the row, or takes the mark away."""
        self.table.toggle_pick()

    def action_copy(self) -> None:
        """The name, or the names of all marked rows."""
        keys = self.table.picked or ((self.table.cursor,) if self.table.cursor else ())
        if keys:
            self.app.copy_to_clipboard("\n".join(plain(key.name) for key in keys))
            self.say("copied " + ", ".join(plain(key.name) for key in keys))
        else:
            self.say("no workload is under the cursor")


_BAD = {
    SourceState.LOGIN: "cannot be read: the login has expired, press R to log in again",
    SourceState.DENIED: "may not be read",
    SourceState.ABSENT: "is not installed in this cluster",
    SourceState.STALE: "cannot be reached, trying again by itself",
}
