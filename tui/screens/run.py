"""One load test that was kept: its charts and words, and what can be taken away from it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from textual.events import Resize
from textual.widget import Widget

from clients.load.shape import shape
from clients.serving.plain import plain
from tui.keys import Place
from tui.live import Frame
from tui.loads.folder import put_whole
from tui.loads.saved import SavedRun, document
from tui.loads.words import reading
from tui.screens.bindings import bindings
from tui.screens.going import GoingScreen
from tui.screens.title import Title
from tui.session import Session
from widgets.load_chart import LoadChart, columns_in
from widgets.load_groups import Reading

__all__ = ["RunScreen"]


class RunScreen(GoingScreen):
    """Nothing in it moves."""

    place = Place.RUN
    BINDINGS = bindings(Place.RUN)

    def __init__(self, session: Session, run: SavedRun) -> None:
        super().__init__(session)
        self.run_kept = run

    def body(self) -> Iterable[Widget]:
        """What it was, the charts, the words."""
        look, run = self.session.look, self.run_kept
        yield Title(look, f"load test  {run.context} / {run.key}  {shape(run.history.plan)}")
        yield LoadChart(look)
        yield Reading(look)

    def draw(self, frame: Frame) -> None:
        """Once, and again at another size."""
        if frame.whole:
            self._show()

    def _show(self) -> None:
        history = self.run_kept.history
        chart = self.query_one(LoadChart)
        chart.show(history.view(columns_in(chart.size.width)))
        self.query_one(Reading).show(reading(history, self.run_kept.result))

    def on_resize(self, event: Resize) -> None:
        """The axis is laid out anew; few lines leave less below the charts."""
        self.query_one(Reading).styles.height = 5 if event.size.height < 30 else 9
        self.call_after_refresh(self._show)

    def move(self, right: int, down: int) -> None:
        """Over the sentences."""
        del right
        self.query_one(Reading).scroll_rows(down)

    def turn(self, pages: int) -> None:
        """By what can be seen at once."""
        self.move(0, pages * max(1, self.query_one(Reading).room))

    async def action_html(self) -> None:
        """A page with the charts."""
        from tui.loads.html import page

        await self._export("report.html", lambda: page(self.run_kept).encode())

    async def action_csv(self) -> None:
        """A row for each second."""
        from tui.loads.csv_table import csv_table

        await self._export("seconds.csv", lambda: csv_table(self.run_kept.history).encode())

    async def action_json(self) -> None:
        """All of it as one object."""
        await self._export("run.json", lambda: document(self.run_kept))

    async def _export(self, name: str, made: Callable[[], bytes]) -> None:
        path = self.run_kept.path / name

        def write() -> None:
            put_whole(path, made())

        try:
            await asyncio.to_thread(write)
        except OSError as error:
            self.say(f"not written: {path}: {error.strerror}")
        else:
            self.app.copy_to_clipboard(str(path))
            self.say(f"written, and its name copied: {path}")

    def action_copy(self) -> None:
        """What it came to."""
        run = self.run_kept
        words = [plain(f"load test of {run.key}, {shape(run.history.plan)}", 400)]
        self.app.copy_to_clipboard("\n".join([*words, *reading(run.history, run.result)]))
        self.say("copied what it came to")
