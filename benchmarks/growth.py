"""From 1,000 to 20,000 pods: the cost of an event stays flat, the first sync grows with the pods.

Of ModelServings alone, and of ``mixed-large``. Reference: the same figures at 1,000 pods.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from benchmarks.loads import Load, mixed_large, synthetic
from benchmarks.result import Result
from benchmarks.sync import first_sync
from benchmarks.terminal import console

_SIZES = (1_000, 5_000, 20_000)
_LOADS = {
    "synthetic": [synthetic(pods // 100, 10, pods, 400) for pods in _SIZES],
    "mixed-large": [mixed_large(pods) for pods in _SIZES],
}
_RATE = 500
_SECONDS = 6
_NOISE = 1.5
"""Differences under this factor mean nothing on shared machines."""


def _used(load: Load, rate: int) -> dict[str, Any]:
    with load.embedded(event_rate=rate) as cluster, console(cluster.kubeconfig) as run:
        run.begin()
        time.sleep(_SECONDS)
        return run.leave()


def _cost(load: Load) -> float:
    """CPU microseconds for an event."""
    quiet, busy = _used(load, 0), _used(load, _RATE)
    per_second = busy["cpu"] / busy["seconds"] - quiet["cpu"] / quiet["seconds"]
    cost: float = 1e6 * per_second / (busy["events"] / busy["seconds"])
    return cost


def _synced(load: Load) -> float:
    """Seconds from the first list to the frame with all groups."""
    with load.embedded(speed=0) as cluster:
        return first_sync(cluster, load)[0]


def _bars(scenario: str, loads: list[Load]) -> list[Result]:
    costs = [_cost(load) for load in loads]
    syncs = [_synced(load) for load in loads]
    flat = costs[-1] / costs[0]
    per_pod = (syncs[-1] / loads[-1].pods) / (syncs[0] / loads[0].pods)
    first = f"{loads[0].pods:,} pods"
    return [
        Result(
            f"growth, cost of an event ({scenario})",
            ", ".join(f"{load.pods:,} pods {cost:.0f} us" for load, cost in zip(loads, costs, strict=True)),
            first,
            f"{flat:.2f} x",
            f"flat, within {_NOISE} x",
            flat <= _NOISE,
        ),
        Result(
            f"growth, first sync ({scenario})",
            ", ".join(f"{load.pods:,} pods {sync:.2f} s" for load, sync in zip(loads, syncs, strict=True)),
            f"{first}, per pod",
            f"{per_pod:.2f} x",
            f"linear, within {_NOISE} x",
            per_pod <= _NOISE,
        ),
    ]


def main() -> int:
    """Prints both bars of each scenario; 1 if one is missed."""
    results = [result for scenario, loads in _LOADS.items() for result in _bars(scenario, loads)]
    for result in results:
        print(result.line())
    return 0 if all(result.holds for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
