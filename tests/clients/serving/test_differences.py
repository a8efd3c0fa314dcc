from __future__ import annotations

from typing import Any

import msgspec

from clients.serving.differences import differences
from clients.serving.events import Event, EventKind
from clients.serving.follow import ActorHint, follow
from clients.serving.keys import ObjectRef
from clients.serving.marks import stamp
from clients.serving.phase import Cause, Phase, Trouble, TroubleKind
from clients.serving.workload import Driver, Workload
from tests.support.planning import NOW, grid, group, replica, wanting


def told(before: Workload | None, after: Workload | None, **more: Any) -> list[Event]:
    return differences(before, after, NOW, 5.0, **more)


def kinds(events: list[Event]) -> list[tuple[str, str | None, str | None, str | None, str | None]]:
    return [(str(one.kind), one.group, one.replica, one.before, one.after) for one in events]


def test_nothing_is_told_of_nothing() -> None:
    there = grid(0, 1)
    assert told(there, there) == []
    assert told(None, None) == []
    assert told(there, msgspec.structs.replace(there, gpus=7)) == []


def test_first_sight_is_no_change() -> None:
    there = grid(0, group(1, Phase.CREATING))
    assert told(None, there) == []


def test_what_is_underway_at_first_sight_is_told_as_such() -> None:
    trouble = Trouble(TroubleKind.FAILED, "CrashLoopBackOff", "no memory", since=NOW - 500)
    hurt = msgspec.structs.replace(replica("decode", 0), trouble=trouble)
    sick = msgspec.structs.replace(group(0, roles={"decode": [hurt, replica("decode", 1)]}), trouble=trouble)
    there = msgspec.structs.replace(
        grid(sick, group(1, Phase.QUEUED), desired=2), replicas_manager="kubectl-scale"
    )
    events = told(None, stamp(there, follow(None, None, there, NOW).operation))
    assert [(str(event.kind), event.group, event.replica) for event in events] == [
        ("operation", None, None),
        ("trouble", "qwen-0", None),
        ("trouble", "qwen-0", "decode-0"),
    ]
    assert (events[0].detail["state"], events[0].actor) == ("underway", "kubectl-scale")
    assert (events[0].before, events[0].after) == ("1", "2")
    assert [(event.at, event.after, event.detail["already"]) for event in events[1:]] == [
        (NOW - 500, "failed", True)
    ] * 2


def test_an_operation_that_ended_unseen_is_told_at_first_sight() -> None:
    there = wanting(grid(0, 1), 3)
    running = follow(None, grid(0, 1), there, NOW).operation
    ready = msgspec.structs.replace(there, groups=grid(0, 1, 2).groups, observed_generation=2)
    result = follow(running, None, ready, NOW + 60)
    events = differences(None, ready, NOW + 60, 5.0, ended=result.ended)
    assert [(str(event.kind), event.detail["state"], event.reason) for event in events] == [
        ("operation", "ended", "done")
    ]


def test_what_is_made_or_deleted_while_one_looks_is_a_change() -> None:
    there = grid(0, 1)
    assert kinds(differences(None, there, NOW, 5.0, new=True)) == [("phase", None, None, "absent", "running")]
    assert kinds(told(there, None)) == [("phase", None, None, "running", "absent")]
    again = msgspec.structs.replace(there, uid="u2")
    assert [event.after for event in told(there, again)] == ["absent", "running"]


def test_trouble_of_the_workload_itself_is_told_until_it_is_over() -> None:
    there = grid(0)
    silent = Trouble(TroubleKind.BLOCKED, "ControllerSilent", "generation 2 for 30 s", since=NOW - 30)
    stuck = msgspec.structs.replace(there, trouble=silent)
    assert kinds(told(there, stuck)) == [("trouble", None, None, None, "blocked")]
    longer = msgspec.structs.replace(stuck, trouble=msgspec.structs.replace(silent, message="1 min"))
    assert told(stuck, longer) == []
    hurt = msgspec.structs.replace(group(0), trouble=Trouble(TroubleKind.FAILED, "OOMKilled", "x"))
    worse = msgspec.structs.replace(stuck, groups=(hurt,))
    assert kinds(told(stuck, worse)) == [("trouble", "qwen-0", None, None, "failed")]
    assert kinds(told(stuck, there)) == [("trouble", None, None, "blocked", None)]


def test_a_scale_from_the_wish_to_the_end_in_order() -> None:
    there = grid(0, 1)
    after = wanting(there, 3)
    operation = follow(None, there, after, NOW, hint=ActorHint("ops", reason="launch")).operation
    asked = stamp(after, operation)
    first = told(there, asked)
    assert [str(event.kind) for event in first] == ["desired", "operation", "mark", "mark"]
    assert (first[0].before, first[0].after, first[0].actor) == ("2", "3", "ops")
    assert (first[1].detail["state"], first[1].reason, first[1].actor) == ("begun", "launch", "ops")

    making = group(2, Phase.CREATING, cause=Cause.SCALE, seq=4)
    look = msgspec.structs.replace(after, groups=(*there.groups, making))
    running = follow(operation, asked, look, NOW + 1).operation
    second = told(asked, stamp(look, running))
    assert kinds(second) == [
        ("phase", "qwen-2", None, "absent", "creating"),
        ("mark", "qwen-2", None, None, "active"),
        ("phase", "qwen-2", "prefill-0", "absent", "creating"),
        ("phase", "qwen-2", "decode-0", "absent", "creating"),
        ("phase", "qwen-2", "decode-1", "absent", "creating"),
    ]
    assert second[0].reason == "scale"

    ready = msgspec.structs.replace(after, groups=grid(0, 1, 2).groups, observed_generation=2)
    result = follow(running, look, ready, NOW + 60)
    before = stamp(look, running)
    last = differences(before, stamp(ready, result.operation), NOW, 5.0, ended=result.ended)
    assert str(last[-1].kind) == "operation"
    assert (last[-1].reason, last[-1].detail["state"], last[-1].detail["done"]) == ("done", "ended", 1)
    assert (last[-1].before, last[-1].after, last[-1].detail["seconds"]) == ("2", "3", 60)
    assert last[-1].detail["score"] == "nothing predicted; happened G-2, 1m00s"
    assert last == differences(before, stamp(ready, result.operation), NOW, 5.0, ended=result.ended)


