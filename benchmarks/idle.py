"""A minute in which nothing happens, the cluster's clock frozen: what the console still costs.

On the cluster of the demo, and on ``mixed-large``.
"""

from __future__ import annotations

import sys
import time

from benchmarks.cluster import embedded
from benchmarks.result import Result
from benchmarks.terminal import cpu_seconds
from tests.support.pty import Terminal

_SCENARIOS = ("default", "mixed-large")
_SECONDS = 60


def _bars(scenario: str) -> list[Result]:
    with (
        embedded(scenario, speed=0) as cluster,
        Terminal.python("-m", "tui", "--kubeconfig", cluster.kubeconfig) as terminal,
    ):
        terminal.wait("▸", 30)
        time.sleep(5)
        terminal.keep = False
        sent, used = terminal.bytes, cpu_seconds(terminal.process.pid)
        time.sleep(_SECONDS)
        rate = (terminal.bytes - sent) / _SECONDS
        share = (cpu_seconds(terminal.process.pid) - used) / _SECONDS
    return [
        Result(f"idle, to the terminal ({scenario})", f"{rate:.0f} B/s", "-", "-", "200 B/s", rate <= 200),
        Result(f"idle, processor ({scenario})", f"{share:.1%} of a core", "-", "-", "2 %", share <= 0.02),
    ]


def main() -> int:
    """Prints both bars of each scenario; 1 if one is missed."""
    results = [result for scenario in _SCENARIOS for result in _bars(scenario)]
    for result in results:
        print(result.line())
    return 0 if all(result.holds for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
