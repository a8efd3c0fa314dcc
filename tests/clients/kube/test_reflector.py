"""What several reflectors share, and how one begins, waits and ends."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from aiohttp import web

from clients.kube.backoff import Backoff
from clients.kube.reflector import Timing
from clients.serving.sources import SourceState
from tests.support.kube import reflecting, session_to, until
from tests.support.misbehaving import is_list, is_watch, misbehaving


async def test_at_most_two_lists_at_once() -> None:
    async with misbehaving() as server, session_to(server.url) as session:
        server.put("one", value=1)
        now = most = 0

        async def slow(request: web.Request) -> web.StreamResponse:
            nonlocal now, most
            now += 1
            most = max(most, now)
            await asyncio.sleep(0.05)
            now -= 1
            return web.json_response({"metadata": {"resourceVersion": "1000"}, "items": []})

        server.fault(is_list, slow, times=None)
        gate = asyncio.Semaphore(2)
        async with AsyncExitStack() as stack:
            runs = [await stack.enter_async_context(reflecting(session, gate=gate)) for _ in range(6)]
            await until(lambda: all(run.live() for run in runs))
        assert most == 2


async def test_a_failing_list_gives_its_place_to_others_while_it_waits() -> None:
    async with misbehaving() as server, session_to(server.url) as session:
        server.put("one", value=1)
        server.answer(is_list, 503, "busy", headers={"Retry-After": "60"}, times=2)
        gate = asyncio.Semaphore(2)
        async with reflecting(session, gate=gate) as one, reflecting(session, gate=gate) as two:
            await until(lambda: one.reflector.status.next_try and two.reflector.status.next_try)
            async with reflecting(session, gate=gate) as three:
                await until(three.live)
            assert one.reflector.status.state is SourceState.STALE


async def test_the_wish_to_try_now_opens_an_open_stream_again() -> None:
    async with misbehaving() as server, session_to(server.url) as session:
        server.put("one", value=1)
        async with reflecting(session) as run:
            await until(lambda: run.live() and server.count(is_watch) == 1)
            run.reflector.wake()
            await until(lambda: server.count(is_watch) == 2 and run.live())
            server.put("two", value=2)
            await until(lambda: run.agrees(server.objects))
            assert run.notes.replacements == 1
            assert run.notes.states == [SourceState.SYNCING, SourceState.LIVE]


async def test_cancelling_closes_its_streams_and_lets_the_gate_go() -> None:
    async with misbehaving() as server, session_to(server.url) as session:
        gate = asyncio.Semaphore(1)
        async with reflecting(session, gate=gate) as run:
            await until(lambda: run.live() and server.watchers)
        await until(lambda: not server.watchers)
        server.hang(is_list)
        async with reflecting(session, gate=gate):
            await until(gate.locked)
        assert not gate.locked()


async def test_streams_ask_for_an_end_at_random_and_for_bookmarks() -> None:
    async with misbehaving() as server, session_to(server.url) as session:
        async with reflecting(session, timing=Timing()) as run:
            await until(lambda: run.live() and server.count(is_watch) == 1)
        query = next(request.query for request in server.requests if is_watch(request))
        assert 240 <= int(query["timeoutSeconds"]) <= 480
        assert query["allowWatchBookmarks"] == "true"
        assert query["resourceVersion"] == "1000"
        listing = next(request.query for request in server.requests if is_list(request))
        assert dict(listing) == {"limit": "500"}


def test_backoff_is_full_jitter_between_nothing_and_a_doubling_limit() -> None:
    highest = Backoff(0.8, 30.0, lambda: 1.0)
    assert [round(highest.next(), 1) for _ in range(8)] == [0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0]
    highest.reset()
    assert highest.next() == 0.8
    lowest = Backoff(0.8, 30.0, lambda: 0.0)
    assert [lowest.next(), lowest.next(7.0), lowest.next()] == [0.0, 7.0, 0.0]
