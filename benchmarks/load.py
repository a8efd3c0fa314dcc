"""The load generator against what it claims: on time, quick to read, hardly dearer than aiohttp, and true.

A server of its own on loopback stamps what it sends. ``hey``, where it is installed, runs the same plans.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from math import ceil

from benchmarks.cluster import embedded
from benchmarks.result import Result
from benchmarks.terminal import console
from clients.load.hey import as_hey
from clients.load.lines import Order, encode
from clients.load.plan import LoadPlan
from clients.load.result import Result as LoadResult
from clients.load.run import LoadRun

_RATE, _SECONDS = 500, 15
_STREAMS = 100
_USERS = 20
_ROUNDS, _ROUND = 7, 3
"""Of the closed loop, and seconds of each."""


@contextmanager
def _program(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "benchmarks.load_programs", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        yield child
    finally:
        child.terminate()
        child.communicate()


def _said(child: subprocess.Popen[bytes]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().decode()


def _run(plan: LoadPlan) -> LoadResult:
    async def run() -> LoadResult:
        async with LoadRun(plan) as test:
            async for _ in test.records():
                pass
        assert test.result is not None
        return test.result

    return asyncio.run(run())


def _hey(plan: LoadPlan) -> dict[str, float] | None:
    """Requests a second and percentiles (ms) as hey tells them; ``None`` without hey."""
    if shutil.which("hey") is None:
        return None
    line, _ = as_hey(plan)
    text = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True).stdout
    found = {f"p{rank}": 1000 * float(value) for rank, value in re.findall(r"(\d+)% in ([\d.]+) secs", text)}
    speed = re.search(r"Requests/sec:\s+([\d.]+)", text)
    return {**found, "speed": float(speed[1]) if speed else 0.0}


def _number(value: object) -> float:
    return value if isinstance(value, float) else float("nan")


def _on_time(url: str) -> Result:
    plan = LoadPlan(url=url, rate=_RATE, duration_s=_SECONDS, seed=7)
    with _program("sleeper", str(_RATE), str(_SECONDS)) as child:
        sleeper = float(_said(child))
    ours, hey = _run(plan), _hey(plan)
    p99 = _number(ours.generator.lateness_ms.p99)
    return Result(
        f"load, dispatch lateness at {_RATE} requests a second",
        f"p99 {p99:.2f} ms, p50 {_number(ours.generator.lateness_ms.p50):.2f} ms",
        f"a loop that only wakes p99 {sleeper:.2f} ms",
        f"{p99 / sleeper:.1f} x",
        "3 ms",
        p99 <= 3,
        f"latency p99 {_number(ours.latency_from_schedule_ms.p99):.1f} ms from schedule, "
        f"{ours.throughput.sent_per_s:.0f}/s"
        + (
            f"; hey p99 {hey['p99']:.1f} ms from send, {hey['speed']:.0f}/s"
            if hey
            else "; hey is not installed"
        ),
    )


def _reader_lag(url: str) -> dict[str, float]:
    """What stamps and readers tell, in ms, and how many chunks a second there were."""
    plan = LoadPlan(
        url=url, protocol="openai-chat", model="m", concurrency=_STREAMS, duration_s=_SECONDS, seed=7
    )
    with _program("watched") as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(encode(Order(plan=plan)))
        child.stdin.flush()
        *_, last = [json.loads(line) for line in child.stdout]
    return {"p50": 1000 * last["p50"], "p99": 1000 * last["p99"], "speed": last["count"] / _SECONDS}


def _reading(url: str) -> Result:
    lags = {}
    for drawing in (False, True):
        with embedded("busy") if drawing else nullcontext() as cluster:
            with console(cluster.kubeconfig) if cluster is not None else nullcontext():
                lags[drawing] = _reader_lag(url)
    ours, alone = lags[True]["p99"], lags[False]["p99"]
    return Result(
        f"load, reader lag at {lags[True]['speed']:.0f} chunks a second while the console draws",
        f"p99 {ours:.2f} ms, p50 {lags[True]['p50']:.2f} ms",
        f"alone p99 {alone:.2f} ms",
        f"{ours / alone:.2f} x",
        "2 x and 12 ms",
        ours <= 2 * alone and ours <= 12,
    )


def _closed(url: str) -> Result:
    """Rounds in turns, each against its neighbour: what else the machine does falls on both alike."""
    plan = LoadPlan(url=url, concurrency=_USERS, duration_s=_ROUND, seed=7)
    rounds = []
    for _ in range(_ROUNDS):
        with _program("bare", url, str(_USERS), str(_ROUND)) as child:
            bare = float(_said(child))
        rounds.append((_run(plan).throughput.ok_per_s, bare))
    hey = _hey(plan)
    shares = sorted(ours / bare for ours, bare in rounds)
    share = shares[_ROUNDS // 2]
    ours, bare = (max(speeds) for speeds in zip(*rounds, strict=True))
    return Result(
        f"load, closed loop of {_USERS} users, the median of {_ROUNDS} rounds in turns",
        f"{ours:.0f} requests a second at best",
        f"bare aiohttp {bare:.0f}",
        f"{share:.2f} x",
        "0.85 x or more",
        share >= 0.85,
        f"{shares[0]:.2f} to {shares[-1]:.2f}"
        + (f"; hey {hey['speed']:.0f}" if hey else "; hey is not installed"),
    )


def _truth(url: str, rate: float) -> dict[int, float]:
    """Percentiles in ms from schedule, by the server's clock alone."""
    with urllib.request.urlopen(f"{url}truth") as answer:
        times = sorted(json.load(answer))
    begun = min(arrived - number / rate for number, (arrived, _) in enumerate(times))
    took = sorted(1000 * (answered - begun - number / rate) for number, (_, answered) in enumerate(times))
    return {rank: took[ceil(len(took) * rank / 100) - 1] for rank in (50, 90, 95, 99)}


