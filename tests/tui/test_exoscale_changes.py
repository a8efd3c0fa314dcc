"""Changes at Exoscale on their way through policy and audit log, against a zone that answers over HTTP."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from clients.clock import SystemClock
from clients.serving.backend import Result
from clients.serving.changes import ObjectChange, ReplicasChange, Verb
from clients.serving.guards import Confirmation
from clients.serving.keys import ObjectRef
from clients.serving.operation import Outcome
from clients.serving.workload import Workload
from tests.support.exoscale import LIMIT, MODEL, Rig, fast, running
from tests.support.kube import until
from tui.audit import AuditLog, Author
from tui.pins import Pins
from tui.scaling import NotSent, Policy, Scaling
from tui.state import StateDir

__all__ = ["fast"]

pytestmark = pytest.mark.usefixtures("fast")
REF = ObjectRef("", "Exoscale", None, "demo")


def scaling(rig: Rig, directory: Path, policy: Policy | None = None) -> Scaling:
    """As a console has it."""
    audit = AuditLog.in_directories(directory, None, SystemClock())
    author = Author("ops", "exoscale/at-vie-2")
    return Scaling(rig.backend, audit, author, policy or Policy(), Pins(StateDir(directory)))


async def test_ex10_nothing_is_sent_that_was_not_confirmed(tmp_path: Path) -> None:
    async with running() as rig:
        changes = scaling(rig, tmp_path)
        plan = await changes.plan(rig.row(), ReplicasChange(0))
        assert plan.confirmation is Confirmation.YES
        for typed in (None, "", "yes", "Y", " YES "):
            with pytest.raises(NotSent):
                await changes.send(plan, typed=typed)
        assert rig.writes == []
        up = await changes.plan(rig.row(), ReplicasChange(3))
        assert up.confirmation is Confirmation.OK
        with pytest.raises(NotSent):
            await changes.send(up, typed=None)
        assert rig.writes == []
        assert (await changes.send(plan, typed="YES")).result is Result.ACCEPTED


@pytest.mark.parametrize(("word", "asked"), [(None, Confirmation.OK), ("yes", Confirmation.YES)])
async def test_ex10_scale_in_asks_for_ok_unless_the_settings_say_yes(
    tmp_path: Path, word: str | None, asked: Confirmation
) -> None:
    async with running() as rig:
        rig.deployment().replicas = rig.deployment().shown = 3
        await until(lambda: rig.row().desired == 3, LIMIT)
        changes = scaling(rig, tmp_path, Policy(confirm_scale_in=word))  # type: ignore[arg-type]
        assert (await changes.plan(rig.row(), ReplicasChange(1))).confirmation is asked


async def test_a_deletion_asks_for_the_name_and_is_over_when_it_was_taken(tmp_path: Path) -> None:
    async with running() as rig:
        changes = scaling(rig, tmp_path)
        plan = await changes.plan(rig.row(), ObjectChange(Verb.DELETE, REF, ""))
        with pytest.raises(NotSent):
            await changes.send(plan, typed="YES")
        assert (await changes.send(plan, typed="demo")).result is Result.ACCEPTED
        assert changes.unfinished() == ()
        await until(lambda: not rig.taken.workloads, LIMIT)


async def test_a_new_deployment_is_made_and_appears(tmp_path: Path) -> None:
    async with running() as rig:
        changes = scaling(rig, tmp_path)
        asked = {"name": "new", "model": MODEL.name, "gpu-type": "gpua5000", "gpu-count": 2, "replicas": 1}
        change = ObjectChange(Verb.CREATE, REF, json.dumps(asked))
        plan = await changes.plan_new(change)
        assert plan.confirmation is Confirmation.OK
        assert (await changes.send(plan, typed="")).result is Result.ACCEPTED
        await until(lambda: rig.taken.has("new") and rig.row("new").phase == "creating", LIMIT)
        hint = changes.actor(None, rig.row("new"))
        assert hint is not None
        assert (hint.by, hint.mine, hint.prediction) == ("ops", True, plan.prediction)
        assert (await changes.plan(rig.row("new"), ReplicasChange(2))).blocked
        rig.pass_time(300)
        await until(lambda: rig.row("new").phase == "running", LIMIT)
        assert (await changes.plan_new(change)).blocked, "the name is taken"


async def test_another_gpu_count_is_another_deployment_and_the_old_one_goes_to_zero(tmp_path: Path) -> None:
    async with running() as rig:
        changes = scaling(rig, tmp_path)
        asked = {
            "name": "demo-4gpu",
            "model": MODEL.name,
            "gpu-type": "gpua5000",
            "gpu-count": 4,
            "replicas": 1,
        }
        plan = await changes.plan(rig.row(), ObjectChange(Verb.CREATE, REF, json.dumps(asked)))
        assert any("scale demo to 0" in note for note in plan.notes)
        assert plan.gpu_delta == 4
        await changes.send(plan, typed="")
        rig.pass_time(300)
        await until(lambda: rig.taken.has("demo-4gpu") and rig.row("demo-4gpu").phase == "running", LIMIT)
        await changes.send(await changes.plan(rig.row(), ReplicasChange(0)), typed="YES")
        rig.pass_time(5)
        await until(lambda: rig.row().desired == 0 and rig.row().phase == "absent", LIMIT)
        assert rig.row("demo-4gpu").gpus == 4
        assert rig.row().endpoint != rig.row("demo-4gpu").endpoint


class Hand:
    """A clock of this machine that is moved by hand."""

    def __init__(self) -> None:
        self.time = SystemClock().now()

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


async def test_who_changed_a_deployment_elsewhere_is_told_by_the_log_and_only_where_it_is_certain(
    tmp_path: Path,
) -> None:
    async with running() as rig:
        here, sender = Hand(), scaling(rig, tmp_path)
        audit = AuditLog.in_directories(tmp_path, None, here)
        watcher = Scaling(rig.backend, audit, Author("ops", None), Policy(), Pins(StateDir(tmp_path)))
        before = rig.row()
        after = replace(before, desired=3)
        assert watcher.actor(before, after) is None, "nothing was sent yet"
        plan = await sender.plan(before, ReplicasChange(3))
        assert (await sender.send(plan, typed="")).result is Result.ACCEPTED
        rig.pass_time(1200)  # A simulated zone lives faster than it is looked at.

        def told(was: Workload, now: Workload) -> str | None:
            hint = watcher.actor(was, now)
            return None if hint is None else hint.by

        here.time += 36
        assert told(before, after) == "ops"
        assert told(replace(before, desired=2), after) is None, "another step than the one that was sent"
        assert told(before, replace(before, desired=4)) is None
        assert told(before, replace(after, uid="another")) is None
        (entry,) = audit.entries()
        await audit.ended(entry.intent.id, rig.backend.clock.now(), Outcome.DONE)
        assert told(before, after) == "ops", "it ended between two looks"
        here.time += 150
        assert told(before, after) is None, "the same step again, by somebody else"
