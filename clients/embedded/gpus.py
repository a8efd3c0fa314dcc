"""The simulated GPUs: which pod has which, how they are divided, what ails them, and what they do.

Nothing is kept but who has what: figures are made when somebody asks, from the load on the pods. A node's
labels say how its GPUs are divided, as NVIDIA's operator writes them: ``nvidia.com/gpu.replicas`` for
time-slicing, ``nvidia.com/mig.config`` = ``all-1g.20gb`` for four MIG instances a GPU.
"""

from __future__ import annotations

from collections import Counter
from itertools import islice

from msgspec import Struct

from clients.embedded.curves import chance
from clients.embedded.demand import Demand
from clients.embedded.nodes import Node, Nodes
from clients.embedded.podbook import PodBook, PodFacts

__all__ = ["MIG_LABEL", "SHARED_LABEL", "Ailment", "Device", "Figures", "Gpus"]

SHARED_LABEL = "nvidia.com/gpu.replicas"
MIG_LABEL = "nvidia.com/mig.config"
_MIG = {"all-1g.20gb": (4, "1g.20gb")}
"""Instances of each GPU, and their profile."""
MEMORY_MIB = 81_079
"""Of an H100 with 80 GB; what the driver keeps for itself is in it."""
_RESERVED_MIB = 551
_TAKEN = 0.93
"""Engines leave a tenth of the memory free; ``Demand`` counts closer to the whole."""
_POWER_LIMIT = 700.0
_SM_CLOCK = 1980
_ENDED = ("Succeeded", "Failed")


class Ailment(Struct, frozen=True):
    """What is wrong with a GPU."""

    xid: int = 0
    reasons: int = 0
    """Clock event reasons, as bits of NVML."""
    hotter: float = 0.0
    """Degrees."""
    idle: bool = False
    """Whoever has it makes no use of it."""
    full: bool = False
    """Its memory is nearly used up."""


class Device(Struct, frozen=True):
    """A GPU or a MIG instance."""

    node: str
    index: int
    """Of the GPU on its node."""
    uuid: str
    instance: int | None = None
    profile: str = ""
    holders: tuple[tuple[PodFacts, int], ...] = ()
    """Pods that have it, each with the number of its share; several on a shared GPU."""


class Figures(Struct, frozen=True):
    """What a device does; the units are those of dcgm-exporter."""

    sm: float
    tensor: float
    dram: float
    used: float
    total: float
    power: float
    temperature: float
    clock: float
    reasons: int
    xid: int


