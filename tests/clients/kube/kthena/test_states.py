"""Each row of the fact sheet's table of derived states, and what histories make of them."""

from __future__ import annotations

from typing import Any

import pytest

from clients.kube import decode, kthena
from clients.serving.phase import Cause, ControllerState, Phase, Stage, TroubleKind
from tests.support import kthena_objects as objects
from tests.support.kthena_field import Field

EPOCH = objects.EPOCH
CREATING, RUNNING = ControllerState.CREATING, ControllerState.RUNNING
SCALING, DELETING = ControllerState.SCALING, ControllerState.DELETING
DECODE = [objects.role("decode", 1)]


@pytest.mark.parametrize(
    ("pod", "phase", "state", "stage", "progress", "trouble"),
    [
        (
            {"state": "unscheduled", "created": EPOCH + 3590},
            Phase.CREATING,
            CREATING,
            Stage.UNSCHEDULED,
            0,
            None,
        ),
        ({"state": "unschedulable"}, Phase.CREATING, CREATING, Stage.UNSCHEDULED, 0, TroubleKind.BLOCKED),
        ({"state": "init"}, Phase.CREATING, CREATING, Stage.INIT, 20, None),
        ({"state": "image"}, Phase.CREATING, CREATING, Stage.IMAGE, 40, None),
        ({"state": "imageerror"}, Phase.CREATING, CREATING, Stage.IMAGE, 40, TroubleKind.FAILED),
        ({"state": "weights"}, Phase.CREATING, CREATING, Stage.WEIGHTS, 60, None),
        ({"state": "started"}, Phase.CREATING, CREATING, Stage.PROBING, 80, None),
        ({"state": "ready"}, Phase.RUNNING, RUNNING, Stage.READY, 100, None),
        ({"state": "lost"}, Phase.RUNNING, RUNNING, Stage.PROBING, 80, TroubleKind.DEGRADED),
        ({"state": "crash", "restarts": 2}, Phase.CREATING, CREATING, Stage.WEIGHTS, 40, TroubleKind.FAILED),
        (
            {"state": "restarted", "restarts": 1},
            Phase.CREATING,
            CREATING,
            Stage.WEIGHTS,
            60,
            TroubleKind.FAILED,
        ),
        ({"state": "failed"}, Phase.CREATING, CREATING, Stage.WEIGHTS, 40, TroubleKind.FAILED),
    ],
)
def test_a_pod_in_each_state_seen_for_the_first_time(
    pod: dict[str, Any],
    phase: Phase,
    state: ControllerState,
    stage: Stage,
    progress: int,
    trouble: TroubleKind | None,
) -> None:
    field = Field(replicas=1, roles=DECODE)
    field.put(0, "decode", **pod)
    value = field.derive()
    item, group = field.replica(0, "decode-0"), field.group(0)
    assert (item.phase, item.controller_state, item.stage, item.progress) == (phase, state, stage, progress)
    assert (group.phase, group.controller_state, group.progress) == (phase, state, progress)
    assert (item.trouble.kind if item.trouble else None) is trouble
    assert (value.trouble.kind if value.trouble else None) is trouble
    assert value.ready == (1 if stage is Stage.READY else 0)


def test_a_group_is_made_then_runs() -> None:
    field = Field(replicas=2)
    field.put_group(0)
    field.derive()
    assert (field.group(1).phase, field.group(1).controller_state) == (Phase.QUEUED, None)
    assert [item.phase for role in field.group(1).roles for item in role.replicas] == [Phase.QUEUED] * 2
    field.put(1, "prefill", state="unscheduled", created=field.now)
    value = field.derive()
    group = field.group(1)
    assert (group.phase, group.controller_state, group.cause) == (Phase.CREATING, CREATING, Cause.SCALE)
    assert (value.phase, value.cause, value.ready) == (Phase.SCALING, Cause.SCALE, 1)
    field.put_group(1, state="weights", created=field.now)
    field.derive()
    assert field.group(1).progress == 60
    field.put_group(1, ready_at=field.now, created=field.now - 60)
    value = field.derive()
    assert (field.group(1).phase, field.group(1).cause) == (Phase.RUNNING, None)
    assert field.group(1).since == pytest.approx(field.now - 1, abs=1)
    assert (value.phase, value.ready, value.desired, value.gpus) == (Phase.RUNNING, 2, 2, 48)
    assert field.group(0).created_seq is not None
    assert (field.group(1).created_seq or 0) > (field.group(0).created_seq or 0)


