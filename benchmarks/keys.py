"""From a key to the paint that it causes, while 500 events a second arrive."""

from __future__ import annotations

import statistics
import sys
import time

from benchmarks.cluster import embedded
from benchmarks.result import Result
from benchmarks.terminal import Run, console

_SIZE = ("--workloads", "30", "--groups", "10", "--pods", "3000", "--nodes", "100", "--event-rate", "500")
_PRESSES = 60


def _cursor(run: Run) -> int:
    return next((row for row, line in enumerate(run.terminal.text()) if line.startswith("▸")), -1)


def _presses(run: Run) -> list[float]:
    times = []
    for press in range(_PRESSES):
        before = _cursor(run)
        begun = time.perf_counter()
        run.terminal.send("j" if press % 20 < 10 else "k")
        while _cursor(run) == before:
            time.sleep(0.0005)
            if time.perf_counter() - begun > 5:
                raise RuntimeError("the cursor did not move")
        times.append(time.perf_counter() - begun)
        time.sleep(0.05 + 0.013 * (press % 7))
    return times


def main() -> int:
    """Prints the bar; 1 if it is missed."""
    with embedded("synthetic", *_SIZE) as cluster, console(cluster.kubeconfig) as run:
        times = sorted(_presses(run))
        run.leave()
    p95 = times[len(times) * 95 // 100]
    result = Result(
        "key to paint, 500 events/s",
        f"p95 {1000 * p95:.0f} ms",
        "-",
        "-",
        "50 ms",
        p95 <= 0.050,
        f"median {1000 * statistics.median(times):.0f} ms of {_PRESSES} presses",
    )
    print(result.line())
    return 0 if result.holds else 1


if __name__ == "__main__":
    sys.exit(main())
