"""Decode and derive, per pod event: the budget of DESIGN section 9, over 500 ModelServings of 40 pods.

Amortised: 2,000 events/s in 10 ticks/s, so 200 events on random pods, then one derivation of each touched
ModelServing. Alone: one event, one derivation. The reference is msgspec's decoding of the same event to the
pod's typed fields, in the same run, on the same bytes.
"""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import msgspec

from clients.kube import decode, kthena
from clients.kube.decode_shapes import PodShape
from clients.serving.workload import Workload
from tests.support import kthena_objects as objects

__all__ = ["Figures", "measure"]

SERVINGS = 500
GROUPS = 4
ROLES = (("prefill", 2, 0), ("decode", 4, 1))
"""(name, replicas, workers): 10 pods a group."""
EVENTS_A_TICK = 200
TICKS = 30
ROUNDS = 3


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


class _TypedEvent(msgspec.Struct):
    type: str
    object: PodShape


class Figures(msgspec.Struct, frozen=True):
    """Microseconds per pod event."""

    decode_alone: float
    """The reference: msgspec's typed decoding of the event."""
    amortised: float
    lone: float
    event_bytes: int

    @property
    def amortised_ratio(self) -> float:
        """Bar: at most 3."""
        return self.amortised / self.decode_alone

    @property
    def lone_ratio(self) -> float:
        """Bar: at most 6."""
        return self.lone / self.decode_alone


class _Field:
    """500 ModelServings, all running, and streams of events about their pods."""

    def __init__(self) -> None:
        self.indexes: dict[tuple[str, str], kthena.ServingIndex] = {}
        self.values: dict[tuple[str, str], Workload] = {}
        self.now = objects.EPOCH + 3600
        self._random = random.Random(1)
        self._version = 1_000_000
        roles = [objects.role(name, replicas, workers, gpus=1) for name, replicas, workers in ROLES]
        self.pods: list[tuple[str, int, str, int, int]] = []
        for number in range(SERVINGS):
            name = f"serving-{number}"
            row = decode.model_serving(
                objects.raw(objects.model_serving(name, uid=f"ms-{name}", replicas=GROUPS, roles=roles))
            )
            index = self.indexes[row.namespace, name] = kthena.ServingIndex("bench", row)
            for group in range(GROUPS):
                for role, replicas, workers in ROLES:
                    for ordinal in range(replicas):
                        for place in range(1 + workers):
                            slot = (name, group, role, ordinal, place)
                            self.pods.append(slot)
                            index.put_pod(decode.pod(self._pod(slot, "ready")))
            self.values[row.namespace, name] = index.derive(None, self.now)

    def _pod(self, slot: tuple[str, int, str, int, int], state: str) -> bytes:
        name, group, role, ordinal, place = slot
        self._version += 1
        body = objects.pod(
            group,
            role,
            ordinal,
            place,
            serving=name,
            owner_uid=f"ms-{name}",
            state=state,
            gpus=1,
            node_name=f"gpu-node-{self._random.randrange(500)}",
        )
        body["metadata"]["resourceVersion"] = str(self._version)
        return objects.raw(body)

    def events(self, count: int) -> list[bytes]:
        """Watch events about random pods, in the states that pods pass through; every one a real change."""
        states = ("image", "weights", "started", "ready", "lost")
        return [
            b'{"type":"MODIFIED","object":'
            + self._pod(self._random.choice(self.pods), self._random.choice(states))
            + b"}"
            for _ in range(count)
        ]

    def tick(self, events: list[bytes]) -> None:
        """Takes in events, then derives each touched ModelServing once."""
        dirty: set[tuple[str, str]] = set()
        for line in events:
            row = decode.pod(_DECODE(line).object)
            home = kthena.serving_of(row)
            if home is None:
                continue
            self.indexes[home].put_pod(row)
            dirty.add(home)
        for home in dirty:
            self.values[home] = self.indexes[home].derive(self.values[home], self.now)


_DECODE = msgspec.json.Decoder(_Event).decode
_TYPED = msgspec.json.Decoder(_TypedEvent).decode


def _per_event(run: Callable[[list[list[bytes]]], Any], ticks: list[list[bytes]]) -> float:
    gc.collect()
    begun = time.perf_counter()
    run(ticks)
    return (time.perf_counter() - begun) / sum(map(len, ticks)) * 1e6


def _decode_alone(ticks: list[list[bytes]]) -> None:
    for events in ticks:
        for line in events:
            _TYPED(line)


def measure() -> Figures:
    """Medians over some rounds, each with fresh events."""
    field = _Field()
    reference: list[float] = []
    amortised: list[float] = []
    lone: list[float] = []

    def derived(ticks: list[list[bytes]]) -> None:
        for events in ticks:
            field.now += 0.1
            field.tick(events)

    size = 0
    for _ in range(ROUNDS):
        ticks = [field.events(EVENTS_A_TICK) for _ in range(TICKS)]
        size = len(ticks[0][0])
        reference.append(_per_event(_decode_alone, ticks))
        amortised.append(_per_event(derived, ticks))
        lone.append(_per_event(derived, [[line] for line in field.events(1000)]))
    return Figures(median(reference), median(amortised), median(lone), size)


def main() -> None:
    """Prints our figures, the reference and the ratios."""
    found = measure()
    print(f"event of {found.event_bytes} bytes, msgspec decode alone: {found.decode_alone:.1f} µs")
    print(
        f"decode and derive, amortised: {found.amortised:.1f} µs, ratio {found.amortised_ratio:.2f} (bar 3)"
    )
    print(f"decode and derive, one alone: {found.lone:.1f} µs, ratio {found.lone_ratio:.2f} (bar 6)")


if __name__ == "__main__":
    main()