def test_nothing_of_a_model_serving_that_is_being_deleted_is_ready() -> None:
    field = Field(replicas=2)
    for ordinal in (0, 1):
        field.put_group(ordinal)
    assert field.derive().ready == 2
    field.change(meta={"deletionTimestamp": objects.rfc3339(field.now)})
    value = field.derive()
    assert (value.phase, value.ready) == (Phase.DELETING, 0)
    field.put_group(1, deleted=field.now + 30)
    assert field.derive().ready == 0


def test_a_group_chosen_to_go_is_deleted_and_never_ready() -> None:
    field = Field(replicas=2)
    for ordinal in (0, 1):
        field.put_group(ordinal)
        field.put_pod_group(ordinal)
    field.derive()
    field.change(replicas=1, generation=2)
    assert field.derive().phase is Phase.RUNNING
    field.drop_pod_group(1)
    field.put_group(1, deleted=field.now + 30)
    value = field.derive()
    group = field.group(1)
    assert (group.phase, group.controller_state, group.cause) == (Phase.DELETING, DELETING, Cause.SCALE)
    assert {item.controller_state for role in group.roles for item in role.replicas} == {RUNNING}
    assert {item.phase for role in group.roles for item in role.replicas} == {Phase.DELETING}
    assert sum(role.ready for role in group.roles) == 0
    assert (value.phase, value.cause, value.ready) == (Phase.SCALING, Cause.SCALE, 1)
    assert group.since == pytest.approx(field.now - 1, abs=1)
    assert group.deleting_seq is not None
    assert {group.progress, *(item.progress for role in group.roles for item in role.replicas)} == {None}
    field.drop(1, "prefill")
    field.derive()
    assert field.replica(1, "prefill-0").progress == 100
    assert field.group(1).progress == 33
    field.drop(1, "decode", 0, 0)
    field.drop(1, "decode", 0, 1)
    assert [group.ordinal for group in field.derive().groups] == [0]


def test_groups_wanted_again_while_still_going_stay_deleting() -> None:
    field = Field(replicas=2, roles=DECODE, schedulerName="default-scheduler")
    field.put(0, "decode")
    field.put(1, "decode")
    field.derive()
    field.change(replicas=1)
    field.put(1, "decode", deleted=field.now + 30)
    field.derive()
    field.change(replicas=2)
    field.derive()
    assert (field.group(1).controller_state, field.group(1).cause) == (DELETING, Cause.SCALE)
    assert [group.ordinal for group in field.value.groups] == [0, 1]  # type: ignore[union-attr]
    field.drop(1, "decode")
    field.derive()
    assert (field.group(1).phase, field.group(1).cause) == (Phase.QUEUED, Cause.SCALE)


def test_all_groups_flip_to_scaling_as_soon_as_a_role_is_asked_for_more() -> None:
    field = Field(replicas=2)
    field.put_group(0)
    field.put_group(1)
    field.derive()
    field.change(roles=[objects.role("prefill"), objects.role("decode", 2, 1)], generation=2)
    value = field.derive()
    assert [group.controller_state for group in value.groups] == [SCALING, SCALING]
    assert {group.phase for group in value.groups} == {Phase.SCALING}
    assert field.replica(0, "decode-1").phase is Phase.QUEUED
    assert (value.phase, value.cause, value.ready) == (Phase.SCALING, Cause.SCALE, 0)
    for index in (0, 1):
        field.put(1, "decode", 1, index, created=field.now, ready_at=field.now)
    field.derive()
    assert [group.controller_state for group in field.value.groups] == [SCALING, RUNNING]  # type: ignore[union-attr]


