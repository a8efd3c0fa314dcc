"""A small console of all widgets over made-up values, to be run in a pty: ``python demo_app.py MODE [FILE]``.

Modes: ``calm`` draws once; ``busy`` changes a tenth of a 33 × 30 grid ten times a second; ``hostile`` puts
escapes, markup, overlong, right-to-left and zero-width text into every field. Keys: ``q`` quits, ``c`` counts
up, ``r`` repaints, ``z`` suspends, ``p`` ends the changes, ``w`` writes into FILE how many frames were left
out and how many wait. SIGHUP is ignored, so that a closed terminal is noticed by the driver alone.
"""

from __future__ import annotations

import random
import signal
import sys
from pathlib import Path

import msgspec
from textual.app import ComposeResult
from textual.events import Key

from clients.serving.backend import GpuTotals
from clients.serving.changes import ReplicasChange
from clients.serving.events import Event, EventKind
from clients.serving.guards import Confirmation, Guard, Level
from clients.serving.operation import Count
from clients.serving.phase import Trouble, TroubleKind
from clients.serving.plans import Eta, ScalePlan, Step, StepKind, Write
from clients.serving.sources import SourceState, SourceStatus
from clients.serving.workload import Workload
from tests.support.fleets import group, hpa, operation, shuffled, workload
from tui.terminal.app import TerminalApp
from tui.terminal.driver import TerminalDriver
from widgets.fleet_table import FleetTable
from widgets.group_grid import GroupGrid
from widgets.key_line import KeyLine
from widgets.log_lines import LogLines
from widgets.needs_you import NeedsYou
from widgets.operation_strip import OperationStrip
from widgets.plan_view import PlanView
from widgets.records import (
    FleetRow,
    FleetView,
    GridView,
    KeyHint,
    LaneSample,
    Need,
    PlanShown,
    StatusView,
    StripView,
    TimeView,
)
from widgets.status_line import StatusLine
from widgets.theme import DARK, textual_theme
from widgets.timeline import TimeLine

HOSTILE = (
    "a\x1b[2J\x1b]0;owned\x07\x1b[31mred\x9b5n\x1b[?1049l\x1bc",
    "[bold red]markup[/] [@click=app.quit]x[/] [/nope]",
    "M" * 10_000,
    "\u202eright\u2066to\u2069left \u05d0\u05d1\u05d2",
    "zero\u200bwidth\u200d\ufeff e" + "\u0301" * 40,
    "模型服务🛑\ufe0f\U0001f469\u200d\U0001f680",
    "line\nfeed\ttab\rreturn\x0bvt\x0c\x00nul\x7fdel\x85nel\u2028sep",
)


