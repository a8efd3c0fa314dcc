"""A sweep over the GPUs of 500 nodes: pages parsed, turned into samples, joined with who has 4,000 devices.

Pages as dcgm-exporter writes them: 200 samples and some 58 KB each, who has each GPU on every line. Beside
them stands ``prometheus_client`` over the same pages. The sweep goes over HTTP to ``servegrid embedded
--scenario large``, in a thread, while a loop beside it, as the screen's is, measures how late it is.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time
from collections.abc import Callable

from prometheus_client.parser import text_string_to_metric_families

from benchmarks.cluster import embedded
from benchmarks.result import Result
from clients.clock import SystemClock
from clients.gpu.dcgm import WANTED, samples_of
from clients.gpu.exposition import Labels, read_page
from clients.gpu.watch import GpuWatch, Timing
from clients.kube.config import ConnectOptions, load
from clients.kube.proxied import ClusterDoor
from clients.kube.session import Session
from clients.serving.gpu_join import join
from clients.serving.gpu_use import Place
from clients.serving.gpus import GpuSample
from clients.serving.keys import WorkloadKey

_NODES = 500
_GPUS = 8
_METRICS = 25
_PARSED_BY_REFERENCE = 40
_STEP = 0.005
_TIMING = Timing(discover=600.0)
"""Exporters are looked for once, so that each further value is a page."""


def _page(node: int) -> bytes:
    names = [*sorted(name for name in WANTED if name.startswith("DCGM_FI")), "DCGM_FI_DEV_ENC_UTIL"]
    names += [f"DCGM_FI_DEV_OTHER_{number}" for number in range(_METRICS)]
    lines = []
    for name in names[:_METRICS]:
        lines += [f"# HELP {name} What it tells.", f"# TYPE {name} gauge"]
        for gpu in range(_GPUS):
            lines.append(
                f'{name}{{gpu="{gpu}",UUID="GPU-{node:08d}-{gpu:04d}-4000-8000-000000000000",'
                f'pci_bus_id="00000000:{gpu:02X}:00.0",device="nvidia{gpu}",'
                'modelName="NVIDIA H100 80GB HBM3",'
                f'Hostname="gpu-node-{node:03d}",DCGM_FI_DRIVER_VERSION="580.95.05",container="engine",'
                f'namespace="team-{node % 20:02d}",pod="model-{node:03d}-0-prefill-{gpu}-0"}} {gpu / 9:.3f}'
            )
    return ("\n".join(lines) + "\n").encode()


def _cpu(work: Callable[[], object], times: int) -> float:
    """The least CPU seconds of this thread."""
    best = float("inf")
    for _ in range(times):
        begun = time.thread_time()
        work()
        best = min(best, time.thread_time() - begun)
    return best


def _parsing() -> tuple[list[Result], list[GpuSample]]:
    pages = [_page(node) for node in range(_NODES)]
    some = [page.decode() for page in pages[:_PARSED_BY_REFERENCE]]
    labels = Labels()
    samples: list[GpuSample] = []

    def theirs() -> None:
        for text in some:
            for family in text_string_to_metric_families(text):
                for _ in family.samples:
                    pass

    def ours() -> None:
        for page in pages:
            read_page(page, labels)

    def sweep() -> None:
        samples.clear()
        for node, page in enumerate(pages):
            rows = read_page(page, labels, wanted=WANTED).rows
            told = samples_of(rows, f"gpu-node-{node:03d}", 0.0, 30.0, fresh_for=60.0)
            samples.extend(told.samples)

    sweep()
    each = _cpu(ours, 3) / _NODES
    reference = _cpu(theirs, 2) / len(some)
    whole = _cpu(sweep, 3)
    size = sum(map(len, pages))
    assert len(samples) == _NODES * _GPUS
    return [
        Result(
            "parse a page",
            f"{1e3 * each:.2f} ms",
            f"prometheus_client {1e3 * reference:.1f} ms",
            f"1/{reference / each:.0f}",
            "1/20",
            reference >= 20 * each,
            f"all {_METRICS * _GPUS} samples of {size // _NODES // 1000} KB, labels known from before",
        ),
        Result(
            "500 pages to 4,000 samples",
            f"{1e3 * whole:.0f} ms",
            f"prometheus_client, parsing alone {1e3 * _NODES * reference:.0f} ms",
            f"1/{_NODES * reference / whole:.0f}",
            "-",
            True,
            f"{size / 1e6:.0f} MB, wanted metrics only",
        ),
    ], samples


def _joining(samples: list[GpuSample]) -> Result:
    places = {}
    for sample in samples:
        holder = sample.holders[0]
        key = WorkloadKey("c", "kthena", holder.namespace, "ModelServing", holder.pod[:9])
        group, _, replica = holder.pod.partition("-prefill-")
        places[(holder.namespace, holder.pod)] = Place(
            key, group, "prefill", f"prefill-{replica[0]}", holder.pod
        )

    def bare() -> None:
        for sample in samples:
            for holder in sample.holders:
                places.get((holder.namespace, holder.pod))

    ours, reference = _cpu(lambda: join(samples, places, 0.0), 5), _cpu(bare, 5)
    return Result(
        "join 4,000 devices",
        f"{1e3 * ours:.0f} ms",
        f"finding each holder's place {1e3 * reference:.1f} ms",
        f"{ours / reference:.0f} x",
        "100 ms",
        ours <= 0.1,
        f"with sums for {_NODES} workloads and their groups and role replicas",
    )


class _Sweeps:
    """Two sweeps of one watch: the first, and the next when exporters have sampled again."""

    def __init__(self, kubeconfig: str) -> None:
        self._kubeconfig = kubeconfig
        self.first = self.second = 0.0
        """CPU seconds of the thread."""
        self.devices = 0
        self.begin, self.swept, self.done = threading.Event(), threading.Event(), threading.Event()

    def run(self) -> None:
        """In a thread of its own, with the garbage collector calmed, as the console's data thread has it."""
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)
        asyncio.run(self._run())
        self.done.set()

    async def _run(self) -> None:
        config = load(ConnectOptions(kubeconfig=self._kubeconfig), environ={}, interactive=False)
        session = await Session.open(config, SystemClock())
        read, one, two = 0, asyncio.Event(), asyncio.Event()

        def changed() -> None:
            nonlocal read
            read += 1
            # The first value is that of the discovery.
            if read == _NODES + 1:
                one.set()
            elif read == 2 * _NODES + 1:
                two.set()

        watch = GpuWatch(ClusterDoor(session), SystemClock(), always=True, changed=changed, timing=_TIMING)
        await asyncio.to_thread(self.begin.wait)
        begun = time.thread_time()
        running = asyncio.ensure_future(watch.run())
        await one.wait()
        between = time.thread_time()
        self.first = between - begun
        self.swept.set()
        await two.wait()
        self.second = time.thread_time() - between
        self.devices = len(watch.readings().samples)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await session.close()


