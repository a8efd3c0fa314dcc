"""Devices put into labelled blocks, in the order that a person asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from clients.serving.gpu_use import DeviceView, Place
from clients.serving.gpu_view import GpuView
from clients.serving.gpus import GpuMark, busy_of
from clients.serving.keys import WorkloadKey
from widgets.cells import age, shown
from widgets.gpu_cells import holder_words, place_label

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
    who: tuple[str, ...]
    """What a wide cell says beside each device."""
    passing: bool = False
    """Its group does not serve yet, or no longer."""
    of_fleet: bool = True
    """A group of a workload has them, not other pods and not nobody."""


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
    found = _by_group(view, passing, idle_first=order is Order.IDLE)
    return tuple(sorted(found, key=_idleness)) if order is Order.IDLE else tuple(found)


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
        who = tuple(holder_words(device, namespaces=False) for device in devices)
        found.append(Block(shown(name, 253), note, name in read, tuple(devices), who))
    return found


def _by_group(
    view: GpuView, passing: Mapping[tuple[WorkloadKey, str], str], *, idle_first: bool
) -> list[Block]:
    """Groups by workload; then devices that nobody of the fleet has, and free ones."""
    groups: dict[tuple[str, str, str], list[tuple[DeviceView, Place]]] = {}
    rest: dict[str, list[DeviceView]] = {"other pods": [], "holder unknown": [], "free": []}
    for device in view.use.devices:
        for place in {(place.workload, place.group): place for place in device.places}.values():
            key = place.workload
            groups.setdefault((key.namespace or "", key.name, place.group), []).append((device, place))
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
    for _, members in sorted(groups.items(), key=lambda item: _natural(item[1])):
        if idle_first:
            members = sorted(members, key=lambda one: GpuMark.IDLE not in one[0].marks)
        devices = tuple(device for device, _ in members)
        who = tuple(
            f"{shown(place.replica, 60)} {shown(device.sample.key.node, 80)}" for device, place in members
        )
        place = members[0][1]
        found.append(_block(place_label(place), devices, who, passing.get((place.workload, place.group))))
    for label, devices_left in rest.items():
        if devices_left:
            who = tuple(
                holder_words(device, namespaces=False)
                if device.sample.holders
                else shown(device.sample.key.node, 80)
                for device in devices_left
            )
            found.append(replace(_block(label, tuple(devices_left), who), of_fleet=False))
    return found


def _natural(members: list[tuple[DeviceView, Place]]) -> tuple[str, str, int, str]:
    place = members[0][1]
    tail = place.group.rpartition("-")[2]
    number = int(tail) if tail.isdecimal() and tail.isascii() and len(tail) < 10 else -1
    return (place.workload.name, place.workload.namespace or "", number, place.group)


def _block(
    label: str, devices: tuple[DeviceView, ...], who: tuple[str, ...], passing: str | None = None
) -> Block:
    busy = busy_of([device.sample for device in devices])
    allocated = any(device.allocated is not False for device in devices)
    note = "" if busy is None or not allocated else f"{busy.percent:.0f}%"
    stale = all(device.stale for device in devices)
    return Block(label, passing or note, stale, devices, who, passing is not None)


def _heat(block: Block) -> tuple[float, str]:
    return (-(_hottest(block.devices) // _ALIKE_DEGREES), block.label)


def _hottest(devices: Iterable[DeviceView]) -> float:
    found = (device.sample.temperature for device in devices if not device.stale)
    return max((value for value in found if value is not None), default=-1.0)


def _idleness(block: Block) -> tuple[int, float]:
    """Groups that hold GPUs and do nothing, those that do so in part, all others by work, then free ones."""
    known = [device for device in block.devices if not device.stale]
    idle = sum(GpuMark.IDLE in device.marks for device in known)
    busy = busy_of([device.sample for device in known])
    if all(device.allocated is False for device in block.devices):
        return 4, 0.0
    if busy is None or block.passing:
        return 3, 0.0
    if not idle or not block.of_fleet:
        return 2, busy.percent // _ALIKE_PERCENT
    return (0 if idle == len(known) else 1), -float(idle)
