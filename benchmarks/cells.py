"""Drawing 990 cells (33 groups × 30 role replicas, 4 wide), a tenth changed a tick, ten ticks a second.

Ours is the grid widget with the diff emitter; beside it the same cells as a bare Line-API widget on stock
Textual. Both run the same states in a pseudo-terminal of 150 × 36, in turns.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.segment import Segment
from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from benchmarks.result import Result
from clients.serving.workload import Workload
from tests.support.fleets import group, shuffled, workload
from tests.support.pty import Terminal
from tui.terminal.app import TerminalApp
from widgets.grid_cells import GridCells
from widgets.grid_columns import replica_rows
from widgets.group_grid import GroupGrid
from widgets.lines import Line
from widgets.records import GridView
from widgets.theme import DARK, DEFAULT_LOOK, textual_theme

_RATE = 10
_COLUMNS, _LINES = 150, 36
_GROUPS, _REPLICAS = 33, 30
_SECONDS, _ROUNDS = 6.0, 3
_CPU_BAR, _BYTES_BAR = 1.5, 8192


def _states() -> list[Workload]:
    chance = random.Random(7)
    value = workload("wide", [group("wide", at, roles=(("decode", _REPLICAS),)) for at in range(_GROUPS)])
    states: list[Workload] = []
    for _ in range(40):
        value = shuffled(value, 0.1, chance)
        states.append(value)
    return states


def _texts(state: Workload, cells: GridCells) -> list[Line]:
    rows, lines = replica_rows(state)
    return [
        ((f"{row[1]:<11}", DEFAULT_LOOK.styles.dim), *(cells.piece(replica, False) for replica in line))
        for row, line in zip(rows, lines, strict=True)
    ]


class _Bare(Widget):
    """One segment a cell, and nothing else."""

    texts: Sequence[Line] = ()

    def render_line(self, y: int) -> Strip:
        if y >= len(self.texts):
            return Strip.blank(self.size.width)
        return Strip([Segment(text, style) for text, style in self.texts[y]])

    def show(self, texts: Sequence[Line]) -> None:
        old, self.texts = self.texts, texts
        for y, line in enumerate(texts):
            if y >= len(old) or old[y] != line:
                self.refresh(Region(0, y, self.size.width, 1))


def _run(app: App[None], tick: Callable[[int], None], file: str) -> None:
    """Ticks; after the first second it measures, then it writes the figures and leaves."""
    count, cpu = 0, 0.0

    def step() -> None:
        nonlocal count, cpu
        if count == _RATE:
            cpu = time.process_time()
        if count == _RATE + int(_SECONDS * _RATE):
            used = (time.process_time() - cpu) / (count - _RATE)
            Path(file).write_text(json.dumps({"cpu_ms": used * 1000}))
            app.exit()
            return
        tick(count)
        count += 1

    app.register_theme(textual_theme())
    app.theme = DARK
    app.set_interval(1 / _RATE, step)


class _Ours(TerminalApp[None]):
    def __init__(self, file: str) -> None:
        super().__init__()
        self.file, self.states = file, _states()

    def compose(self) -> ComposeResult:
        yield GroupGrid()

    def on_mount(self) -> None:
        grid, states = self.query_one(GroupGrid), self.states
        _run(self, lambda at: grid.show(GridView(states[at % len(states)]), at), self.file)


class _Stock(App[None]):
    def __init__(self, file: str) -> None:
        super().__init__()
        cells = GridCells(DEFAULT_LOOK, 4)
        self.file, self.states = file, [_texts(state, cells) for state in _states()]

    def compose(self) -> ComposeResult:
        yield _Bare()

    def on_mount(self) -> None:
        bare, states = self.query_one(_Bare), self.states
        _run(self, lambda at: bare.show(states[at % len(states)]), self.file)


def _measure(kind: str) -> tuple[float, float]:
    """(CPU milliseconds a tick, bytes a frame)."""
    with tempfile.TemporaryDirectory(prefix="servegrid-bench-") as folder:
        file = Path(folder) / "figures"
        args = ("-m", "benchmarks.cells", "--child", kind, "--file", str(file))
        with Terminal.python(*args, columns=_COLUMNS, lines=_LINES) as terminal:
            terminal.keep = False
            time.sleep(2.0)
            before, since = terminal.bytes, time.monotonic()
            time.sleep(_SECONDS / 2)
            sent = (terminal.bytes - before) / ((time.monotonic() - since) * _RATE)
            terminal.ended(_SECONDS + 20)
        figures: dict[str, Any] = json.loads(file.read_text())
        return figures["cpu_ms"], sent


def main() -> int:
    """Prints both bars; 1 if one is missed."""
    parser = argparse.ArgumentParser(description="Drawing 990 cells beside a bare Line-API widget.")
    parser.add_argument("--child", choices=("ours", "bare"), help=argparse.SUPPRESS)
    parser.add_argument("--file", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        app: App[None] = _Ours(options.file) if options.child == "ours" else _Stock(options.file)
        app.run(mouse=False)
        return 0
    found: dict[str, list[tuple[float, float]]] = {"bare": [], "ours": []}
    for _ in range(_ROUNDS):
        for kind, figures in found.items():
            figures.append(_measure(kind))
    cpu = {kind: statistics.median(cpu for cpu, _ in figures) for kind, figures in found.items()}
    sent = {kind: statistics.median(sent for _, sent in figures) for kind, figures in found.items()}
    ratio = cpu["ours"] / cpu["bare"]
    results = [
        Result(
            "drawing 990 cells, 10 % changed, 10 a second",
            f"{cpu['ours']:.2f} ms CPU a tick",
            f"{cpu['bare']:.2f} ms",
            f"{ratio:.2f}x",
            f"{_CPU_BAR}x",
            ratio <= _CPU_BAR,
        ),
        Result(
            "the same, to the terminal",
            f"{sent['ours']:.0f} B a frame",
            f"{sent['bare']:.0f} B",
            f"{sent['ours'] / sent['bare']:.2f}x",
            "8 KB",
            sent["ours"] <= _BYTES_BAR,
        ),
    ]
    for result in results:
        print(result.line())
    return 0 if all(result.holds for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
