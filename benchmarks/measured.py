"""The console, as ``servegrid`` runs it, with watches on its loop, its events and its frames.

``python -m benchmarks.measured --kubeconfig FILE --report FILE [--fps N]``. SIGUSR1 begins the measurement
afresh, SIGUSR2 ends it; leaving the console writes the report as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from clients.clock import SystemClock
from clients.kube.config import load
from clients.kube.feed import Feed
from clients.kube.intake import Intake
from tui.app import Console, ConsoleOptions
from tui.cli import parser
from tui.data import Data
from tui.start import start_from
from tui.terminal.kind import colour_depth

_CLOCK = SystemClock()
_STEP = 0.005


class Watches:
    """What is measured in this process; all times monotonic seconds."""

    def __init__(self) -> None:
        self.first_list: float | None = None
        self.groups_shown: dict[int, float] = {}
        self.reset()

    def reset(self) -> None:
        """Forgets what was measured, but not what has been seen once."""
        self.begun = _CLOCK.monotonic()
        self.cpu = _cpu()
        self.lags: list[float] = []
        self.waits: list[float] = []
        self.arrived: list[float] = []
        self.drained: list[float] = []
        self.first_number: int | None = None
        self.last_number = 0
        self.events = 0
        self.lost = 0
        self.frames = 0

    def event(self, number: int) -> None:
        """An event with the next number of the stream; a gap is a loss."""
        if self.first_number is None:
            self.first_number = number
        elif number != self.last_number + 1:
            self.lost += abs(number - self.last_number - 1)
        self.last_number = number
        self.events += 1
        if number % 10 == 0:
            self.arrived.append(_CLOCK.monotonic())

    def report(self) -> dict[str, Any]:
        """Everything as JSON."""
        return {
            "seconds": _CLOCK.monotonic() - self.begun,
            "cpu": _cpu() - self.cpu,
            "lag_p50": _percentile(self.lags, 50),
            "lag_p99": _percentile(self.lags, 99),
            "lag_max": max(self.lags, default=0.0),
            "wait_p50": _percentile(self.waits, 50),
            "wait_p99": _percentile(self.waits, 99),
            "waits": len(self.waits),
            "events": self.events,
            "lost": self.lost,
            "frames": self.frames,
            "first_list": self.first_list,
            "groups_shown": sorted(self.groups_shown.items()),
            "rss": _rss(),
        }


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _rss() -> int:
    """Bytes of memory that are resident."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _percentile(values: list[float], rank: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * rank // 100)] if ordered else 0.0


class MeasuredConsole(Console):
    """The console with watches."""

    def __init__(self, watches: Watches, door: Data, options: ConsoleOptions) -> None:
        super().__init__(door, options)
        self.watches = watches

    def on_mount(self) -> None:
        """Starts the watch on the loop, beside what the console does on mounting."""
        self._watching = asyncio.ensure_future(self._watch_loop())

    async def _watch_loop(self) -> None:
        while True:
            before = _CLOCK.monotonic()
            await asyncio.sleep(_STEP)
            self.watches.lags.append(_CLOCK.monotonic() - before - _STEP)

    def tick(self) -> None:
        """Notes which events the next frame carries; where nothing in sight changes there is none."""
        arrived = self.watches.arrived
        count = len(arrived)
        version = self.door.fleet.view().version
        super().tick()
        if count and version:
            self.watches.drained += arrived[:count]
            del arrived[:count]
            self.call_after_refresh(self._shown)

    def _shown(self) -> None:
        now = _CLOCK.monotonic()
        self.watches.waits += [now - at for at in self.watches.drained]
        self.watches.drained.clear()

    def _display(self, screen: Any, renderable: Any) -> None:
        super()._display(screen, renderable)
        self._shown()
        now = _CLOCK.monotonic()
        watches = self.watches
        watches.frames += 1
        groups = sum(len(one.groups) for one in self.session.live.view.workloads.values())
        if groups not in watches.groups_shown and len(watches.groups_shown) < 1000:
            watches.groups_shown[groups] = now


def _instrument(watches: Watches) -> None:
    changed = Intake.changed
    read = Feed._list

    def noted(self: Intake[Any], row: Any) -> None:
        text = getattr(row, "status_message", None)
        if text and text.startswith("sequence "):
            watches.event(int(text[9:]))
        changed(self, row)

    async def listed(self: Any, *args: Any, **kwargs: Any) -> Any:
        if watches.first_list is None:
            watches.first_list = _CLOCK.monotonic()
        return await read(self, *args, **kwargs)

    Intake.changed = noted  # type: ignore[method-assign]
    Feed._list = listed  # type: ignore[method-assign]


def main() -> int:
    """Runs until the console is left."""
    options = argparse.ArgumentParser()
    options.add_argument("--kubeconfig", required=True)
    options.add_argument("--report", required=True, type=Path)
    options.add_argument("--fps", type=int, default=10)
    given = options.parse_args()
    watches = Watches()
    _instrument(watches)
    with tempfile.TemporaryDirectory() as home:
        environ = {**os.environ, "XDG_STATE_HOME": home, "XDG_CONFIG_HOME": home}
        start = start_from(parser().parse_args(["--kubeconfig", given.kubeconfig]), environ)
        config = load(start.connect, environ=environ, interactive=False)
        look = ConsoleOptions(fps=given.fps, depth=colour_depth(os.environ))
        app = MeasuredConsole(watches, Data(start, config, _CLOCK), look)
        reports: list[dict[str, Any]] = []
        signal.signal(signal.SIGUSR1, lambda *_: watches.reset())
        signal.signal(signal.SIGUSR2, lambda *_: reports.append(watches.report()))
        app.run(mouse=False)
    given.report.write_text(json.dumps(reports[-1]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