def _stall(url: str) -> Result:
    """Fact sheet A.6: 100 requests a second, 20 ms each, one stall of 3 s in 15 s."""
    plan = LoadPlan(
        url=f"{url}stalling", rate=100, arrivals="constant", duration_s=15, max_in_flight=20 * 20, seed=7
    )
    ours = _run(plan).latency_from_schedule_ms
    true = _truth(url, 100)
    hey = _hey(LoadPlan(url=f"{url}stalling", rate=100, duration_s=15, max_in_flight=20))
    p50, p90, p99 = (_number(value) for value in (ours.p50, ours.p90, ours.p99))
    near = all(abs(mine - real) <= 0.02 * real for mine, real in ((p90, true[90]), (p99, true[99])))
    return Result(
        "load, a stall of 3 s in 15 s",
        f"p50 {p50:.1f}, p90 {p90:.0f}, p99 {p99:.0f} ms",
        f"the server's truth p50 {true[50]:.1f}, p90 {true[90]:.0f}, p99 {true[99]:.0f} ms",
        f"p50 {p50 - true[50]:+.1f} ms, p90 {p90 / true[90]:.3f} x, p99 {p99 / true[99]:.3f} x",
        "p90 and p99 within 2 %, p50 within 3 ms",
        near and abs(p50 - true[50]) <= 3,
        f"hey p50 {hey['p50']:.0f}, p90 {hey['p90']:.0f}, p99 {hey['p99']:.0f} ms"
        if hey
        else "hey is not installed",
    )


def main() -> int:
    """Prints the bars; 1 if one is missed."""
    with _program("server") as server:
        url = f"http://127.0.0.1:{int(_said(server))}/"
        results = []
        for measure in (_on_time, _reading, _closed, _stall):
            results.append(measure(url))
            print(results[-1].line(), flush=True)
    return 0 if all(result.holds for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
