"""Sends a plan to a region: service and autoscaler read again right before, the change sent once."""

from __future__ import annotations

from contextlib import suppress

from msgspec.structs import replace

from clients.clock import Clock
from clients.managed.calls import CloudError
from clients.managed.writes import Writes, unread_guard
from clients.modelarts import guards
from clients.modelarts.api import Api
from clients.modelarts.grid import Row, derive, status_of
from clients.modelarts.planning import body_of
from clients.modelarts.region import Region
from clients.modelarts.statuses import STARTABLE, spoken
from clients.serving.backend import Result, Ticket
from clients.serving.changes import ReplicasChange, RunChange
from clients.serving.guards import CHANGED, DRY_RUN, Guard, Level
from clients.serving.keys import WorkloadKey
from clients.serving.plain import plain
from clients.serving.plans import ScalePlan

__all__ = ["Changing"]

_ASKED_AGAIN = frozenset((guards.STATE, guards.FROZEN, guards.DRIVER, CHANGED, DRY_RUN))


class Changing:
    """The writes of one region."""

    def __init__(self, api: Api, region: Region, clock: Clock) -> None:
        self._api = api
        self._region = region
        self._clock = clock
        self._writes = Writes(clock)

    async def checked(self, plan: ScalePlan) -> ScalePlan:
        """The plan with what the region tells now in the place of the dry run that there is none of."""
        if plan.write is None:
            return plan
        kept = tuple(one for one in plan.guards if one.id not in _ASKED_AGAIN)
        try:
            row = await self.reread(plan.key)
        except CloudError as error:
            return replace(plan, guards=(unread_guard(error), *kept))
        return replace(plan, guards=(*await self._again(plan, row), *kept))

    async def _again(self, plan: ScalePlan, row: Row | None) -> tuple[Guard, ...]:
        now = None if row is None else derive(plan.key, row, {})
        gone = now is None or now.uid != plan.uid
        changed = guards.changed_guard(plan.before.groups, None if now is None else now.desired, gone=gone)
        if row is None or changed is not None:
            return () if changed is None else (changed,)
        told = f"{_count(row.deployment.running)} of {_count(row.deployment.desired)} run"
        status = plain(spoken(status_of(row)), 60)
        reason = f"ModelArts has no dry run; read again just now: {status}, {told}"
        found = [guards.frozen_guard(row), Guard(DRY_RUN, Level.PASS, reason)]
        if isinstance(plan.change, RunChange):
            found.append(guards.run_guard(row, plan.change.running))
        else:
            found += [guards.state_guard(row), await self._driver(row, plan)]
        return tuple(guard for guard in found if guard is not None)

    async def _driver(self, row: Row, plan: ScalePlan) -> Guard | None:
        unknown = None
        if row.deployment.id:
            try:
                await self._region.read_hpa(row.service.id, row.deployment.id)
            except CloudError as error:
                unknown = error.message
        fresh = self._region.row(plan.key)
        return guards.driver_guard(None if fresh is None else fresh.hpa, unknown, plan.after.groups or 0)

    async def reread(self, key: WorkloadKey) -> Row | None:
        """The deployment as it is now, past what was polled; ``None`` if it is gone. Raises CloudError."""
        known = self._region.row(key)
        if known is None:
            return None
        await self._region.read(known.service.id)
        return self._region.row(key)

    async def send(self, plan: ScalePlan) -> Ticket:
        """Sends the plan's write once."""
        ticket = await self._writes.send(
            plan, self.checked, lambda: self._write(plan), lambda: self._shows(plan)
        )
        row = self._region.row(plan.key)
        if row is not None and ticket.result in (Result.ACCEPTED, Result.UNKNOWN):
            with suppress(CloudError):  # What it leads to is polled all the same.
                await self._region.read(row.service.id)
            self._region.look_again(row.service.id)
        return ticket

    async def _write(self, plan: ScalePlan) -> str:
        assert plan.write is not None
        await self._api.write(plan.write.method, plan.write.path, body_of(plan.write))
        return "accepted; followed until it is so"

    async def _shows(self, plan: ScalePlan) -> bool:
        """Whether a write without an answer took effect; its state allowed it before, so that it tells."""
        row = await self.reread(plan.key)
        if row is None:
            return False
        match plan.change:
            case ReplicasChange():
                return row.deployment.desired == plan.after.groups
            case RunChange(running=True):
                return status_of(row) not in STARTABLE
            case _:
                return derive(plan.key, row, {}).stopped


def _count(count: int | None) -> str:
    return "an unknown number" if count is None else str(count)