def test_a_role_asked_for_fewer_scales_until_the_victim_is_gone() -> None:
    field = Field(replicas=1, roles=[objects.role("decode", 2)])
    field.put(0, "decode", 0)
    field.put(0, "decode", 1)
    field.derive()
    field.change(roles=DECODE, generation=2)
    field.derive()
    assert field.group(0).controller_state is SCALING
    field.put(0, "decode", 1, deleted=field.now + 30)
    field.derive()
    item = field.replica(0, "decode-1")
    assert (item.phase, item.controller_state, item.cause) == (Phase.DELETING, DELETING, Cause.SCALE)
    field.drop(0, "decode", 1)
    field.derive()
    assert (field.group(0).controller_state, field.group(0).phase) == (RUNNING, Phase.RUNNING)


def test_losing_readiness_alone_changes_no_state_but_counts_as_not_ready() -> None:
    field = Field(replicas=1)
    field.put_group(0)
    field.derive()
    field.put(0, "decode", 0, 1, state="lost", ready_at=field.now)
    value = field.derive()
    assert field.group(0).controller_state is RUNNING
    assert field.replica(0, "decode-0").controller_state is RUNNING
    assert value.ready == 0
    assert value.trouble is not None
    assert value.trouble.kind is TroubleKind.DEGRADED
    assert value.trouble.message.startswith("G-0 decode-0: worker 1: was ready")
    assert value.trouble.since == field.now - 1
    field.put(0, "decode", 0, 1)
    assert field.derive().trouble is None


def test_a_crash_and_the_recovery_of_the_role() -> None:
    field = Field(replicas=1)
    field.put_group(0)
    field.put_pod_group(0)
    field.derive()
    field.put(0, "decode", 0, 1, state="restarted", restarts=1)
    value = field.derive()
    assert (field.group(0).controller_state, field.group(0).phase) == (CREATING, Phase.CREATING)
    assert field.replica(0, "decode-0").controller_state is CREATING
    assert (field.group(0).cause, value.cause) == (Cause.RECOVERY, Cause.RECOVERY)
    field.put(0, "decode", 0, 1, state="restarted", restarts=1, deleted=field.now + 30)
    field.derive()
    assert field.replica(0, "decode-0").controller_state is CREATING
    field.drop(0, "decode", 0, 1)
    field.put(0, "decode", 0, 0, deleted=field.now + 30)
    field.derive()
    assert field.replica(0, "decode-0").controller_state is DELETING
    assert field.replica(0, "decode-0").cause is Cause.RECOVERY
    assert field.group(0).controller_state is CREATING
    field.drop(0, "decode", 0, 0)
    field.derive()
    assert field.group(0).controller_state is SCALING
    assert (field.replica(0, "decode-0").phase, field.replica(0, "decode-0").cause) == (
        Phase.QUEUED,
        Cause.RECOVERY,
    )
    for index in (0, 1):
        field.put(0, "decode", 0, index, uid=f"new-{index}", created=field.now, state="weights")
    field.derive()
    assert (field.group(0).controller_state, field.group(0).cause) == (SCALING, Cause.RECOVERY)
    for index in (0, 1):
        field.put(0, "decode", 0, index, uid=f"new-{index}", created=field.now - 60, ready_at=field.now)
    field.derive()
    assert (field.group(0).controller_state, field.group(0).cause) == (RUNNING, None)


def test_a_pod_that_became_ready_again_within_its_grace_runs_again() -> None:
    field = Field(replicas=1, roles=DECODE)
    field.put(0, "decode")
    field.derive()
    field.put(0, "decode", state="restarted", restarts=1)
    field.derive()
    assert field.group(0).controller_state is CREATING
    field.put(0, "decode", restarts=1)
    field.derive()
    assert field.group(0).controller_state is RUNNING


def test_a_pod_deleted_by_somebody_changes_nothing_until_it_is_gone() -> None:
    field = Field(replicas=1)
    field.put_group(0)
    field.put_pod_group(0)
    field.derive()
    field.put(0, "prefill", deleted=field.now + 30)
    field.derive()
    item = field.replica(0, "prefill-0")
    assert (item.phase, item.controller_state) == (Phase.DELETING, RUNNING)
    assert field.group(0).controller_state is RUNNING
    field.drop(0, "prefill")
    field.derive()
    assert field.group(0).controller_state is SCALING


