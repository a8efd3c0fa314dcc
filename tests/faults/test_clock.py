"""The server's clock is not ours."""

from __future__ import annotations

from email.utils import formatdate

from clients.clock import SystemClock
from clients.kube.session import Session
from tests.support.kube import reflecting, until
from tests.support.misbehaving import Misbehaving


async def test_a_server_an_hour_ahead_changes_ages_and_no_timeouts(
    server: Misbehaving, session: Session
) -> None:
    clock = SystemClock()
    async with reflecting(session) as run:
        await until(run.live)
        for skew in (3600.0, -86_400.0, 0.0):
            server.date = formatdate(clock.now() + skew, usegmt=True)
            await session.get("/readyz")
            assert abs(session.clock.now() - clock.now() - skew) < 5
            server.put("one", value=int(skew))
            await until(lambda: run.agrees(server.objects))
            contact = run.reflector.status.last_contact
            assert contact is not None
            assert abs(contact - clock.monotonic()) < 5
        assert run.live()


async def test_a_date_that_is_none_is_left_alone(server: Misbehaving, session: Session) -> None:
    before = session.clock.now()
    for date in ("", "tomorrow", "Mon, 99 Foo 2026 99:99:99 GMT", "0"):
        server.date = date
        await session.get("/readyz")
    assert abs(session.clock.now() - before) < 5
