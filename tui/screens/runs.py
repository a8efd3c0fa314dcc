"""Load tests that were kept: one is opened, several are put side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from textual.widget import Widget

from clients.load.result import Milliseconds
from clients.load.shape import shape
from tui.keys import Place
from tui.live import Frame
from tui.loads.compared import Compared, compared
from tui.loads.saved import RunError, RunSummary, read_run, summaries
from tui.moments import rfc3339
from tui.screens import pages
from tui.screens.bindings import bindings
from tui.screens.going import GoingScreen
from tui.screens.run import RunScreen
from tui.screens.title import Title
from tui.session import Session
from widgets.cells import fit, width
from widgets.run_table import RunRow, RunTable

__all__ = ["RunsScreen"]


class RunsScreen(GoingScreen):
    """The list, as it is on the disk when the screen comes up."""

    place = Place.RUNS
    BINDINGS = bindings(Place.RUNS)

    def __init__(self, session: Session, runs: Path) -> None:
        super().__init__(session)
        self._runs = runs
        self._found: list[RunSummary] = []

    def body(self) -> Iterable[Widget]:
        """Title and list."""
        yield Title(self.session.look, f"load tests kept in {self._runs}")
        yield RunTable(self.session.look)

    @property
    def table(self) -> RunTable:
        """The list."""
        return self.query_one(RunTable)

    def draw(self, frame: Frame) -> None:
        """Reads the disk whenever it comes up."""
        if frame.whole:
            self.run_worker(self._read(), group="runs", exclusive=True, exit_on_error=False)

    async def _read(self) -> None:
        found = await asyncio.to_thread(summaries, self._runs)
        if self.drawable:
            if [one.path for one in found] != [one.path for one in self._found]:
                self.table.marked = frozenset()
            self._found = found
            offset = self.session.options.utc_offset
            self.table.show([_row(one, offset) for one in found])
            self.show_keys()

    def why_not(self, action: str) -> str | None:
        """There must be one."""
        if action in ("open", "mark") and not self._found:
            return "no load test was kept yet"
        return super().why_not(action)

    def move(self, right: int, down: int) -> None:
        """The cursor."""
        del right
        self.table.move(down)

    def turn(self, pages: int) -> None:
        """By what can be seen at once."""
        self.table.move(pages * max(1, self.table.room - 1))

    def action_mark(self) -> None:
        """For a comparison."""
        if self.allow("mark"):
            self.table.mark()
            self.table.move(1)

    async def action_open(self) -> None:
        """The run under the cursor; with two or more marked, those side by side."""
        if not self.allow("open"):
            return
        marked = [self._found[at] for at in sorted(self.table.marked, reverse=True)]
        if len(marked) > 1:
            text = _beside(tuple(compared(marked)))

            async def read() -> str:
                return text

            self.app.push_screen(pages.text(self.session, "load tests side by side", read))
            return
        try:
            run = await asyncio.to_thread(read_run, self._found[self.table.cursor].path)
        except RunError as error:
            self.say(str(error))
        else:
            self.app.push_screen(RunScreen(self.session, run))

    def action_copy(self) -> None:
        """Where the run is."""
        if self._found:
            path = str(self._found[self.table.cursor].path)
            self.app.copy_to_clipboard(path)
            self.say(f"copied {path}")


def _row(run: RunSummary, utc_offset: float) -> RunRow:
    result = run.result
    note = "no result" if result is None else ""
    if result is not None and result.generator.verdict != "ok":
        note = result.generator.verdict
    return RunRow(
        when="" if run.began_at is None else _when(run.began_at + utc_offset),
        name=run.key.label,
        load=shape(run.plan),
        ok=None if result is None else result.requests.ok,
        failed=None if result is None else result.requests.failed,
        p50=_number(None if result is None else result.latency_from_schedule_ms.p50),
        p99=_number(None if result is None else result.latency_from_schedule_ms.p99),
        note=note,
    )


def _when(at: float) -> str:
    return rfc3339(at, whole=True)[:16].replace("T", " ")


def _number(value: Milliseconds) -> float | None:
    return float("inf") if isinstance(value, str) else value


def _beside(rows: Sequence[Compared]) -> str:
    """A table of text, oldest run first."""
    lines = [(row.name, *row.values, row.change) for row in rows]
    sizes = [max(width(line[at]) for line in lines) for at in range(len(lines[0]))]
    return "\n".join("   ".join(_aligned(line, sizes)) for line in lines)


def _aligned(line: Sequence[str], sizes: Sequence[int]) -> Iterator[str]:
    yield fit(line[0], sizes[0])
    yield from (_right(cell, size) for cell, size in zip(line[1:], sizes[1:], strict=True))


def _right(cell: str, size: int) -> str:
    return " " * (size - width(cell)) + cell
