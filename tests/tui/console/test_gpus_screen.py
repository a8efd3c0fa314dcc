"""The GPU screens over a scripted door: what they tell of devices, at every size, and where keys lead."""

from __future__ import annotations

import pytest

from clients.gpu.history import Point
from clients.serving.backend import GpuTotals
from clients.serving.gpu_join import join
from clients.serving.gpu_use import Place
from clients.serving.gpu_view import GpuView
from clients.serving.gpus import AgentKind, AgentStatus, DeviceKey, GpuSample, Holder, Throttle
from clients.serving.phase import Phase
from clients.serving.sources import SourceState
from tests.support import fleets
from tests.support.console import console
from tests.support.scripted_door import ScriptedDoor, live_source
from tui.screens.gpu_node import GpuNodeScreen
from tui.screens.gpus import GpusScreen
from tui.screens.workload import WorkloadScreen

GIB = 1 << 30
NOW = 50.0
"""The scripted door's monotonic clock at its start."""


def sample(node: str, index: int, *, pod: str | None = None, **more: object) -> GpuSample:
    told: dict[str, object] = {
        "tensor": 61.0,
        "memory_used": 40 * GIB,
        "memory_total": 80 * GIB,
        "power": 500.0,
        "power_limit": 700.0,
        "temperature": 60.0,
        "model": "H100",
    }
    return GpuSample(
        DeviceKey(node, f"GPU-{node}-{index}"),
        taken_at=NOW,
        fresh_until=1e6,
        index=index,
        holders=() if pod is None else (Holder("llm", pod),),
        **{**told, **more},  # type: ignore[arg-type]
    )


def place(pod: str) -> Place:
    """``qwen-1-decode-0``"""
    name, ordinal, role, at = pod.rsplit("-", 3)
    return Place(fleets.key(name), f"{name}-{ordinal}", role, f"{role}-{at}", pod)


def view(*samples: GpuSample, version: int = 1, silent: tuple[str, ...] = ()) -> GpuView:
    pods = {(holder.namespace, holder.pod) for one in samples for holder in one.holders}
    nodes = sorted({one.key.node for one in samples})
    places = {(namespace, pod): place(pod) for namespace, pod in pods if pod.startswith("qwen-")}
    agents = tuple(
        AgentStatus(
            node, AgentKind.EXPORTER, f"gpu/{node}:9400", NOW, NOW, "no answer" if node in silent else None
        )
        for node in nodes
    )
    return GpuView(
        version,
        join(samples, places, NOW, silent=silent),
        agents,
        GpuTotals(10, 4, 5, 1),
        SourceState.LIVE,
    )


FLEET = (
    sample("node-a", 0, pod="qwen-0-decode-0", temperature=88.0),
    sample("node-a", 1, pod="qwen-0-decode-1", xid=79),
    sample("node-a", 2, pod="qwen-1-decode-0", tensor=0.0, temperature=31.0),
    sample("node-a", 3, tensor=0.0, temperature=30.0),
    sample("node-b", 0, pod="batch-job", throttle=(Throttle.THERMAL_SOFTWARE,), memory_used=79 * GIB),
    sample("node-c", 0, pod="qwen-2-decode-0", tensor=0.0),
)


def door_with(*samples: GpuSample, silent: tuple[str, ...] = (), starting: int = 2) -> ScriptedDoor:
    door = ScriptedDoor()
    groups = [
        fleets.group("qwen", at, Phase.CREATING if at == starting else Phase.RUNNING) for at in range(3)
    ]
    door.fleet.put(fleets.workload("qwen", groups), sources=(live_source(),))
    door.devices = view(*(samples or FLEET), silent=silent)
    return door


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_the_first_device_is_told_in_full(size: tuple[int, int]) -> None:
    async with console(door_with(), size) as me:
        await me.draw(1.0)
        await me.press("o")
        await me.sees("10 GPUs", "4 allocated", "5 free", "1 unschedulable", "2 idle", "by node", "? stale")
        for keys, told in (
            ((), "node-a GPU 0 llm/qwen G-0 decode-0; 61% TC; memory 40.0 of 80.0 GiB (50%);"),
            (("l",), "XID 79: the GPU has fallen off the bus"),
            (("l",), "qwen G-1 decode-0; 0% TC, allocated but idle"),
            (("l",), "node-a GPU 3 free"),
            (("l",), "pod llm/batch-job"),
            ((), "clocks held down: too hot"),
        ):
            await me.press(*keys)
            assert told in " ".join(me.text.split()), me.text


async def test_three_keys_from_the_fleet_find_a_group_that_holds_gpus_in_vain() -> None:
    async with console(door_with()) as me:
        await me.draw(1.0)
        await me.press("o", "S", "enter")
        assert isinstance(me.app.screen, GpuNodeScreen)
        await me.sees("node  prod-eu / node-a", "llm/qwen G-1 decode-0", "allocated but idle")
        await me.press("enter")
        assert isinstance(me.app.screen, WorkloadScreen)
        selection = me.app.screen.grid.selection
        assert selection is not None
        assert (selection.group, selection.replica) == ("qwen-1", "decode-0")


async def test_a_group_that_still_starts_wastes_nothing() -> None:
    async with console(door_with(starting=1)) as me:
        await me.draw(1.0)
        await me.press("o", "S")
        lines = me.text.splitlines()
        idle, starting = (
            next(at for at, line in enumerate(lines) if label in line) for label in ("qwen G-2", "qwen G-1")
        )
        assert idle < starting
        assert "start" in lines[starting]


