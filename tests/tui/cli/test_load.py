"""``servegrid load`` as a user runs it: a process, against a server of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.load_runs import children, gone
from tests.support.load_target import LoadTarget, load_target
from tests.support.pty import Terminal

ROOT = Path(__file__).resolve().parents[3]


class Done(NamedTuple):
    code: int
    out: str
    err: str


Start = Callable[..., Coroutine[Any, Any, Process]]
Run = Callable[..., Coroutine[Any, Any, Done]]


@pytest.fixture
async def target() -> AsyncIterator[LoadTarget]:
    async with load_target() as target:
        yield target


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "TERM": "xterm"}


@pytest.fixture
def start(environ: dict[str, str]) -> Start:
    async def start(*words: str) -> Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tui", "load", *words, stdout=PIPE, stderr=PIPE, env=environ
        )

    return start


@pytest.fixture
def run(start: Start) -> Run:
    async def run(*words: str) -> Done:
        process = await start(*words)
        out, err = await asyncio.wait_for(process.communicate(), 120)
        assert process.returncode is not None
        return Done(process.returncode, out.decode(), err.decode())

    return run


async def test_the_options_of_hey_and_what_is_done_otherwise(target: LoadTarget, run: Run) -> None:
    done = await run(
        "-n", "6", "-c", "3", "-m", "PUT", "-H", "X-A: 1", "-host", "llm.test", "-d", "body",
        "-T", "text/csv", "-t", "5", "-disable-keepalive", f"{target.url}/ok",
    )  # fmt: skip
    assert done.code == 0
    assert "6 requests, 6 ok, 0 failed" in done.out.splitlines()
    assert "servegrid: load: redirects are not followed" in done.err.splitlines()
    assert {(seen.method, seen.path, seen.body) for seen in target.seen} == {("PUT", "/ok", b"body")}
    assert {seen.headers["host"] for seen in target.seen} == {"llm.test"}
    assert {seen.headers["x-a"] for seen in target.seen} == {"1"}


async def test_the_result_as_json_is_the_whole_of_standard_output(target: LoadTarget, run: Run) -> None:
    done = await run("-z", "1s", "-q", "10", "-c", "2", "-o", "json", f"{target.url}/ok")
    told = json.loads(done.out)
    assert done.code == 0
    assert (told["v"], told["ended"], told["plan"]["rate"]) == (1, "duration", 20)
    assert set(told["latency_from_schedule_ms"]) == {"p50", "p90", "p95", "p99", "p99_9"}
    assert told["requests"]["ok"] == 20
    assert told["status"] == {"200": 20}
    assert told["ttft_ms"]["p50"] is None
    assert told["generator"]["verdict"] in ("ok", "generator-limited")


async def test_a_plan_with_a_secret_and_a_log(
    target: LoadTarget, run: Run, environ: dict[str, str], tmp_path: Path
) -> None:
    environ["LLM_TOKEN"] = "s3cr3t"
    log, plan = tmp_path / "requests.jsonl", tmp_path / "plan.json"
    plan.write_text(
        json.dumps(
            {
                "v": 1,
                "url": target.url,
                "protocol": "openai-chat",
                "model": "m",
                "requests": 3,
                "concurrency": 1,
                "secret_headers": {"Authorization": {"env": "LLM_TOKEN"}},
                "slo": {"ttft_ms": 60000},
            }
        )
    )
    done = await run("--plan", str(plan), "--log", str(log))
    assert done.code == 0
    assert "100 % within the SLO (3 of all scheduled)" in done.out
    assert "15 output tokens" in done.out
    assert {seen.headers["authorization"] for seen in target.seen} == {"Bearer s3cr3t"}
    assert len(log.read_text().splitlines()) == 3
    assert "s3cr3t" not in done.out + done.err + log.read_text() + plan.read_text()


async def test_one_request(target: LoadTarget, run: Run) -> None:
    done = await run("--once", f"{target.url}/ok")
    assert done.code == 0
    assert done.out.startswith("status 200 in ")
    assert done.out.splitlines()[1] == "fine"
    failed = await run("--once", "-o", "json", f"{target.url}/status/503")
    assert failed.code == 1
    told = json.loads(failed.out)
    assert (told["status"], told["error"]) == (503, "http 503")
    assert "\x1b" not in failed.out
    assert len(target.seen) == 2


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["-h2", "http://x"], 2, "-h2: HTTP/2 is not spoken"),
        ([], 2, "load needs a URL, or --plan FILE"),
        (["--plan", "p.json", "-c", "3"], 2, "--plan and -c exclude each other"),
        (["--plan", "/nowhere.json"], 2, "load: --plan /nowhere.json: No such file or directory"),
        (["-z", "soon", "http://x"], 2, "load: -z: expected a duration such as 30s or 2m, got 'soon'"),
        (["-H", "Authorization: x", "http://x"], 2, "load: headers.Authorization: is a secret"),
        (["-z", "2h", "http://x"], 3, "load: duration_s: at most 3600 by setting load.max_duration"),
        (["-c", "2000", "http://x"], 3, "load: concurrency: at most 1000 by setting load.max_users"),
        (["-D", "/nowhere", "http://127.0.0.1:1"], 1, "load: body_file: /nowhere: No such file or directory"),
    ],
)
async def test_what_cannot_be_run(run: Run, words: list[str], code: int, said: str) -> None:
    done = await run(*words)
    assert done.code == code
    assert said in done.err
    assert done.out == ""


async def test_a_rule_that_stops_it_fails_it(target: LoadTarget, run: Run, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    fields = {"url": f"{target.url}/status/500", "rate": 50, "stop": {"errors_percent": 10}}
    plan.write_text(json.dumps({**fields, "duration_s": 600}))
    done = await run("--plan", str(plan))
    assert done.code == 1
    assert "ended: rule, 100 % of " in done.out


async def test_another_machine_is_warned_of_unless_the_settings_name_it(run: Run, tmp_path: Path) -> None:
    words = ("-n", "1", "http://llm.invalid/")
    assert "neither on this machine nor named by setting load.allow" in (await run(*words)).err
    settings = tmp_path / "settings.toml"
    settings.write_text('version = 1\n[load]\nallow = ["*.invalid"]\n')
    assert "load.allow" not in (await run("--config", str(settings), *words)).err


async def test_an_interrupt_ends_the_load_and_shows_the_result(target: LoadTarget, start: Start) -> None:
    process = await start("-z", "600s", "-q", "50", "-c", "1", f"{target.url}/ok")
    await target.until(10)
    process.send_signal(signal.SIGINT)
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 130
    assert "ended: stopped, interrupted" in out.decode()
    await target.until_left()


async def test_a_second_interrupt_cuts_it_off(target: LoadTarget, start: Start) -> None:
    process = await start("-z", "600s", "-c", "5", f"{target.url}/silent")
    await target.until(5)
    ended = asyncio.ensure_future(process.communicate())
    for _ in range(60):
        process.send_signal(signal.SIGINT)
        if (await asyncio.wait({ended}, timeout=1))[0]:
            break
    out, _ = await ended
    assert process.returncode == 130
    assert "5 unfinished" in out.decode()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
async def test_no_load_is_left_however_it_ends(
    target: LoadTarget, start: Start, number: signal.Signals
) -> None:
    process = await start("-z", "600s", "-c", "5", f"{target.url}/silent")
    await target.until(5)
    (generator,) = children(process.pid)
    process.send_signal(number)
    await target.until_left()
    await asyncio.to_thread(gone, generator)
    assert await process.wait() in (-number, 130)


async def test_a_terminal_sees_how_far_it_is(target: LoadTarget) -> None:
    def watch() -> None:
        with Terminal.python("-m", "tui", "load", "-z", "3s", f"{target.url}/ok") as terminal:
            terminal.wait("[########", 60)
            terminal.wait("0 failed/s", 60)
            terminal.wait("generator: ", 60)

    await asyncio.to_thread(watch)
