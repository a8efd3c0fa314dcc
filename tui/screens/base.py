"""What every full screen has: status line, what needs you, key line, and the keys that work everywhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.events import Click, DescendantBlur, DescendantFocus
from textual.screen import Screen
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import ContentSwitcher, Input, Static

from clients.serving.keys import WorkloadKey
from clients.serving.plain import plain
from tui.keys import Place, find, key_line
from tui.live import Frame
from tui.needs import Need, following
from tui.session import Session
from widgets.key_line import KeyLine
from widgets.needs_you import NeedsYou
from widgets.records import KeyHint
from widgets.status_line import StatusLine

if TYPE_CHECKING:
    from widgets.load_head import LoadLine

__all__ = ["ConsoleScreen"]

_SAY_SECONDS = 4.0
_NEEDS = 32
"""As many as may find room in their line."""
_TYPING = (KeyHint("Enter", "keep the filter"), KeyHint("Down", "to the rows"), KeyHint("Esc", "no filter"))
"""The keys of the line in which a filter is typed."""


class ConsoleScreen(Screen[None]):
    """A full screen. Subclasses give a body, draw a frame, and do what their keys say."""

    place: ClassVar[Place]
    AUTO_FOCUS = ""
    DEFAULT_CSS = """
    ConsoleScreen { layout: vertical; }
    ConsoleScreen #foot { height: auto; max-height: 5; width: 1fr; dock: bottom; }
    ConsoleScreen #say { height: auto; width: 1fr; padding: 0 1; text-style: bold; }
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self._composed = False
        self._silence: Timer | None = None
        self._last_g = -1.0
        self._load_line: LoadLine | None = None

    # Layout

    def compose(self) -> ComposeResult:
        """Status, needs, the body, keys."""
        look = self.session.look
        yield StatusLine(look, id="status")
        yield NeedsYou(look, id="needs")
        yield from self.body()
        with ContentSwitcher(initial="keys", id="foot"):
            yield KeyLine(look, id="keys")
            yield Static(id="say", markup=False)

    def body(self) -> Iterable[Widget]:
        """What stands between the lines."""
        raise NotImplementedError

    def on_mount(self) -> None:
        """Draws at once what is known."""
        self._composed = True
        self.take(self.session.live.whole())

    def on_screen_resume(self) -> None:
        """What was missed while another screen was on top."""
        if self.drawable:
            self.take(self.session.live.whole())

    @property
    def drawable(self) -> bool:
        """Its widgets are there: composed, not yet taken down, and the application is not ending."""
        return self._composed and self.app.is_running and self in self.app.screen_stack

    # Data

    def gpu_nodes(self) -> tuple[str, ...] | None:
        """Nodes whose GPUs are looked at closely; empty: all alike. ``None``: no GPUs are shown here."""
        return None

    def engines_of(self) -> WorkloadKey | None:
        """The workload whose engines are shown here."""
        return None

    def take(self, frame: Frame) -> None:
        """Draws a frame: the lines that every screen has, then the body."""
        live = self.session.live
        self.query_one("#status", StatusLine).show(live.status(), self.session.door.monotonic())
        needs = live.needs
        first = tuple(need.shown for need in needs[:_NEEDS])
        self.query_one("#needs", NeedsYou).show(first, len(needs), self.session.door.now())
        self._show_load()
        self.draw(frame)
        if self.keys_may_differ(frame):
            self.show_keys()

    def keys_may_differ(self, frame: Frame) -> bool:
        """Whether other things may be possible here than before the frame."""
        del frame
        return True

    def _show_load(self) -> None:
        """The line that is there while load runs."""
        test = self.session.load_running
        if test is None or self.place is Place.LOAD:
            if self._load_line is not None:
                self._load_line.remove()
                self._load_line = None
            return
        if self._load_line is None:
            from widgets.load_head import LoadLine  # The first frame needs none.

            self._load_line = LoadLine(self.session.look)
            self.mount(self._load_line, after="#needs")
        key = find("abort", Place.FORM if isinstance(self.focused, Input) else self.place)
        self._load_line.show(test.key.name, test.progress, test.history.newest, key.shown)

    def draw(self, frame: Frame) -> None:
        """Draws the body."""
        raise NotImplementedError

    def show_keys(self) -> None:
        """The key line for what the cursor is on."""
        if not self.drawable:
            return
        writes = self.read_only is None
        hints = tuple(
            KeyHint(key.shown, key.label, self.enabled(key.id)) for key in key_line(self.place, writes=writes)
        )
        self.query_one("#keys", KeyLine).show(
            _TYPING if isinstance(self.focused, Input) else hints, self.session.door.now()
        )

    @on(DescendantFocus)
    @on(DescendantBlur)
    def _typing_began_or_ended(self) -> None:
        if self.drawable:
            self._show_load()
        self.show_keys()

    def on_target(self) -> None:
        """The cursor is on something else, or what may be done to it has to be asked again."""
        self.show_keys()

    @property
    def read_only(self) -> str | None:
        """Why nothing may be written here, or ``None``."""
        return self.session.read_only

    def enabled(self, action: str) -> bool:
        """Whether an action is possible now; the menu says why not."""
        return self.why_not(action) is None

    def why_not(self, action: str) -> str | None:
        """Why an action is not possible now, in one sentence; ``None`` if it is."""
        if find(action).writes and self.read_only:
            return self.read_only
        if action == "abort" and self.session.load_running is None:
            return "no load runs"
        if action == "next" and not any(need.about_workload for need in self.session.live.needs):
            return "nothing needs you"
        return None

    def say(self, text: str) -> None:
        """A sentence in place of the key line, for a few seconds."""
        if not self.drawable:
            return
        self.query_one("#say", Static).update(plain(text, 400))
        self.query_one("#foot", ContentSwitcher).current = "say"
        if self._silence:
            self._silence.stop()
        self._silence = self.set_timer(_SAY_SECONDS, self.hush)

    def hush(self) -> None:
        """The key line again."""
        self.query_one("#foot", ContentSwitcher).current = "keys"

    @property
    def said(self) -> str:
        """The sentence that is shown now, or nothing."""
        if self.query_one("#foot", ContentSwitcher).current != "say":
            return ""
        return str(self.query_one("#say", Static).content).strip()

    def allow(self, action: str) -> bool:
        """Whether to go on with an action; if not, says why."""
        reason = self.why_not(action)
        if reason:
            self.say(reason)
        return reason is None

    @on(Click, "#status")
    async def _status_clicked(self) -> None:
        """Where the data comes from."""
        await self.run_action("app.sources")

    @on(Click, "#needs")
    def _needs_clicked(self) -> None:
        """To what needs a person."""
        self.action_next()

    # Keys that every screen has

    def action_back(self) -> None:
        """One screen back; the first one stays."""
        if len(self.app.screen_stack) > 1:
            self.app.pop_screen()

    def action_top(self) -> None:
        """To the first."""
        self.to_top()

    def action_top_twice(self) -> None:
        """To the first, at the second ``g`` within a second."""
        now = self.session.door.monotonic()
        if now - self._last_g < 1.0:
            self._last_g = -1.0
            self.to_top()
        else:
            self._last_g = now

    def action_down(self) -> None:
        """One down."""
        self.move(0, 1)

    def action_up(self) -> None:
        """One up."""
        self.move(0, -1)

    def action_left(self) -> None:
        """One to the left."""
        self.move(-1, 0)

    def action_right(self) -> None:
        """One to the right."""
        self.move(1, 0)

    def action_bottom(self) -> None:
        """To the last."""
        self.to_bottom()

    def action_page_down(self) -> None:
        """A page down."""
        self.turn(1)

    def action_page_up(self) -> None:
        """A page up."""
        self.turn(-1)

    def move(self, right: int, down: int) -> None:
        """The cursor, or the view where there is none."""
        raise NotImplementedError

    def turn(self, pages: int) -> None:
        """By whole screens."""
        raise NotImplementedError

    def to_top(self) -> None:
        """To the first."""
        raise NotImplementedError

    def to_bottom(self) -> None:
        """To the last."""
        raise NotImplementedError

    def action_next(self) -> None:
        """To the next thing that needs a person, most urgent first, round and round."""
        need = following(self.session.live.needs, self.session.need)
        if need is None:
            self.say("nothing needs you")
            return
        self.session.need = need
        self.go_to(need)

    def events_of(self) -> WorkloadKey | None:
        """Whose events ``e`` shows from here; ``None``: everybody's."""
        return None

    def go_to(self, need: Need) -> None:
        """Shows what needs a person."""
        raise NotImplementedError
