"""The way of a plan to a managed cloud: looked at again, sent once, one at a time."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from clients.clock import SystemClock
from clients.managed.calls import CloudError
from clients.managed.writes import Writes, unread_guard
from clients.serving.backend import Result
from clients.serving.guards import CHANGED, DRY_RUN, Guard, Level
from clients.serving.plans import ScalePlan
from tests.support.cloud_plan import plan_of

LIMIT = 30.0


class Cloud:
    """Takes writes; what it tells when it is looked at again is the test's."""

    def __init__(self, *found: Guard) -> None:
        self.writes = Writes(SystemClock())
        self.found = found
        self.looked = asyncio.Event()
        self.tells = asyncio.Event()
        self.sent: list[int | None] = []

    async def check(self, plan: ScalePlan) -> ScalePlan:
        self.looked.set()
        await self.tells.wait()
        return replace(plan, guards=(*plan.guards, *self.found))

    async def send(self, plan: ScalePlan) -> tuple[Result, str]:
        async def write() -> str:
            self.sent.append(plan.after.groups)
            return "accepted"

        async def shows() -> bool:
            raise AssertionError("every write is answered here")

        ticket = await self.writes.send(plan, self.check, write, shows)
        return ticket.result, ticket.message


async def test_what_changes_nothing_is_neither_looked_at_nor_sent() -> None:
    cloud = Cloud()
    assert await cloud.send(plan_of(1)) == (Result.REFUSED, "nothing changes, so nothing is sent")
    assert not cloud.looked.is_set()
    assert cloud.sent == []


async def test_nobody_else_writes_between_the_look_and_the_write() -> None:
    cloud = Cloud()
    first = asyncio.create_task(cloud.send(plan_of(3)))
    await cloud.looked.wait()
    elsewhere = asyncio.create_task(cloud.send(plan_of(7, name="other")))
    assert await asyncio.wait_for(cloud.send(plan_of(5)), LIMIT) == (
        Result.CONFLICT,
        "another change of it is being sent; nothing was applied",
    )
    cloud.tells.set()
    assert await first == await elsewhere == (Result.ACCEPTED, "accepted")
    assert cloud.sent == [3, 7]
    assert await cloud.send(plan_of(5)) == (Result.ACCEPTED, "accepted")
    assert cloud.sent == [3, 7, 5]


@pytest.mark.parametrize(
    ("found", "result"),
    [
        (Guard(CHANGED, Level.BLOCK, "it has 2 replicas by now, not 1"), Result.CONFLICT),
        (Guard("state", Level.BLOCK, "it is busy"), Result.REFUSED),
        (unread_guard(CloudError("no answer", sent=False)), Result.REFUSED),
    ],
    ids=[CHANGED, "state", DRY_RUN],
)
async def test_what_blocks_when_it_is_looked_at_again_is_not_sent(found: Guard, result: Result) -> None:
    cloud = Cloud(found)
    cloud.tells.set()
    assert await cloud.send(plan_of(3)) == (result, f"{found.reason}; nothing was applied")
    assert cloud.sent == []
    cloud.found = ()
    assert await cloud.send(plan_of(3)) == (Result.ACCEPTED, "accepted"), "a refusal keeps nobody out"
