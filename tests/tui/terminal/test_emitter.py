"""The glass equals the screen, whatever happened in between, and little is sent for it."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.app import App, ComposeResult
from textual.containers import Horizontal, Vertical
from textual.geometry import Region
from textual.screen import ModalScreen
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Static

from tests.support.screen import Screen
from tui.terminal.emitter import DiffEmitter, unsupported

_WORDS = (
    "ready",
    "✓✓✓▸",
    "模型服务",
    "▸ weights 60%",
    "x",
    " ",
    "e\u0301clair",
    "⏳ G-1",
    "",
    "0123456789" * 3,
    "🛑✅❎",
)
_STYLES = (
    None,
    Style(bold=True),
    Style(color="red"),
    Style(color="color(246)", reverse=True),
    Style(link="http://a"),
)


class Noise(Widget):
    """Lines of random segments, some redrawn at a time."""

    def __init__(self, seed: int, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self.chance = random.Random(seed)
        self.rows: dict[int, Strip] = {}

    def render_line(self, y: int) -> Strip:
        if y not in self.rows:
            width, segments, room = self.size.width, [], self.size.width
            while room > 0 and self.chance.random() < 0.9:
                segment = Segment(self.chance.choice(_WORDS), self.chance.choice(_STYLES))
                if segment.cell_length > room:
                    break
                segments.append(segment)
                room -= segment.cell_length
            self.rows[y] = Strip([*segments, Segment(" " * room)], width)
        return self.rows[y]

    def on_resize(self) -> None:
        self.rows.clear()
        self.refresh()

    def stir(self, share: float) -> None:
        for y in range(self.size.height):
            if self.chance.random() < share:
                self.rows.pop(y, None)
                self.refresh(Region(0, y, self.size.width, 1))

    def nudge(self) -> None:
        """One character of one line, the rest as it was."""
        if self.rows:
            y = self.chance.choice(list(self.rows))
            segments = list(self.rows[y])
            at = self.chance.randrange(len(segments)) if segments else 0
            if segments and segments[at].text.isascii() and segments[at].text:
                text = segments[at].text
                spot = self.chance.randrange(len(text))
                segments[at] = Segment(text[:spot] + "*" + text[spot + 1 :], segments[at].style)
                self.rows[y] = Strip(segments, self.rows[y].cell_length)
                self.refresh(Region(0, y, self.size.width, 1))


class Ask(ModalScreen[None]):
    DEFAULT_CSS = "Ask { align: center middle; } Ask Noise { width: 31; height: 7; }"

    def compose(self) -> ComposeResult:
        yield Noise(7, "asked")


class Stress(App[None]):
    """Panes inside panes, hidden and shown, under dialogs."""

    CSS = """
    #side { width: 23; } #low { height: 4; } .gone { display: none; }
    #box { border: solid red; }
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed
        self.emitter = DiffEmitter()
        self.glass = Screen(80, 24)
        self.sent = 0

    def compose(self) -> ComposeResult:
        with Horizontal():
            with Vertical(id="side"):
                yield Noise(self.seed + 1, "a")
                yield Static("[b]模型[/b] one two three " * 9, id="words")
            with Vertical(id="box"):
                yield Noise(self.seed + 2, "b")
                with Horizontal(id="low"):
                    yield Noise(self.seed + 3, "c")
                    yield Noise(self.seed + 4, "d")

    def _display(self, screen: Any, renderable: Any) -> None:
        if renderable is not None and not self._batch_count and self._running:
            text = self.emitter.render(renderable, ColorSystem.TRUECOLOR)
            assert text is not None
            self.sent += len(text)
            self.glass.feed(text.encode())
        super()._display(screen, renderable)

    def expected(self) -> Screen:
        screen = Screen(self.size.width, self.size.height)
        for y, strip in enumerate(self.screen._compositor.render_strips()):
            text = "".join(
                Strip.render_style(style, text, ColorSystem.TRUECOLOR) if style else text
                for text, style, _ in strip
            )
            screen.feed(f"\x1b[{y + 1};1H{text}".encode())
        return screen


def _joined(screen: Screen) -> list[str]:
    """The lines, without accents whose letter is covered by something else: nobody says where those go."""
    return [re.sub("(?<!e)\u0301", "", line) for line in screen.text()]


_STEPS = ("stir", "nudge", "hide", "show", "ask", "answer", "grow", "theme", "words", "widen", "idle")


