from __future__ import annotations

import msgspec

from clients.serving.differences import differences
from clients.serving.events import Event, EventKind
from clients.serving.follow import ActorHint, follow
from clients.serving.keys import ObjectRef
from clients.serving.marks import stamp
from clients.serving.phase import Cause, Phase, Trouble, TroubleKind
from clients.serving.workload import Driver, Workload
from tests.support.planning import NOW, grid, group, replica, wanting


def told(before: Workload | None, after: Workload | None) -> list[Event]:
    return differences(before, after, NOW, 5.0)


def kinds(events: list[Event]) -> list[tuple[str, str | None, str | None, str | None, str | None]]:
    return [(str(one.kind), one.group, one.replica, one.before, one.after) for one in events]


def test_nothing_is_told_of_nothing() -> None:
    there = grid(0, 1)
    assert told(there, there) == []
    assert told(None, None) == []
    assert told(there, msgspec.structs.replace(there, gpus=7)) == []


def test_coming_and_going_is_one_event() -> None:
    there = grid(0, 1)
    assert kinds(told(None, there)) == [("phase", None, None, "absent", "running")]
    assert kinds(told(there, None)) == [("phase", None, None, "running", "absent")]
    again = msgspec.structs.replace(there, uid="u2")
    assert [event.after for event in told(there, again)] == ["absent", "running"]


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
    assert last == differences(before, stamp(ready, result.operation), NOW, 5.0, ended=result.ended)


def test_an_operation_that_ends_between_two_looks_is_told() -> None:
    there = grid(0, 1)
    after = msgspec.structs.replace(wanting(there, 1), groups=there.groups[:1], observed_generation=2)
    result = follow(None, there, after, NOW)
    assert result.ended is not None
    assert (result.ended.happened, result.ended.done, result.ended.total) == (("qwen-1",), 1, 1)
    events = differences(there, stamp(after, result.operation), NOW, 5.0, ended=result.ended)
    assert "operation" in [str(event.kind) for event in events]


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
    assert [e.after for e in told(driven, msgspec.structs.replace(there, drivers=(wider,)))] == ["2-9"]


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
