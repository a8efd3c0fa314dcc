from __future__ import annotations

from typing import Any

from clients.serving.backend import GpuTotals
from clients.serving.eta import Durations
from clients.serving.events import EventKind
from clients.serving.follow import ActorHint
from clients.serving.keys import ObjectRef, WorkloadKey
from clients.serving.operation import Count, Operation, Outcome
from clients.serving.phase import ControllerState, Mark, Phase
from clients.serving.sources import SourceState, SourceStatus
from clients.serving.workload import Driver, Group, Workload
from tui.fleet import Fleet

KEY = WorkloadKey("c1", "kthena", "llm", "ModelServing", "chat")


class Clock:
    def __init__(self) -> None:
        self.time = 1_000.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


def group(ordinal: int, phase: Phase = Phase.RUNNING) -> Group:
    state = ControllerState.RUNNING if phase is Phase.RUNNING else ControllerState.CREATING
    return Group(f"chat-{ordinal}", ordinal, phase, state, (), created_seq=ordinal + 1)


def chat(desired: int, *groups: Group, **fields: Any) -> Workload:
    ready = sum(one.phase is Phase.RUNNING for one in groups)
    return Workload(KEY, "uid-1", desired, ready, Phase.RUNNING, groups, **fields)


def status(state: SourceState, cluster: str = "c1") -> SourceStatus:
    return SourceStatus(cluster, "pods", state, True, None, "why")


def fleet_of(*workloads: Workload) -> tuple[Fleet, Clock]:
    clock = Clock()
    fleet = Fleet(clock)
    fleet.publish({one.key: one for one in workloads}, ())
    return fleet, clock


def test_a_view_never_changes_after_it_was_taken() -> None:
    fleet, _ = fleet_of(chat(1, group(0)))
    before = fleet.view()
    fleet.publish({}, [KEY])
    assert KEY in before.workloads
    assert KEY not in fleet.view().workloads


def test_drain_gives_each_change_once_and_the_latest_wins() -> None:
    fleet, _ = fleet_of(chat(1, group(0)))
    fleet.publish({KEY: chat(1, group(0, Phase.CREATING))}, ())
    delta = fleet.drain()
    assert delta is not None
    assert delta.changed == {KEY}
    assert delta.view.workloads[KEY].ready == 0
    assert fleet.drain() is None


def test_what_goes_between_two_drains_is_removed_and_not_changed() -> None:
    fleet, _ = fleet_of(chat(1, group(0)))
    fleet.publish({}, [KEY])
    delta = fleet.drain()
    assert delta is not None
    assert not delta.changed
    assert delta.removed == {KEY}


def test_a_changed_count_is_an_operation_that_is_followed_to_its_end() -> None:
    fleet, clock = fleet_of(chat(1, group(0)))
    ended: list[Operation] = []
    hint = ActorHint("ops", Count(2), mine=True)
    fleet.attach(Durations(), actor=lambda before, after: hint, ended=ended.append)
    fleet.publish({KEY: chat(2, group(0))}, ())
    fleet.publish({KEY: chat(2, group(0), group(1, Phase.CREATING))}, ())
    running = fleet.view().workloads[KEY]
    assert running.operation is not None
    assert (running.operation.by, running.operation.mine) == ("ops", True)
    assert [one.mark for one in running.groups] == [Mark.DONE, Mark.ACTIVE]
    clock.time += 40
    fleet.publish({KEY: chat(2, group(0), group(1))}, ())
    after = fleet.view().workloads[KEY]
    assert after.operation is None
    assert [one.mark for one in after.groups] == [None, None]
    last = fleet.finished(KEY)
    assert last is not None
    assert (last.outcome, last.happened) == (Outcome.DONE, ("chat-1",))
    assert ended == [last]
    kinds = [event.kind for event in fleet.view().events]
    assert kinds.count(EventKind.OPERATION) == 2


def test_the_first_look_at_a_cluster_is_no_news() -> None:
    fleet, _ = fleet_of(chat(1, group(0), created=1_000.0))
    assert fleet.view().events == ()