def test_recovery_policy_none_leaves_the_hole_and_says_so() -> None:
    field = Field(replicas=1, recoveryPolicy="None")
    field.put_group(0)
    field.derive()
    field.drop(0, "prefill")
    value = field.derive()
    item = field.replica(0, "prefill-0")
    assert (item.phase, item.controller_state) == (Phase.QUEUED, RUNNING)
    assert field.group(0).controller_state is RUNNING
    assert value.ready == 0
    assert value.trouble is not None
    assert "recovery policy None" in value.trouble.message


def test_a_group_recreated_whole_begins_afresh() -> None:
    field = Field(replicas=1, recoveryPolicy="ServingGroupRecreate")
    field.put_group(0)
    field.put_pod_group(0)
    field.derive()
    field.drop(0, "prefill")
    field.drop_pod_group(0)
    field.put(0, "decode", 0, 0, deleted=field.now + 30)
    field.put(0, "decode", 0, 1, deleted=field.now + 30)
    field.derive()
    assert (field.group(0).controller_state, field.group(0).cause) == (DELETING, Cause.RECOVERY)
    old = field.group(0).created_seq
    field.drop(0, "decode", 0, 0)
    field.drop(0, "decode", 0, 1)
    field.derive()
    assert (field.group(0).phase, field.group(0).cause) == (Phase.QUEUED, Cause.RECOVERY)
    field.put(0, "prefill", uid="new", state="weights", created=field.now)
    field.derive()
    assert (field.group(0).controller_state, field.group(0).cause) == (CREATING, Cause.RECOVERY)
    assert field.group(0).created_seq != old
    assert not field.group(0).served


def test_a_rollout_of_whole_groups() -> None:
    field = Field(replicas=2)
    for ordinal in (0, 1):
        field.put_group(ordinal, revision="old")
        field.put_pod_group(ordinal)
    field.change(revision="new", current_revision="old", generation=2)
    value = field.derive()
    assert [(group.phase, group.outdated) for group in value.groups] == [(Phase.UPDATING, True)] * 2
    assert (value.phase, value.cause, value.ready) == (Phase.UPDATING, Cause.ROLLOUT, 2)
    field.drop_pod_group(1)
    field.put_group(1, revision="old", deleted=field.now + 30)
    field.derive()
    assert (field.group(1).phase, field.group(1).cause) == (Phase.DELETING, Cause.ROLLOUT)
    field.drop_group(1)
    field.derive()
    assert (field.group(1).phase, field.group(1).cause) == (Phase.QUEUED, Cause.ROLLOUT)
    field.put_group(1, uid=None, revision="new", state="weights", created=field.now)
    field.derive()
    group = field.group(1)
    assert (group.phase, group.cause, group.outdated, group.revision) == (
        Phase.CREATING,
        Cause.ROLLOUT,
        False,
        "new",
    )


def test_the_first_victim_of_a_rollout_goes_before_the_status_tells_of_it() -> None:
    field = Field(replicas=2)
    for ordinal in (0, 1):
        field.put_group(ordinal, revision="old")
        field.put_pod_group(ordinal)
    field.change(revision="old")
    field.derive()
    field.change(
        generation=2, status={"observedGeneration": 1, "currentRevision": "old", "updateRevision": "old"}
    )
    field.drop_pod_group(1)
    field.put_group(1, revision="old", deleted=field.now + 30)
    field.derive()
    assert (field.group(1).phase, field.group(1).cause) == (Phase.DELETING, Cause.ROLLOUT)


def test_a_partition_protects_the_first_list_positions() -> None:
    field = Field(
        replicas=2,
        rolloutStrategy={
            "type": "ServingGroupRollingUpdate",
            "rollingUpdateConfiguration": {"partition": "50%"},
        },
        revision="new",
        current_revision="old",
    )
    field.put_group(0, revision="old")
    field.put_group(1, revision="old")
    field.derive()
    assert (field.group(0).phase, field.group(0).outdated) == (Phase.RUNNING, True)
    assert field.group(1).phase is Phase.UPDATING


