"""The time line: what happened in few words, under lanes that reach as far back as was seen."""

from __future__ import annotations

import pytest

from clients.serving.events import Event, EventKind
from tests.support.fleets import key
from tests.support.stage import lines, staged
from widgets.records import LaneSample, TimeView
from widgets.timeline import LANES, TimeLine

NOW = 50740.0
EVENTS = (
    Event(50731.0, 0, "c", EventKind.PHASE, key("q"), "q-3", "decode", "decode-0", "creating", "running"),
    Event(50700.0, 0, "c", EventKind.TROUBLE, key("q"), "q-1", None, None, None, "failed", None, "OOMKilled"),
    Event(50690.0, 0, "c", EventKind.DESIRED, key("q"), None, None, None, "2", "4", "ops"),
    Event(50680.0, 0, "c", EventKind.MARK, key("q"), "q-3", None, None, "active", None),
    Event(
        50670.0, 0, "c", EventKind.SOURCE, None, None, None, None, "live", "stale", detail={"source": "pods"}
    ),
)


async def test_events_stand_below_lanes_newest_first() -> None:
    widget = TimeLine()
    samples = tuple(
        LaneSample(49000.0 + 60 * at, 4 if at > 10 else 2, 4 if at > 20 else 2) for at in range(29)
    )
    async with staged(widget, 80, 12):
        widget.show(TimeView(EVENTS, samples), NOW)
        drawn = lines(widget)
        assert drawn[0].startswith("   4 ")
        assert drawn[LANES - 1].rstrip().endswith("now")
        assert [line.strip() for line in drawn[LANES : LANES + 5]] == [
            "14:05:31 q G-3 decode-0 running",
            "14:05:00 q G-1 failed  OOMKilled",
            "14:04:50 q desired 2 > 4  by ops",
            "14:04:40 q G-3 mark active is over",
            "14:04:30 pods live > stale",
        ]
        top = drawn[0][5:]
        assert top.index("⠒") < top.index("⣿"), "wanted before it was ready"
        widget.show(TimeView(EVENTS, utc_offset=3600.0, named=False), NOW)
        assert lines(widget)[0].strip() == "15:05:31 G-3 decode-0 running"
        widget.show(TimeView(EVENTS, named=False), NOW, detailed=True)
        assert lines(widget)[0].strip() == "14:05:31 G-3 decode-0 creating > running"
        widget.show(TimeView(()), NOW)
        assert "nothing happened yet" in lines(widget)[0]


@pytest.mark.parametrize(
    ("seen", "reach"),
    [(0.0, "-20s"), (19.0, "-20s"), (70.0, "-90s"), (200.0, "-5m"), (1500.0, "-30m"), (9000.0, "-30m")],
)
async def test_lanes_reach_back_as_far_as_was_seen(seen: float, reach: str) -> None:
    widget = TimeLine()
    async with staged(widget, 80, 12):
        widget.show(TimeView(EVENTS, (LaneSample(NOW - seen, 2, 2),)), NOW)
        drawn = lines(widget)
        assert drawn[LANES - 1].split()[0] == reach
        graph = drawn[0][5:-1]
        if seen >= 20.0:
            assert len(graph.strip()) >= len(graph) // 2, "less than half of it is empty"
