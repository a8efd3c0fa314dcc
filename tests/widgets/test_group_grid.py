"""The ordered grid: side by side while it fits, else folded lines that hide nothing; the cursor on names."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

import msgspec
import pytest

from clients.serving.phase import Mark, Phase, Stage, Trouble, TroubleKind
from clients.serving.workload import Group, Workload
from tests.support.fleets import group, shuffled, workload
from tests.support.stage import lines, staged
from widgets.glyphs import GlyphSet
from widgets.group_grid import GroupGrid, Selection
from widgets.records import GridView
from widgets.theme import look

_FAILED = Trouble(TroubleKind.FAILED, "CrashLoopBackOff", "4 restarts: CUDA out of memory")


def _scaling() -> Workload:
    groups = [
        group("q", 0, mark=Mark.DONE),
        group("q", 1, mark=Mark.DONE),
        group("q", 2, Phase.CREATING, mark=Mark.ACTIVE, progress=60, stage=Stage.WEIGHTS),
        group("q", 3, Phase.QUEUED, mark=Mark.PENDING, gpus=0),
    ]
    return workload("q", groups, desired=4)


def _many(count: int = 40) -> Workload:
    groups = [group("glm", at) for at in range(count)]
    groups[20] = group("glm", 20, trouble=_FAILED)
    groups[38] = group("glm", 38, Phase.CREATING, progress=5, stage=Stage.IMAGE)
    groups[39] = group("glm", 39, Phase.DELETING)
    return workload("glm", groups)


@pytest.mark.parametrize("columns", [24, 80, 120, 250])
async def test_every_line_is_exactly_as_wide_as_the_grid(columns: int) -> None:
    grid = GroupGrid()
    async with staged(grid, columns, 40):
        for count, glyphs in itertools.product((1, 4, 33), GlyphSet):
            value = workload("wide", count, roles=(("prefill", 2), ("decode", 30)))
            grid.set_look(look(glyphs))
            grid.show(GridView(shuffled(value, 0.7, random.Random(1))), 0)
            lines(grid)
            grid.move(2, 5)
            lines(grid)


async def test_groups_stand_side_by_side_with_mark_phase_gpus_and_stage() -> None:
    grid = GroupGrid()
    async with staged(grid, 100):
        grid.show(GridView(_scaling()), 0)
        drawn = lines(grid)
    assert drawn[0].split() == ["✓", "G-0", "✓", "G-1", "▸", "G-2", "◌", "G-3"]
    assert drawn[1].split() == [
        "phase",
        "✓",
        "running",
        "✓",
        "running",
        "▸",
        "creating",
        "60%",
        "◌",
        "queued",
    ]
    assert drawn[2].split() == ["GPU", "4", "4", "4", "0"]
    assert drawn[3].split() == ["prefill-0", "✓", "✓", "▸", "weights", "60%", "◌"]
    assert [line.split()[0] for line in drawn[3:7]] == ["prefill-0", "prefill-1", "decode-0", "decode-1"]


@pytest.mark.parametrize(
    ("columns", "cell"), [(100, "▸ weights 60%"), (60, "▸ wts 60%"), (36, "▸60%"), (29, "▸60")]
)
async def test_cells_say_less_where_there_is_less_room(columns: int, cell: str) -> None:
    grid = GroupGrid()
    async with staged(grid, columns):
        grid.show(GridView(_scaling()), 0)
        assert cell in lines(grid)[3]
        assert grid.across


async def test_emoji_marks_are_the_guides_in_a_column_of_two_cells() -> None:
    grid = GroupGrid(look(GlyphSet.EMOJI))
    async with staged(grid, 100):
        grid.show(GridView(_scaling()), 0)
        assert lines(grid)[0].split() == ["✅", "G-0", "✅", "G-1", "⏳", "G-2", "❎", "G-3"]


async def test_groups_with_different_roles_share_lines_and_leave_holes() -> None:
    groups = [
        group("q", 0, roles=(("prefill", 1), ("decode", 3))),
        group("q", 1, roles=(("prefill", 2), ("old", 1))),
    ]
    grid = GroupGrid()
    async with staged(grid, 60):
        grid.show(GridView(workload("q", groups, roles=(("prefill", 2), ("decode", 3)))), 0)
        drawn = lines(grid)
    names = [line.split()[0] for line in drawn[3:9]]
    assert names == ["prefill-0", "prefill-1", "decode-0", "decode-1", "decode-2", "old-0"]
    assert drawn[4].count("✓") == 1


async def test_many_groups_are_folded_but_never_those_that_move_or_fail() -> None:
    grid = GroupGrid()
    async with staged(grid, 100):
        grid.show(GridView(_many()), 0)
        drawn = lines(grid)
    assert not grid.across
    text = "\n".join(drawn)
    assert "40 groups" in drawn[0]
    assert "G-0…19" in text
    assert "G-21…37" in text
    assert "G-20" in text
    assert "4 restarts: CUDA out of memory" in text
    assert "G-38" in text
    assert "creating 5%" in text
    assert "G-39" in text
    assert len([line for line in drawn if line.strip()]) == 6


async def test_unfolded_shows_every_group() -> None:
    grid = GroupGrid()
    async with staged(grid, 100, 60):
        grid.show(GridView(_many()), 0)
        grid.toggle_fold()
        assert sum("G-" in line for line in lines(grid)) == 40
        grid.toggle_fold()
        assert sum("G-" in line for line in lines(grid)) == 5


async def test_pending_groups_with_marks_fold_apart_from_done_ones() -> None:
    done = [group("q", at, mark=Mark.DONE) for at in range(20)]
    pending = [group("q", at, Phase.QUEUED, mark=Mark.PENDING) for at in range(20, 40)]
    grid = GroupGrid()
    async with staged(grid, 80):
        grid.show(GridView(workload("q", done + pending)), 0)
        drawn = lines(grid)
    assert drawn[1].split()[:2] == ["▸", "✓"]
    assert "G-0…19" in drawn[1]
    assert drawn[2].split()[:2] == ["◌", "G-20…39"]


async def test_the_cursor_stays_on_its_group_and_replica() -> None:
    grid = GroupGrid()
    async with staged(grid, 100) as (stage, pilot):
        grid.show(GridView(_scaling()), 0)
        assert grid.selection == Selection("q-0")
        grid.move(2, 3)
        assert grid.selection == Selection("q-2", "decode", "decode-0")
        fewer = _without(_scaling(), ["q-0"])
        grid.show(GridView(fewer), 1)
        assert grid.selection == Selection("q-2", "decode", "decode-0")
        grid.show(GridView(_without(fewer, ["q-2"])), 2)
        assert grid.selection == Selection("q-3", "decode", "decode-0")
        grid.show(GridView(_without(fewer, ["q-1", "q-2", "q-3"])), 3)
        assert grid.selection is None
        assert "no groups" in lines(grid)[0]
        await pilot.pause()
        assert len(stage.said(GroupGrid.Moved)) == 4


def _without(value: Workload, names: Sequence[str]) -> Workload:
    kept: list[Group] = [member for member in value.groups if member.name not in names]
    return msgspec.structs.replace(value, groups=tuple(kept))


async def test_the_cursor_goes_over_every_cell_and_no_further() -> None:
    grid = GroupGrid()
    async with staged(grid, 100):
        grid.show(GridView(_scaling()), 0)
        grid.move(-1, -1)
        assert grid.selection == Selection("q-0")
        grid.move_last()
        assert grid.selection == Selection("q-3", "decode", "decode-1")
        grid.move(1, 1)
        assert grid.selection == Selection("q-3", "decode", "decode-1")
        grid.move_first()
        assert grid.selection == Selection("q-0")


async def test_long_grids_scroll_under_their_head_to_the_cursor() -> None:
    grid = GroupGrid()
    async with staged(grid, 100, 10):
        grid.show(GridView(workload("q", 2, roles=(("decode", 30),))), 0)
        grid.move(0, 30)
        drawn = lines(grid)
        assert "G-0" in drawn[0]
        assert "decode-29" in drawn[9]


async def test_in_rows_the_cursor_walks_replicas_sideways() -> None:
    grid = GroupGrid()
    async with staged(grid, 100):
        grid.show(GridView(_many()), 0)
        grid.move(0, 1)
        assert grid.selection == Selection("glm-20")
        grid.move(3, 0)
        assert grid.selection == Selection("glm-20", "decode", "decode-0")
        assert "decode-0" in lines(grid)[2]
        grid.move(-9, 0)
        assert grid.selection == Selection("glm-20")
        grid.move_last()
        assert grid.selection == Selection("glm-39")


async def test_next_trouble_goes_round() -> None:
    grid = GroupGrid()
    groups = [group("q", 0), group("q", 1, trouble=_FAILED, roles=(("decode", 2),)), group("q", 2)]
    async with staged(grid, 100):
        grid.show(GridView(workload("q", groups)), 0)
        assert grid.next_trouble()
        assert grid.selection == Selection("q-1", "decode", "decode-0")
        assert grid.next_trouble()
        assert grid.selection == Selection("q-1", "decode", "decode-1")
        assert grid.next_trouble()
        assert grid.selection == Selection("q-1", "decode", "decode-0")
        grid.show(GridView(workload("q", 3)), 1)
        assert not grid.next_trouble()


async def test_a_resize_turns_columns_into_rows_and_keeps_the_cursor() -> None:
    grid = GroupGrid()
    async with staged(grid, 200, 20) as (_, pilot):
        grid.show(GridView(workload("q", 30)), 0)
        grid.move(17, 2)
        before = grid.selection
        assert grid.across
        await pilot.resize_terminal(70, 20)
        await pilot.pause()
        assert not grid.across
        assert grid.selection == before
        lines(grid)


async def test_only_lines_with_changed_cells_are_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    grid = GroupGrid()
    value = workload("q", 8, roles=(("decode", 6),))
    async with staged(grid, 120, 20) as (_, pilot):
        grid.show(GridView(value), 0)
        await pilot.pause()
        drawn: list[int] = []
        stock = grid.draw_row

        def draw_row(row: int, cells: int) -> object:
            drawn.append(row)
            return stock(row, cells)

        monkeypatch.setattr(grid, "draw_row", draw_row)
        member = value.groups[3]
        role = member.roles[0]
        replicas = list(role.replicas)
        replicas[2] = msgspec.structs.replace(replicas[2], phase=Phase.CREATING, progress=5)
        role = msgspec.structs.replace(role, replicas=tuple(replicas))
        groups = list(value.groups)
        groups[3] = msgspec.structs.replace(member, roles=(role,))
        grid.show(GridView(msgspec.structs.replace(value, groups=tuple(groups))), 1)
        await pilot.pause()
        assert drawn == [3 + 2]


async def test_a_changed_replica_is_bold_for_two_seconds() -> None:
    grid = GroupGrid()
    value = workload("q", 2)
    async with staged(grid, 80):
        grid.show(GridView(value, {"q-1/decode-0": 10.0}), 1000, 11.0)
        assert [text.strip() for text, style, _ in grid.render_line(5) if style and style.bold] == ["✓"]
        grid.show(GridView(value, {"q-1/decode-0": 10.0}), 1000, 12.5)
        assert not [text for text, style, _ in grid.render_line(5) if style and style.bold]
