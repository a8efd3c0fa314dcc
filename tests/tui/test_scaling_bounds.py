"""What the audit log says of changes of bounds, and who is named for the moves that follow them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from clients.clock import SystemClock
from clients.serving.affected import count_of
from clients.serving.backend import Result, Ticket
from clients.serving.changes import BoundsChange
from clients.serving.follow import ActorHint, follow
from clients.serving.workload import Workload
from tests.support import serving_objects as objects
from tests.support.apps import DEPLOYMENTS, workload
from tests.support.fleet_rig import Rig, rig
from tui.audit import AuditLog, Author, unfinished_lines
from tui.audit_places import FilePlace
from tui.pins import Pins
from tui.scaling import Policy, Scaling
from tui.state import StateDir

KIND, NAME = "Deployment", "web"
THERE = ((DEPLOYMENTS, workload(KIND, replicas=2, gpus=1)), (objects.HPAS, objects.hpa()))


class Desk:
    """A person who changes bounds on a cluster, and the log."""

    def __init__(self, one: Rig, directory: Path) -> None:
        self.rig = one
        self.path = directory / "audit.jsonl"
        log = AuditLog([FilePlace(self.path, unfinished_lines)], SystemClock())
        self.scaling = Scaling(one.backend, log, Author("ops"), Policy(), Pins(StateDir(directory)))

    async def send(self, change: BoundsChange) -> Ticket:
        plan = await self.scaling.plan(self.rig.see(KIND, NAME), change)
        return await self.scaling.send(plan, typed="YES")

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.path.read_text().splitlines()]

    async def until_moved(self, before: Workload) -> tuple[Workload, ActorHint | None]:
        """The first value with another count, and who is known to have asked for it."""
        await self.rig.live_until(lambda: count_of(self.rig.see(KIND, NAME)) != count_of(before))
        after = self.rig.see(KIND, NAME)
        return after, self.scaling.actor(before, after)


async def settled(one: Rig) -> Workload:
    await one.live_until(
        lambda: one.find(KIND, NAME) and one.see(KIND, NAME).ready == 2 and one.see(KIND, NAME).drivers
    )
    return one.see(KIND, NAME)


async def test_bounds_that_move_nothing_are_ended_in_the_log_when_they_are_taken(tmp_path: Path) -> None:
    async with rig(*THERE) as one:
        await settled(one)
        desk = Desk(one, tmp_path)
        assert (await desk.send(BoundsChange(maximum=9))).result is Result.ACCEPTED
        assert [record["type"] for record in desk.records()] == ["intent", "sent", "ended"]
        assert desk.records()[2]["outcome"] == "done"
        assert desk.scaling.unfinished() == ()


async def test_what_the_hpa_does_for_new_bounds_is_laid_to_who_set_them(tmp_path: Path) -> None:
    async with rig(*THERE) as one:
        before = await settled(one)
        desk = Desk(one, tmp_path)
        await desk.send(BoundsChange(4))
        assert [record["type"] for record in desk.records()] == ["intent", "sent"]
        after, hint = await desk.until_moved(before)
        assert hint is not None
        assert (hint.by, hint.mine) == ("ops", True)
        operation = follow(None, before, after, one.backend.clock.now(), hint=hint).operation
        assert operation is not None
        assert (operation.by, operation.after.groups) == ("ops", 4)


async def test_what_the_hpa_does_by_itself_is_laid_to_the_hpa(tmp_path: Path) -> None:
    async with rig(*THERE) as one:
        before = await settled(one)
        desk = Desk(one, tmp_path)
        await desk.send(BoundsChange(maximum=9))
        one.set(objects.HPAS, "web-hpa", lambda obj: obj["spec"].update(minReplicas=5))
        after, hint = await desk.until_moved(before)
        assert hint is None
        operation = follow(None, before, after, one.backend.clock.now(), hint=hint).operation
        assert operation is not None
        assert (operation.by, operation.after.groups) == ("HPA web-hpa", 5)
