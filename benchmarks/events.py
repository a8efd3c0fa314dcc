"""3,000 watch events a second for a minute: none lost, the loop free, the screen close behind.

Over ModelServings alone and over ``mixed-large``. Reference: the same drawing, of the same fleet, with no
events.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from benchmarks.loads import Load, mixed_large, synthetic
from benchmarks.result import Result
from benchmarks.terminal import console

_LOADS = (synthetic(30, 10, 3000, 100), mixed_large())
_SECONDS = 60
_RATE = 3000


def _measure(load: Load, rate: int, seconds: int) -> dict[str, Any]:
    with load.embedded(event_rate=rate) as cluster, console(cluster.kubeconfig) as run:
        run.terminal.keep = False
        run.begin()
        time.sleep(seconds)
        return run.leave()


def _bars(load: Load) -> list[Result]:
    quiet = _measure(load, 0, 10)
    busy = _measure(load, _RATE, _SECONDS)
    rate = busy["events"] / busy["seconds"]
    return [
        Result(
            load.row("events lost"),
            f"{busy['lost']} of {busy['events']} at {rate:.0f}/s",
            "numbers in the stream",
            "-",
            "0",
            busy["lost"] == 0 and rate >= 0.9 * _RATE,
        ),
        Result(
            load.row("UI loop lag p99"),
            f"{1000 * busy['lag_p99']:.1f} ms",
            f"no events {1000 * quiet['lag_p99']:.1f} ms",
            f"{busy['lag_p99'] / max(1e-4, quiet['lag_p99']):.1f} x",
            "10 ms",
            busy["lag_p99"] <= 0.010,
            f"CPU {busy['cpu'] / busy['seconds']:.0%} beside {quiet['cpu'] / quiet['seconds']:.0%} of a core",
        ),
        Result(
            load.row("event to screen p99 at 10 fps"),
            f"{1000 * busy['wait_p99']:.0f} ms",
            "a tick of 100 ms",
            f"{10 * busy['wait_p99']:.1f} x",
            "250 ms",
            busy["wait_p99"] <= 0.250 and busy["waits"] > 0,
            f"median {1000 * busy['wait_p50']:.0f} ms, {busy['frames']} frames",
        ),
    ]


def main() -> int:
    """Prints the three bars of each load; 1 if one is missed."""
    results = [result for load in _LOADS for result in _bars(load)]
    for result in results:
        print(result.line())
    return 0 if all(result.holds for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
