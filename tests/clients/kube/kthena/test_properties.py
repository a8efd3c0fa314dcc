"""Whatever the pods of a ModelServing go through, deriving gives a value, the same one, and a sound one."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from clients.kube import kthena
from clients.kube.pod_labels import PodLabels
from clients.kube.rows import ContainerRow, EventRow, ModelServingRow, OwnerRow, PodGroupRow, PodRow, RoleRow
from clients.serving.phase import ControllerState, Phase
from clients.serving.workload import Workload
from tests.support.kthena_histories import History, histories

texts = st.one_of(
    st.sampled_from(
        ["", "qwen-chat", "qwen-chat-0", "decode", "decode-0", "qwen-chat-1-decode-0-0", "-", "0"]
    ),
    st.text(max_size=12),
)
names = st.one_of(
    st.builds(
        "qwen-chat-{}-{}-{}-{}".format,
        st.integers(0, 2),
        st.sampled_from(["decode", "prefill", "x-y", ""]),
        st.integers(0, 2),
        st.integers(0, 2),
    ),
    texts,
)
maybe_texts = st.none() | texts
times = st.none() | st.floats(-1e12, 1e12) | st.floats(1.7e9, 1.8e9)
counts = st.integers(-3, 5) | st.sampled_from([10**6, 2**31])
owners = st.builds(
    OwnerRow, kind=st.just("ModelServing"), name=st.just("qwen-chat"), uid=st.sampled_from(["u", "other"])
)
labels = st.builds(
    PodLabels,
    **dict.fromkeys(("serving", "group", "role", "role_id", "revision", "template_hash"), maybe_texts),
)
containers = st.builds(
    ContainerRow,
    name=texts,
    init=st.booleans(),
    ready=st.booleans(),
    started=st.none() | st.booleans(),
    restarts=st.integers(-1, 3),
    state=st.sampled_from(["", "waiting", "running", "terminated", "?"]),
    reason=st.none() | st.sampled_from(["CrashLoopBackOff", "ErrImagePull", "CreateContainerError", "?"]),
    message=maybe_texts,
    image=maybe_texts,
    exit_code=st.none() | st.integers(-1, 300),
    last_reason=maybe_texts,
    last_message=maybe_texts,
    started_at=times,
)
pods = st.builds(
    PodRow,
    uid=st.uuids().map(str),
    namespace=st.just("llm-prod"),
    name=names,
    node=maybe_texts,
    phase=st.sampled_from(["Pending", "Running", "Failed", "Succeeded", "Unknown", "?"]),
    ready=st.booleans(),
    gpus=st.integers(0, 8),
    owner=st.none() | owners,
    created=times,
    deleted=times,
    grace=st.none() | st.floats(0, 1e6),
    finalizers=st.lists(texts, max_size=2).map(tuple),
    labels=labels,
    deletion_cost=st.integers(-(10**9), 10**9),
    containers=st.lists(containers, max_size=3).map(tuple),
    scheduled=st.none() | st.booleans(),
    scheduled_reason=maybe_texts,
    scheduled_message=maybe_texts | st.just("0/3 nodes are available: 3 Insufficient nvidia.com/gpu."),
    scheduled_at=times,
    ready_at=times,
    initialized=st.none() | st.booleans(),
    status_reason=maybe_texts,
    status_message=maybe_texts,
)
role_rows = st.builds(
    RoleRow,
    name=st.sampled_from(["decode", "prefill", "x-y", ""]),
    index=st.integers(0, 3),
    replicas=counts.map(lambda count: max(0, count)),
    workers=st.integers(0, 3) | st.just(2**31),
    partition=st.none() | st.sampled_from(["1", "50%", "x", "-1"]),
    startup_probe=st.booleans(),
)
serving_rows = st.builds(
    ModelServingRow,
    uid=st.just("u"),
    namespace=st.just("llm-prod"),
    name=st.just("qwen-chat"),
    resource_version=texts,
    generation=st.none() | st.integers(0, 9),
    api_version=texts,
    created=times,
    deleted=st.none() | times,
    replicas=counts.map(lambda count: max(0, count)),
    roles=st.lists(role_rows, max_size=3).map(tuple),
    recovery_policy=st.sampled_from(["RoleRecreate", "ServingGroupRecreate", "None", "?"]),
    rollout_type=st.sampled_from(["ServingGroupRollingUpdate", "RoleRollingUpdate", "?"]),
    partition=st.none() | st.sampled_from(["1", "50%", "x"]),
    observed_generation=st.none() | st.integers(0, 9),
    current_revision=maybe_texts,
    update_revision=maybe_texts,
)
pod_groups = st.builds(
    PodGroupRow,
    uid=texts,
    namespace=st.just("llm-prod"),
    name=st.sampled_from(["qwen-chat-0", "qwen-chat-1", "qwen-chat-x", ""]),
    phase=texts,
    min_member=st.none() | st.integers(-1, 9),
    owner=st.none() | owners,
    deleted=times,
    reason=maybe_texts,
    message=maybe_texts,
)
events = st.builds(
    EventRow,
    uid=texts,
    namespace=st.just("llm-prod"),
    kind=st.sampled_from(["Pod", "ModelServing"]),
    name=names,
    object_uid=maybe_texts,
    reason=st.sampled_from(["FailedScheduling", "Failed", "?"]),
    message=texts,
    type=texts,
    at=times,
)


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
            wanted = [role for role in group.roles if role.desired]
            states = {item.controller_state for role in wanted for item in role.replicas}
            assert states <= {ControllerState.RUNNING}


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
        fresh = kthena.derive(step.row, step.pods(), step.pod_groups(), (), previous, step.now, cluster="c")
        assert fresh == value
        again = kthena.derive(step.row, step.pods(), step.pod_groups(), (), value, step.now, cluster="c")
        assert again == value
        if previous is not None:
            kept = {id(group) for group in previous.groups}
            for old in previous.groups:
                new = next((group for group in value.groups if group.name == old.name), None)
                assert new is None or new != old or id(new) in kept
        previous = value


@given(
    serving_rows,
    st.lists(pods, max_size=8, unique_by=lambda pod: pod.uid),
    st.lists(pod_groups, max_size=3, unique_by=lambda group: group.name),
    st.lists(events, max_size=3),
)
@settings(max_examples=120, deadline=None)
def test_any_rows_give_a_value_and_the_same_again(
    row: ModelServingRow, found: list[PodRow], groups: list[PodGroupRow], hints: list[EventRow]
) -> None:
    now = 1.75e9
    value = kthena.derive(row, found, groups, hints, None, now)
    check_sound(value, row.recovery_policy)
    assert kthena.derive(row, found, groups, hints, value, now) == value
    assert kthena.derive(row, found, groups, hints, None, now) == value
