"""A terminal that stops reading for five seconds: the loop stays free, and the screen is right afterwards."""

from __future__ import annotations

import sys
import time

from benchmarks.cluster import embedded
from benchmarks.result import Result
from benchmarks.terminal import console

_SIZE = ("--workloads", "30", "--groups", "10", "--pods", "3000", "--nodes", "100", "--event-rate", "500")
_SECONDS = 5


def main() -> int:
    """Prints both bars; 1 if one is missed."""
    with embedded("synthetic", *_SIZE) as cluster, console(cluster.kubeconfig) as run:
        run.begin()
        run.terminal.stop_reading()
        time.sleep(_SECONDS)
        run.terminal.go_on_reading()
        time.sleep(1.0)
        run.terminal.send("?")
        run.terminal.wait("Moving", 5)
        run.terminal.send("\x1b")
        run.terminal.wait("▸ load-", 5)
        time.sleep(0.5)
        right = sum("load-" in line for line in run.terminal.text()) >= 30
        report = run.leave()
    results = [
        Result(
            "UI loop lag while the terminal does not read",
            f"{1000 * report['lag_max']:.0f} ms",
            "-",
            "-",
            "100 ms",
            report["lag_max"] <= 0.100,
        ),
        Result("screen afterwards", "right" if right else "wrong", "-", "-", "right", right),
    ]
    for result in results:
        print(result.line())
    return 0 if all(result.holds for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