class Demo(TerminalApp[None]):
    """Every widget on one screen."""

    CSS = """
    FleetTable { height: 6; } GroupGrid { height: 10; } TimeLine { height: 8; } LogLines { height: 4; }
    PlanView { height: 1fr; }
    """

    def __init__(self, mode: str, file: str | None) -> None:
        super().__init__()
        self.register_theme(textual_theme())
        self.theme = DARK
        self.mode = mode
        self.file = file
        self.chance = random.Random(1)
        self.value = self._workload()
        self.count = 0
        self.ticking = True

    def compose(self) -> ComposeResult:
        yield StatusLine()
        yield NeedsYou()
        if self.mode != "busy":
            yield FleetTable()
            yield OperationStrip()
        yield GroupGrid()
        if self.mode != "busy":
            yield TimeLine()
            yield LogLines()
            yield PlanView()
        yield KeyLine()

    async def on_mount(self) -> None:
        if self.mode == "busy":
            self.query_one(GroupGrid).styles.height = "1fr"
            self.set_interval(0.1, self._tick)
        self._show()

    def on_key(self, event: Key) -> None:
        if event.key == "q":
            self.exit()
        elif event.key == "w" and self.file:
            waiting = self._driver.waiting if isinstance(self._driver, TerminalDriver) else 0
            Path(self.file).write_text(f"{self.frames_left_out} {waiting}\n")
        elif event.key == "p":
            self.ticking = False
            self._show()
        elif event.key == "c":
            self.count += 1
            self._show()
        elif event.key == "r":
            self.repaint()
        elif event.key == "z":
            self.action_suspend_process()

    def _tick(self) -> None:
        if self.ticking:
            self.value = shuffled(self.value, 0.1, self.chance)
            self.count += 1
            self._show()

    def _workload(self) -> Workload:
        if self.mode == "busy":
            return workload("wide", [group("wide", at, roles=(("decode", 30),)) for at in range(33)])
        return workload("qwen-chat", [group("qwen-chat", at) for at in range(4)], drivers=[hpa()])

    def _text(self, calm: str, at: int = 0) -> str:
        return HOSTILE[at % len(HOSTILE)] if self.mode == "hostile" else calm

    def _show(self) -> None:
        now = 1000.0
        value = self.value
        if self.mode == "hostile":
            value = self._spoilt(value)
        state = SourceStatus("c", self._text("ms", 1), SourceState.LIVE, True, now)
        status = StatusView(
            context=self._text("prod", 4),
            namespaces=(self._text("llm", 5),),
            user=self._text("ops"),
            sources=(state,),
            totals=GpuTotals(128, 104, 24),
            notes=(f"count {self.count}" if self.ticking else "paused",),
        )
        self.query_one(StatusLine).show(status, now)
        for at, widget in enumerate(self.query(NeedsYou)):
            widget.show((Need(value.key, self._text("G-0", at), self._text("crash loop", at)),), 1, now)
        hints = (KeyHint("enter", self._text("open", 2)), KeyHint("q", "quit"))
        self.query_one(KeyLine).show(hints, now)
        self.query_one(GroupGrid).show(GridView(value), now)
        if self.mode == "busy":
            return
        rows = tuple(
            FleetRow(self._spoilt(value, at) if self.mode == "hostile" else value) for at in range(7)
        )
        self.query_one(FleetTable).show(FleetView(rows[: len(HOSTILE) if self.mode == "hostile" else 1]), now)
        asked = msgspec.structs.replace(
            operation("qwen-chat", 2, 4), by=self._text("ops", 1), reason=self._text("load", 3)
        )
        self.query_one(OperationStrip).show(StripView(asked, Eta(90, 100, 20)), now)
        events = tuple(
            Event(
                now - at,
                now,
                "c",
                EventKind.TROUBLE if at % 2 else EventKind.PHASE,
                value.key,
                self._text("qwen-chat-1", at),
                None,
                self._text("decode-0", at + 1),
                self._text("creating", at + 2),
                self._text("running", at + 3),
                self._text("ops", at + 4),
                self._text("because", at + 5),
            )
            for at in range(7)
        )
        self.query_one(TimeLine).show(TimeView(events, (LaneSample(now - 60, 4, 3),)), now)
        log = self.query_one(LogLines)
        log.clear()
        log.append([self._text(f"line {at}", at) for at in range(7)])
        self.query_one(PlanView).show(self._plan(value), now)

    def _spoilt(self, value: Workload, at: int = 0) -> Workload:
        key = msgspec.structs.replace(
            value.key, name=HOSTILE[at], kind=HOSTILE[at - 1], namespace=HOSTILE[at - 2]
        )
        trouble = Trouble(TroubleKind.FAILED, HOSTILE[at - 3], HOSTILE[at - 4])
        groups = tuple(
            msgspec.structs.replace(
                member,
                name=HOSTILE[(at + number) % 7],
                ordinal=None,
                trouble=trouble if number % 2 else None,
                roles=tuple(
                    msgspec.structs.replace(
                        role,
                        name=HOSTILE[(at + spot) % 7],
                        replicas=tuple(
                            msgspec.structs.replace(
                                replica, id=HOSTILE[(at + spot + place) % 7], trouble=trouble
                            )
                            for place, replica in enumerate(role.replicas)
                        ),
                    )
                    for spot, role in enumerate(member.roles)
                ),
            )
            for number, member in enumerate(value.groups)
        )
        specs = tuple(
            msgspec.structs.replace(spec, name=HOSTILE[spot]) for spot, spec in enumerate(value.role_specs)
        )
        driver = msgspec.structs.replace(value.drivers[0], kind=HOSTILE[at], signal=HOSTILE[at - 1])
        return msgspec.structs.replace(
            value,
            key=key,
            groups=groups,
            role_specs=specs,
            drivers=(driver,),
            trouble=trouble if at % 2 else None,
        )

    def _plan(self, value: Workload) -> PlanShown:
        steps = tuple(
            Step(StepKind.DELETE, self._text(f"qwen-chat-{at}", at), 4, 4, note=self._text("first", at + 1))
            for at in range(3)
        )
        guard = Guard("driver", Level.WARN, self._text("HPA undoes this", 0), (self._text("pause it", 1),))
        plan = ScalePlan(
            key=value.key,
            uid="u",
            change=ReplicasChange(2),
            before=Count(4, ((self._text("decode"), 1),)),
            after=Count(2, ((self._text("decode"), 2),)),
            steps=steps,
            order_known=True,
            order_note=self._text("order of head", 3),
            pods_delta=-8,
            gpu_delta=-8,
            capacity=None,
            eta=None,
            guards=(guard,),
            write=Write("PATCH", "/", "json", {}, self._text("through scale", 4)),
            equivalent=self._text("kubectl scale", 5),
            confirmation=Confirmation.NAME,
        )
        return PlanShown(plan, typed=self._text("qw"), message=self._text("no", 2))


if __name__ == "__main__":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    app = Demo(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)
    app.run()
    sys.exit(app.return_code or 0)
