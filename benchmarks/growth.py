"""From 1,000 to 20,000 pods: the cost of an event stays flat, the first sync grows with the pods.

Reference: the same figures at 1,000 pods.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from benchmarks.cluster import embedded
from benchmarks.result import Result
from benchmarks.terminal import console

_SIZES = (1_000, 5_000, 20_000)
_RATE = 500
_SECONDS = 6
_NOISE = 1.5
"""Differences under this factor mean nothing on shared machines."""


def _measure(pods: int) -> tuple[float, float]:
    """(CPU microseconds for an event, seconds from the first list to the frame with all groups)."""
    size = ("--workloads", str(pods // 100), "--groups", "10", "--pods", str(pods), "--nodes", "400")
    with embedded("synthetic", *size, "--event-rate", "0") as cluster, console(cluster.kubeconfig) as run:
        run.begin()
        time.sleep(_SECONDS)
        quiet: dict[str, Any] = run.leave()
    synced = dict(quiet["groups_shown"])[pods // 10] - quiet["first_list"]
    with embedded("synthetic", *size, "--event-rate", str(_RATE)) as cluster:
        with console(cluster.kubeconfig) as run:
            run.begin()
            time.sleep(_SECONDS)
            busy: dict[str, Any] = run.leave()
    per_second = busy["cpu"] / busy["seconds"] - quiet["cpu"] / quiet["seconds"]
    return 1e6 * per_second / (busy["events"] / busy["seconds"]), synced


def main() -> int:
    """Prints both bars; 1 if one is missed."""
    figures = {pods: _measure(pods) for pods in _SIZES}
    costs = {pods: cost for pods, (cost, _) in figures.items()}
    syncs = {pods: sync for pods, (_, sync) in figures.items()}
    first, last = _SIZES[0], _SIZES[-1]
    flat = costs[last] / costs[first]
    per_pod = (syncs[last] / last) / (syncs[first] / first)
    results = [
        Result(
            "growth, cost of an event",
            ", ".join(f"{pods} pods {cost:.0f} us" for pods, cost in costs.items()),
            f"{first} pods",
            f"{flat:.2f} x",
            f"flat, within {_NOISE} x",
            flat <= _NOISE,
        ),
        Result(
            "growth, first sync",
            ", ".join(f"{pods} pods {sync:.2f} s" for pods, sync in syncs.items()),
            f"{first} pods, per pod",
            f"{per_pod:.2f} x",
            f"linear, within {_NOISE} x",
            per_pod <= _NOISE,
        ),
    ]
    for result in results:
        print(result.line())
    return 0 if all(result.holds for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
