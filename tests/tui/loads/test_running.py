"""A load test as the console runs it, by the real generator, while its workload changes under it."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from clients.clock import SystemClock
from clients.load.plan import LoadPlan, Secret
from clients.serving.phase import Phase, Trouble, TroubleKind
from clients.serving.workload import Workload
from tests.support.fleets import group, key, workload
from tests.support.kube import until
from tests.support.load_target import LoadTarget, load_target
from tui.loads.folder import RunFolder
from tui.loads.history import ClusterSecond
from tui.loads.test import LoadTest, State

CLOCK = SystemClock()
OOM = Trouble(TroubleKind.FAILED, "OOMKilled", "out of memory")
LONG = 60.0


class Rig:
    """A test that has begun, and what was put into the time line."""

    def __init__(self, test: LoadTest, target: LoadTarget, told: list[tuple[str, str | None]]) -> None:
        self.test = test
        self.target = target
        self.told = told

    def see(self, *states: Trouble | None, desired: int | None = None) -> str | None:
        """A moment of the workload: a group for each state."""
        return self.test.see(chat(*states, desired=desired), ClusterSecond(int(self.test.seconds)))

    def signs(self) -> list[tuple[str, str]]:
        return [(mark.sign, mark.text) for mark in self.test.history.marks]


def chat(*states: Trouble | None, desired: int | None = None) -> Workload:
    groups = [group("chat", at, trouble=state) for at, state in enumerate(states)]
    return workload("chat", groups, desired=desired)


@asynccontextmanager
async def running(runs: Path, **fields: Any) -> AsyncIterator[Rig]:
    """One user against a server of its own, for longer than any of these tests takes."""
    told: list[tuple[str, str | None]] = []
    async with load_target() as target:
        plan = LoadPlan(url=f"{target.url}/ok", concurrency=1, **{"duration_s": LONG, **fields})
        folder = RunFolder.make(runs, key("chat"), CLOCK.now())
        folder.begin(plan, "prod-eu", key("chat"), "ops")
        test = LoadTest(
            key("chat"),
            plan,
            tried="",
            folder=folder,
            monotonic=CLOCK.monotonic,
            tell=lambda what, why: told.append((what, why)),
        )
        task = asyncio.create_task(test.run())
        try:
            yield Rig(test, target, told)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            folder.close()


async def begun(rig: Rig) -> None:
    await until(lambda: rig.test.state is State.RUNNING and rig.test.history.seconds, LONG)


async def over(rig: Rig) -> None:
    await until(lambda: not rig.test.running, LONG)


async def test_a_group_that_fails_meanwhile_ends_the_load(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        await begun(rig)
        assert rig.see(None, None) is None
        reason = rig.see(None, OOM)
        assert reason == "G-1 failed"
        await rig.test.stop(reason)
        await over(rig)
        assert rig.test.result is not None
        assert (rig.test.result.ended, rig.test.result.why) == ("stopped", "G-1 failed")
        assert ("!", "G-1") in rig.signs()
        assert rig.told == [("begun", None), ("ended", "G-1 failed")]


async def test_a_group_that_had_failed_before_does_not(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        await begun(rig)
        assert [rig.see(OOM, None), rig.see(OOM, None)] == [None, None]
        assert rig.test.running


async def test_changes_of_what_is_wanted_and_new_groups_are_marked_where_they_were_seen(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as rig:
        await begun(rig)
        rig.see(None, None)
        rig.see(None, None, desired=3)
        rig.test.see(
            workload("chat", [group("chat", 0), group("chat", 1), group("chat", 2, Phase.CREATING)]), None
        )
        rig.see(None, None, None)
        rig.see(None, None, None, desired=1)
        assert rig.signs()[1:] == [("^", "2>3"), ("+", "G-2"), ("v", "3>1")]
        assert all(0 <= mark.at <= rig.test.seconds for mark in rig.test.history.marks)


async def test_what_is_kept_tells_the_whole_run_and_no_secret(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("s3cret-of-mine")
    headers = {"Authorization": Secret(file=str(secret))}
    async with running(tmp_path / "runs", duration_s=2, secret_headers=headers) as rig:
        await begun(rig)
        rig.see(None, None)
        await over(rig)
        assert rig.target.seen[0].headers["authorization"] == "Bearer s3cret-of-mine"
        assert rig.test.state is State.OVER
        folder = rig.test.folder.path
    assert stat_of(folder) == 0o700
    texts = {name: (folder / name).read_text() for name in os.listdir(folder)}
    assert set(texts) == {"plan.json", "records.jsonl", "requests.jsonl", "result.json"}
    assert not any("s3cret-of-mine" in text for text in texts.values())
    types = [json.loads(line)["type"] for line in texts["records.jsonl"].splitlines()]
    assert types[:2] == ["about", "started"]
    assert in_order(types, ["started", "mark", "second", "cluster", "second", "finished", "mark"])


def test_two_tests_of_one_second_have_folders_of_their_own(tmp_path: Path) -> None:
    folders = [RunFolder.make(tmp_path / "runs", key("chat"), 1000.0) for _ in range(3)]
    assert [folder.failure for folder in folders] == [None] * 3
    assert len({folder.path for folder in folders}) == 3
    for folder in folders:
        folder.close()


async def test_a_disk_that_fails_costs_the_record_and_not_the_test(tmp_path: Path) -> None:
    blocked = tmp_path / "runs"
    blocked.write_text("a file where a folder should be")
    async with running(blocked, duration_s=1) as rig:
        await over(rig)
        assert rig.test.result is not None
        assert rig.test.result.requests.ok > 0
        assert rig.test.kept.startswith("not kept: ")


async def test_a_load_that_cannot_begin_says_why(tmp_path: Path) -> None:
    missing = {"Authorization": Secret(file=str(tmp_path / "nowhere"))}
    async with running(tmp_path / "runs", secret_headers=missing) as rig:
        await over(rig)
        assert rig.test.state is State.FAILED
        assert "nowhere" in (rig.test.error or "")
        assert rig.told == [], "no load was begun"


def stat_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


def in_order(found: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether these come in this order, with others between them."""
    rest = iter(found)
    return all(one in rest for one in wanted)
