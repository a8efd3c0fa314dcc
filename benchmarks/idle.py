"""A minute in which nothing happens, the cluster's clock frozen: what the console still costs."""

from __future__ import annotations

import sys
import time

from benchmarks.cluster import embedded
from benchmarks.result import Result
from benchmarks.terminal import console, cpu_seconds

_SECONDS = 60


def main() -> int:
    """Prints both bars; 1 if one is missed."""
    with embedded("default", speed=0) as cluster, console(cluster.kubeconfig) as run:
        time.sleep(5)
        run.terminal.keep = False
        sent, used = run.terminal.bytes, cpu_seconds(run.terminal.process.pid)
        time.sleep(_SECONDS)
        rate = (run.terminal.bytes - sent) / _SECONDS
        share = (cpu_seconds(run.terminal.process.pid) - used) / _SECONDS
        run.leave()
    results = [
        Result("idle, to the terminal", f"{rate:.0f} B/s", "-", "-", "200 B/s", rate <= 200),
        Result("idle, processor", f"{share:.1%} of a core", "-", "-", "2 %", share <= 0.02),
    ]
    for result in results:
        print(result.line())
    return 0 if all(result.holds for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