async def test_orders_go_round_and_the_hottest_shows_heat() -> None:
    async with console(door_with()) as me:
        await me.draw(1.0)
        await me.press("o", "S", "S")
        await me.sees("by workload", "qwen G-0", "other pods", "free")
        await me.press("S")
        await me.sees("by hottest", "temperature in °C", "x60", " 88")
        await me.press("S")
        await me.sees("by node")


async def test_nodes_alike_keep_their_places_while_their_heat_goes_up_and_down() -> None:
    def at(one: float, other: float, version: int) -> GpuView:
        hot = sample("node-c", 0, temperature=88.0)
        return view(
            sample("node-a", 0, temperature=one), sample("node-b", 0, temperature=other), hot, version=version
        )

    door = door_with()
    async with console(door) as me:
        await me.draw(1.0)
        await me.press("o", "S", "S", "S")
        for version, heats in enumerate(((51.0, 53.0), (53.0, 51.0), (50.0, 54.0)), start=2):
            door.devices = at(*heats, version)
            await me.draw(1.0)
            names = [line.split()[0] for line in me.text.splitlines() if line.startswith(" node-")][:3]
            assert names == ["node-c", "node-a", "node-b"], heats
        door.devices = at(50.0, 65.0, 9)
        await me.draw(1.0)
        assert me.text.index("node-b") < me.text.index("node-a")


async def test_a_node_that_is_silent_stays_with_its_age() -> None:
    async with console(door_with(silent=("node-c",))) as me:
        await me.draw(90.0)
        await me.press("o", "G")
        await me.sees("node-c", "90s", "? 0", "1 old", "old: read 90s ago")
        await me.press("enter")
        await me.sees("no answer; dcgm-exporter gpu/node-c:9400, read 90s ago")


async def test_the_history_of_a_device_is_drawn_and_unknown_figures_are_not() -> None:
    door = door_with(sample("node-a", 0, pod="qwen-0-decode-0", temperature=None, power=None))
    key = DeviceKey("node-a", "GPU-node-a-0")
    door.histories[key] = [Point(NOW + at, 10.0 * at, 50.0, None, None) for at in range(10)]
    async with console(door, (80, 24)) as me:
        await me.draw(1.0)
        await me.press("o", "enter")
        await me.draw(1.0)
        await me.sees("read 2s ago", "history of 9s", "⡀⡀⡄⡄⡆⡇⣇⣧⣧⣷")
        power = next(line for line in me.text.splitlines() if line.startswith(" power"))
        assert power.split()[1] == "–"


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
@pytest.mark.parametrize("nodes", [1, 16, 60, 500])
async def test_any_number_of_devices_can_be_gone_over(nodes: int, size: tuple[int, int]) -> None:
    samples = [sample(f"gpu-node-{at // 8:03}", at % 8) for at in range(8 * nodes)]
    async with console(door_with(*samples), size) as me:
        await me.draw(1.0)
        await me.press("o")
        screen = me.app.screen
        assert isinstance(screen, GpusScreen)
        seen = set()
        for _ in samples:
            device = screen.grid.device
            assert device is not None
            seen.add(device.sample.key)
            screen.grid.move(1, 0)
        assert len(seen) == len(samples)
        await me.settle()
        await me.sees(f"gpu-node-{nodes - 1:03} GPU 7")
        assert max(map(len, screen.grid.lines_as_text())) == size[0]
        assert ("busy in tens of %" in me.text) is screen.grid.dense
        assert screen.grid.dense is (8 * nodes > size[0] * size[1] / 16)
        await me.press("g", "g")
        await me.sees("gpu-node-000 GPU 0")


async def test_the_cursor_stays_with_its_device_while_others_come() -> None:
    door = door_with(sample("node-b", 0), sample("node-b", 1))
    async with console(door) as me:
        await me.draw(1.0)
        await me.press("o", "l")
        await me.sees("node-b GPU 1")
        door.devices = view(sample("node-a", 0), sample("node-b", 0), sample("node-b", 1), version=2)
        await me.draw(1.0)
        await me.sees("node-a", "node-b GPU 1")


async def test_grid_and_fleet_show_what_groups_do() -> None:
    async with console(door_with()) as me:
        await me.draw(1.0)
        await me.sees("GPU%", "x 30")
        await me.press("enter")
        await me.sees("busy %", "61x", "0z", "mem %", "✓ z 0/50")


async def test_nobody_asks_for_gpus_where_none_are_shown() -> None:
    door = door_with()
    async with console(door) as me:
        await me.press("e")
        asked = len(door.looked_at)
        for _ in range(3):
            await me.draw(1.0)
        assert len(door.looked_at) == asked
        await me.press("escape", "o")
        await me.draw(1.0)
        await me.draw(1.0)
        assert door.looked_at[-1] == ("node-a",), "the node under the cursor is looked at closely"


async def test_names_from_outside_are_drawn_plain() -> None:
    hostile = "\x1b[31m[red]‮evil" + "x" * 300
    door = door_with(sample(hostile, 0, pod=hostile, model=hostile))
    async with console(door, (80, 24)) as me:
        await me.draw(1.0)
        await me.press("o", "S", "S", "enter")
        await me.draw(1.0)
        assert "\x1b" not in me.text
        assert "‮" not in me.text
        assert max(map(len, me.text.splitlines())) <= 80