def test_an_operation_that_ends_between_two_looks_is_told() -> None:
    there = grid(0, 1)
    after = msgspec.structs.replace(wanting(there, 1), groups=there.groups[:1], observed_generation=2)
    result = follow(None, there, after, NOW)
    assert result.ended is not None
    assert (result.ended.happened, result.ended.done, result.ended.total) == (("qwen-1",), 1, 1)
    events = differences(there, stamp(after, result.operation), NOW, 5.0, ended=result.ended)
    assert "operation" in [str(event.kind) for event in events]


def test_who_asked_is_the_manager_of_what_was_changed() -> None:
    there = grid(0, 1)
    managed = {"replicas_manager": "kubectl-scale", "roles_manager": "helm"}
    groups = msgspec.structs.replace(wanting(there, 3), **managed)
    roles = msgspec.structs.replace(wanting(there, decode=4), **managed)
    both = msgspec.structs.replace(wanting(there, 3, decode=4), **managed)
    for wish, by, actors in (
        (groups, "kubectl-scale", ["kubectl-scale"]),
        (roles, "helm", ["helm"]),
        (both, "kubectl-scale, helm", ["kubectl-scale", "helm"]),
        (wanting(there, decode=4), "unknown", ["unknown"]),
    ):
        asked = stamp(wish, follow(None, there, wish, NOW).operation)
        assert asked.operation is not None
        assert asked.operation.by == by
        desired = [event for event in told(there, asked) if event.kind is EventKind.DESIRED]
        assert [event.actor for event in desired] == actors


def test_who_moves_a_running_operation_on_is_told_alone() -> None:
    there = grid(0, 1)
    first = msgspec.structs.replace(wanting(there, 3), replicas_manager="hpa")
    running = follow(None, there, first, NOW).operation
    second = msgspec.structs.replace(wanting(first, 4), replicas_manager="kubectl-scale")
    moved = follow(running, first, second, NOW + 1).operation
    (event,) = told(stamp(first, running), stamp(second, moved))
    assert (event.before, event.after, event.actor) == ("3", "4", "kubectl-scale")


def test_roles_wanted_and_drivers() -> None:
    there = grid(0)
    assert [(e.role, e.before, e.after) for e in told(there, wanting(there, decode=4))] == [
        ("decode", "2", "4")
    ]
    hpa = Driver(
        "HPA", ObjectRef("autoscaling", "HorizontalPodAutoscaler", "llm", "x"), None, 2, 8, "cpu 1<2"
    )
    driven = msgspec.structs.replace(there, drivers=(hpa,))
    events = told(there, driven)
    assert [(e.kind, e.before, e.after, e.actor) for e in events] == [
        (EventKind.DRIVER, None, "2-8", "HPA/x")
    ]
    busier = msgspec.structs.replace(hpa, signal="cpu 3>2")
    assert told(driven, msgspec.structs.replace(there, drivers=(busier,))) == [], "a reading is no change"
    wider = msgspec.structs.replace(hpa, maximum=9)
    (event,) = told(driven, msgspec.structs.replace(there, drivers=(wider,)))
    assert (event.after, event.detail) == ("2-9", {})
    (event,) = told(driven, msgspec.structs.replace(there, drivers=(wider,)), bounded=lambda driver: "ops")
    assert event.detail == {"by": "ops"}


def test_trouble_with_its_reason_and_end() -> None:
    trouble = Trouble(TroubleKind.FAILED, "Crash\x1b[2J", "x" * 900, since=NOW - 5)
    hurt = msgspec.structs.replace(replica("decode", 0), trouble=trouble)
    there, ill = grid(group(0)), grid(group(0, roles={"decode": [hurt, replica("decode", 1)]}))
    (event,) = told(there, ill)
    assert (event.kind, event.role, event.replica) == (EventKind.TROUBLE, "decode", "decode-0")
    assert (event.before, event.after, event.at) == (None, "failed", NOW - 5)
    assert event.reason is not None
    assert "\x1b" not in event.reason
    assert len(event.detail["message"]) == 400
    (event,) = told(ill, there)
    assert (event.before, event.after) == ("failed", None)


def test_every_event_carries_what_the_contract_says() -> None:
    there = grid(0, 1)
    for event in told(there, wanting(there, 3)):
        line = msgspec.to_builtins(event)
        assert {"at", "seen_at", "cluster", "key", "kind"} <= set(line)
        assert (event.seen_at, event.cluster, event.key) == (5.0, "c1", there.key)
