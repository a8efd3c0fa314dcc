"""What is read again and again: when, how its failures are told, and that what was read stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from clients.managed.calls import CloudError
from clients.managed.poller import Poller
from clients.serving.sources import SourceState
from tests.support.kube import until


class Hand:
    """A clock moved by hand."""

    def __init__(self) -> None:
        self.time = 100.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


class Thing:
    """What is polled: each reading is answered by the test."""

    def __init__(self, *, chance: float = 0.0) -> None:
        self.clock = Hand()
        self.asked: asyncio.Queue[asyncio.Future[int]] = asyncio.Queue()
        self.reads = 0
        self.every = 3600.0
        self.poller = Poller(
            "zone",
            "deployments",
            self._read,
            lambda found: found,
            every=lambda: self.every,
            clock=self.clock,
            touched=lambda: None,
            random=lambda: chance,
        )

    async def _read(self) -> int:
        self.reads += 1
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.asked.put_nowait(answer)
        return await answer

    async def answer(self, found: int | CloudError) -> None:
        async with asyncio.timeout(60):
            asked = await self.asked.get()
        before = self.poller.status
        if isinstance(found, CloudError):
            asked.set_exception(found)
        else:
            asked.set_result(found)
        await until(lambda: self.poller.status is not before)


@asynccontextmanager
async def running(thing: Thing) -> AsyncIterator[Thing]:
    task = asyncio.create_task(thing.poller.run())
    try:
        yield thing
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _next(thing: Thing) -> float:
    at = thing.poller.status.next_try
    assert at is not None
    return at - thing.clock.time


async def test_failures_double_the_wait_to_two_minutes_and_keep_what_there_is() -> None:
    async with running(Thing()) as thing:
        assert thing.poller.status.state is SourceState.SYNCING
        await thing.answer(7)
        assert (thing.poller.status.state, thing.poller.status.have) == (SourceState.LIVE, 7)
        waits = []
        for _ in range(7):
            thing.poller.wake()
            thing.clock.time += 50
            await thing.answer(CloudError("oops (500)", status=500))
            waits.append(_next(thing))
        assert waits == [5, 10, 20, 40, 80, 120, 120]
        status = thing.poller.status
        assert (status.state, status.have, status.detail) == (SourceState.STALE, 7, "oops (500)")
        assert status.last_contact == 100.0
        thing.poller.wake()
        await thing.answer(8)
        assert (thing.poller.status.state, thing.poller.status.detail) == (SourceState.LIVE, None)
        thing.poller.wake()
        await thing.answer(CloudError("oops", status=500))
        assert _next(thing) == 5, "it begins anew"


@pytest.mark.parametrize(("chance", "wait"), [(0.0, 5.0), (1.0, 4.0)])
async def test_waits_are_jittered(chance: float, wait: float) -> None:
    async with running(Thing(chance=chance)) as thing:
        await thing.answer(CloudError("oops", status=500))
        assert _next(thing) == wait


async def test_the_cloud_says_how_long_to_wait_and_no_key_shortens_it() -> None:
    async with running(Thing()) as thing:
        await thing.answer(CloudError("slow down", status=429, retry_after=60.0))
        assert _next(thing) == 60
        thing.poller.wake()
        for _ in range(50):
            await asyncio.sleep(0)
        assert thing.reads == 1


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (401, SourceState.DENIED),
        (403, SourceState.DENIED),
        (404, SourceState.ABSENT),
        (500, SourceState.STALE),
        (None, SourceState.STALE),
    ],
)
async def test_what_a_failure_means(status: int | None, state: SourceState) -> None:
    async with running(Thing()) as thing:
        await thing.answer(CloudError("no", status=status))
        assert thing.poller.status.state is state


async def test_no_answer_is_told_while_it_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clients.managed.poller._SLOW", 0.05)
    async with running(Thing()) as thing:
        await until(lambda: thing.poller.status.state is SourceState.STALE)
        assert thing.poller.status.detail == "no answer for 0.05 s"
        await thing.answer(1)
        assert thing.poller.status.state is SourceState.LIVE


async def test_it_reads_again_by_itself() -> None:
    thing = Thing()
    thing.every = 0.01
    async with running(thing):
        for _ in range(2):
            await thing.answer(1)
        await until(lambda: thing.reads >= 3)


async def test_what_is_looked_at_is_read_sooner_but_not_at_once_nor_after_a_failure() -> None:
    async with running(Thing()) as thing:
        await thing.answer(1)
        thing.poller.hurry(3000.0)
        for _ in range(50):
            await asyncio.sleep(0)
        assert thing.reads == 1, "an hour became fifty minutes"
        thing.poller.hurry(0.01)
        await thing.answer(2)
        thing.poller.wake()
        await thing.answer(CloudError("oops", status=500))
        thing.poller.hurry(0.01)
        for _ in range(50):
            await asyncio.sleep(0.001)
        assert thing.reads == 3
