"""The server answers, but not with what was asked for."""

from __future__ import annotations

import asyncio

import pytest

from clients.kube import session as session_module
from clients.kube.session import Session
from clients.serving.sources import SourceState
from tests.support.kube import reflecting, until
from tests.support.misbehaving import Misbehaving, event, is_list, is_watch, status

GONE = status(410, "Expired", "too old resource version")
PAGE = "<html><body><h1>502 Bad Gateway</h1></body></html>"


async def test_410_in_the_stream_reads_the_list_again(server: Misbehaving, session: Session) -> None:
    async with reflecting(session) as run:
        await until(run.live)
        server.version += 100
        await server.stop()
        server.put("six", value=6)
        server.delete("one")
        server.forget()
        await server.start()
        await until(lambda: run.live() and run.agrees(server.objects))
        assert run.notes.replacements == 2


async def test_410_as_a_status_reads_the_list_again(server: Misbehaving, session: Session) -> None:
    server.answer(is_watch, 410, GONE)
    async with reflecting(session) as run:
        await until(lambda: run.live() and run.notes.replacements == 2)
        server.put("six", value=6)
        await until(lambda: run.agrees(server.objects))


async def test_410_on_the_next_page_begins_the_list_again(server: Misbehaving, session: Session) -> None:
    server.answer(lambda request: "continue" in request.query, 410, GONE, times=2)
    async with reflecting(session) as run:
        await until(lambda: run.live() and run.agrees(server.objects))
        assert run.notes.replacements == 1
        assert run.notes.states == [SourceState.SYNCING, SourceState.LIVE]


async def test_410_on_every_next_page_reads_it_in_one_piece(server: Misbehaving, session: Session) -> None:
    server.answer(lambda request: "continue" in request.query, 410, GONE, times=None)
    async with reflecting(session) as run:
        await until(lambda: run.live() and run.agrees(server.objects))
        assert "limit" not in [request for request in server.requests if is_list(request)][-1].query


async def test_429_waits_as_long_as_the_server_asks(server: Misbehaving, session: Session) -> None:
    server.answer(is_list, 429, status(429, "TooManyRequests"), headers={"Retry-After": "1"})
    loop = asyncio.get_running_loop()
    begun = loop.time()
    async with reflecting(session) as run:
        await until(lambda: run.reflector.status.next_try is not None)
        assert run.reflector.status.state is SourceState.STALE
        assert server.count(is_list) == 1
        await until(lambda: run.live() and run.agrees(server.objects))
        assert loop.time() - begun >= 1.0


async def test_429_on_a_watch_does_not_read_the_list_again(server: Misbehaving, session: Session) -> None:
    server.answer(is_watch, 429, status(429, "TooManyRequests"), times=6)
    async with reflecting(session) as run:
        await until(lambda: server.count(is_watch) > 6 and run.live())
        server.put("six", value=6)
        await until(lambda: run.agrees(server.objects))
        assert run.notes.replacements == 1


@pytest.mark.parametrize("where", [is_list, is_watch])
async def test_web_page_of_a_gateway(server: Misbehaving, session: Session, where: object) -> None:
    server.answer(is_list if where is is_list else is_watch, 502, PAGE, times=5, kind="text/html")
    async with reflecting(session) as run:
        await until(lambda: SourceState.STALE in run.notes.states)
        told = next(entry for entry in run.notes.statuses if entry.state is SourceState.STALE)
        assert "502" in (told.detail or "")
        assert "<" not in (told.detail or "")
        await until(lambda: run.live() and run.agrees(server.objects))
        assert run.notes.replacements == 1


@pytest.mark.parametrize("where", ["list", "watch"])
async def test_web_page_with_status_200(server: Misbehaving, session: Session, where: str) -> None:
    """A captive portal: everything is fine, says the status."""
    server.answer(is_list if where == "list" else is_watch, 200, PAGE + "\n", times=3, kind="text/html")
    async with reflecting(session) as run:
        await until(lambda: SourceState.STALE in run.notes.states)
        await until(lambda: run.live() and run.agrees(server.objects))
        server.put("six", value=6)
        await until(lambda: run.agrees(server.objects))


async def test_half_a_list(server: Misbehaving, session: Session) -> None:
    server.stream(
        is_list, b'{"kind":"ThingList","metadata":{"resourceVersion":"5"},"items":[{"meta', end="clean"
    )
    server.stream(is_list, b'{"kind":"ThingList","items":[', end="cut")
    async with reflecting(session) as run:
        await until(lambda: run.live() and run.agrees(server.objects))


@pytest.mark.parametrize("end", ["clean", "cut"])
async def test_half_a_line_is_not_taken_for_an_event(server: Misbehaving, session: Session, end: str) -> None:
    change = event("MODIFIED", next(iter(server.objects.values())))[:-1]
    for cut in (1, 20, len(change) // 2, len(change) - 1, len(change)):
        server.stream(is_watch, change[:cut], end=end)
    async with reflecting(session) as run:
        await until(lambda: server.count(is_watch) > 5)
        server.put("six", value=6)
        await until(lambda: run.live() and run.agrees(server.objects))
        assert run.notes.replacements == 1


async def test_line_that_is_too_long(
    server: Misbehaving, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "LONGEST_LINE", 1 << 16)
    server.stream(is_watch, b'{"type":"MODIFIED","object":{"x":"' + b"y" * (1 << 18), end="hang")
    async with reflecting(session) as run:
        await until(lambda: any("longer than" in (entry.detail or "") for entry in run.notes.statuses))
        server.put("six", value=6)
        await until(lambda: run.live() and run.agrees(server.objects))


async def test_an_event_that_cannot_be_read_does_not_block_the_stream_for_ever(
    server: Misbehaving, session: Session
) -> None:
    """Each resumption would meet it again: after some tries the list goes round it."""
    async with reflecting(session) as run:
        await until(run.live)
        await server.stop()
        server.version += 1
        server.log.append((server.version, "a", b'{"type":"MODIFIED","object":{{{\n'))
        server.put("six", value=6)
        await server.start()
        await until(lambda: run.live() and run.agrees(server.objects))
        assert run.notes.replacements == 2


async def test_an_error_in_the_stream_that_is_not_410_goes_on_from_the_same_version(
    server: Misbehaving, session: Session
) -> None:
    async with reflecting(session) as run:
        await until(lambda: run.live() and server.watchers)
        server.say(event("ERROR", status(500, "InternalError", "etcd: no leader")))
        server.put("six", value=6)
        await until(lambda: any("no leader" in (entry.detail or "") for entry in run.notes.statuses))
        await until(lambda: run.live() and run.agrees(server.objects))
        assert run.notes.replacements == 1


async def test_watches_that_end_at_once_are_not_a_busy_loop(server: Misbehaving, session: Session) -> None:
    server.stream(is_watch, end="clean", times=None)
    async with reflecting(session) as run:
        await until(lambda: SourceState.STALE in run.notes.states)
        before = server.count(is_watch)
        await asyncio.sleep(0.5)
        assert server.count(is_watch) - before < 60, (
            "the longest backoff is 0.1 s here, half of it on average"
        )
        server.faults.clear()
        server.put("six", value=6)
        await until(lambda: run.live() and run.agrees(server.objects))
