"""A run from begin to end: who stops it, what it leaves behind, and that nothing outlives its parent."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

import pytest

from clients.load.lines import Finished, Second, Started
from clients.load.plan import LoadPlan
from clients.load.plan_check import PlanError, read_plan
from clients.load.run import LoadError, LoadRun
from clients.own_process import environment
from tests.support.load_runs import children, gone, run_load
from tests.support.load_target import LoadTarget


def plan(**fields: Any) -> LoadPlan:
    return read_plan(json.dumps(fields))


async def test_records_come_in_order_and_add_up_to_the_result(target: LoadTarget, tmp_path: Path) -> None:
    log = tmp_path / "requests.jsonl"
    wanted = plan(url=f"{target.url}/ok", rate=40, arrivals="constant", duration_s=3, warmup_s=1, seed=7)
    seconds: list[Second] = []
    async with LoadRun(wanted, log=str(log)) as run:
        async for record in run.records():
            match record:
                case Started():
                    assert run.started_at == record.at
                    assert not seconds
                case Second():
                    seconds.append(record)
                case Finished():
                    assert run.result is not None
    assert run.result is not None
    assert [second.phase for second in seconds[:3]] == ["warm-up", "load", "load"]
    assert sum(second.figures.ok for second in seconds) == 120
    assert (run.result.requests.ok, run.result.requests.warmup) == (80, 40)
    assert run.result.measured_s >= 2
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert sorted(line["n"] for line in lines) == list(range(120))
    assert [line["phase"] for line in sorted(lines, key=lambda line: line["n"])][39:41] == ["warm-up", "load"]
    assert all(line["due"] <= line["sent"] <= line["headers"] <= line["end"] for line in lines)
    assert log.stat().st_mode & 0o777 == 0o600


async def test_several_generators_are_as_one(target: LoadTarget) -> None:
    result = await run_load(
        url=f"{target.url}/ok", rate=60, arrivals="constant", duration_s=2, workers=2, seed=7
    )
    assert (result.requests.scheduled, result.requests.ok) == (120, 120)
    assert len(target.seen) == 120
    assert result.generator.workers == 2


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_closed_loop_has_as_many_underway_as_users(target: LoadTarget, workers: int) -> None:
    result = await run_load(
        url=f"{target.url}/silent", concurrency=5, duration_s=1, drain_s=0, workers=workers, seed=7
    )
    assert len(target.seen) == result.requests.unfinished == 5
    result = await run_load(url=f"{target.url}/ok", concurrency=5, requests=33, workers=workers, seed=7)
    assert (result.requests.ok, result.ended) == (33, "requests")


async def test_a_stop_begins_no_more_and_waits_for_the_rest(target: LoadTarget) -> None:
    target.service = 0.5
    async with LoadRun(plan(url=f"{target.url}/stalling", rate=50, duration_s=600)) as run:
        async for record in run.records():
            if isinstance(record, Started):
                await target.until(10)
                await run.stop("G-1 failed")
    assert run.result is not None
    assert (run.result.ended, run.result.why) == ("stopped", "G-1 failed")
    assert run.result.requests.unfinished == 0
    assert run.result.requests.ok == run.result.requests.scheduled == len(target.seen)


async def test_an_abort_cuts_everything_off(target: LoadTarget) -> None:
    async with LoadRun(plan(url=f"{target.url}/silent", rate=50, duration_s=600)) as run:
        async for record in run.records():
            if isinstance(record, Started):
                await target.until(10)
                await run.abort()
    assert run.result is not None
    assert run.result.ended == "aborted"
    assert run.result.requests.unfinished >= 10
    await target.until_left()


async def test_the_rate_can_be_set(target: LoadTarget) -> None:
    async with LoadRun(plan(url=f"{target.url}/ok", rate=0.01, duration_s=600, workers=2)) as run:
        async for record in run.records():
            if isinstance(record, Started):
                await run.set_rate(200)
            if isinstance(record, Second) and len(target.seen) > 100:
                assert record.rate == 200
                await run.stop()


async def test_leaving_ends_the_load(target: LoadTarget) -> None:
    async with LoadRun(plan(url=f"{target.url}/silent", concurrency=5, duration_s=600)) as run:
        async for record in run.records():
            if isinstance(record, Started):
                await target.until(5)
                break
    await target.until_left()


@pytest.mark.parametrize(
    ("path", "rule", "why"),
    [
        ("/status/500", {"errors_percent": 50}, "100 % of "),
        ("/ok", {"p99_ms": 0.001}, "p99 of latency "),
        ("/status/500", {"p99_ms": 60_000}, "p99 of latency infinite, with failures "),
    ],
)
@pytest.mark.parametrize("workers", [1, 2])
async def test_a_rule_stops_all_generators(
    target: LoadTarget, path: str, rule: dict[str, float], why: str, workers: int
) -> None:
    result = await run_load(url=target.url + path, rate=100, duration_s=600, stop=rule, workers=workers)
    assert result.ended == "rule"
    assert result.why.startswith(why)


async def test_a_user_whose_server_is_gone_does_not_spin() -> None:
    result = await run_load(url="http://127.0.0.1:1/", concurrency=1, duration_s=1)
    assert result.errors == {"connect refused": result.requests.sent}
    assert result.requests.sent <= 11


async def test_without_uvloop_asyncio_serves(
    target: LoadTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "uvloop.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    result = await run_load(url=f"{target.url}/ok", rate=50, arrivals="constant", duration_s=1)
    assert result.generator.event_loop == "asyncio"
    assert result.requests.ok == 50


async def test_with_uvloop_it_serves(target: LoadTarget) -> None:
    result = await run_load(url=f"{target.url}/ok", requests=1, concurrency=1)
    assert result.generator.event_loop == "uvloop"


async def test_a_plan_that_cannot_be_run_starts_nothing() -> None:
    with pytest.raises(PlanError):
        LoadRun(LoadPlan(url="nowhere"))


async def test_a_generator_that_dies_is_told(target: LoadTarget) -> None:
    async with LoadRun(plan(url=f"{target.url}/silent", concurrency=1, duration_s=600)) as run:
        records = run.records()
        assert isinstance(await anext(records), Started)
        os.kill(children(os.getpid())[0], signal.SIGKILL)
        with pytest.raises(LoadError, match="the load generator ended"):
            [record async for record in records]


PARENT = """
import asyncio, sys
from clients.load.plan_check import read_plan
from clients.load.run import LoadRun

async def main():
    async with LoadRun(read_plan(sys.argv[1])) as run:
        async for _ in run.records():
            pass

asyncio.run(main())
"""


async def test_no_load_outlives_who_started_it(target: LoadTarget) -> None:
    fields = {"url": f"{target.url}/ok", "rate": 100, "duration_s": 600, "workers": 2}
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, json.dumps(fields), stdout=PIPE, env=environment(os.environ)
    )
    await target.until(50)
    generators = children(parent.pid)
    assert len(generators) == 2
    parent.kill()
    await parent.wait()
    await target.until_left()
    for pid in generators:
        await asyncio.to_thread(gone, pid)
