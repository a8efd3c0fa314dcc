"""The way of every plan to a managed cloud: looked at again right before, sent once, one at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from clients.clock import Clock
from clients.managed.calls import CloudError
from clients.serving.backend import Result, Ticket
from clients.serving.guards import CHANGED, DRY_RUN, Guard, Level
from clients.serving.keys import WorkloadKey
from clients.serving.plans import ScalePlan

__all__ = ["Writes", "unread_guard"]


def unread_guard(error: CloudError) -> Guard:
    """What cannot be looked at again is not written to."""
    reason = f"it could not be read again, so that nothing is sent: {error.message}"
    return Guard(DRY_RUN, Level.BLOCK, reason)


class Writes:
    """The writes of one backend. ``clock`` is the cloud's time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._under_way: set[WorkloadKey] = set()

    async def send(
        self,
        plan: ScalePlan,
        check: Callable[[ScalePlan], Awaitable[ScalePlan]],
        write: Callable[[], Awaitable[str]],
        shows: Callable[[], Awaitable[bool]],
    ) -> Ticket:
        """What became of one plan; a plan that changes nothing is not sent.

        ``check`` returns the plan with what the cloud tells now: what blocks it then is not sent either.
        ``write`` sends it and returns a line of what the cloud answered; ``shows`` reads whether it took
        effect, and is asked where no answer came: a write is never sent again to find out. From the look
        to the end nobody else writes to the same workload, so that what was seen still holds.
        """
        if plan.write is None:
            return self._ticket(plan, Result.REFUSED, "nothing changes, so nothing is sent")
        if plan.key in self._under_way:
            said = "another change of it is being sent; nothing was applied"
            return self._ticket(plan, Result.CONFLICT, said)
        self._under_way.add(plan.key)
        try:
            checked = await check(plan)
            if checked.blocked:
                return self._blocked(checked)
            return await self._written(plan, write, shows)
        finally:
            self._under_way.discard(plan.key)

    def _blocked(self, plan: ScalePlan) -> Ticket:
        changed = any(one.id == CHANGED for one in plan.guards)
        said = "; ".join(one.reason for one in plan.guards if one.level is Level.BLOCK)
        result = Result.CONFLICT if changed else Result.REFUSED
        return self._ticket(plan, result, f"{said}; nothing was applied")

    async def _written(
        self, plan: ScalePlan, write: Callable[[], Awaitable[str]], shows: Callable[[], Awaitable[bool]]
    ) -> Ticket:
        at = self._clock.now()
        try:
            return Ticket(plan.key, Result.ACCEPTED, at, await write())
        except CloudError as error:
            if error.refused or not error.sent:
                result = Result.CONFLICT if error.status == 409 else Result.REFUSED
                said = f"{error.message}; nothing was applied"
                return Ticket(plan.key, result, at, said, status=error.status)
            return await self._looked(plan.key, at, error, shows)

    async def _looked(
        self, key: WorkloadKey, at: float, error: CloudError, shows: Callable[[], Awaitable[bool]]
    ) -> Ticket:
        try:
            applied = await shows()
        except CloudError:
            said = f"{error.message}; it could not be read again: it may or may not have been applied"
            return Ticket(key, Result.UNKNOWN, at, said, status=error.status)
        if applied:
            said = f"{error.message}; read again, it was applied"
            return Ticket(key, Result.ACCEPTED, at, said, status=error.status)
        said = f"{error.message}; read again, it does not show: it may still come, look before trying again"
        return Ticket(key, Result.UNKNOWN, at, said, status=error.status)

    def _ticket(self, plan: ScalePlan, result: Result, message: str) -> Ticket:
        return Ticket(plan.key, result, self._clock.now(), message)
