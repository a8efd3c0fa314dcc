"""From the start of the process to the first whole frame in a terminal; reference: an empty Textual app.

No server answers: the first frame must not wait for one.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.result import Result
from tests.support.pty import Terminal

_ROUNDS = 11
_EMPTY = "from textual.app import App; App().run(mouse=False)"
_LAST_LINE = b"\x1b[36;1H"
"""Every first frame goes to the last line; nothing before it does."""
_KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: none
contexts: [{name: none, context: {cluster: none, user: none}}]
clusters: [{name: none, cluster: {server: "http://127.0.0.1:9"}}]
users: [{name: none, user: {}}]
"""


def _once(args: list[str]) -> float:
    begun = time.perf_counter()
    with Terminal.python(*args) as terminal:
        while _LAST_LINE not in terminal.raw:
            time.sleep(0.002)
            if time.perf_counter() - begun > 20:
                raise RuntimeError("no frame in 20 s: " + "\n".join(terminal.text()))
        return time.perf_counter() - begun


def main() -> int:
    """Prints the bar; 1 if it is missed."""
    with tempfile.TemporaryDirectory() as folder:
        kubeconfig = Path(folder) / "config"
        kubeconfig.write_text(_KUBECONFIG)
        ours, theirs = [], []
        for _ in range(_ROUNDS):
            ours.append(_once(["-m", "tui", "--kubeconfig", str(kubeconfig)]))
            theirs.append(_once(["-c", _EMPTY]))
    mine, bare = statistics.median(ours), statistics.median(theirs)
    result = Result(
        "first frame",
        f"{1000 * mine:.0f} ms",
        f"empty Textual app {1000 * bare:.0f} ms",
        f"{mine / bare:.2f} x",
        "1.4 x",
        mine <= 1.4 * bare,
        f"median of {_ROUNDS}, interleaved",
    )
    print(result.line())
    return 0 if result.holds else 1


if __name__ == "__main__":
    sys.exit(main())
