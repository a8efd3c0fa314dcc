from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from clients.clock import SystemClock
from clients.kube.errors import ErrorKind, KubeError
from clients.serving.autoscaling import Autoscaling
from clients.serving.backend import Result, Sink, Ticket
from clients.serving.changes import BoundsChange, Change, ReplicasChange, SuspendChange, inverse
from clients.serving.guards import CHANGED, Confirmation, Guard, Level
from clients.serving.keys import ObjectRef, WorkloadKey
from clients.serving.operation import Count, Operation, Outcome
from clients.serving.phase import Phase
from clients.serving.plans import Money, ScalePlan, Step, StepKind, Write
from clients.serving.sources import SourceStatus
from clients.serving.workload import Driver, RoleSpec, Workload
from tui import scaling
from tui.audit import AuditLog, Author, unfinished_lines
from tui.audit_places import FilePlace
from tui.pins import Pins
from tui.scaling import NotSent, Policy, Scaling
from tui.settings import ContextMode
from tui.state import StateDir

KEY = WorkloadKey("c-1", "kthena", "llm", "ModelServing", "qwen-chat")
OPS = Author("ops", "prod-eu")


class SetClock:
    def __init__(self) -> None:
        self.at = 10_000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


def workload(groups: int, generation: int = 6, operation: Operation | None = None) -> Workload:
    return Workload(
        key=KEY,
        uid="u-1",
        desired=groups,
        ready=groups,
        phase=Phase.RUNNING,
        groups=(),
        role_specs=(RoleSpec("decode", 1, 0),),
        generation=generation,
        operation=operation,
    )


def count(groups: int | None) -> Count:
    return Count(groups, (("decode", 1),))


class ScriptedBackend:
    """Remembers what it was asked, in order, and what stood in the audit log at that moment."""

    def __init__(self, audit_file: Path) -> None:
        self.clock = SetClock()
        self.cluster = "c-1"
        self.sources: tuple[SourceStatus, ...] = ()
        self.asked: list[tuple[str, list[str]]] = []
        self.refusal: Guard | None = None
        self.answer: Callable[[ScalePlan], Ticket] = lambda plan: Ticket(
            KEY, Result.ACCEPTED, self.clock.now(), generation=7, status=200
        )
        self.entered = asyncio.Event()
        self.release = asyncio.Event()
        self.release.set()
        self.asked_for = asyncio.Event()
        self.asking = asyncio.Event()
        self.asking.set()
        self._file = audit_file

    def _note(self, what: str) -> None:
        lines = self._file.read_text().splitlines() if self._file.exists() else []
        self.asked.append((what, [json.loads(line)["type"] for line in lines]))

    async def run(self, sink: Sink) -> None:
        raise NotImplementedError

    def hourly(self, workload: Workload) -> Money | None:
        raise NotImplementedError

    async def plan(self, workload: Workload, change: Change) -> ScalePlan:
        assert isinstance(change, ReplicasChange)
        before, after = count(workload.desired), count(change.groups)
        down = (change.groups or 0) < (workload.desired or 0)
        kind = StepKind.DELETE if down else StepKind.CREATE
        return ScalePlan(
            key=KEY,
            uid="u-1",
            change=change,
            before=before,
            after=after,
            steps=() if before == after else (Step(kind, "G-x", 2, 4, serving=down),),
            order_known=True,
            order_note="",
            pods_delta=0,
            gpu_delta=0,
            capacity=None,
            eta=None,
            guards=(),
            write=None if before == after else Write("PATCH", "/x", "application/json-patch+json", []),
            equivalent="",
            confirmation=Confirmation.OK,
            generation=workload.generation,
            undo=inverse(change, workload.desired, {}),
        )

    async def dry_run(self, plan: ScalePlan) -> ScalePlan:
        self._note("dry run")
        self.asked_for.set()
        await self.asking.wait()
        if self.refusal is None:
            return plan
        return msgspec.structs.replace(plan, guards=(*plan.guards, self.refusal))

    async def apply(self, plan: ScalePlan) -> Ticket:
        self._note("apply")
        self.entered.set()
        await self.release.wait()
        return self.answer(plan)

    async def poll(self, ticket: Ticket) -> Workload | None:
        raise NotImplementedError

    async def autoscaling(self, workload: Workload) -> Autoscaling | None:
        return None

    async def close(self) -> None:
        return


