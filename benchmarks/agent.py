"""The node agent with eight GPUs, sampled and read once a second: what it costs.

NVIDIA's binding is real; the library under it is one in Python, so that what a real one takes comes on top.
Beside it: the same program on a node without a driver, read as often.
"""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.result import Result
from benchmarks.terminal import cpu_seconds

_SECONDS = 60
_GPUS = 8

_PROGRAM = """
from tests.support.fake_nvml import FakeGpu, FakeNvml, installed
from tui.cli import main

uuids = [f"GPU-{index:08d}-1111-2222-3333-444444444444" for index in range(GPUS)]
nvml = FakeNvml(*(FakeGpu(uuid, minor=index) for index, uuid in enumerate(uuids)))
nvml.absent = not GPUS
with installed(nvml):
    main(["agent", "--port", "0"])
"""


@contextmanager
def _agent(gpus: int) -> Iterator[tuple[int, str]]:
    """Its process id and its page's address."""
    program = _PROGRAM.replace("GPUS", str(gpus))
    with subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None
        try:
            yield child.pid, child.stderr.readline().split()[-1]
        finally:
            child.terminate()


def _read(address: str) -> int:
    with urllib.request.urlopen(address) as answer:
        return len(answer.read())


def _cost(gpus: int) -> tuple[float, int, int]:
    """Share of a core, bytes of the page, bytes of memory."""
    with _agent(gpus) as (pid, address):
        for _ in range(3):
            _read(address)
            time.sleep(1)
        used, begun, size = cpu_seconds(pid), time.monotonic(), 0
        for number in range(1, _SECONDS + 1):
            size = _read(address)
            time.sleep(max(0.0, begun + number - time.monotonic()))
        share = (cpu_seconds(pid) - used) / (time.monotonic() - begun)
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return share, size, pages * 4096


def main() -> int:
    """Prints the bar; 1 if it is missed."""
    share, size, memory = _cost(_GPUS)
    bare, _, _ = _cost(0)
    result = Result(
        f"agent, {_GPUS} GPUs, sampled and read every second",
        f"{share:.2%} of a core",
        f"no driver {bare:.2%}",
        f"{share / max(bare, 1e-4):.1f} x",
        "1 %",
        share <= 0.01,
        f"a page of {size // 1024} KiB, {memory >> 20} MiB resident",
    )
    print(result.line())
    return 0 if result.holds else 1


if __name__ == "__main__":
    sys.exit(main())
