"""3,000 watch events a second for a minute: none lost, the loop free, the screen close behind.

Reference: the same drawing, of the same fleet, with no events.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from benchmarks.cluster import embedded
from benchmarks.result import Result
from benchmarks.terminal import console

_SIZE = ("--workloads", "30", "--groups", "10", "--pods", "3000", "--nodes", "100")
_SECONDS = 60
_RATE = 3000


def _measure(rate: int, seconds: int) -> dict[str, Any]:
    with (
        embedded("synthetic", *_SIZE, "--event-rate", str(rate)) as cluster,
        console(cluster.kubeconfig) as run,
    ):
        run.terminal.keep = False
        run.begin()
        time.sleep(seconds)
        return run.leave()


def main() -> int:
    """Prints the three bars; 1 if one is missed."""
    quiet = _measure(0, 10)
    busy = _measure(_RATE, _SECONDS)
    rate = busy["events"] / busy["seconds"]
    results = [
        Result(
            "events lost",
            f"{busy['lost']} of {busy['events']} at {rate:.0f}/s",
            "numbers in the stream",
            "-",
            "0",
            busy["lost"] == 0 and rate >= 0.9 * _RATE,
        ),
        Result(
            "UI loop lag p99",
            f"{1000 * busy['lag_p99']:.1f} ms",
            f"no events {1000 * quiet['lag_p99']:.1f} ms",
            f"{busy['lag_p99'] / max(1e-4, quiet['lag_p99']):.1f} x",
            "10 ms",
            busy["lag_p99"] <= 0.010,
            f"CPU {busy['cpu'] / busy['seconds']:.0%} beside {quiet['cpu'] / quiet['seconds']:.0%} of a core",
        ),
        Result(
            "event to screen p99 at 10 fps",
            f"{1000 * busy['wait_p99']:.0f} ms",
            "a tick of 100 ms",
            f"{10 * busy['wait_p99']:.1f} x",
            "250 ms",
            busy["wait_p99"] <= 0.250 and busy["waits"] > 0,
            f"median {1000 * busy['wait_p50']:.0f} ms, {busy['frames']} frames",
        ),
    ]
    for result in results:
        print(result.line())
    return 0 if all(result.holds for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
