"""Charts of a load test: one axis for all, numbers that do not jump, unknown drawn as nothing."""

from __future__ import annotations

import unicodedata

import pytest

from tests.support.stage import lines, staged
from widgets.cells import milliseconds
from widgets.glyphs import GlyphSet
from widgets.load_chart import LoadChart, columns_in, step_for
from widgets.load_groups import GroupTable, Reading
from widgets.load_head import LoadHead, LoadLine
from widgets.load_records import GroupLoad, LoadColumn, LoadMark, LoadProgress, LoadView
from widgets.theme import look

LEFT = 16
"""Cells before the first column."""


def column(second: int, **other: float | None) -> LoadColumn:
    """Latency of 100 ms until second 10, then 800; a third replica asked for at 20 and ready at 30."""
    value = 100.0 if second < 10 else 800.0
    known: dict[str, float | None] = {
        "ok": 10.0,
        "failed": 0.0,
        "p50": value,
        "p95": value * 2,
        "p99": value * 4,
    }
    known |= {"in_flight": 4.0, "waiting": 1.0, "busy": 50.0}
    return LoadColumn(wanted=2 if second < 20 else 3, ready=2 if second < 30 else 3, **{**known, **other})


def view(count: int = 40, **other: object) -> LoadView:
    columns = tuple(column(second) for second in range(count))
    marks = (LoadMark(20, "^", "2>3 HPA", guide=True), LoadMark(30, "+", "G-2"))
    return LoadView(columns, 1.0, columns[-1], marks, **other)  # type: ignore[arg-type]


def row(drawn: list[str], name: str) -> str:
    return next(line[LEFT:] for line in drawn if line.startswith(f" {name}"))


async def test_all_charts_stand_on_one_axis() -> None:
    chart = LoadChart()
    async with staged(chart, 120, 20):
        chart.show(view())
        drawn = lines(chart)
        events = row(drawn, "events")
        assert events.index("^2>3 HPA") == 20
        assert events.index("+G-2") == 30
        first = next(line[LEFT:] for line in drawn if "⠒" in line[LEFT:])
        assert (first.index("⠒"), first.index("⣿")) == (20, 30), "wanted before it is ready"
        low = next(line[LEFT:] for line in drawn if line[LEFT:].startswith("1111111111"))
        assert low[10] != "1", "the median leaves its row when it rises"
        assert all(line[LEFT + 20] != " " for line in drawn[:8]), (
            "a line through the latency marks the change"
        )
        assert row(drawn, "time").startswith("0:00")


async def test_what_happens_in_one_second_shares_a_cell() -> None:
    chart = LoadChart()
    marks = (
        LoadMark(30, "+", "G-2"),
        LoadMark(30, "^", "3>4", guide=True),
        LoadMark(33, "^", "4>5", guide=True),
    )
    async with staged(chart, 120, 20):
        chart.show(LoadView(tuple(column(second) for second in range(40)), 1.0, column(39), marks))
        assert row(lines(chart), "events")[30:].startswith("^  ^4>5"), "no room: the sign alone"


async def test_a_second_changes_a_column_and_the_numbers_alone() -> None:
    chart = LoadChart()
    async with staged(chart, 120, 20):
        chart.show(view(40))
        before = lines(chart)
        chart.show(view(41))
        for old, new in zip(before, lines(chart), strict=True):
            assert {at for at in range(LEFT, 111) if old[at] != new[at]} <= {LEFT + 40}


async def test_what_is_not_known_is_not_drawn() -> None:
    chart = LoadChart()
    async with staged(chart, 120, 20):
        unknown = LoadColumn(ok=3.0)
        chart.show(LoadView((unknown,) * 30, 1.0, unknown))
        drawn = lines(chart)
        for name in ("waiting", "GPU busy", "in flight"):
            assert not row(drawn, name)[:-9].strip()
            assert row(drawn, name).rstrip().endswith("–")
        assert "3/s" in row(drawn, "answers")
        chart.show(LoadView())
        assert "latency" in lines(chart)[0]


@pytest.mark.parametrize("size", [(80, 14), (120, 20), (250, 50)])
@pytest.mark.parametrize("glyphs", [GlyphSet.NARROW, GlyphSet.ASCII])
async def test_it_fits_and_takes_one_cell_everywhere(size: tuple[int, int], glyphs: GlyphSet) -> None:
    chart = LoadChart(look(glyphs))
    async with staged(chart, *size):
        chart.show(view(columns_in(size[0]), slo=500.0, signal_name="queue"))
        whole = "".join(lines(chart)).replace("–", "")
        widths = {char: unicodedata.east_asian_width(char) for char in whole if not char.isascii()}
        assert set(widths.values()) <= {"N"}, widths
        if glyphs is GlyphSet.ASCII:
            assert whole.isascii()
        assert "- SLO" in whole or size[1] < 20


def test_a_column_is_so_long_that_all_finds_room() -> None:
    assert [step_for(seconds, 95) for seconds in (30, 95, 96, 400, 100_000)] == [1, 1, 2, 5, 1200]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "      –"),
        (3.2, " 3.2 ms"),
        (41, "  41 ms"),
        (999, " 999 ms"),
        (1500, " 1.50 s"),
        (123456, "  123 s"),
    ],
)
def test_latencies_have_one_width(value: float | None, text: str) -> None:
    assert milliseconds(value) == text


async def test_the_line_of_every_screen_says_how_to_end_it() -> None:
    line = LoadLine()
    progress = LoadProgress("load", True, 0.5, 15.0, 30.0, ok=140, failed=2, in_flight=7)
    async with staged(line, 120, 1) as (stage, pilot):
        del stage
        line.show("chat", progress, column(5), "X")
        await pilot.pause()
        (text,) = lines(line)
        for word in ("LOAD RUNS", "chat", "0:15 of 0:30", "200 ms", "in flight 7", "failed 2", "X aborts it"):
            assert word in text, word


async def test_head_groups_and_words_are_plain() -> None:
    bad = "\x1b[2Jx\u202e"
    head, groups, words = LoadHead(), GroupTable(), Reading()
    async with staged(head, 100, 2):
        head.show(LoadProgress("load", True, 0.5, 15.0, 30.0), bad)
        assert "␛[2J" in lines(head)[1]
    async with staged(groups, 80, 3):
        groups.show((GroupLoad(bad, bad, True), GroupLoad("G-1", "running", running=4.0, busy=71.4)))
        assert "␛[2J" in lines(groups)[1]
        assert lines(groups)[2].split() == ["G-1", "running", "4", "–", "–", "–", "71"]
    async with staged(words, 40, 6):
        words.show(("autoscaler: asked for 3 groups 34s after the load began, and got them", bad))
        drawn = [line.strip() for line in lines(words)]
        assert drawn[0].startswith("autoscaler: asked for 3 groups")
        assert "␛[2J" in "".join(drawn)
