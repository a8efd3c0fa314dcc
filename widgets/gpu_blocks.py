"""Devices put into labelled blocks, in the order that a person asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from clients.serving.gpu_use import DeviceView
from clients.serving.gpu_view import GpuView
from clients.serving.gpus import Busy, GpuMark, busy_of
from clients.serving.keys import WorkloadKey
from widgets.cells import age, shown
from widgets.gpu_cells import group_name, holder_words

__all__ = ["Block", "Order", "blocks"]


_ALIKE_PERCENT, _ALIKE_DEGREES = 10.0, 5.0
"""What differs by less stands by name: else lines would change their places with every page that is read."""


class Order(StrEnum):
    """How devices are sorted, in the order in which ``S`` goes through them."""

    NODE = "node"
    IDLE = "idle first"
    WORKLOAD = "workload"
    HOTTEST = "hottest"

    @property
    def by_node(self) -> bool:
        """Whether a block is a node; else it is a group of a workload."""
        return self in (Order.NODE, Order.HOTTEST)


class Block(Struct, frozen=True):
    """Devices that belong together."""

    label: str
    note: str
    """Age of a node that is silent, or how busy a group is; five cells at most."""
    stale: bool
    devices: tuple[DeviceView, ...]
    group: tuple[WorkloadKey, str] | None = None
    """The group that has them, if one does."""
    by_node: bool = False
    passing: bool = False
    """Its group does not serve yet, or no longer."""
    of_fleet: bool = True
    """A group of a workload has them, not other pods and not nobody."""

    def who(self, at: int) -> str:
        """What a wide cell says beside a device: who has it, or where it is."""
        device = self.devices[at]
        node = shown(device.sample.key.node, 80)
        for place in device.places if self.group is not None else ():
            if (place.workload, place.group) == self.group:
                return f"{shown(place.replica, 60)} {node}"
        return holder_words(device, namespaces=False) if self.by_node or device.sample.holders else node


def blocks(
    view: GpuView, order: Order, now: float, passing: Mapping[tuple[WorkloadKey, str], str]
) -> tuple[Block, ...]:
    """All devices. One that several groups share is in the block of each.

    ``passing`` has the groups that do not serve yet, or no longer, and a word of five cells for each: they
    hold devices and do nothing, and that is no waste.
    """
    if order.by_node:
        found = _by_node(view, now)
        return tuple(sorted(found, key=_heat)) if order is Order.HOTTEST else tuple(found)
    groups = _by_group(view, passing, idle_first=order is Order.IDLE)
    if order is Order.IDLE:
        groups.sort(key=lambda one: _idleness(*one))
    return tuple(block for block, _ in groups)


def _by_node(view: GpuView, now: float) -> list[Block]:
    nodes: dict[str, list[DeviceView]] = {}
    for device in view.use.devices:
        nodes.setdefault(device.sample.key.node, []).append(device)
    read = {agent.node: agent.read_at for agent in view.agents if agent.failing}
    for name in read:
        nodes.setdefault(name, [])
    found = []
    for name, devices in sorted(nodes.items()):
        at = read.get(name)
        note = "" if name not in read else "never" if at is None else age(now - at)
        found.append(Block(shown(name, 253), note, name in read, tuple(devices), by_node=True))
    return found


def _by_group(
    view: GpuView, passing: Mapping[tuple[WorkloadKey, str], str], *, idle_first: bool
) -> list[tuple[Block, Busy | None]]:
    """Groups by workload, then what nobody of the fleet has, then free devices; each with how busy it is."""
    groups: dict[tuple[WorkloadKey, str], list[DeviceView]] = {}
    rest: dict[str, list[DeviceView]] = {"other pods": [], "holder unknown": [], "free": []}
    for device in view.use.devices:
        for group in {(place.workload, place.group) for place in device.places}:
            groups.setdefault(group, []).append(device)
        if not device.places:
            where = (
                "other pods"
                if device.sample.holders
                else "free"
                if device.allocated is False
                else "holder unknown"
            )
            rest[where].append(device)
    found = []
    for group in sorted(groups, key=_natural):
        devices = groups[group]
        if idle_first:
            devices.sort(key=lambda device: GpuMark.IDLE not in device.marks)
        busy = view.use.groups[group].busy
        found.append((_block(group_name(*group), devices, busy, group, passing.get(group)), busy))
    for label, devices in rest.items():
        if devices:
            fresh = [device for device in devices if not device.stale] or devices
            busy = busy_of([device.sample for device in fresh])
            found.append((replace(_block(label, devices, busy), of_fleet=False), busy))
    return found


def _natural(group: tuple[WorkloadKey, str]) -> tuple[str, str, int, str]:
    workload, name = group
    tail = name.rpartition("-")[2]
    number = int(tail) if tail.isdecimal() and tail.isascii() and len(tail) < 10 else -1
    return (workload.name, workload.namespace or "", number, name)


def _block(
    label: str,
    devices: list[DeviceView],
    busy: Busy | None,
    group: tuple[WorkloadKey, str] | None = None,
    passing: str | None = None,
) -> Block:
    allocated = any(device.allocated is not False for device in devices)
    note = "" if busy is None or not allocated else f"{busy.percent:.0f}%"
    stale = all(device.stale for device in devices)
    return Block(label, passing or note, stale, tuple(devices), group, passing=passing is not None)


def _heat(block: Block) -> tuple[float, str]:
    return (-(_hottest(block.devices) // _ALIKE_DEGREES), block.label)


def _hottest(devices: Iterable[DeviceView]) -> float:
    found = (device.sample.temperature for device in devices if not device.stale)
    return max((value for value in found if value is not None), default=-1.0)


def _idleness(block: Block, busy: Busy | None) -> tuple[int, float]:
    """Groups that hold GPUs and do nothing, those that do so in part, all others by work, then free ones."""
    if all(device.allocated is False for device in block.devices):
        return 4, 0.0
    if busy is None or block.passing or block.stale:
        return 3, 0.0
    idle = known = 0
    for device in block.devices:
        if not device.stale:
            known += 1
            idle += GpuMark.IDLE in device.marks
    if not idle or not block.of_fleet:
        return 2, busy.percent // _ALIKE_PERCENT
    return (0 if idle == known else 1), -float(idle)