async def _lags(until: Callable[[], bool]) -> list[float]:
    lags = []
    while not until():
        before = time.monotonic()
        await asyncio.sleep(_STEP)
        lags.append(time.monotonic() - before - _STEP)
    return sorted(lags)


def _sweeping() -> list[Result]:
    with embedded("large") as cluster:
        sweeps = _Sweeps(cluster.kubeconfig)
        thread = threading.Thread(target=sweeps.run, daemon=True)
        thread.start()
        ends = time.monotonic() + 2.0
        quiet = asyncio.run(_lags(lambda: time.monotonic() > ends))
        sweeps.begin.set()
        busy = asyncio.run(_lags(sweeps.swept.is_set))
        thread.join()
    late, before = (lags[len(lags) * 99 // 100] for lags in (busy, quiet))
    return [
        Result(
            "sweep of 500 nodes over HTTP, CPU of its thread",
            f"{1e3 * sweeps.second:.0f} ms",
            "-",
            "-",
            "400 ms",
            sweeps.second <= 0.4 and sweeps.devices == _NODES * _GPUS,
            f"the first {1e3 * sweeps.first:.0f} ms, discovery included; {sweeps.devices} devices",
        ),
        Result(
            "the first sweep, lag of another loop p99",
            f"{1e3 * late:.1f} ms",
            f"no sweep {1e3 * before:.1f} ms",
            f"{late / max(1e-4, before):.1f} x",
            "10 ms",
            late <= 0.010,
        ),
    ]


def main() -> int:
    """Prints the bars; 1 if one is missed."""
    results, samples = _parsing()
    results.append(_joining(samples))
    for result in results:
        print(result.line(), flush=True)
    swept = _sweeping()
    for result in swept:
        print(result.line())
    return 0 if all(result.holds for result in (*results, *swept)) else 1


if __name__ == "__main__":
    sys.exit(main())
