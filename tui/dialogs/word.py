"""The server's own word on a plan, kept from one plan to the next for the same numbers."""

from __future__ import annotations

from msgspec.structs import replace

from clients.serving.guards import DRY_RUN, Guard, Level
from clients.serving.plans import ScalePlan
from clients.serving.workload import Workload
from widgets.records import Check

__all__ = ["ServersWord", "matters", "may_ask"]

_SCHEDULE = "CronHPA"


class ServersWord:
    """What the last dry run said, and of which change."""

    def __init__(self) -> None:
        self.check = Check.FIRST
        self._last: tuple[object, Guard] | None = None

    def awaited(self, plan: ScalePlan) -> ScalePlan:
        """A new plan, of which the server has not been asked: with its word on the same numbers, if any."""
        self.check = Check.FIRST
        if self._last is None or self._last[0] != plan.change:
            return plan
        self.check, word = Check.AGAIN, self._last[1]
        return replace(plan, guards=tuple(word if one.id == DRY_RUN else one for one in plan.guards))

    def heard(self, plan: ScalePlan) -> ScalePlan:
        """The plan with the server's answer in it."""
        self.check = Check.HEARD
        self._last = next(((plan.change, one) for one in plan.guards if one.id == DRY_RUN), None)
        return plan

    def missed(self) -> None:
        """The server could not be asked: the plan's guard says what is known."""
        self.check = Check.HEARD

    def level(self, plan: ScalePlan) -> Level:
        """The strongest objection; a check that is still to come objects to nothing."""
        first = self.check is Check.FIRST
        return max(
            (one.level for one in plan.guards if not (first and one.id == DRY_RUN)), default=Level.PASS
        )


def may_ask(plan: ScalePlan) -> bool:
    """Whether nothing but the server's own word forbids the plan: otherwise there is nothing to ask."""
    return not any(one.level is Level.BLOCK and one.id != DRY_RUN for one in plan.guards)


def matters(workload: Workload) -> tuple[object, ...]:
    """What a plan is made from: while none of it changes, the plan holds. Metrics move all the time.

    So does the time until a schedule's next job; which job that is stands in its signal.
    """
    drivers = tuple(
        (
            *(one.kind, one.ref, one.role, one.minimum, one.maximum, one.reverts, one.note),
            *(one.frozen, one.suspended, one.signal if one.kind == _SCHEDULE else one.interval),
        )
        for one in workload.drivers
    )
    return (workload.desired, workload.role_specs, drivers, workload.operation is None, workload.uid)
