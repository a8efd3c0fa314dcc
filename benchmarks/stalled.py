"""A terminal that stops reading for five seconds: the loop stays free, and the screen is right afterwards.

Over ModelServings alone and over ``mixed-large``.
"""

from __future__ import annotations

import sys
import time

from benchmarks.loads import Load, mixed_large, synthetic
from benchmarks.result import Result
from benchmarks.terminal import console

_LOADS = (synthetic(30, 10, 3000, 100), mixed_large())
_RATE = 500
_ROWS = 30
"""At least so many are in sight."""
_SECONDS = 5


def _bars(load: Load) -> list[Result]:
    with load.embedded(event_rate=_RATE) as cluster, console(cluster.kubeconfig) as run:
        run.begin()
        run.terminal.stop_reading()
        time.sleep(_SECONDS)
        run.terminal.go_on_reading()
        time.sleep(1.0)
        run.terminal.send("?")
        run.terminal.wait("Moving", 5)
        run.terminal.send("\x1b")
        run.terminal.wait(f"▸ {load.namespaces}", 5)
        time.sleep(0.5)
        right = sum(load.namespaces in line for line in run.terminal.text()) >= _ROWS
        report = run.leave()
    return [
        Result(
            load.row("UI loop lag while the terminal does not read"),
            f"{1000 * report['lag_max']:.0f} ms",
            "-",
            "-",
            "100 ms",
            report["lag_max"] <= 0.100,
        ),
        Result(load.row("screen afterwards"), "right" if right else "wrong", "-", "-", "right", right),
    ]


def main() -> int:
    """Prints both bars of each load; 1 if one is missed."""
    results = [result for load in _LOADS for result in _bars(load)]
    for result in results:
        print(result.line())
    return 0 if all(result.holds for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