async def _act(app: Stress, pilot: Any, step: str, number: int) -> None:
    noises = list(app.screen.query(Noise))
    match step:
        case "stir" if noises:
            noises[number % len(noises)].stir(0.5)
        case "nudge" if noises:
            noises[number % len(noises)].nudge()
        case "hide" | "show":
            names = ("#side", "#low", "#a", "#words", "#d")
            for found in app.screen.query(names[number % len(names)]):
                found.set_class(step == "hide", "gone")
        case "ask" if len(app.screen_stack) < 3:
            await app.push_screen(Ask())
        case "answer" if len(app.screen_stack) > 1:
            app.pop_screen()
        case "grow":
            columns, lines = ((80, 24), (101, 30), (57, 13))[number % 3]
            if (columns, lines) != app.size:
                app.emitter.reset()
                app.glass.resize(columns, lines)
                await pilot.resize_terminal(columns, lines)
        case "theme":
            app.theme = ("textual-dark", "textual-light", "ansi-dark")[number % 3]
        case "words":
            for found in app.screen.query("#words"):
                assert isinstance(found, Static)
                found.update(_WORDS[number % len(_WORDS)] * 3)
        case "widen":
            for found in app.screen.query("#side"):
                found.styles.width = 18 + number % 9


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 1000),
    steps=st.lists(st.tuples(st.sampled_from(_STEPS), st.integers(0, 50)), min_size=3, max_size=12),
)
def test_glass_equals_screen_after_anything(seed: int, steps: list[tuple[str, int]]) -> None:
    async def run() -> None:
        app = Stress(seed)
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.pause()
            for step, number in steps:
                await _act(app, pilot, step, number)
                await pilot.pause()
                want = app.expected()
                assert _joined(app.glass) == _joined(want), (step, number)
                assert app.glass.styles == want.styles, (step, number)
        assert not app.glass.strange

    asyncio.run(run())


async def test_unchanged_cells_are_not_sent_again() -> None:
    app = Stress(3)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        app.sent = 0
        app.screen.refresh()
        await pilot.pause()
        assert app.sent == 0
        for noise in app.query(Noise):
            noise.nudge()
        await pilot.pause()
        assert 0 < app.sent < 4 * 40


async def test_a_reset_sends_everything_again() -> None:
    app = Stress(4)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        app.glass.resize(80, 24)
        app.emitter.reset()
        app.refresh()
        await pilot.pause()
        assert app.glass.text() == app.expected().text()


def test_a_wide_character_cut_by_a_new_edge_is_gone_from_the_glass() -> None:
    """Only the left pane is among the changed spans, and what is cut there equals what is wanted there."""
    emitter, glass = DiffEmitter(), Screen(5, 1)
    whole = Strip([Segment("e\u0301模cd")], 5)
    first = emitter.render(LayoutUpdate([[whole]], Region(0, 0, 5, 1)), ColorSystem.STANDARD)
    left, right = Strip([Segment("e\u0301 ")], 2), Strip([Segment(" cd")], 3)
    second = emitter.render(ChopsUpdate([{0: left, 2: right}], [(0, 0, 2)], [[2, 5]]), ColorSystem.STANDARD)
    assert first is not None
    assert second is not None
    glass.feed(first.encode())
    assert glass.text() == ["e\u0301模cd"]
    glass.feed(second.encode())
    assert glass.text() == ["e\u0301  cd"]


def test_controls_in_text_do_not_reach_the_terminal() -> None:
    bad = "a\x1b]0;owned\x07b\x9b2Jc\u202ed\x00\x7fe"
    strips: list[Iterable[Strip]] = [[Strip([Segment(bad, Style(bold=True))])]]
    text = DiffEmitter().render(LayoutUpdate(strips, Region(0, 0, 40, 1)), ColorSystem.STANDARD)
    assert text is not None
    glass = Screen(40, 1)
    glass.feed(text.encode())
    assert not glass.titles
    assert not glass.strange
    assert glass.text()[0].startswith("a]0;ownedb2Jcde")
    assert DiffEmitter().render(object(), ColorSystem.STANDARD) is None


@pytest.mark.parametrize(
    ("version", "fits"), [("8.2.8", True), ("8.2.9", True), ("8.3.0", False), ("9.0.0", False)]
)
def test_only_the_known_compositor_is_read(version: str, fits: bool) -> None:
    reason = unsupported(version)
    assert (reason is None) is fits
    if reason is not None:
        assert version in reason
