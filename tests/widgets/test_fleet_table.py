"""The fleet: rows at every width, a cursor that stays with its workload, only what changed drawn again."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from clients.serving.phase import Mark, Phase, Stage, Trouble, TroubleKind
from clients.serving.plans import Eta
from clients.serving.workload import Capabilities, Workload
from tests.support.fleets import group, hpa, key, operation, workload
from tests.support.stage import lines, staged
from widgets.fleet_table import FleetTable
from widgets.glyphs import GlyphSet
from widgets.records import FleetRow, FleetView
from widgets.theme import Depth, look

_TROUBLE = Trouble(TroubleKind.FAILED, "OOMKilled", "G-0 prefill-1: CUDA out of memory")


def _scaling() -> Workload:
    groups = [group("qwen-chat", at) for at in range(3)]
    groups.append(group("qwen-chat", 3, Phase.CREATING, mark=Mark.ACTIVE, progress=63, stage=Stage.WEIGHTS))
    asked = operation("qwen-chat", 2, 4, done=1)
    return workload("qwen-chat", groups, operation=asked, drivers=[hpa()])


def _failing() -> Workload:
    groups = [group("deepseek-r1", 0, trouble=_TROUBLE), group("deepseek-r1", 1)]
    return workload("deepseek-r1", groups, trouble=_TROUBLE)


def _view(*workloads: Workload) -> FleetView:
    return FleetView(tuple(FleetRow(value) for value in workloads))


@pytest.mark.parametrize("columns", [40, 80, 120, 250])
async def test_every_line_is_exactly_as_wide_as_the_table(columns: int) -> None:
    table = FleetTable()
    big = workload("模型-" + "long-" * 12, 200, namespace="other", kind="InferenceService")
    async with staged(table, columns):
        table.show(_view(_scaling(), _failing(), big, workload("none", 0)), 0)
        for glyphs in GlyphSet:
            table.set_look(look(glyphs))
            drawn = lines(table)
            assert drawn[0].split()[:2] in (["NAME", "READY"], ["NAME", "KIND"])
            assert any("OOMKilled" in line for line in drawn)
            assert any("3/4" in line for line in drawn)


async def test_a_wide_table_tells_groups_roles_driver_and_what_goes_on() -> None:
    table = FleetTable()
    async with staged(table, 160):
        table.show(FleetView((FleetRow(_scaling(), eta=Eta(98, 102, 20)), FleetRow(_failing()))), 0)
        drawn = lines(table)
    assert drawn[0].split() == ["NAME", "KIND", "READY", "GROUPS", "ROLES", "GPU", "DRIVER", "DOING"]
    first = drawn[1].split()
    assert first[:5] == ["▸", "qwen-chat", "ModelServing", "3/4", "✓✓✓▸"]
    assert "P 6/8 D 6/8" in drawn[1]
    assert "16 HPA 2-8 cpu 72>60" in drawn[1]
    assert "2>4 1/2 G-3 creating 63% ~1m40s by ops" in drawn[1]
    assert "✗✓" in drawn[2]
    assert "✗ OOMKilled: G-0 prefill-1: CUDA out of memory" in drawn[2]


async def test_the_kind_takes_no_more_room_than_it_uses() -> None:
    table = FleetTable()
    for columns, kind in ((104, "MS"), (160, "ModelServing")):
        async with staged(table, columns):
            table.show(_view(_scaling(), _failing()), 0)
            heading, first, *_ = lines(table)
            at = heading.index("KIND")
            assert first[at : heading.index("READY")].strip() == kind
            assert heading.index("READY") - at == max(len(kind), len("KIND")) + 1


async def test_a_driver_is_drawn_with_its_whole_signal_or_without() -> None:
    long = hpa(2, 5, "vllm:num_requests_waiting 12>5")
    table = FleetTable()
    for columns, said in ((110, "HPA 2-5"), (200, "HPA 2-5 vllm:num_requests_waiting 12>5")):
        async with staged(table, columns):
            table.show(_view(workload("qwen-chat", 3, drivers=[long])), 0)
            heading, first, *_ = lines(table)
            assert first[heading.index("DRIVER") : heading.index("DOING")].strip() == said


async def test_a_moving_metric_moves_no_column() -> None:
    table = FleetTable()
    async with staged(table, 160):
        table.show(_view(workload("qwen-chat", 3, drivers=[hpa(signal="cpu 100>60")])), 0)
        heading = lines(table)[0]
        table.show(_view(workload("qwen-chat", 3, drivers=[hpa(signal="cpu 9<60")])), 1)
        assert lines(table)[0] == heading


@pytest.mark.parametrize("depth", Depth)
@pytest.mark.parametrize("dark", [True, False])
async def test_the_row_under_the_cursor_is_of_one_colour(depth: Depth, dark: bool) -> None:
    table = FleetTable(look(depth=depth, dark=dark))
    async with staged(table, 120):
        table.show(_view(_failing(), _scaling()), 0)
        drawn = [style for _, style, _ in table.render_line(1) if style is not None]
        assert {(style.color, style.bgcolor, style.reverse, style.dim) for style in drawn} == {
            (None, None, True, None)
        }
        assert any(style.bold for style in drawn), "a failure is still told by its weight"


async def test_too_many_groups_are_counted_with_failures_first() -> None:
    groups = [group("glm", at) for at in range(60)]
    groups[7] = group("glm", 7, trouble=_TROUBLE)
    groups[9] = group("glm", 9, Phase.CREATING)
    table = FleetTable()
    async with staged(table, 100):
        table.show(_view(workload("glm", groups)), 0)
        assert "✗1 ▸1 ✓58" in lines(table)[1]


async def test_what_is_not_known_is_not_drawn_as_zero() -> None:
    value = msgspec.structs.replace(
        workload("blind", 2), ready=0, capabilities=Capabilities(ready_known=False)
    )
    table = FleetTable()
    async with staged(table, 100):
        table.show(_view(value), 0)
        assert "–/2" in lines(table)[1]


async def test_the_cursor_follows_its_workload_when_rows_move_and_go() -> None:
    table = FleetTable()
    names = [workload(f"w-{at}") for at in range(6)]
    async with staged(table, 100) as (stage, pilot):
        table.show(_view(*names), 0)
        table.move(2)
        assert table.cursor == key("w-2")
        table.show(_view(*reversed(names)), 1)
        assert table.cursor == key("w-2")
        assert lines(table)[4].startswith("▸")
        table.show(_view(*(value for value in names if value.key.name != "w-2")), 2)
        assert table.cursor == key("w-4"), "what took its place"
        table.show(_view(), 3)
        assert table.cursor is None
        assert "no workloads" in lines(table)[1]
        await pilot.pause()
        heard = stage.said(FleetTable.Highlighted)
        keys = [message.key for message in heard if isinstance(message, FleetTable.Highlighted)]
        assert keys == [key("w-0"), key("w-2"), key("w-4"), None]


async def test_while_rows_are_to_come_a_cursor_that_nobody_moved_stays_on_top() -> None:
    table = FleetTable()
    late, early = workload("w-0"), workload("w-9")
    async with staged(table, 100):
        table.show(replace(_view(early), arriving=True), 0)
        table.show(_view(late, early), 1)
        assert table.cursor == key("w-0"), "with these all are there"
        table.show(_view(workload("w-1"), late, early), 2)
        assert table.cursor == key("w-0"), "what was read may be what is about to be scaled"
    moved = FleetTable()
    async with staged(moved, 100):
        moved.show(replace(_view(late, early), arriving=True), 0)
        moved.move(1)
        moved.show(_view(workload("w-1"), late, early), 1)
        assert moved.cursor == key("w-9")


async def test_moving_past_the_edge_scrolls_under_the_heading() -> None:
    table = FleetTable()
    async with staged(table, 100, 6):
        table.show(_view(*(workload(f"w-{at:02}") for at in range(20))), 0)
        table.move_last()
        drawn = lines(table)
        assert drawn[0].split()[0] == "NAME"
        assert "▸ w-19" in drawn[5]
        table.move_page(-1)
        assert table.cursor == key("w-15")
        table.move_first()
        assert "▸ w-00" in lines(table)[1]
        assert table.select(key("w-07"))
        assert not table.select(key("nobody"))
        assert table.cursor == key("w-07")


async def test_marks_are_kept_by_workload() -> None:
    table = FleetTable()
    names = [workload(f"w-{at}") for at in range(3)]
    async with staged(table, 100):
        table.show(_view(*names), 0)
        table.toggle_pick()
        table.toggle_pick()
        assert table.picked == (key("w-0"), key("w-1"))
        table.show(_view(*reversed(names)), 1)
        assert table.picked == (key("w-1"), key("w-0"))
        table.clear_picks()
        assert not table.picked


async def test_what_a_filter_hides_is_said() -> None:
    table = FleetTable()
    async with staged(table, 100):
        table.show(FleetView((FleetRow(workload("w")),), hidden=5, hidden_failing=2), 0)
        assert "5 hidden by the filter, 2 of them failing" in lines(table)[2]
        table.show(FleetView((), loading=True), 0)
        assert "reading the first list" in lines(table)[1]


async def test_what_is_not_shown_is_counted_under_the_rows() -> None:
    table = FleetTable()
    async with staged(table, 80):
        table.show(FleetView((FleetRow(_scaling()),), below=("31 Deployments not shown",)), 0)
        assert lines(table)[2].strip() == "31 Deployments not shown"
        table.show(FleetView((), note="no workloads in llm", below=("31 Deployments not shown",)), 0)
        assert [line.strip() for line in lines(table)[1:3]] == [
            "no workloads in llm", "31 Deployments not shown",
        ]  # fmt: skip


async def test_the_last_row_brings_what_stands_below_it_into_sight() -> None:
    table = FleetTable()
    rows = tuple(FleetRow(workload(f"w{number:03}")) for number in range(100))
    async with staged(table, 80):
        table.show(FleetView(rows, below=("cost 1 EUR", "31 Deployments not shown")), 0)
        assert not any("not shown" in line for line in lines(table))
        table.move_last()
        assert "31 Deployments not shown" in lines(table)[-1]
        assert "w099" in lines(table)[-3]
        table.move_first()
        assert "w000" in lines(table)[1]


async def test_a_stopped_workload_is_called_so() -> None:
    table = FleetTable()
    value = msgspec.structs.replace(workload("iris", 0), phase=Phase.ABSENT, stopped=True)
    async with staged(table, 120):
        table.show(_view(value), 0)
        assert lines(table)[1].split()[-1] == "stopped"


async def test_a_change_is_bold_for_two_seconds() -> None:
    table = FleetTable()
    async with staged(table, 100):
        row = FleetRow(workload("w"), changed_at=50.0)
        other = FleetRow(workload("v"))
        table.show(FleetView((other, row)), 1000, 51.0)
        assert all(style is not None and style.bold for _, style, _ in list(table.render_line(2))[:3])
        table.show(FleetView((other, row)), 1001, 52.1)
        assert not any(style is not None and style.bold for _, style, _ in table.render_line(2))


async def test_only_changed_rows_are_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    table = FleetTable()
    values = [workload(f"w-{at}") for at in range(8)]
    async with staged(table, 100) as (_, pilot):
        table.show(_view(*values), 0)
        await pilot.pause()
        drawn: list[int] = []
        stock = table.draw_row

        def draw_row(row: int, cells: int) -> object:
            drawn.append(row)
            return stock(row, cells)

        monkeypatch.setattr(table, "draw_row", draw_row)
        table.show(_view(*values), 1)
        await pilot.pause()
        assert drawn == []
        values[4] = msgspec.structs.replace(values[4], ready=1)
        table.show(_view(*values), 2)
        await pilot.pause()
        assert drawn == [5]


async def test_a_click_moves_and_a_second_one_opens() -> None:
    table = FleetTable()
    async with staged(table, 100) as (stage, pilot):
        table.show(_view(workload("w-0"), workload("w-1")), 0)
        await pilot.click(FleetTable, offset=(5, 2))
        assert table.cursor == key("w-1")
        await pilot.click(FleetTable, offset=(5, 2))
        await pilot.pause()
        assert len(stage.said(FleetTable.Opened)) == 1