def test_a_rollout_by_role_goes_by_the_roles_hash_not_by_the_revision() -> None:
    field = Field(
        replicas=1,
        roles=[objects.role("prefill"), objects.role("decode", 2)],
        rolloutStrategy={"type": "RoleRollingUpdate"},
        revision="new",
        current_revision="old",
    )
    field.put(0, "prefill", revision="old", template_hash="p")
    field.put(0, "decode", 0, revision="old", template_hash="d-old")
    field.put(0, "decode", 1, revision="new", template_hash="d-new")
    field.derive()
    assert field.replica(0, "prefill-0").phase is Phase.RUNNING
    assert field.replica(0, "decode-0").phase is Phase.UPDATING
    assert field.replica(0, "decode-1").phase is Phase.RUNNING
    assert field.group(0).phase is Phase.UPDATING
    assert field.group(0).controller_state is RUNNING
    field.put(0, "decode", 0, revision="old", template_hash="d-old", deleted=field.now + 30)
    field.derive()
    assert field.replica(0, "decode-0").controller_state is DELETING
    assert field.replica(0, "decode-0").cause is Cause.ROLLOUT
    assert field.group(0).controller_state is RUNNING
    field.drop(0, "decode", 0)
    field.derive()
    assert field.group(0).controller_state is SCALING


def test_replicas_zero_and_back() -> None:
    field = Field(replicas=0, status={})
    value = field.derive()
    assert (value.phase, value.ready, value.desired, value.groups) == (Phase.ABSENT, 0, 0, ())
    field.change(replicas=1)
    value = field.derive()
    assert (value.phase, value.groups[0].phase) == (Phase.QUEUED, Phase.QUEUED)
    field.put_group(0)
    field.derive()
    field.change(replicas=0)
    field.put_group(0, deleted=field.now + 30)
    value = field.derive()
    assert (value.phase, value.cause, value.groups[0].phase) == (Phase.DELETING, Cause.SCALE, Phase.DELETING)


def test_a_modelserving_that_is_being_deleted() -> None:
    field = Field(replicas=1)
    field.put_group(0)
    field.derive()
    field.change(meta={"deletionTimestamp": objects.rfc3339(field.now)})
    field.put_group(0, deleted=field.now + 30)
    value = field.derive()
    assert (value.phase, value.cause) == (Phase.DELETING, None)
    assert value.groups[0].controller_state is DELETING


@pytest.mark.parametrize(
    ("append", "existing", "replicas", "partition", "expected"),
    [
        (False, [0, 2, 3], 4, None, [1]),
        (False, [0, 2, 5], 4, None, [1]),
        (False, [1], 4, None, [0, 2, 3]),
        (True, [0, 2, 3], 4, None, [4]),
        (True, [2], 3, 1, [0, 3]),
        (True, [], 2, None, [0, 1]),
    ],
)
def test_ordinals_of_queued_groups_follow_the_rule_of_the_version(
    append: bool, existing: list[int], replicas: int, partition: int | None, expected: list[int]
) -> None:
    rollout: dict[str, Any] = {"type": "ServingGroupRollingUpdate"}
    if partition is not None:
        rollout["rollingUpdateConfiguration"] = {"partition": partition}
    field = Field(append_after_max=append, replicas=replicas, roles=DECODE, rolloutStrategy=rollout)
    for group in existing:
        field.put(group, "decode")
    value = field.derive()
    assert [group.ordinal for group in value.groups if group.phase is Phase.QUEUED] == expected
    assert [group.ordinal for group in value.groups] == sorted([*existing, *expected])


def test_a_console_that_begins_in_the_middle_of_a_role_scaling_sees_that_the_group_ran() -> None:
    field = Field(replicas=1, roles=[objects.role("decode", 2)])
    field.put(0, "decode", 0)
    field.put(0, "decode", 1, state="weights", created=EPOCH + 3590)
    field.derive()
    assert field.group(0).controller_state is SCALING


