"""``servegrid --version``; reference: a Python that does nothing."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.result import Result

_ROUNDS = 15


def _once(argv: list[str]) -> float:
    begun = time.perf_counter()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def main() -> int:
    """Prints the bar; 1 if it is missed."""
    program = [str(Path(sys.executable).with_name("servegrid")), "--version"]
    nothing = [sys.executable, "-c", "pass"]
    ours, theirs = [], []
    for _ in range(_ROUNDS):
        ours.append(_once(program))
        theirs.append(_once(nothing))
    mine, bare = statistics.median(ours), statistics.median(theirs)
    result = Result(
        "servegrid --version",
        f"{1000 * mine:.0f} ms",
        f"python -c pass {1000 * bare:.0f} ms",
        f"{mine / bare:.1f} x, {1000 * (mine - bare):.0f} ms more",
        "120 ms more",
        mine - bare <= 0.120,
        f"median of {_ROUNDS}, interleaved",
    )
    print(result.line())
    return 0 if result.holds else 1


if __name__ == "__main__":
    sys.exit(main())
