"""Operations: begun by a changed count, followed by what is seen, ended by what is."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.serving.follow import ActorHint, follow
from clients.serving.marks import stamp
from clients.serving.operation import Count, Operation, Outcome, Prediction
from clients.serving.phase import Cause, Mark, Phase, Trouble, TroubleKind
from clients.serving.workload import Group, Workload
from tests.support.planning import NAME, NOW, grid, group, names, replica, wanting

ROLES = (("prefill", 1), ("decode", 2))


def at_count(workload: Workload) -> Count:
    return Count(workload.desired, tuple((spec.name, spec.replicas) for spec in workload.role_specs))


def begin(before: Workload, after: Workload, hint: ActorHint | None = None) -> Operation:
    operation = follow(None, before, after, NOW, hint=hint).operation
    assert operation is not None
    return operation


def test_nothing_changes_and_nothing_begins() -> None:
    there = grid(0, 1)
    result = follow(None, there, there, NOW)
    assert (result.operation, result.ended) == (None, None)
    failing = grid(0, group(1, Phase.CREATING, cause=Cause.RECOVERY))
    assert follow(None, there, failing, NOW).operation is None


def test_who_asked() -> None:
    there = grid(0, 1)
    after = msgspec.structs.replace(wanting(there, 3), replicas_manager="kubectl-scale")
    assert begin(there, after).by == "kubectl-scale"
    hint = ActorHint("ops", at_count(after), mine=True, reason="launch")
    operation = begin(there, after, hint)
    assert (operation.by, operation.mine, operation.reason) == ("ops", True, "launch")
    other = ActorHint("ops", Count(9, ROLES), mine=True)
    assert begin(there, after, other).by == "kubectl-scale"
    assert begin(there, wanting(there, decode=3)).by == "unknown"


def test_a_late_hint_tells_who_it_was() -> None:
    there = grid(0, 1)
    after = wanting(there, 3)
    operation = begin(there, after)
    assert operation.by == "unknown"
    hint = ActorHint("ops", at_count(after), mine=True, prediction=Prediction(names(2)))
    later = follow(operation, after, after, NOW + 1, hint=hint).operation
    assert later is not None
    assert (later.by, later.mine, later.prediction) == ("ops", True, Prediction(names(2)))
    assert later.id == operation.id


def test_the_way_of_one_group() -> None:
    there = grid(0, 1)
    after = wanting(there, 3)
    operation = begin(there, after)
    assert (operation.before.groups, operation.after.groups) == (2, 3)
    assert (operation.done, operation.total) == (0, 1)
    loading = msgspec.structs.replace(
        after, groups=(*there.groups, group(2, Phase.CREATING, created=NOW + 2))
    )
    running = follow(operation, after, loading, NOW + 5).operation
    assert running is not None
    assert running.affected == running.happened == names(2)
    assert running.times[0].begun == NOW + 2
    assert running.times[0].started == NOW + 5
    ready = msgspec.structs.replace(after, groups=(*there.groups, group(2)), observed_generation=2)
    result = follow(running, loading, ready, NOW + 60)
    assert result.operation is None
    assert result.ended is not None
    assert (result.ended.outcome, result.ended.done, result.ended.total) == (Outcome.DONE, 1, 1)
    assert result.ended.times[0].ready == NOW + 60


def test_it_is_not_over_before_the_controller_has_seen_the_spec() -> None:
    there = grid(0, 1)
    after = msgspec.structs.replace(wanting(there, 3), groups=grid(0, 1, 2).groups)
    running = follow(None, there, after, NOW)
    assert running.operation is not None
    acted = msgspec.structs.replace(after, observed_generation=2)
    ended = follow(running.operation, after, acted, NOW + 1).ended
    assert ended is not None
    assert ended.outcome is Outcome.DONE


def test_at_zero_the_status_never_says_so() -> None:
    there = grid(0)
    after = wanting(there, 0)
    gone = msgspec.structs.replace(after, groups=())
    leaving = msgspec.structs.replace(after, groups=(group(0, Phase.DELETING),))
    operation = follow(begin(there, after), after, leaving, NOW + 1).operation
    ended = follow(operation, leaving, gone, NOW + 2).ended
    assert ended is not None
    assert ended.outcome is Outcome.DONE


def test_what_happens_replaces_what_was_guessed() -> None:
    there = grid(0, 1, 2, 3)
    after = wanting(there, 2)
    operation = begin(there, after)
    assert set(operation.affected) == set(names(2, 3))
    hint = ActorHint("ops", at_count(after), prediction=Prediction(names(1, 3)))
    predicted = begin(there, after, hint)
    assert predicted.affected == names(1, 3)
    leaving = msgspec.structs.replace(
        after,
        groups=(there.groups[0], group(1, Phase.DELETING), there.groups[2], group(3, Phase.DELETING)),
    )
    seen = follow(operation, after, leaving, NOW + 1).operation
    assert seen is not None
    assert set(seen.affected) == set(names(1, 3))
    assert seen.total == 2


def test_order_within_one_look_is_by_arrival() -> None:
    there = grid(0, 1, 2, 3)
    after = wanting(there, 1)
    leaving = msgspec.structs.replace(
        after,
        groups=(
            there.groups[0],
            group(1, Phase.DELETING, gone_seq=9),
            group(2, Phase.DELETING, gone_seq=7),
            group(3, Phase.DELETING, gone_seq=8),
        ),
    )
    operation = follow(begin(there, after), after, leaving, NOW + 1).operation
    assert operation is not None
    assert operation.happened == names(2, 3, 1)


def test_further_the_same_way_is_the_same_operation() -> None:
    there = grid(0, 1)
    four, six = wanting(there, 4), wanting(there, 6)
    operation = begin(there, four, ActorHint("ops", mine=True))
    result = follow(operation, four, six, NOW + 100, hint=ActorHint("HPA qwen", at_count(six)))
    assert result.ended is None
    assert result.operation is not None
    assert result.operation.id == operation.id
    assert (result.operation.before.groups, result.operation.after.groups) == (2, 6)
    assert result.operation.by == "ops, HPA qwen"
    assert result.operation.total == 4
    late = follow(result.operation, six, six, NOW + 1850).operation
    assert late is not None, "the limit runs from the last move"
    assert follow(late, six, six, NOW + 1950).operation is None


@pytest.mark.parametrize("back", [2, 3])
def test_another_way_reverts_it_and_begins_anew(back: int) -> None:
    there = grid(0, 1)
    four = wanting(there, 4)
    making = msgspec.structs.replace(
        four, groups=(*there.groups, group(2, Phase.CREATING), group(3, Phase.CREATING))
    )
    operation = follow(begin(there, four, ActorHint("ops")), four, making, NOW + 1).operation
    less = wanting(making, back)
    result = follow(operation, making, less, NOW + 5, hint=ActorHint("HPA qwen"))
    assert result.ended is not None
    assert result.ended.outcome is Outcome.REVERTED
    assert result.ended.detail == f"HPA qwen asked for {back} groups"
    assert result.operation is not None
    assert (result.operation.before.groups, result.operation.after.groups) == (4, back)
    assert set(result.operation.affected) == set(names(2, 3)), "what is still being made is taken over"
    over = msgspec.structs.replace(less, groups=grid(*range(back)).groups, observed_generation=3)
    ended = follow(result.operation, less, over, NOW + 9).ended
    assert ended is not None
    assert ended.outcome is Outcome.DONE


def test_shrink_then_grow_waits_for_the_old_ones_and_remakes_them() -> None:
    there = grid(0, 1, 2, 3)
    two = wanting(there, 2)
    leaving = msgspec.structs.replace(
        two, groups=(*there.groups[:2], group(2, Phase.DELETING), group(3, Phase.DELETING))
    )
    operation = follow(begin(there, two), two, leaving, NOW + 1).operation
    four = wanting(leaving, 4)
    result = follow(operation, leaving, four, NOW + 2)
    assert result.ended is not None
    assert result.operation is not None
    assert (result.operation.done, result.operation.total) == (0, 2)
    assert stamp(four, result.operation).groups[3].mark is Mark.ACTIVE
    making = msgspec.structs.replace(
        four, groups=(*there.groups[:2], group(2, Phase.CREATING), group(3, Phase.QUEUED))
    )
    running = follow(result.operation, four, making, NOW + 20).operation
    assert running is not None
    assert running.happened == names(2)
    done = msgspec.structs.replace(four, groups=there.groups, observed_generation=3)
    ended = follow(running, making, done, NOW + 60).ended
    assert ended is not None
    assert (ended.outcome, ended.done, ended.total) == (Outcome.DONE, 2, 2)


def test_it_is_given_up_after_the_limit_and_says_what_stands_in_the_way() -> None:
    there = grid(0, 1)
    after = wanting(there, 3)
    trouble = Trouble(TroubleKind.BLOCKED, "Unschedulable", "4 GPUs short")
    stuck = msgspec.structs.replace(group(2, Phase.CREATING), trouble=trouble)
    waiting = msgspec.structs.replace(after, groups=(*there.groups, stuck))
    operation = follow(begin(there, after), after, waiting, NOW + 1, limit=100).operation
    assert operation is not None
    ended = follow(operation, waiting, waiting, NOW + 100, limit=100).ended
    assert ended is not None
    assert ended.outcome is Outcome.TIMED_OUT
    assert ended.detail == "0 of 1 done; qwen-2 blocked: Unschedulable"


def test_a_system_that_gives_up_ends_it_with_its_own_words() -> None:
    there = grid(0, 1)
    after = wanting(there, 3)
    operation = begin(there, after)
    failed = msgspec.structs.replace(after, given_up="FAILED: no card is left")
    result = follow(operation, after, failed, NOW + 30)
    assert result.operation is None
    assert result.ended is not None
    assert (result.ended.outcome, result.ended.detail) == (Outcome.FAILED, "FAILED: no card is left")
    assert follow(None, failed, failed, NOW + 31).operation is None, "what failed does not begin again"


def test_a_count_that_falls_back_with_the_change_given_up_was_not_asked_for_by_anybody() -> None:
    there = grid(0, 1)
    after = wanting(there, 3)
    operation = begin(there, after)
    back = msgspec.structs.replace(there, given_up="operation failure: fault")
    result = follow(operation, after, back, NOW + 30)
    assert result.operation is None
    assert result.ended is not None
    assert (result.ended.outcome, result.ended.detail) == (Outcome.FAILED, "operation failure: fault")
    assert follow(operation, after, there, NOW + 30).ended != result.ended, "without a word it was somebody"


def test_what_is_done_with_a_warning_says_so() -> None:
    there = grid(0, 1)
    one = wanting(there, 1)
    warned = msgspec.structs.replace(
        one,
        groups=there.groups[:1],
        observed_generation=one.generation,
        trouble=Trouble(TroubleKind.DEGRADED, "Alarm", "a card runs hot"),
    )
    ended = follow(begin(there, one), one, warned, NOW + 30).ended
    assert ended is not None
    assert (ended.outcome, ended.detail) == (Outcome.DONE, "Alarm: a card runs hot")


def test_a_workload_that_goes_takes_its_operation_along() -> None:
    there = grid(0, 1)
    operation = begin(there, wanting(there, 3))
    ended = follow(operation, there, None, NOW + 1).ended
    assert ended is not None
    assert ended.outcome is Outcome.GONE
    again = msgspec.structs.replace(there, uid="u2")
    assert follow(operation, there, again, NOW + 1).ended is not None


def test_first_seen_in_the_middle() -> None:
    up = grid(0, 1, group(2, Phase.CREATING), group(3, Phase.QUEUED), desired=4)
    operation = follow(None, None, up, NOW).operation
    assert operation is not None
    assert (operation.by, operation.started_at) == ("unknown", NOW)
    assert (operation.before.groups, operation.after.groups) == (2, 4)
    assert operation.affected == names(2, 3)
    down = grid(0, 1, group(2, Phase.DELETING), group(3, Phase.DELETING), desired=2)
    operation = follow(None, None, down, NOW).operation
    assert operation is not None
    assert (operation.before.groups, operation.after.groups, operation.total) == (4, 2, 2)
    assert follow(None, None, grid(0, 1), NOW).operation is None


def test_what_fails_or_recovers_at_first_sight_is_no_operation() -> None:
    failed = msgspec.structs.replace(
        group(1, Phase.CREATING), trouble=Trouble(TroubleKind.FAILED, "CrashLoopBackOff", "")
    )
    recovering = group(1, Phase.CREATING, cause=Cause.RECOVERY)
    for odd in (failed, recovering, group(1, Phase.CREATING, served=True)):
        assert follow(None, None, grid(0, odd), NOW).operation is None


def test_one_left_by_an_earlier_run_is_taken_up() -> None:
    up = grid(0, 1, group(2, Phase.CREATING), group(3, Phase.QUEUED), desired=4)
    left = Operation(
        "op-7", up.key, "ops", Count(2, ROLES), Count(4, ROLES), NOW - 60, names(2, 3), mine=True
    )
    operation = follow(left, None, up, NOW).operation
    assert operation is not None
    assert (operation.id, operation.by, operation.started_at) == ("op-7", "ops", NOW - 60)
    assert (operation.affected, operation.total) == (names(2, 3), 2)
    over = follow(left, None, grid(0, 1, 2, 3), NOW).ended
    assert over is not None
    assert over.outcome is Outcome.DONE


def test_groups_and_roles_in_one_operation() -> None:
    there = grid(0, 1)
    after = wanting(there, 3, decode=3)
    operation = begin(there, after)
    assert operation.total == 1 + 2
    more = (*(replica("decode", at) for at in range(2)), replica("decode", 2, Phase.CREATING))
    mixed = msgspec.structs.replace(
        after,
        groups=(
            group(0, Phase.SCALING, roles={"decode": more}),
            group(1, Phase.SCALING, roles={"decode": more}),
            group(2, Phase.CREATING),
        ),
    )
    running = follow(operation, after, mixed, NOW + 1).operation
    assert running is not None
    assert set(running.affected) == {f"{NAME}-2", f"{NAME}-0/decode-2", f"{NAME}-1/decode-2"}
    assert {one.mark for one in stamp(mixed, running).groups} == {Mark.ACTIVE}


def test_untouched_groups_in_trouble_do_not_hold_the_end_up_but_are_named() -> None:
    trouble = Trouble(TroubleKind.FAILED, "CrashLoopBackOff", "")
    broken = msgspec.structs.replace(group(0, Phase.CREATING), trouble=trouble)
    there = grid(broken, 1)
    after = wanting(there, 3)
    done = msgspec.structs.replace(after, groups=(broken, group(1), group(2)), observed_generation=2)
    ended = follow(begin(there, after), after, done, NOW + 1).ended
    assert ended is not None
    assert (ended.outcome, ended.detail) == (Outcome.DONE, "qwen-0 failed: CrashLoopBackOff")


def test_failures_on_the_way_are_counted() -> None:
    there = grid(0, 1)
    after = wanting(there, 3)
    trouble = Trouble(TroubleKind.FAILED, "CrashLoopBackOff", "")
    good, bad = group(2, Phase.CREATING), msgspec.structs.replace(group(2, Phase.CREATING), trouble=trouble)
    operation: Operation | None = begin(there, after)
    last = after
    for one in (good, bad, bad, good, bad):
        look = msgspec.structs.replace(after, groups=(*there.groups, one))
        operation = follow(operation, last, look, NOW + 1).operation
        last = look
    assert operation is not None
    assert operation.times[0].failures == 2


_PHASES = [Phase.QUEUED, Phase.CREATING, Phase.RUNNING, Phase.SCALING, Phase.DELETING, Phase.ABSENT]


@st.composite
def histories(draw: st.DrawFn) -> list[Workload | None]:
    """Looks at one workload on which anything may happen between two of them."""
    found: list[Workload | None] = []
    generation = 1
    for _ in range(draw(st.integers(1, 6))):
        if found and draw(st.integers(0, 9)) == 0:
            found.append(None)
            continue
        desired = draw(st.integers(0, 4))
        decode = draw(st.integers(0, 3))
        generation += draw(st.integers(0, 1))
        groups: list[Group] = []
        for ordinal in draw(st.lists(st.integers(0, 5), unique=True, max_size=5).map(sorted)):
            inner = draw(st.lists(st.sampled_from(_PHASES), max_size=3))
            cause = draw(st.sampled_from([None, *Cause]))
            name = f"{NAME}-{ordinal}"
            decodes = [replica("decode", at, phase, group=name) for at, phase in enumerate(inner)]
            groups.append(
                group(ordinal, draw(st.sampled_from(_PHASES)), roles={"decode": decodes}, cause=cause)
            )
        value = grid(*groups, desired=desired, generation=generation)
        specs = tuple(
            msgspec.structs.replace(spec, replicas=decode) if spec.name == "decode" else spec
            for spec in value.role_specs
        )
        found.append(msgspec.structs.replace(value, role_specs=specs))
    return found


@settings(max_examples=300)
@given(histories())
def test_no_operation_is_ever_lost(looks: list[Workload | None]) -> None:
    operation: Operation | None = None
    last: Workload | None = None
    now = NOW
    for look in looks:
        now += 7
        result = follow(operation, last, look, now)
        assert follow(operation, last, look, now) == result, "the same input gives the same result"
        if operation is not None:
            after = result.operation
            kept = after is not None and after.id == operation.id
            ended = result.ended is not None and result.ended.id == operation.id
            assert kept is not ended, "it goes on or it ends, with an outcome"
            if kept and after is not None:
                assert after.happened[: len(operation.happened)] == operation.happened
        if result.ended is not None:
            assert result.ended.outcome is not None
            assert result.ended.ended_at == now
        if result.operation is not None:
            running = result.operation
            assert look is not None
            assert running.after == at_count(look)
            assert 0 <= running.done <= running.total
            assert len(running.times) <= running.total
            assert set(running.affected) == {item.name for item in running.times}
            marks = {one.name: one.mark for one in stamp(look, running).groups}
            touched = {name.partition("/")[0] for name in running.affected}
            for one in look.groups:
                there = one.phase not in (Phase.QUEUED, Phase.ABSENT)
                assert (marks[one.name] is not None) is there
                if there and one.name not in touched:
                    assert marks[one.name] is Mark.DONE
        operation, last = result.operation, look
