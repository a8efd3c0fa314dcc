"""Decode and derive, per pod event, over 500 ModelServings of 40 pods (DESIGN section 9).

Amortised: 2,000 events/s in 10 ticks/s, so 200 events a tick, mixed as the ``synthetic`` scenario mixes them
(each a new version of a pod, every tenth turns its readiness over), then one derivation of each touched
ModelServing. Lone: one event that changes what is shown, then its derivation. The reference is msgspec's
decoding of the same events alone, the line and then its object to typed fields, as a reflector needs it; both
are measured in turn, tick by tick, in the same run, in this thread's CPU time.
"""

from __future__ import annotations

import gc
import random
import sys
import time
from statistics import median

import msgspec

from benchmarks.result import Result
from clients.kube import decode, kthena
from clients.kube.decode_shapes import OwnerReference, PodMeta, PodShape
from clients.kube.wire import Event, changed_object
from clients.serving.workload import Workload
from tests.support import kthena_objects as objects

__all__ = ["Figures", "measure"]

SERVINGS = 500
GROUPS = 4
ROLES = (("prefill", 2, 0), ("decode", 4, 1))
"""(name, replicas, workers): 10 pods a group."""
EVENTS_A_TICK = 200
TICKS = 60
LONE = 600
VISIBLE = 10
"""Every so many-th event of the mix changes what is shown."""


class _Meta(PodMeta, rename="camel", gc=False):
    owner_references: list[OwnerReference] | None = None  # type: ignore[assignment]


class _Pod(PodShape):
    metadata: _Meta | None = None


class Figures(msgspec.Struct, frozen=True):
    """Microseconds per pod event: ours, and the reference beside it."""

    ours: float
    reference: float

    @property
    def ratio(self) -> float:
        """Ours by the reference."""
        return self.ours / self.reference


class _Field:
    """500 ModelServings, all running, and streams of events about their pods."""

    def __init__(self) -> None:
        self.indexes: dict[tuple[str, str], kthena.ServingIndex] = {}
        self.values: dict[tuple[str, str], Workload] = {}
        self.now = objects.EPOCH + 3600
        self._random = random.Random(1)
        self._version = 1_000_000
        self._unready: set[tuple[str, int, str, int, int]] = set()
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
            node_name=f"gpu-node-{(int(name[8:]) + group) % 500}",
        )
        body["metadata"]["resourceVersion"] = str(self._version)
        body["status"]["message"] = f"sequence {self._version}"
        return objects.raw(body)

    def events(self, count: int, *, visible: int) -> list[bytes]:
        """Events about random pods; one in ``visible`` turns readiness over, the rest show nothing new."""
        found = []
        for number in range(count):
            slot = self._random.choice(self.pods)
            if number % visible == 0:
                self._unready ^= {slot}
            state = "lost" if slot in self._unready else "ready"
            found.append(b'{"type":"MODIFIED","object":' + self._pod(slot, state) + b"}\n")
        return found

    def tick(self, events: list[bytes]) -> None:
        """Takes in events, then derives each touched ModelServing once."""
        dirty: set[tuple[str, str]] = set()
        for line in events:
            raw = changed_object(line)
            assert raw is not None
            row = decode.pod(raw)
            home = kthena.serving_of(row)
            if home is None:
                continue
            self.indexes[home].put_pod(row)
            dirty.add(home)
        for home in dirty:
            self.values[home] = self.indexes[home].derive(self.values[home], self.now)


_DECODE = msgspec.json.Decoder(Event).decode
_TYPED = msgspec.json.Decoder(_Pod).decode


def _in_turn(field: _Field, ticks: list[list[bytes]]) -> Figures:
    """Each tick decoded alone, then decoded and derived; medians over the ticks."""
    ours: list[float] = []
    reference: list[float] = []
    gc.collect()
    for events in ticks:
        begun = time.thread_time()
        for line in events:
            _TYPED(_DECODE(line).object)
        between = time.thread_time()
        field.now += 0.1
        field.tick(events)
        ended = time.thread_time()
        reference.append((between - begun) / len(events) * 1e6)
        ours.append((ended - between) / len(events) * 1e6)
    return Figures(median(ours), median(reference))


def measure() -> dict[str, Figures]:
    """``mixed``, ``visible`` (as mixed, but every event changes what is shown) and ``lone``."""
    field = _Field()
    return {
        "mixed": _in_turn(field, [field.events(EVENTS_A_TICK, visible=VISIBLE) for _ in range(TICKS)]),
        "visible": _in_turn(field, [field.events(EVENTS_A_TICK, visible=1) for _ in range(TICKS // 3)]),
        "lone": _in_turn(field, [field.events(1, visible=1) for _ in range(LONE)]),
    }


def main() -> int:
    """Prints a line for each figure; 1 if a bar is missed."""
    found = measure()
    results = [
        Result(
            f"decode and derive a pod event, {name}",
            f"{figures.ours:.1f} µs",
            f"msgspec alone {figures.reference:.1f} µs",
            f"{figures.ratio:.2f} x",
            bar,
            figures.ratio <= most,
            note,
        )
        for name, figures, bar, most, note in (
            ("amortised", found["mixed"], "3 x", 3.0, f"1 in {VISIBLE} changes what is shown"),
            ("one alone", found["lone"], "6 x", 6.0, "changes what is shown"),
            (
                "all shown",
                found["visible"],
                "none",
                float("inf"),
                "amortised; every event changes what is shown",
            ),
        )
    ]
    for result in results:
        print(result.line())
    return 0 if all(result.holds for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
