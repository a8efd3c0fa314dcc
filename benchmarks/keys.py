"""From a key to the paint that it causes, while 500 events a second arrive; also over ``mixed-large``."""

from __future__ import annotations

import statistics
import sys
import time

from benchmarks.loads import Load, mixed_large, synthetic
from benchmarks.result import Result
from benchmarks.terminal import Run, console

_LOADS = (synthetic(30, 10, 3000, 100), mixed_large())
_RATE = 500
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


def _measure(load: Load) -> Result:
    with load.embedded(event_rate=_RATE) as cluster, console(cluster.kubeconfig) as run:
        times = sorted(_presses(run))
        run.leave()
    p95 = times[len(times) * 95 // 100]
    return Result(
        load.row(f"key to paint, {_RATE} events/s"),
        f"p95 {1000 * p95:.0f} ms",
        "-",
        "-",
        "50 ms",
        p95 <= 0.050,
        f"median {1000 * statistics.median(times):.0f} ms of {_PRESSES} presses",
    )


def main() -> int:
    """Prints the bar of each load; 1 if one is missed."""
    results = [_measure(load) for load in _LOADS]
    for result in results:
        print(result.line())
    return 0 if all(result.holds for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