def test_versions_before_0_3_without_status_fields_and_hashes() -> None:
    field = Field(replicas=1, revision=None)
    field.put_group(0, template_hash=None)
    value = field.derive()
    assert (value.phase, value.ready) == (Phase.RUNNING, 1)
    assert not value.groups[0].outdated


def test_a_hundred_groups() -> None:
    field = Field(replicas=100, roles=DECODE)
    for group in range(100):
        field.put(group, "decode")
    value = field.derive()
    assert (value.ready, len(value.groups)) == (100, 100)
    assert [group.ordinal for group in value.groups] == list(range(100))


def test_a_mistyped_million_does_not_hang() -> None:
    field = Field(replicas=1_000_000, roles=[objects.role("decode", 1_000_000)])
    value = field.derive()
    assert value.desired == 1_000_000
    assert len(value.groups) < 1000
    assert any("1000000 groups are wanted" in warning for warning in value.warnings)


def test_roles_and_ordinals_that_are_not_in_the_spec_are_shown_last() -> None:
    field = Field(replicas=1, roles=DECODE)
    field.put(0, "decode")
    field.put(0, "ghost", 7)
    value = field.derive()
    assert [role.name for role in value.groups[0].roles] == ["decode", "ghost"]
    assert any("ghost" in warning for warning in value.warnings)


def test_the_workload_carries_what_is_known_of_it() -> None:
    owner = {
        "apiVersion": "workload.serving.volcano.sh/v1alpha1",
        "kind": "ModelBooster",
        "name": "qwen",
        "uid": "b",
        "controller": True,
    }
    managers = [
        {"manager": "ops", "time": "2026-09-01T09:00:00Z", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
    ]
    field = Field(
        replicas=2,
        generation=4,
        meta={"ownerReferences": [owner], "managedFields": managers},
        roles=[objects.role("prefill", gpus=2), objects.role("decode", 2, 1, gpus=4)],
    )
    value = field.derive()
    assert str(value.key) == "ModelServing/llm-prod/qwen-chat"
    assert value.key.system == kthena.SYSTEM
    assert value.owner is not None
    assert str(value.owner) == "ModelBooster/qwen"
    assert (value.generation, value.observed_generation, value.replicas_manager) == (4, 4, "ops")
    assert [(spec.name, spec.replicas, spec.workers, spec.gpus) for spec in value.role_specs] == [
        ("prefill", 1, 0, 2),
        ("decode", 2, 1, 16),
    ]
    assert value.capabilities.roles
    assert value.capabilities.ordered
    assert (value.drivers, value.operation, value.version) == ((), None, None)


def test_rotation_counts_the_service_in_front_and_not_the_headless_ones() -> None:
    field = Field(replicas=1)
    field.put_group(0)
    assert field.derive().in_rotation is None
    entry = "qwen-chat-0-prefill-0-0"
    for service, endpoints in (
        ("qwen-chat", {entry: True, "qwen-chat-1-prefill-0-0": False}),
        ("qwen-chat-0-decode-0-0", {"qwen-chat-0-decode-0-0": True, "qwen-chat-0-decode-0-1": True}),
    ):
        field.index.put_endpoints(
            decode.endpoint_slice(objects.raw(objects.endpoint_slice(service, endpoints)))
        )
    value = field.derive()
    assert value.in_rotation == (1, 2)
    assert value.endpoint == "http://qwen-chat.llm-prod.svc:8000"
    field.index.drop_endpoints("qwen-chat-abcde")
    assert field.derive().in_rotation is None


@pytest.mark.parametrize("state", ["crash", "restarted", "failed"])
def test_an_old_group_that_fails_at_first_sight_recovers_since_nobody_knows_when(state: str) -> None:
    field = Field(replicas=1, roles=DECODE)
    field.put(0, "decode", state=state, restarts=2, created=EPOCH - 864_000)
    field.derive()
    group, replica = field.group(0), field.replica(0, "decode-0")
    assert (group.cause, replica.cause) == (Cause.RECOVERY, Cause.RECOVERY)
    assert (group.since, replica.since) == (None, None)
