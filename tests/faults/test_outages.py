"""The server is gone, cut off, or silent, and comes back."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from clients.clock import SystemClock
from clients.kube.heartbeat import Heartbeat, Pulse
from clients.kube.reflector import Timing
from clients.kube.session import Session
from clients.serving.sources import SourceState
from tests.support.kube import BRISK, reflecting, until
from tests.support.misbehaving import GROUP, Misbehaving, is_list, is_watch

FULL_LIST = 2
"""Pages of the five objects."""


async def test_server_down_and_back_resumes_without_a_new_list(server: Misbehaving, session: Session) -> None:
    async with reflecting(session) as run:
        await until(run.live)
        before = server.objects.copy()
        await server.stop()
        await until(lambda: run.reflector.status.state is SourceState.STALE)
        assert run.agrees(before), "old rows stay while the server is gone"
        await until(lambda: "cannot be reached: connection refused" in (run.reflector.status.detail or ""))
        server.put("six", value=6)
        server.delete("one")
        await server.start()
        await until(lambda: run.live() and run.agrees(server.objects))
        assert run.notes.replacements == 1, "the missed changes came by the watch"


async def test_server_down_from_the_start(server: Misbehaving, session: Session) -> None:
    await server.stop()
    async with reflecting(session) as run:
        await until(lambda: run.reflector.status.state is SourceState.STALE)
        assert run.reflector.status.last_contact is None
        await server.start()
        await until(lambda: run.live() and run.agrees(server.objects))


async def test_a_server_with_a_shorter_history_is_read_anew(server: Misbehaving, session: Session) -> None:
    """A test cluster made again under the same address: its versions start from below ours."""
    async with reflecting(session) as run:
        await until(run.live)
        await server.stop()
        server.objects.clear()
        server.log.clear()
        server.version, server.oldest = 10, 0
        server.put("fresh", value=1)
        await server.start()
        await until(lambda: run.live() and run.agrees(server.objects))


async def test_connection_cut_again_and_again(server: Misbehaving, session: Session) -> None:
    async with reflecting(session) as run:
        await until(run.live)
        for number in range(8):
            server.put(f"n{number}", value=number)
            server.cut_watches()
            server.put(f"m{number}", value=number)
            await until(lambda: run.agrees(server.objects))
        await until(run.live)
        assert run.notes.replacements == 1


async def test_silent_watch_is_marked_quiet_and_opened_again(server: Misbehaving, session: Session) -> None:
    server.stream(is_watch, end="hang")
    async with reflecting(session, timing=BRISK) as run:
        await until(run.live)
        server.put("six", value=6)
        await until(lambda: SourceState.QUIET in run.notes.states)
        quiet = next(status for status in run.notes.statuses if status.state is SourceState.QUIET)
        assert "no byte for" in (quiet.detail or "")
        await until(lambda: run.live() and run.agrees(server.objects))
        assert run.notes.replacements == 1


async def test_watch_that_is_never_answered(server: Misbehaving, session: Session) -> None:
    server.hang(is_watch)
    async with reflecting(session, timing=BRISK) as run:
        await until(lambda: server.count(is_watch) == 1)
        server.put("six", value=6)
        await until(lambda: run.live() and run.agrees(server.objects))


async def test_list_that_is_never_answered(server: Misbehaving, session: Session) -> None:
    server.hang(is_list)
    timing = Timing(list_limit=1.0, backoff_first=0.02, backoff_longest=0.05)
    async with reflecting(session, timing=timing) as run:
        await until(lambda: run.live() and run.agrees(server.objects))
        assert SourceState.STALE in run.notes.states


async def test_bookmarks_keep_an_idle_watch_open(server: Misbehaving, session: Session) -> None:
    server.bookmark_every = 0.05
    async with reflecting(session, timing=replace(BRISK, idle=2.0)) as run:
        await until(lambda: run.live() and server.watchers)
        watches = server.count(is_watch)
        begun = run.reflector.status.last_contact
        assert begun is not None
        await until(lambda: (run.reflector.status.last_contact or 0) > begun + 2.5)
        assert server.count(is_watch) == watches
        assert SourceState.QUIET not in run.notes.states


async def test_bookmarks_move_the_version_that_is_resumed(server: Misbehaving, session: Session) -> None:
    server.bookmark_every = 0.02
    async with reflecting(session) as run:
        await until(lambda: run.live() and server.watchers)
        server.version += 500
        server.forget()
        before = server.count(is_watch)
        sent = server.bookmarks
        await until(lambda: server.bookmarks >= sent + 3)
        then = session.clock.monotonic()
        await until(lambda: (run.reflector.status.last_contact or 0) > then)
        server.cut_watches()
        await until(lambda: server.count(is_watch) > before and run.live())
        server.put("six", value=6)
        await until(lambda: run.agrees(server.objects))
        assert run.notes.replacements == 1, (
            "the watch went on from the bookmark, which the server still knows"
        )


async def test_dead_server_is_marked_by_the_heartbeat_and_proved_alive_by_a_byte(
    server: Misbehaving, session: Session
) -> None:
    """The peer falls silent without a word: no stream notices, the heartbeat does."""
    pulses: list[Pulse] = []
    timing = Timing(idle=30.0, backoff_first=0.02)
    async with reflecting(session, timing=timing) as run:

        def beat(pulse: Pulse) -> None:
            pulses.append(pulse)
            if pulse.alive:
                run.reflector.mark_contact()
            else:
                run.reflector.mark_stale(pulse.detail or "", pulse.asked)

        heart = asyncio.ensure_future(Heartbeat(session, SystemClock(), beat, every=0.05, limit=0.5).run())
        await until(lambda: run.live() and pulses and pulses[-1].alive)
        frozen = server.hang(lambda request: request.path == "/readyz", times=None)
        await until(lambda: run.reflector.status.state is SourceState.STALE)
        assert "no answer" in (run.reflector.status.detail or "")
        assert not pulses[-1].alive

        def speaks() -> bool:
            server.put("six", value=len(pulses))
            return run.live()

        await until(speaks)
        assert not pulses[-1].alive, "its open stream still spoke, so it is alive whatever the heartbeat says"
        await until(lambda: run.reflector.status.state is SourceState.STALE)

        server.faults.remove(frozen)
        await until(lambda: pulses[-1].alive)
        heart.cancel()


async def test_after_an_outage_streams_that_stayed_silent_are_opened_anew(
    server: Misbehaving, session: Session
) -> None:
    """A connection that a firewall forgot looks open for ever: only a new one tells."""
    server.stream(is_watch, end="hang")
    async with reflecting(session, timing=Timing(idle=30.0, backoff_first=0.02)) as run:
        await until(lambda: run.live() and server.count(is_watch) == 1)
        run.reflector.mark_stale("no answer in 2 s")
        assert run.reflector.status.state is SourceState.STALE
        server.put("six", value=6)
        run.reflector.mark_contact()
        await until(lambda: run.live() and run.agrees(server.objects))
        assert server.count(is_watch) == 2
        assert run.notes.replacements == 1


async def test_wake_ends_a_long_wait(server: Misbehaving, session: Session) -> None:
    server.installed = False
    async with reflecting(session, timing=Timing(absent=60.0)) as run:
        await until(lambda: run.reflector.status.state is SourceState.ABSENT)
        await until(lambda: run.reflector.status.next_try is not None)
        server.installed = True
        run.reflector.wake()
        await until(lambda: run.live() and run.agrees(server.objects))
        assert server.count(lambda request: request.path == f"/apis/{GROUP}") == 2