class Gpus:
    """All of one cluster."""

    def __init__(self, nodes: Nodes, pods: PodBook, demand: Demand, seed: int) -> None:
        self._nodes = nodes
        self._demand = demand
        self._seed = seed
        self._on: dict[str, dict[tuple[str, str], PodFacts]] = {}
        self._slots: dict[str, dict[int, str]] = {}
        """By node and slot: the uid of a pod. A slot is what the scheduler counts as a GPU."""
        self._ailments: dict[tuple[str, int], Ailment] = {}
        for pod in pods.everywhere():
            self._pod_changed(None, pod)
        pods.listeners.append(self._pod_changed)

    def afflict(self, node: str, index: int, ailment: Ailment) -> None:
        """From now on something is wrong with a GPU."""
        self._ailments[(node, index)] = ailment

    def of(self, pod: PodFacts) -> list[int]:
        """Indexes of the GPUs that a pod has, on its node."""
        return [d.index for d in self.on(pod.node) if any(p.uid == pod.uid for p, _ in d.holders)]

    def on(self, name: str) -> list[Device]:
        """The devices of a node and who has them. A pod keeps those that it was given."""
        node = self._nodes.get(name)
        if node is None:
            return []
        slots = self._allocate(node)
        pods = {pod.uid: pod for pod in self._on.get(name, {}).values()}
        replicas, profile = _division(node)
        found = []
        for first in range(0, node.gpus, replicas):
            index = first // replicas
            uuid = self._uuid(name, index)
            held = [(pods[slots[s]], s - first) for s in range(first, first + replicas) if s in slots]
            if profile:
                for instance in range(replicas):
                    mine = tuple((pod, 0) for pod, share in held if share == instance)
                    found.append(Device(name, index, uuid, instance + 3, profile, mine))
            else:
                found.append(Device(name, index, uuid, holders=tuple(held)))
        return found

    def figures(self, device: Device) -> Figures:
        """What a device does now, as the load on its pods has it."""
        ailment = self._ailments.get((device.node, device.index), Ailment())
        share = 4 if device.instance is not None else 1
        total = MEMORY_MIB / share
        sm = used = 0.0
        for pod, _ in device.holders:
            more, mib = self._work(pod)
            sm += more
            used += mib
        sm = 0.0 if ailment.idle else min(100.0, sm)
        # Who shares a GPU, or has a part of one, was told to take no more than its part.
        used = min(total - _RESERVED_MIB / share, used / max(share, len(device.holders)))
        if ailment.full:
            used = total * 0.97
        load = sm / 100
        spread = chance(self._seed, device.uuid, "spread")
        slow = 0.45 if ailment.reasons & 0xE8 else 1.0
        power = 72 + 12 * spread + (540 + 60 * spread) * load * (0.55 + 0.45 * slow)
        return Figures(
            sm=sm,
            tensor=load * (0.42 + 0.16 * spread),
            dram=min(0.95, load * (0.6 + 0.2 * spread)),
            used=used,
            total=total,
            power=min(_POWER_LIMIT, power),
            temperature=29 + 4 * spread + 38 * load + ailment.hotter,
            clock=_SM_CLOCK * slow if sm else 345,
            reasons=ailment.reasons | (0 if sm else 1),
            xid=ailment.xid,
        )

    def _work(self, pod: PodFacts) -> tuple[float, float]:
        """Per cent and MiB of each of its GPUs."""
        if not self._demand.has_sample(pod):
            return 0.0, 0.0
        if not pod.model:
            # A notebook: its owner computes now and then.
            turn = int(self._demand.scraped_at // 600)
            return 90.0 * (chance(self._seed, pod.name, turn) > 0.5), 18_000.0
        sm = self._demand.figure(pod, "DCGM_CUSTOM_PROCESS_SM_UTIL") or 0.0
        used = self._demand.figure(pod, "DCGM_CUSTOM_PROCESS_MEM_USED") or 0.0
        return sm, _TAKEN * used / max(1, pod.gpus)

    def _allocate(self, node: Node) -> dict[int, str]:
        """Slot → uid of its pod: those that are gone give theirs up, then others get what is free."""
        slots = self._slots.setdefault(node.name, {})
        pods = self._on.get(node.name, {})
        there = {pod.uid for pod in pods.values()}
        for slot in [slot for slot, uid in slots.items() if uid not in there]:
            del slots[slot]
        given = Counter(slots.values())
        free = iter([slot for slot in range(node.gpus) if slot not in slots])
        for pod in sorted(pods.values(), key=lambda pod: (pod.started or 0.0, pod.namespace, pod.name)):
            for slot in islice(free, max(0, pod.gpus - given[pod.uid])):
                slots[slot] = pod.uid
        return slots

    def _uuid(self, node: str, index: int) -> str:
        digits = "".join(f"{int(chance(self._seed, node, index, part) * 2**32):08x}" for part in range(4))
        return f"GPU-{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    def _pod_changed(self, before: PodFacts | None, now: PodFacts | None) -> None:
        if before is not None and before.gpus and before.node:
            self._on.get(before.node, {}).pop((before.namespace, before.name), None)
        if now is not None and now.gpus and now.node and now.phase not in _ENDED:
            self._on.setdefault(now.node, {})[(now.namespace, now.name)] = now


def _division(node: Node) -> tuple[int, str]:
    """How many of what the scheduler counts are one GPU, and the MIG profile, if any."""
    config = _MIG.get(node.labels.get(MIG_LABEL, ""))
    if config is not None:
        return config
    replicas = node.labels.get(SHARED_LABEL, "1")
    return (int(replicas) if replicas.isdecimal() else 1) or 1, ""
