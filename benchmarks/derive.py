"""Decode and derive, per pod event, over ``large`` and over the mix of ``mixed-large`` (DESIGN section 9).

Amortised: 2,000 events/s in 10 ticks/s, so 200 events a tick, mixed as the ``synthetic`` scenario mixes them
(each a new version of a pod, every tenth turns its readiness over), then one derivation of each touched
workload. Lone: one event that changes what is shown, then its derivation. The reference is msgspec's
decoding of the same events alone, the line and then its object to typed fields, as a reflector needs it; both
are measured in turn, tick by tick, in the same run, in this thread's CPU time.
"""

from __future__ import annotations

import gc
import sys
import time
from statistics import median

import msgspec

from benchmarks.fields import Field, Mixed, Servings
from benchmarks.result import Result

EVENTS_A_TICK = 200
TICKS = 60
LONE = 600
VISIBLE = 10
"""Every so many-th event of the mix changes what is shown."""
_NONE = float("inf")


class Figures(msgspec.Struct, frozen=True):
    """Microseconds per event: ours, and the reference beside it."""

    ours: float
    reference: float

    def result(self, name: str, most: float, note: str) -> Result:
        """The line: ``most`` times the reference is the bar."""
        ratio = self.ours / self.reference
        return Result(
            f"decode and derive {name}",
            f"{self.ours:.1f} µs",
            f"msgspec alone {self.reference:.1f} µs",
            f"{ratio:.2f} x",
            "none" if most == _NONE else f"{most:g} x",
            ratio <= most,
            note,
        )


def _in_turn(field: Field, count: int, ticks: int, visible: int) -> Figures:
    """Each tick decoded alone, then decoded and derived; medians over the ticks."""
    made = [field.events(count, visible=visible) for _ in range(ticks)]
    ours: list[float] = []
    reference: list[float] = []
    gc.collect()
    for events in made:
        begun = time.thread_time()
        for line in events:
            field.decode(line)
        between = time.thread_time()
        field.now += 0.1
        field.tick(events)
        ended = time.thread_time()
        reference.append((between - begun) / count * 1e6)
        ours.append((ended - between) / count * 1e6)
    return Figures(median(ours), median(reference))


def _bars(field: Field, what: str, also: str) -> list[Result]:
    mixed = _in_turn(field, EVENTS_A_TICK, TICKS, VISIBLE)
    lone = _in_turn(field, 1, LONE, 1)
    every = _in_turn(field, EVENTS_A_TICK, TICKS // 3, 1)
    shown = "changes what is shown"
    return [
        mixed.result(f"{what}, amortised", 3, f"1 in {VISIBLE} {shown}{also}"),
        lone.result(f"{what}, one alone", 6, shown),
        every.result(f"{what}, all shown", _NONE, f"amortised; every event {shown}"),
    ]


def main() -> int:
    """Prints a line for each figure; 1 if a bar is missed."""
    results = _bars(Servings(), "a pod event", "")
    results += _bars(Mixed(), "a Deployment's pod event", ", 1 in 60 is of an HPA")
    scalers = _in_turn(Mixed(hpas=1), 1, LONE, 1)
    results.append(scalers.result("an HPA's status, one alone", _NONE, "another reading, shown"))
    for result in results:
        print(result.line())
    return 0 if all(result.holds for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
