from __future__ import annotations

import msgspec
import pytest

from clients.serving.eta import Durations, DurationsError
from clients.serving.follow import ActorHint, follow
from clients.serving.operation import Prediction
from clients.serving.phase import Phase, Trouble, TroubleKind
from clients.serving.plans import Eta, Step, StepKind
from clients.serving.workload import Group, Workload
from tests.support.planning import NOW, grid, group, replica, wanting

BASE = grid(0, 1)


def looks(*groups: Group | None) -> list[Workload]:
    return [
        msgspec.structs.replace(BASE, groups=BASE.groups + (() if one is None else (one,))) for one in groups
    ]


def live(learned: Durations, seen: list[Workload], *at: float) -> None:
    for before, after, now in zip(seen[:-1], seen[1:], at, strict=True):
        learned.see(before, after, NOW + now)


def start(learned: Durations, seconds: float) -> None:
    making = group(2, Phase.CREATING, created=NOW)
    live(learned, looks(None, making, group(2), None), 1, seconds, 1000)


def create(count: int) -> list[Step]:
    return [Step(StepKind.CREATE, f"qwen-{at}", 5, 6) for at in range(2, 2 + count)]


def test_no_history_no_number() -> None:
    learned = Durations()
    assert learned.eta(BASE, create(1), staged=False) is None
    start(learned, 60)
    assert learned.eta(BASE, create(1), staged=False) == Eta(60, 60, 1)
    removal = [Step(StepKind.DELETE, "qwen-1", 5, 6)]
    assert learned.eta(BASE, [*create(1), *removal], staged=False) is None, "a stop was never seen"
    assert learned.eta(grid(0, specs=BASE.role_specs[:1]), create(1), staged=False) is None, "another shape"


def test_side_by_side_or_one_after_the_other() -> None:
    learned = Durations()
    for seconds in range(50, 71):
        start(learned, seconds)
    side = learned.eta(BASE, create(3), staged=False)
    assert side == Eta(53, 68, 20), "the last 20, less the two fastest and the two slowest"
    assert learned.eta(BASE, create(3), staged=True) == Eta(159, 204, 20)


def test_stops_from_the_beginning_of_the_deletion_to_the_last_pod() -> None:
    learned = Durations()
    leaving = msgspec.structs.replace(group(2, Phase.DELETING), since=NOW + 5)
    live(learned, looks(group(2), leaving, None), 6, 40)
    assert learned.of_group(BASE, "stop") == Eta(35, 35, 1)
    assert learned.of_replica(BASE, "decode", "stop") is not None


def test_role_replicas_have_their_own_times() -> None:
    learned = Durations()
    more = [replica("decode", at) for at in range(2)]
    making = replica("decode", 2, Phase.CREATING, created=NOW)
    seen = [
        grid(group(0)),
        grid(group(0, Phase.SCALING, roles={"decode": [*more, making]})),
        grid(group(0, roles={"decode": [*more, replica("decode", 2)]})),
    ]
    live(learned, seen, 1, 25)
    step = [Step(StepKind.CREATE, "qwen-0/decode-3", 2, 2)]
    assert learned.eta(BASE, step, staged=False) == Eta(25, 25, 1)
    assert learned.of_group(BASE, "start") is None, "the group itself did not start"


def test_what_went_wrong_is_no_teacher() -> None:
    learned = Durations()
    making = group(2, Phase.CREATING, created=NOW)
    blocked = msgspec.structs.replace(making, trouble=Trouble(TroubleKind.BLOCKED, "Unschedulable", ""))
    live(learned, looks(None, making, blocked, making, group(2)), 1, 2, 500, 560)
    assert learned.of_group(BASE, "start") is None


def test_what_already_ran_when_we_came_is_not_timed() -> None:
    learned = Durations()
    learned.see(None, looks(group(2, Phase.CREATING))[0], NOW)
    live(learned, looks(group(2, Phase.CREATING), group(2)), 60)
    assert learned.of_group(BASE, "start") is None


def test_what_remains_shrinks_with_time() -> None:
    learned = Durations()
    for seconds in (60, 80):
        start(learned, seconds)
    after = wanting(BASE, 4)
    operation = follow(None, BASE, after, NOW).operation
    assert operation is not None
    assert learned.remaining(after, operation, NOW) is None, "nobody knows which groups yet"
    queued = msgspec.structs.replace(
        after, groups=(*BASE.groups, group(2, Phase.CREATING, created=NOW), group(3, Phase.QUEUED))
    )
    running = follow(operation, after, queued, NOW + 1).operation
    assert running is not None
    assert learned.remaining(queued, running, NOW + 30) == (60, 80)
    assert learned.remaining(queued, running, NOW + 30, staged=True) == (30 + 60, 50 + 80)
    assert learned.samples(queued, running) == 2
    both = msgspec.structs.replace(
        after, groups=(*BASE.groups, *(group(at, Phase.CREATING, created=NOW) for at in (2, 3)))
    )
    late = follow(running, queued, both, NOW + 20).operation
    assert late is not None
    assert learned.remaining(both, late, NOW + 50) == (10, 30)
    assert learned.remaining(both, late, NOW + 500) == (0, 0), "longer than usual"


def test_a_vendors_word_holds_until_something_was_learned() -> None:
    learned = Durations()
    after = wanting(BASE, 4)
    promised = ActorHint("ana", prediction=Prediction(None, 360.0, 600.0))
    operation = follow(None, BASE, after, NOW, hint=promised).operation
    assert operation is not None
    making = (*BASE.groups, *(group(at, Phase.CREATING, created=NOW) for at in (2, 3)))
    begun = msgspec.structs.replace(after, groups=making)
    running = follow(operation, after, begun, NOW + 1).operation
    assert running is not None
    assert learned.remaining(begun, running, NOW + 100) == (260, 500)
    assert learned.remaining(begun, running, NOW + 400) == (0, 200)
    assert learned.samples(begun, running) == 0
    start(learned, 60)
    assert learned.remaining(begun, running, NOW + 20) == (40, 40)


def test_through_a_file_and_back() -> None:
    learned = Durations()
    start(learned, 60)
    again = Durations.load(learned.dump())
    assert again.dump() == learned.dump()
    assert again.of_group(BASE, "start") == learned.of_group(BASE, "start")
    assert learned.version > 0


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"version": 2}', b'{"version": "x"}', b"\xff"])
def test_files_of_others_are_refused(data: bytes) -> None:
    with pytest.raises(DurationsError):
        Durations.load(data)


def test_a_workload_made_anew_is_not_timed_with_the_old_one() -> None:
    learned = Durations()
    making = looks(None, group(2, Phase.CREATING, created=NOW))
    live(learned, making, 1)
    other = msgspec.structs.replace(looks(group(2))[0], uid="u2")
    learned.see(making[-1], other, NOW + 50)
    learned.see(other, looks(group(2))[0], NOW + 51)
    assert learned.of_group(BASE, "start") is None
