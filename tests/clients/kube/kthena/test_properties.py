"""Whatever the pods of a ModelServing go through, deriving gives a value, the same one, and a sound one."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from clients.kube import decode, kthena
from clients.kube.rows import EventRow, ModelServingRow, OwnerRow, PodGroupRow, PodRow
from clients.serving.phase import ControllerState, Phase
from clients.serving.workload import Workload
from tests.support import kthena_objects as objects
from tests.support.kthena_histories import History, histories

EPOCH = objects.EPOCH


def check_sound(workload: Workload, recovery: str = "RoleRecreate") -> None:
    ordinals = [group.ordinal for group in workload.groups if group.ordinal is not None]
    assert ordinals == sorted(set(ordinals))
    existing = [group for group in workload.groups if group.phase is not Phase.QUEUED]
    assert workload.ready is not None
    assert 0 <= workload.ready <= len(existing)
    for group in workload.groups:
        assert group.progress is None or 0 <= group.progress <= 100
        for role in group.roles:
            numbers = [item.ordinal for item in role.replicas if item.ordinal is not None]
            assert numbers == sorted(set(numbers))
            assert role.ready <= len(role.replicas)
            for item in role.replicas:
                assert item.progress is None or 0 <= item.progress <= 100
                assert not any(view.ready and view.terminating for view in item.pods)
                assert item.controller_state is not None or item.phase is Phase.QUEUED
                if group.controller_state is ControllerState.RUNNING and item.phase is Phase.QUEUED:
                    assert recovery == "None"
        if group.controller_state is ControllerState.DELETING:
            assert all(role.ready == 0 for role in group.roles)
        if group.phase is Phase.RUNNING and group.trouble is None:
            assert all(
                item.controller_state is ControllerState.RUNNING for role in group.roles for item in role.replicas
            )


@given(histories())
@settings(max_examples=150, deadline=None)
def test_any_history_gives_the_same_sound_value_incrementally_and_afresh(history: History) -> None:
    index: kthena.ServingIndex | None = None
    previous: Workload | None = None
    for step in history.steps:
        if index is None:
            index = kthena.ServingIndex("c", step.row)
        step.put_into(index)
        value = index.derive(previous, step.now)
        check_sound(value, step.row.recovery_policy)
        fresh = kthena.derive(
            step.row, step.pods(), step.pod_groups(), (), previous, step.now, cluster="c"
        )
        assert fresh == value
        again = kthena.derive(step.row, step.pods(), step.pod_groups(), (), value, step.now, cluster="c")
        assert again == value
        if previous is not None:
            kept = {id(group) for group in previous.groups}
            for old in previous.groups:
                new = next((group for group in value.groups if group.name == old.name), None)
                assert new is None or new != old or id(new) in kept
        previous = value
