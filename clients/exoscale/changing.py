"""Sends a plan to a zone: read again right before, sent once, its operation followed to the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from msgspec.structs import replace

from clients.clock import Clock
from clients.exoscale import guards
from clients.exoscale.api import Api
from clients.exoscale.decode import SCALING, Deployment, Operation
from clients.exoscale.following import Following, poll_delay
from clients.exoscale.planning import body_of
from clients.exoscale.zone import Zone
from clients.managed.calls import CloudError
from clients.managed.writes import Writes, unread_guard
from clients.serving.backend import Result, Ticket
from clients.serving.changes import ObjectChange, Verb
from clients.serving.guards import CHANGED, DRY_RUN, Guard, Level
from clients.serving.keys import WorkloadKey
from clients.serving.plans import ScalePlan

__all__ = ["Changing"]


class Changing:
    """The writes of one zone. ``failed`` hears of operations that came to nothing: key, what, why."""

    def __init__(
        self, api: Api, zone: Zone, clock: Clock, failed: Callable[[WorkloadKey, str, str], None]
    ) -> None:
        self._api = api
        self._zone = zone
        self._clock = clock
        self._failed = failed
        self._writes = Writes(clock)
        self._tasks: set[asyncio.Task[None]] = set()

    # -- before

    async def checked(self, plan: ScalePlan) -> ScalePlan:
        """The plan with what the zone tells now in the place of the dry run that there is none of."""
        kept = tuple(one for one in plan.guards if one.id not in (DRY_RUN, "state", CHANGED))
        try:
            found = await (self._taken(plan) if _verb(plan) is Verb.CREATE else self._again(plan))
        except CloudError as error:
            found = (unread_guard(error),)
        return replace(plan, guards=(*kept, *found))

    async def _taken(self, plan: ScalePlan) -> tuple[Guard, ...]:
        names = {one.name for one in await self._api.deployments() if not one.public}
        if plan.key.name in names:
            return (Guard("name", Level.BLOCK, "there is a deployment of this name by now"),)
        said = "Exoscale has no dry run; read again just now: the name is free"
        return (Guard(DRY_RUN, Level.PASS, said),)

    async def _again(self, plan: ScalePlan) -> tuple[Guard, ...]:
        found = await self.reread(plan.key)
        changed = guards.changed_guard(plan.uid, plan.before.groups, found)
        if changed is not None or found is None:
            return (changed,) if changed is not None else ()
        wanted = None if _verb(plan) is Verb.DELETE else plan.after.groups
        state = guards.state_guard(found, self._zone.followings.get(plan.key), wanted)
        said = f"Exoscale has no dry run; read again just now: {guards.replicas(found.replicas)}"
        return (state, Guard(DRY_RUN, Level.PASS, said))

    async def reread(self, key: WorkloadKey) -> Deployment | None:
        """The deployment as it is now, past what was polled; ``None`` if it is gone. Raises CloudError."""
        known = self._zone.deployments.get(key)
        if known is None or known.id is None:
            return known
        try:
            found: Deployment | None = await self._api.deployment(known.id)
        except CloudError as error:
            if error.status != 404:
                raise
            found = None
        self._zone.put(key, found)
        return found

    # -- sending

    async def send(self, plan: ScalePlan) -> Ticket:
        """Sends the plan's write once."""
        ticket = await self._writes.send(
            plan, self.checked, lambda: self._write(plan), lambda: self._shows(plan)
        )
        if ticket.result is Result.ACCEPTED and plan.key not in self._zone.followings:
            self._follow(plan, Operation())  # No answer told its operation: the deployment alone is followed.
        return ticket

    async def _write(self, plan: ScalePlan) -> str:
        assert plan.write is not None
        match _verb(plan):
            case Verb.CREATE:
                operation = await self._api.create(body_of(plan.write))
            case Verb.DELETE:
                operation = await self._api.delete(plan.uid)
            case _:
                operation = await self._api.scale(plan.uid, body_of(plan.write))
        self._follow(plan, operation)
        told = f", operation {operation.id}" if operation.id else ""
        return f"accepted{told}"

    async def _shows(self, plan: ScalePlan) -> bool:
        """Whether a write without an answer took effect: what was ready before and moves is moved by it."""
        if _verb(plan) is Verb.CREATE:
            found = await self._api.deployments()
            return any(one.name == plan.key.name and not one.public for one in found)
        after = await self.reread(plan.key)
        if _verb(plan) is Verb.DELETE or after is None:
            return after is None
        return after.replicas == plan.after.groups or after.state == SCALING

    # -- following

    def _follow(self, plan: ScalePlan, operation: Operation) -> None:
        wanted = None if _verb(plan) is Verb.DELETE else plan.after.groups
        started = Following(wanted, self._clock.monotonic(), operation.id)
        self._zone.follow(plan.key, started.told(operation))
        if operation.id is not None:
            task = asyncio.create_task(self._to_the_end(plan.key, operation.id))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _to_the_end(self, key: WorkloadKey, operation: str) -> None:
        while True:
            following = self._zone.followings.get(key)
            if following is None or following.operation != operation or not following.asks:
                return
            await asyncio.sleep(poll_delay(self._clock.monotonic() - following.since))
            try:
                told = following.told(await self._api.operation(operation))
            except CloudError as error:
                told = replace(following, errors=following.errors + 1)
                await asyncio.sleep(error.retry_after or 0.0)
            if told.failed:
                await self._came_to_nothing(key, told)
            else:
                self._zone.follow(key, told)

    async def _came_to_nothing(self, key: WorkloadKey, told: Following) -> None:
        """What it left behind is read first, so that the row shows both at once."""
        with suppress(CloudError):
            await self.reread(key)
        self._zone.failed(key, told)
        asked = "deletion" if told.replicas is None else f"{told.replicas} replicas"
        self._failed(key, asked, f"operation {told.state}: {told.words}")

    async def close(self) -> None:
        """Follows no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _verb(plan: ScalePlan) -> Verb | None:
    return plan.change.verb if isinstance(plan.change, ObjectChange) else None
