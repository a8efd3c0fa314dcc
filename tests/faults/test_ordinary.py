"""Nothing goes wrong: what every fault is measured against."""

from __future__ import annotations

from clients.kube.session import Session
from clients.serving.sources import SourceState
from tests.support.kube import reflecting, until
from tests.support.misbehaving import Misbehaving, is_list


async def test_list_then_watch(server: Misbehaving, session: Session) -> None:
    async with reflecting(session) as run:
        await until(lambda: run.live() and run.agrees(server.objects))
        server.put("six", value=6)
        server.put("one", value=100)
        server.delete("two")
        await until(lambda: run.agrees(server.objects))
        assert run.notes.states == [SourceState.SYNCING, SourceState.LIVE]
        assert server.count(is_list) == 2
        progress = [(status.have, status.of) for status in run.notes.statuses if status.of is not None]
        assert progress[0] == (3, 5)