def test_what_is_made_after_the_first_look_is_news_and_what_only_appears_is_not() -> None:
    fleet, clock = fleet_of(chat(1, group(0)))
    clock.time += 10.5
    other = WorkloadKey("c1", "kthena", "lab", "ModelServing", "late")
    late = Workload(other, "uid-2", 1, 1, Phase.RUNNING, (group(0),), created=900.0)
    fleet.publish({other: late}, ())
    assert fleet.view().events == ()
    made = Workload(other, "uid-3", 1, 0, Phase.CREATING, (), created=1_010.0)
    fleet.publish({}, [other])
    fleet.publish({other: made}, ())
    assert [(one.kind, one.before, one.after) for one in fleet.view().events] == [
        (EventKind.PHASE, "running", "absent"),
        (EventKind.PHASE, "absent", "creating"),
    ]


def test_drivers_that_are_still_being_read_for_the_first_time_are_no_news() -> None:
    fleet, _ = fleet_of(chat(1, group(0)))
    ref = ObjectRef("autoscaling", "HorizontalPodAutoscaler", "llm", "x")
    hpa, wider = Driver("HPA", ref, None, 2, 8), Driver("HPA", ref, None, 2, 9)
    fleet.sources("prod", [status(SourceState.SYNCING)])
    fleet.publish({KEY: chat(1, group(0), drivers=(hpa,))}, ())
    assert fleet.view().events == ()
    fleet.publish({KEY: chat(1, group(0), drivers=(wider,))}, ())
    assert [one.after for one in fleet.view().events] == ["2-9"]
    fleet.sources("prod", [status(SourceState.LIVE)])
    fleet.publish({KEY: chat(1, group(0))}, ())
    fleet.publish({KEY: chat(1, group(0), drivers=(hpa,))}, ())
    assert [(one.before, one.after) for one in fleet.view().events[-2:]] == [("2-9", None), (None, "2-8")]


def test_the_first_workload_of_a_cluster_that_was_empty_is_news() -> None:
    fleet, clock = fleet_of()
    fleet.totals("c1", GpuTotals(8, 0, 8, 0))
    clock.time += 5
    fleet.publish({KEY: chat(1, group(0, Phase.CREATING), created=1_004.0)}, ())
    assert [(one.kind, one.after) for one in fleet.view().events][:1] == [(EventKind.PHASE, "running")]


def test_another_context_is_seen_for_the_first_time() -> None:
    fleet, clock = fleet_of(chat(1, group(0)))
    fleet.forget()
    clock.time += 5
    fleet.publish({KEY: chat(1, group(0), created=1_004.0)}, ())
    assert fleet.view().events == ()


def test_time_alone_ends_an_operation_that_gets_nowhere() -> None:
    fleet, clock = fleet_of(chat(1, group(0)))
    fleet.attach(Durations(), limit=600.0)
    fleet.publish({KEY: chat(2, group(0))}, ())
    clock.time += 601
    fleet.tick()
    last = fleet.finished(KEY)
    assert last is not None
    assert last.outcome is Outcome.TIMED_OUT


def test_each_clusters_times_are_told_by_its_own_clock() -> None:
    fleet, _ = fleet_of(chat(1, group(0)))
    theirs = Clock()
    theirs.time = 5_000.0
    fleet.attach(Durations(), times=lambda cluster: theirs)
    fleet.publish({KEY: chat(2, group(0))}, ())
    event = fleet.view().events[-1]
    assert (event.at, event.seen_at) == (5_000.0, 1_000.0)


def test_sources_of_a_backend_replace_those_from_before_its_cluster_was_known() -> None:
    fleet, _ = fleet_of()
    fleet.sources("prod", [status(SourceState.SYNCING, "server-1")])
    fleet.sources("prod", [status(SourceState.LIVE, "c1")])
    assert [one.cluster for one in fleet.view().sources] == ["c1"]
    event = fleet.view().events[-1]
    assert (event.kind, event.before, event.after) == (EventKind.SOURCE, "syncing", "live")


def test_a_total_that_one_cluster_does_not_know_is_not_known() -> None:
    fleet, _ = fleet_of()
    fleet.totals("c1", GpuTotals(8, 4, 4, 0))
    fleet.totals("c2", GpuTotals(8, None, None, None))
    totals = fleet.view().totals
    assert totals is not None
    assert (totals.total, totals.allocated, totals.free) == (16, None, None)


def test_another_context_begins_with_nothing() -> None:
    fleet, _ = fleet_of(chat(1, group(0)))
    fleet.sources("prod", [status(SourceState.LIVE)])
    fleet.drain()
    fleet.forget()
    delta = fleet.drain()
    assert delta is not None
    assert delta.removed == {KEY}
    assert not delta.view.workloads
    assert not delta.view.sources
    assert delta.view.events == ()
