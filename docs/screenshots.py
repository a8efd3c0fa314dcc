"""Makes ``docs/images/*.svg``: the real console on the embedded cluster, with keys pressed as a person would.

``make screenshots``. Takes about three minutes; nothing in the pictures is drawn by hand.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from xml.sax.saxutils import escape

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from rich.terminal_theme import TerminalTheme
from textual._compositor import LayoutUpdate
from textual.pilot import Pilot

from clients.clock import SystemClock
from clients.kube.config import load
from clients.serving.phase import Phase
from clients.serving.workload import Workload
from tui import demo
from tui.app import Console, ConsoleOptions
from tui.cli import parser
from tui.data import Data
from tui.dialogs.load import LoadDialog
from tui.dialogs.scale import ScaleDialog
from tui.start import start_from
from widgets.plan_view import PlanView

__all__ = ["main"]

_IMAGES = Path(__file__).with_name("images")
_SIZE = (120, 36)
_PATIENCE = 240.0
_ZONE = 0.0
"""Times of the day are shown in UTC, wherever the pictures are made."""

_FONT = 15
_WIDE = 9.03
"""A cell's width: 0.602 of the font's size, as in DejaVu Sans Mono."""
_HIGH = 19
_MARGIN = 14
_DIMMED = 0.55
_THEME = TerminalTheme(
    (22, 24, 29),
    (208, 212, 220),
    [
        (42, 46, 54),
        (240, 113, 120),
        (152, 195, 121),
        (229, 192, 123),
        (97, 175, 239),
        (198, 120, 221),
        (86, 202, 214),
        (208, 212, 220),
    ],
)
_WORDS = re.compile(r"[!-~]+(?: [!-~]+)*|[^ -~]")
"""Words, and signs one by one: each is placed by its own cell, whatever widths the viewer's fonts have."""


class Seat:
    """A person at the console."""

    def __init__(self, app: Console, pilot: Pilot[int]) -> None:
        self.app = app
        self.pilot = pilot

    async def press(self, *keys: str) -> None:
        """Presses keys, with a moment after each for what they bring."""
        for key in keys:
            await self.pilot.press(key)
            await self.pilot.pause(0.1)

    async def until(self, condition: Callable[[], object]) -> None:
        """Waits for a condition."""
        async with asyncio.timeout(_PATIENCE):
            while not condition():  # noqa: ASYNC110 - there is no event to wait for
                await asyncio.sleep(0.05)

    def workload(self, name: str) -> Workload:
        """The newest value of a workload."""
        return next(value for key, value in self.app.session.live.view.workloads.items() if key.name == name)

    async def open(self, name: str) -> None:
        """Goes to the workload's grid from wherever it is."""
        await self.press("colon", *name, "enter")
        await self.until(lambda: getattr(self.app.top, "key", None) == self.workload(name).key)

    async def dialog(self) -> ScaleDialog:
        """The scale dialog, once the server's dry run has spoken and that is on the screen."""
        await self.until(lambda: isinstance(self.app.screen, ScaleDialog))
        dialog = self.app.screen
        assert isinstance(dialog, ScaleDialog)
        view = dialog.query_one(PlanView)
        await self.until(lambda: any("dry run accepts it" in row for row in view.lines_as_text()))
        return dialog

    async def send(self, *typed: str) -> None:
        """Confirms the plan in the dialog."""
        dialog = await self.dialog()
        await self.until(lambda: dialog.settled.ready)
        await self.press(*typed)
        await self.pilot.pause(0.4)
        await self.press("enter")
        await self.until(lambda: not isinstance(self.app.screen, ScaleDialog))

    async def ended(self, name: str) -> None:
        """Waits until no operation runs on the workload."""
        await self.pilot.pause(1.0)
        await self.until(lambda: self.workload(name).operation is None)

    def picture(self, name: str) -> None:
        """Writes the screen as ``docs/images/NAME.svg``."""
        update = self.app.screen._compositor.render_update(
            full=True, screen_stack=self.app._background_screens
        )
        assert isinstance(update, LayoutUpdate)
        _IMAGES.mkdir(exist_ok=True)
        rows = [[segment for strip in row for segment in strip] for row in update.strips]
        picture = _svg(rows, self.app.size.width)
        (_IMAGES / f"{name}.svg").write_text(picture, encoding="utf-8")
        sys.stdout.write(f"docs/images/{name}.svg\n")


@asynccontextmanager
async def seat(scenario: str, speed: float) -> AsyncIterator[Seat]:
    """A console on a cluster of its own."""
    environ = demo.demo_environment(os.environ)
    words = [f"--scenario={scenario}", f"--speed={speed}", "--seed=1"]
    with tempfile.TemporaryDirectory() as home, demo.running(words, environ, SystemClock()) as cluster:
        environ |= {"XDG_STATE_HOME": home, "XDG_CONFIG_HOME": home}
        asked = parser().parse_args(["demo", f"--speed={speed}"])
        start = start_from(asked, environ, demo_kubeconfig=cluster.kubeconfig, demo_clouds=cluster.clouds)
        config = load(start.connect, environ=environ, interactive=False)
        app = Console(Data(start, config, SystemClock()), ConsoleOptions(utc_offset=_ZONE))
        async with app.run_test(size=_SIZE) as pilot:
            person = Seat(app, pilot)
            await person.until(lambda: app.session.live.view.workloads)
            await pilot.pause(1.0)
            yield person


