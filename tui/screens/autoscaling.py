"""What drives one workload: why its count holds or moves, what comes next, and every object of the chain."""

from __future__ import annotations

from collections.abc import Iterable

from textual.widget import Widget

from clients.serving.autoscaling import Autoscaling
from clients.serving.autoscaling_words import headlines, named
from clients.serving.backend import Result, Ticket
from clients.serving.keys import WorkloadKey
from clients.serving.plain import plain
from tui.dialogs.opening import Changing
from tui.door import DataError
from tui.keys import Place
from tui.live import Frame
from tui.screens.bindings import bindings
from tui.screens.going import GoingScreen
from tui.screens.text import TextScreen
from tui.screens.title import Title
from tui.session import Session
from widgets.autoscaling_view import AutoscalingView

__all__ = ["AutoscalingScreen"]


class AutoscalingScreen(GoingScreen):
    """Asked anew once a second while it is on top: metrics are read for as long as somebody looks."""

    place = Place.AUTOSCALING
    BINDINGS = bindings(Place.AUTOSCALING)

    def __init__(self, session: Session, key: WorkloadKey) -> None:
        super().__init__(session)
        self.key = key
        self._value: Autoscaling | None = None
        self._asking = False

    def body(self) -> Iterable[Widget]:
        """Title and all the rest."""
        yield Title(self.session.look, f"autoscaling  {self.session.title(self.key)}")
        yield AutoscalingView(self.session.look)

    @property
    def view(self) -> AutoscalingView:
        """Everything below the title."""
        return self.query_one(AutoscalingView)

    def draw(self, frame: Frame) -> None:
        """Asks, unless the last question is still open."""
        if not self._asking and (frame.whole or frame.beat or self.key in frame.changed):
            self._asking = True
            self.run_worker(self._ask(), group="autoscaling", exit_on_error=False)

    async def _ask(self) -> None:
        said = ""
        try:
            self._value = await self.session.door.autoscaling(self.key)
            if self._value is None:
                said = "nothing that this system has drives it"
        except DataError as error:
            said = str(error) if self._value is None else f"this is old: {error}"
        finally:
            self._asking = False
        if self.drawable:
            self.view.show(self._value, utc_offset=self.session.options.utc_offset, said=said)

    # Keys

    def move(self, right: int, down: int) -> None:
        """Over the objects of the chain, then the page."""
        del right
        self.view.move(down)

    def turn(self, pages: int) -> None:
        """By whole screens."""
        self.view.scroll_rows(pages * max(1, self.view.room - 1))

    def to_top(self) -> None:
        """The first object."""
        self.view.move_first()

    def to_bottom(self) -> None:
        """The last line."""
        self.view.scroll_rows(self.view.row_count)

    def events_of(self) -> WorkloadKey:
        """This one's."""
        return self.key

    def action_open(self) -> None:
        """The object under the cursor."""
        self.action_object()

    def action_object(self) -> None:
        """The whole object under the cursor, read now."""
        ref, door = self.view.selected, self.session.door
        if ref is None:
            self.say("no object is under the cursor")
            return
        title = f"object  {self.session.live.context.name} / {ref.namespace} / {named(ref)}"
        self.app.push_screen(TextScreen(self.session, title, lambda: door.driver_yaml(ref)))

    def action_pin(self) -> None:
        """The changes that last."""
        workload = self.session.live.workload(self.key)
        if self.allow("pin") and workload is not None:
            Changing(self.app, self.session, workload, None, self._sent).choose()

    async def action_edit(self) -> None:
        """Forms for what drives it."""
        workload = self.session.live.workload(self.key)
        if self.allow("edit") and workload is not None:
            from tui.forms.opening import open_forms  # YAML and the forms: not needed for the first frame.

            await open_forms(self.app, self.session, workload, self._sent)

    def _sent(self, ticket: Ticket | None) -> None:
        if ticket and ticket.result is Result.ACCEPTED:
            self.say("accepted: what it comes to is told above")

    def action_copy(self) -> None:
        """What it says on top."""
        if self._value is None:
            self.say("there is nothing to copy yet")
            return
        self.app.copy_to_clipboard("\n".join(headlines(self._value)))
        self.say(f"copied why {plain(self.key.name)} holds or moves")