class Desk:
    """One console's scaling over a scripted backend."""

    def __init__(self, directory: Path, author: Author = OPS, **policy: Any) -> None:
        self.file = directory / "audit.jsonl"
        self.backend = ScriptedBackend(self.file)
        self.audit = AuditLog((FilePlace(self.file, unfinished_lines),), SystemClock())
        self.scaling = Scaling(self.backend, self.audit, author, Policy(**policy), Pins(StateDir(directory)))

    async def plan(self, before: int, after: int) -> ScalePlan:
        return await self.scaling.plan(workload(before), ReplicasChange(groups=after))

    async def send(self, before: int, after: int, typed: str | None = "YES") -> Ticket:
        return await self.scaling.send(await self.plan(before, after), typed=typed)

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.file.read_text().splitlines()] if self.file.exists() else []


async def test_intent_then_dry_run_then_write_then_answer(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    ticket = await desk.send(2, 4)
    assert ticket.result is Result.ACCEPTED
    assert desk.backend.asked == [("dry run", ["intent"]), ("apply", ["intent"])]
    assert [record["type"] for record in desk.records()] == ["intent", "sent"]
    assert desk.records()[1]["generation"] == 7


async def test_nothing_is_sent_for_no_change(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    plan = await desk.plan(4, 4)
    assert plan.confirmation is Confirmation.NONE
    assert await desk.scaling.dry_run(plan) is plan
    with pytest.raises(NotSent, match="nothing changes"):
        await desk.scaling.send(plan, typed="YES")
    assert desk.backend.asked == []
    assert desk.records() == []


@pytest.mark.parametrize(
    ("policy", "before", "after", "asked", "enough", "short"),
    [
        ({}, 2, 4, Confirmation.OK, "", None),
        ({}, 4, 2, Confirmation.YES, "YES", "yes"),
        ({"confirm_scale_in": "ok"}, 4, 2, Confirmation.OK, "", None),
        ({"confirm_scale_in": "ok"}, 4, 0, Confirmation.YES, "YES", ""),
        ({"mode": ContextMode.PROTECTED}, 2, 4, Confirmation.NAME, "qwen-chat", "YES"),
    ],
)
async def test_what_must_be_typed(
    tmp_path: Path,
    policy: dict[str, Any],
    before: int,
    after: int,
    asked: Confirmation,
    enough: str,
    short: str | None,
) -> None:
    desk = Desk(tmp_path, **policy)
    assert (await desk.plan(before, after)).confirmation is asked
    with pytest.raises(NotSent, match="not confirmed"):
        await desk.send(before, after, typed=short)
    assert desk.records() == []
    assert (await desk.send(before, after, typed=enough)).result is Result.ACCEPTED


async def test_a_read_only_context_blocks_every_write(tmp_path: Path) -> None:
    desk = Desk(tmp_path, mode=ContextMode.READ_ONLY)
    plan = await desk.plan(2, 4)
    assert plan.blocked
    with pytest.raises(NotSent, match="context prod-eu is read-only here"):
        await desk.scaling.send(plan, typed="YES")
    assert desk.backend.asked == []


async def test_a_plan_made_elsewhere_does_not_pass_a_read_only_context(tmp_path: Path) -> None:
    plan = await Desk(tmp_path / "a").plan(2, 4)
    with pytest.raises(NotSent):
        await Desk(tmp_path / "b", mode=ContextMode.READ_ONLY).scaling.send(plan, typed="YES")


async def test_a_refused_dry_run_is_written_down_and_nothing_is_applied(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.backend.refusal = Guard("dry-run", Level.BLOCK, "replicas must not exceed 16")
    ticket = await desk.send(2, 40)
    assert (ticket.result, ticket.message) == (Result.REFUSED, "replicas must not exceed 16")
    assert [what for what, _ in desk.backend.asked] == ["dry run"]
    assert desk.records()[1]["result"] == "refused"


async def test_who_is_outrun_at_the_dry_run_has_a_conflict_and_not_a_refusal(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.backend.refusal = Guard(CHANGED, Level.BLOCK, "changed meanwhile to 3 groups (was 2 groups)")
    ticket = await desk.send(2, 4)
    assert ticket.result is Result.CONFLICT
    assert ticket.message == "changed meanwhile to 3 groups (was 2 groups); nothing was applied"
    assert [what for what, _ in desk.backend.asked] == ["dry run"]
    assert desk.records()[1]["result"] == "conflict"


@pytest.mark.parametrize(("sent", "result"), [(True, Result.UNKNOWN), (False, Result.REFUSED)])
async def test_a_broken_connection_is_unknown_only_if_the_write_may_have_arrived(
    tmp_path: Path, sent: bool, result: Result
) -> None:
    desk = Desk(tmp_path)

    def broken(plan: ScalePlan) -> Ticket:
        raise KubeError("connection lost", kind=ErrorKind.UNREACHABLE, sent=sent)

    desk.backend.answer = broken
    assert (await desk.send(2, 4)).result is result
    assert desk.records()[1]["result"] == result


async def test_without_any_audit_log_nothing_is_sent(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    (tmp_path / "audit.jsonl").mkdir()
    with pytest.raises(NotSent, match="without an audit log nothing is changed"):
        await desk.send(2, 4)
    assert desk.backend.asked == []


async def test_a_hang_up_in_the_middle_still_writes_down_the_answer(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.backend.release.clear()
    sending = asyncio.ensure_future(desk.send(2, 4))
    await asyncio.wait_for(desk.backend.entered.wait(), 60)
    sending.cancel()
    await asyncio.sleep(0)
    assert not sending.done()
    desk.backend.release.set()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert [record["type"] for record in desk.records()] == ["intent", "sent"]


async def test_an_end_before_the_answer_writes_down_that_nobody_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scaling, "_LAST_ANSWER", 0.01)
    desk = Desk(tmp_path)
    desk.backend.release.clear()
    sending = asyncio.ensure_future(desk.send(2, 4))
    await asyncio.wait_for(desk.backend.entered.wait(), 60)
    await desk.scaling.close()
    assert (await sending).result is Result.UNKNOWN
    assert [record["type"] for record in desk.records()] == ["intent", "sent"]
    assert desk.records()[1]["result"] == "unknown"
    assert Desk(tmp_path).audit.unfinished("c-1") != ()


async def test_an_end_during_the_dry_run_sends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scaling, "_LAST_ANSWER", 0.01)
    desk = Desk(tmp_path)
    desk.backend.asking.clear()
    sending = asyncio.ensure_future(desk.send(2, 4))
    await asyncio.wait_for(desk.backend.asked_for.wait(), 60)
    await desk.scaling.close()
    assert (await sending).result is Result.REFUSED
    assert [what for what, _ in desk.backend.asked] == ["dry run"]
    assert desk.records()[1]["result"] == "refused"


async def test_an_end_waits_for_an_answer_that_comes(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.backend.release.clear()
    sending = asyncio.ensure_future(desk.send(2, 4))
    await asyncio.wait_for(desk.backend.entered.wait(), 60)
    closing = asyncio.ensure_future(desk.scaling.close())
    await asyncio.sleep(0)
    assert not closing.done()
    desk.backend.release.set()
    await closing
    assert (await sending).result is Result.ACCEPTED
    assert desk.records()[1]["result"] == "accepted"


async def test_undo_is_the_inverse_of_my_last_change(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    assert desk.scaling.undo(workload(2)) is None
    await desk.send(2, 4)
    desk.backend.clock.at += 10
    other = Desk(tmp_path, Author("night-shift"))
    other.backend.clock.at += 10
    await other.send(4, 9)
    assert desk.scaling.undo(workload(9)) == ReplicasChange(groups=2)


async def test_who_wrote_the_present_counts_is_told_by_the_log_whoever_it_was(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    assert desk.scaling.wrote(workload(2)) is None
    await desk.send(2, 4)
    other = Desk(tmp_path, Author("night-shift"))
    other.backend.clock.at += 10
    await other.send(4, 9)
    desk.audit.entries()
    wrote = desk.scaling.wrote(workload(9, generation=7))
    assert wrote is not None
    assert (wrote.by, wrote.before, wrote.after, wrote.last) == ("night-shift", count(4), count(9), True)
    later = desk.scaling.wrote(workload(9, generation=8))
    assert later is not None
    assert not later.last, "something was changed since"
    assert desk.scaling.wrote(workload(4)) is None, "somebody else went back"


async def test_who_asked_is_known_from_the_log(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    await desk.send(2, 4)
    hint = desk.scaling.actor(workload(2), workload(4, generation=7))
    assert hint is not None
    assert (hint.by, hint.mine, hint.after) == ("ops", True, count(4))
    seen = Desk(tmp_path, Author("night-shift")).scaling.actor(None, workload(4, generation=7))
    assert seen is not None
    assert (seen.by, seen.mine) == ("ops", False)
    assert desk.scaling.actor(workload(4, 7), workload(5, generation=8)) is None


def operation(after: int, outcome: Outcome, ended_at: float) -> Operation:
    return Operation(
        id="o",
        key=KEY,
        by="ops",
        before=count(2),
        after=count(after),
        started_at=10_000.0,
        affected=(),
        happened=("G-2", "G-3"),
        outcome=outcome,
        ended_at=ended_at,
    )


async def test_an_operation_taken_up_by_a_later_start_is_written_down_at_its_end(tmp_path: Path) -> None:
    await Desk(tmp_path).send(2, 4)
    later = Desk(tmp_path)
    (resumed,) = later.scaling.unfinished()
    assert (resumed.before, resumed.after, resumed.mine) == (count(2), count(4), True)
    later.scaling.operation_ended(operation(4, Outcome.DONE, 10_100.0))
    await later.scaling.settle()
    assert later.records()[-1]["outcome"] == "done"
    assert later.records()[-1]["happened"] == ["G-2", "G-3"]
    assert Desk(tmp_path).scaling.unfinished() == ()


async def test_changes_that_one_operation_carried_out_end_together(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    await desk.send(2, 4)
    desk.backend.clock.at += 10
    await desk.send(4, 6)
    desk.scaling.operation_ended(operation(6, Outcome.DONE, 10_100.0))
    await desk.scaling.settle()
    assert [entry.unfinished for entry in desk.audit.entries()] == [False, False]


async def test_a_change_that_ends_another_is_not_ended_with_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    await desk.send(2, 4)
    desk.backend.clock.at += 10
    await desk.send(4, 3)
    desk.scaling.operation_ended(operation(4, Outcome.REVERTED, 10_010.5))
    await desk.scaling.settle()
    assert [entry.unfinished for entry in desk.audit.entries()] == [False, True]


@pytest.mark.parametrize(
    ("groups", "age", "outcome"), [(4, 1.0, "done"), (2, 1.0, None), (2, 1000.0, "reverted")]
)
async def test_a_change_without_an_answer_is_settled_by_what_shows(
    tmp_path: Path, groups: int, age: float, outcome: str | None
) -> None:
    desk = Desk(tmp_path)

    def broken(plan: ScalePlan) -> Ticket:
        raise KubeError("connection lost", kind=ErrorKind.UNREACHABLE, sent=True)

    desk.backend.answer = broken
    await desk.send(2, 4)
    later = Desk(tmp_path)
    later.backend.clock.at += age
    assert later.scaling.unfinished() == ()
    await later.scaling.take_up([workload(groups)])
    last = later.records()[-1]
    assert (last["outcome"] if last["type"] == "ended" else None) == outcome


def _lost(plan: ScalePlan) -> Ticket:
    raise KubeError("connection lost", kind=ErrorKind.UNREACHABLE, sent=True)


@pytest.mark.parametrize(
    ("groups", "age", "said"),
    [(4, 1.0, "found done"), (2, 1.0, None), (2, 1000.0, "not applied, or changed since")],
)
async def test_a_change_without_an_answer_is_settled_while_the_console_runs(
    tmp_path: Path, groups: int, age: float, said: str | None
) -> None:
    desk = Desk(tmp_path)
    desk.backend.answer = _lost
    await desk.send(2, 4)
    desk.backend.clock.at += age
    told = [(one.before, one.after) for one in desk.scaling.reconsider([workload(groups)], 5.0)]
    await desk.scaling.settle()
    assert told == ([("a change without an answer", said)] if said is not None else [])
    assert desk.scaling.reconsider([workload(groups)], 6.0) == [], "it is told once"
    assert (desk.records()[-1]["type"] == "ended") is (said is not None)


async def test_what_is_answered_or_still_being_sent_is_left_alone(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.backend.release.clear()
    sending = asyncio.ensure_future(desk.send(2, 4))
    await asyncio.wait_for(desk.backend.entered.wait(), 60)
    assert desk.scaling.reconsider([workload(4)], 5.0) == []
    desk.backend.release.set()
    await sending
    assert desk.scaling.reconsider([workload(4)], 5.0) == []
    assert [record["type"] for record in desk.records()] == ["intent", "sent"]


@pytest.mark.parametrize(
    ("bounds", "age", "outcome"),
    [((2, 8), 1.0, "done"), ((2, 5), 1.0, None), ((2, 5), 1000.0, "reverted")],
)
async def test_bounds_without_an_answer_are_settled_by_the_bounds_that_show(
    tmp_path: Path, bounds: tuple[int, int], age: float, outcome: str | None
) -> None:
    desk = Desk(tmp_path)
    desk.backend.answer = _lost
    plan = await desk.plan(2, 4)
    change = BoundsChange(minimum=2, maximum=8)
    plan = msgspec.structs.replace(plan, change=change, after=plan.before, steps=())
    await desk.scaling.send(plan, typed="")
    later = Desk(tmp_path)
    later.backend.clock.at += age
    ref = ObjectRef("autoscaling", "HorizontalPodAutoscaler", "llm", "qwen")
    driver = Driver(kind="HPA", ref=ref, minimum=bounds[0], maximum=bounds[1])
    await later.scaling.take_up([msgspec.structs.replace(workload(2), drivers=(driver,))])
    last = later.records()[-1]
    assert (last["outcome"] if last["type"] == "ended" else None) == outcome


async def test_who_set_bounds_is_known_while_they_are_those_and_new(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    plan = await desk.plan(2, 4)
    change = BoundsChange(minimum=2, maximum=8)
    await desk.scaling.send(
        msgspec.structs.replace(plan, change=change, after=plan.before, steps=()), typed=""
    )
    ref = ObjectRef("autoscaling", "HorizontalPodAutoscaler", "llm", "qwen")
    asked = Driver(kind="HPA", ref=ref, minimum=2, maximum=8)
    theirs = msgspec.structs.replace(asked, maximum=9)
    assert desk.scaling.bounded(workload(2), asked) == OPS.by
    assert desk.scaling.bounded(workload(2), theirs) is None
    desk.backend.clock.at += 61
    assert desk.scaling.bounded(workload(2), asked) is None


async def test_what_no_workload_shows_is_not_said_to_be_done(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.backend.answer = _lost
    ref = ObjectRef("keda.sh", "ScaledObject", "llm", "qwen")
    plan = await desk.plan(2, 4)
    plan = msgspec.structs.replace(plan, change=SuspendChange(ref, True), after=plan.before, steps=())
    await desk.scaling.send(plan, typed="")
    assert desk.scaling.reconsider([workload(2)], 5.0) == []
    desk.backend.clock.at += 1000
    (told,) = desk.scaling.reconsider([workload(2)], 5.0)
    await desk.scaling.settle()
    assert told.after == "no answer came, and nothing that is watched tells whether it was applied"
    assert desk.records()[-1]["outcome"] == "timed out"


async def test_what_is_gone_or_replaced_is_settled(tmp_path: Path) -> None:
    await Desk(tmp_path).send(2, 4)
    later = Desk(tmp_path)
    await later.scaling.take_up([msgspec.structs.replace(workload(4), uid="u-2")])
    assert later.records()[-1]["outcome"] == "gone"
