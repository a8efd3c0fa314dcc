"""Memory with 20,000 pods in 1,000 workloads, and in the 3,000 of ``mixed-large``.

Reference: the same console with none.
"""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager

from benchmarks.cluster import Cluster, embedded
from benchmarks.loads import mixed_large, synthetic
from benchmarks.result import Result
from benchmarks.terminal import console

_LOADS = ((synthetic(1000, 2, 20_000, 500), 80), (mixed_large(), 110))
"""Each with the megabytes that it may take."""
_MEGABYTE = 1_000_000
_SETTLING = 5


def _resident(cluster: AbstractContextManager[Cluster], ready: str, groups: int) -> float:
    with cluster as running, console(running.kubeconfig, ready=ready) as run:
        time.sleep(_SETTLING)
        report = run.leave()
    if groups not in dict(report["groups_shown"]):
        raise RuntimeError(f"{groups} groups were never shown")
    rss: float = report["rss"]
    return rss / _MEGABYTE


def main() -> int:
    """Prints both bars; 1 if one is missed."""
    none = _resident(embedded("empty"), "no workloads", 0)
    results = []
    for load, most in _LOADS:
        many = _resident(load.embedded(speed=0), f"{load.workloads} workloads", load.groups)
        results.append(
            Result(
                load.row("memory"),
                f"{many:.0f} MB",
                f"no pods {none:.0f} MB",
                f"{many - none:.0f} MB more",
                f"{most} MB more",
                many - none <= most,
            )
        )
    for result in results:
        print(result.line())
    return 0 if all(result.holds for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