async def _scaling() -> None:
    """A group is created, then a plan for an autoscaled workload, the fleet meanwhile, and what happened."""
    async with seat("default", 8) as person:
        name = "deepseek-r1"
        await person.open(name)
        await person.press("plus")
        await person.send()
        await person.ended(name)
        await person.press("plus", "plus")
        await person.send()

        def progress() -> list[int]:
            groups = person.workload(name).groups
            return [group.progress or 0 for group in groups if group.phase is Phase.CREATING]

        await person.until(lambda: any(found >= 55 for found in progress()))
        person.picture("grid")
        await person.press("escape")
        await person.open("qwen-chat")
        await person.press("plus", "plus", "plus")
        await person.dialog()
        person.picture("scale")
        await person.press("escape", "escape")
        await person.open("llama-guide")
        await person.press("plus", "plus")
        await person.send()
        await person.press("escape")
        await person.until(lambda: any(group.progress for group in person.workload("llama-guide").groups))
        await person.pilot.pause(1.0)
        person.picture("fleet")
        await person.open(name)
        await person.ended(name)
        await person.press("minus")
        await person.send("Y", "E", "S")
        await person.ended(name)
        await person.press("e")
        await person.pilot.pause(1.0)
        person.picture("events")


async def _autoscaling() -> None:
    """Why an autoscaler does what it does, while it scales out on its load."""
    async with seat("default", 8) as person:
        await person.open("iris")
        await person.press("a")
        await person.until(lambda: person.workload("iris").operation is not None)
        await person.pilot.pause(3.0)
        person.picture("autoscaling")


async def _load() -> None:
    """A load test that makes an autoscaler scale out, at the speed of real time; then the GPUs."""
    async with seat("default", 1) as person:
        await person.until(
            lambda: any(key.name == "qwen-chat" for key in person.app.session.live.view.workloads)
        )
        await person.open("qwen-chat")
        begun = person.workload("qwen-chat").desired or 0
        await person.press("t")
        await person.until(lambda: isinstance(person.app.screen, LoadDialog))
        await person.pilot.pause(1.0)
        await person.press("enter")
        await person.until(lambda: (person.workload("qwen-chat").desired or 0) > begun)
        await person.until(lambda: person.workload("qwen-chat").ready == person.workload("qwen-chat").desired)
        await person.pilot.pause(30.0)
        person.picture("load")
        await person.press("X", "escape", "o", "S")
        await person.pilot.pause(3.0)
        person.picture("gpus")


async def _trouble() -> None:
    """The fleet when everything goes wrong at once."""
    async with seat("trouble", 1) as person:
        await person.until(lambda: len(person.app.session.live.needs) > 5)
        await person.pilot.pause(1.0)
        person.picture("trouble")


def _svg(lines: Sequence[Iterable[Segment]], columns: int) -> str:
    """One ``<text>`` a run of words, one ``<rect>`` a coloured background."""
    wide, high = columns * _WIDE + 2 * _MARGIN, len(lines) * _HIGH + 2 * _MARGIN
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:.0f} {high}" font-size="{_FONT}"'
        " font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\">",
        f'<rect width="100%" height="100%" rx="8" fill="{_hex(_THEME.background_color)}"/>',
    ]
    for row, segments in enumerate(lines):
        column = 0
        papers: list[tuple[str, int, int]] = []
        words: list[str] = []
        for text, style, _ in segments:
            ink, paper = _colours(style or Style())
            if papers and papers[-1][0] == paper:
                paper, begin, _ = papers.pop()
                papers.append((paper, begin, column + cell_len(text)))
            else:
                papers.append((paper, column, column + cell_len(text)))
            words += _words(text, ink, bool(style and style.bold), column, row)
            column += cell_len(text)
        top = _MARGIN + row * _HIGH
        out += [
            f'<rect x="{_MARGIN + begin * _WIDE:.1f}" y="{top}" width="{(end - begin) * _WIDE:.1f}"'
            f' height="{_HIGH}" fill="{paper}" shape-rendering="crispEdges"/>'
            for paper, begin, end in papers
            if paper != _hex(_THEME.background_color)
        ]
        out += words
    return "\n".join([*out, "</svg>", ""])


def _words(text: str, ink: str, bold: bool, column: int, row: int) -> Iterable[str]:
    top = _MARGIN + row * _HIGH
    weight = ' font-weight="bold"' if bold else ""
    for found in _WORDS.finditer(text):
        words = found.group()
        left = _MARGIN + (column + cell_len(text[: found.start()])) * _WIDE
        yield (
            f'<text x="{left:.1f}" y="{top + 14}" textLength="{cell_len(words) * _WIDE:.1f}"'
            f' fill="{ink}"{weight}>{escape(words)}</text>'
        )


def _colours(style: Style) -> tuple[str, str]:
    """Ink and paper."""
    ink: tuple[int, ...] = _THEME.foreground_color
    paper: tuple[int, ...] = _THEME.background_color
    if style.color is not None:
        ink = style.color.get_truecolor(_THEME)
    if style.bgcolor is not None:
        paper = style.bgcolor.get_truecolor(_THEME, foreground=False)
    if style.reverse:
        ink, paper = paper, ink
    if style.dim:
        ink = tuple(round(below + (above - below) * _DIMMED) for above, below in zip(ink, paper, strict=True))
    return _hex(ink), _hex(paper)


def _hex(colour: Iterable[int]) -> str:
    return "#" + "".join(f"{part:02x}" for part in colour)


def _ops(uid: int) -> pwd.struct_passwd:
    """The pictures name nobody's account."""
    return pwd.struct_passwd(("ops", "x", uid, uid, "", "/", "/bin/sh"))


def main() -> int:
    """Makes every picture."""
    pwd.getpwuid = _ops
    asyncio.run(_scaling())
    asyncio.run(_autoscaling())
    asyncio.run(_trouble())
    asyncio.run(_load())
    return 0


if __name__ == "__main__":
    sys.exit(main())
