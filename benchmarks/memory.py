"""Memory with 20,000 pods and 1,000 workloads; reference: the same console with none."""

from __future__ import annotations

import sys

from benchmarks.cluster import embedded
from benchmarks.result import Result
from benchmarks.terminal import console

_SIZE = ("--workloads", "1000", "--groups", "2", "--pods", "20000", "--nodes", "500", "--event-rate", "0")
_MEGABYTE = 1_000_000


def _resident(scenario: str, *options: str, ready: str) -> float:
    with embedded(scenario, *options) as cluster, console(cluster.kubeconfig, ready=ready) as run:
        rss: float = run.leave()["rss"]
        return rss / _MEGABYTE


def main() -> int:
    """Prints the bar; 1 if it is missed."""
    none = _resident("empty", ready="no workloads")
    many = _resident("synthetic", *_SIZE, ready="1000 workloads")
    result = Result(
        "memory, 20,000 pods and 1,000 workloads",
        f"{many:.0f} MB",
        f"no pods {none:.0f} MB",
        f"{many - none:.0f} MB more",
        "80 MB more",
        many - none <= 80,
    )
    print(result.line())
    return 0 if result.holds else 1


if __name__ == "__main__":
    sys.exit(main())
