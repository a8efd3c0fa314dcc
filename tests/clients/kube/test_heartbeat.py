"""Whether a server counts as alive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from clients.clock import SystemClock
from clients.kube.heartbeat import EVERY, LIMIT, Heartbeat, Pulse
from clients.kube.session import Session
from tests.support.kube import session_to, until
from tests.support.misbehaving import anything, misbehaving, status


@asynccontextmanager
async def beating(session: Session, limit: float = 60.0) -> AsyncIterator[list[Pulse]]:
    """However busy the machine is, a server that answers does so within the limit."""
    pulses: list[Pulse] = []
    task = asyncio.ensure_future(
        Heartbeat(session, SystemClock(), pulses.append, every=0.03, limit=limit).run()
    )
    try:
        yield pulses
    finally:
        task.cancel()


def test_a_dead_server_is_marked_within_five_seconds() -> None:
    assert EVERY + LIMIT < 5


async def test_alive_dead_and_back_with_the_cluster_read_anew() -> None:
    async with misbehaving() as server, session_to(server.url) as session, beating(session) as pulses:
        await until(lambda: session.identified)
        assert [pulse.alive for pulse in pulses] == [True], "told once while nothing changes"
        await server.stop()
        await until(lambda: len(pulses) >= 3)
        dead = pulses[1:]
        assert {pulse.alive for pulse in dead} == {False}
        assert len({pulse.since for pulse in dead}) == 1
        assert len({pulse.asked for pulse in dead}) == len(dead)
        assert "cannot be reached" in (dead[0].detail or "")
        server.kube_system_uid = "another cluster"
        await server.start()
        await until(lambda: pulses[-1].alive and session.cluster == "another cluster")


async def test_a_silent_server_is_dead() -> None:
    async with misbehaving() as server, session_to(server.url) as session:
        server.hang(anything, times=None)
        async with beating(session, limit=0.1) as pulses:
            await until(lambda: pulses)
            assert not pulses[0].alive
            assert "no answer" in (pulses[0].detail or "")


@pytest.mark.parametrize("code", [401, 403, 404, 429])
async def test_a_server_that_refuses_is_alive(code: int) -> None:
    async with misbehaving() as server, session_to(server.url) as session:
        server.answer(anything, code, status(code, "No"), times=None)
        async with beating(session) as pulses:
            await until(lambda: pulses)
            assert pulses[0].alive


async def test_a_server_that_is_not_ready_but_lists_is_alive_and_a_gateway_is_not() -> None:
    async with misbehaving() as server, session_to(server.url) as session:
        server.answer(lambda request: request.path == "/readyz", 500, "[-]etcd failed", times=None)
        async with beating(session) as pulses:
            await until(lambda: pulses)
            assert pulses[0].alive
            server.answer(anything, 502, "<html>", times=None)
            server.faults.reverse()
            await until(lambda: not pulses[-1].alive)
            assert "502" in (pulses[-1].detail or "")
