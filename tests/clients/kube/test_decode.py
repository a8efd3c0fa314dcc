"""Rows from raw JSON: what is kept, and what odd objects become."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.kube import decode, plan_parts
from clients.kube.kthena_workload import role_specs
from clients.kube.pod_labels import PodLabels
from clients.kube.rows import OwnerRow
from clients.serving.placement import Placement
from tests.support import kthena_objects as objects

raw = objects.raw
EPOCH = objects.EPOCH
PREFIX = "modelserving.volcano.sh/"


def test_a_running_pod() -> None:
    row = decode.pod(raw(objects.pod(2, "decode", 0, 1, gpus=4, restarts=1, cost="12")))
    assert (row.uid, row.namespace, row.name) == (
        "uid-qwen-chat-2-decode-0-1",
        "llm-prod",
        "qwen-chat-2-decode-0-1",
    )
    assert (row.node, row.phase, row.ready, row.gpus, row.deletion_cost) == (
        "gpu-node-07",
        "Running",
        True,
        4,
        12,
    )
    assert row.owner == OwnerRow("ModelServing", "qwen-chat", "ms-uid", "workload.serving.volcano.sh")
    assert (row.created, row.deleted, row.started) == (EPOCH, None, EPOCH + 1)
    assert (row.scheduled, row.scheduled_at, row.ready_at) == (True, EPOCH + 1, EPOCH + 60)
    assert row.initialized is True
    labels = row.labels
    assert (labels.serving, labels.group, labels.role, labels.role_id) == (
        "qwen-chat",
        "qwen-chat-2",
        "decode",
        "decode-0",
    )
    assert (labels.revision, labels.template_hash) == ("6dc8754f69", "5974fd88c5")
    (container,) = row.containers
    assert (container.name, container.state, container.ready, container.restarts) == (
        "engine",
        "running",
        True,
        1,
    )
    assert (container.started, container.started_at, container.image) == (True, EPOCH + 6, objects.IMAGE)


def test_a_terminating_pod() -> None:
    pod = objects.pod(0, "decode", 0, deleted=EPOCH + 30)
    pod["metadata"]["finalizers"] = ["x/y"]
    row = decode.pod(raw(pod))
    assert (row.deleted, row.grace, row.finalizers) == (EPOCH + 30, 30, ("x/y",))


def test_states_of_containers() -> None:
    last = {"reason": "OOMKilled", "exitCode": 137, "message": "words"}
    row = decode.pod(raw(objects.pod(0, "decode", 0, state="crash", restarts=3, last=last)))
    (container,) = row.containers
    assert (container.state, container.reason, container.restarts) == ("waiting", "CrashLoopBackOff", 3)
    assert (container.last_reason, container.last_exit_code, container.last_message) == (
        "OOMKilled",
        137,
        "words",
    )
    row = decode.pod(raw(objects.pod(0, "decode", 0, state="failed", message="gone")))
    assert (row.containers[0].state, row.containers[0].exit_code, row.containers[0].message) == (
        "terminated",
        1,
        "gone",
    )
    row = decode.pod(raw(objects.pod(0, "decode", 0, state="init")))
    assert [(item.name, item.init) for item in row.containers] == [("download", True), ("engine", False)]
    row = decode.pod(raw(objects.pod(0, "decode", 0, state="unschedulable", message="0/1 nodes")))
    assert (row.scheduled, row.scheduled_reason, row.scheduled_message) == (
        False,
        "Unschedulable",
        "0/1 nodes",
    )


def test_a_pod_of_no_workload_keeps_only_what_it_takes_from_others() -> None:
    pod = objects.pod(0, "decode", 0, gpus=2)
    pod["metadata"]["labels"] = {"app": "notebook"}
    pod["metadata"]["ownerReferences"] = [{"kind": "DaemonSet", "name": "x", "uid": "y", "controller": True}]
    row = decode.pod(raw(pod))
    assert (row.uid, row.node, row.phase, row.gpus) == (
        "uid-qwen-chat-0-decode-0-0",
        "gpu-node-07",
        "Running",
        2,
    )
    assert (row.owner, row.labels, row.containers, row.created) == (None, PodLabels(), (), None)


def test_pods_of_other_serving_systems_are_kept_whole() -> None:
    pod = objects.pod(0, "decode", 0)
    pod["metadata"]["labels"] = {"leaderworkerset.sigs.k8s.io/group-index": "2", "other": "dropped"}
    pod["metadata"]["ownerReferences"] = []
    row = decode.pod(raw(pod))
    assert row.labels == PodLabels(group_index="2")
    assert row.name


def needs(**quantities: Any) -> dict[str, Any]:
    return {"name": "c", "resources": quantities}


GPU = "nvidia.com/gpu"


@pytest.mark.parametrize(
    ("containers", "init", "gpus"),
    [
        ([needs(requests={GPU: "8"}, limits={GPU: "8"})], [], 8),
        ([needs(limits={GPU: 4})], [], 4),
        ([needs(limits={"amd.com/gpu": "2"}), needs(requests={GPU: "1"})], [], 3),
        ([needs(requests={"habana.ai/gaudi": "1k"})], [], 1000),
        ([needs(requests={GPU: "1"})], [needs(requests={GPU: "4"})], 4),
        ([needs(requests={GPU: "1"})], [needs(requests={GPU: "2"}) | {"restartPolicy": "Always"}], 3),
        ([needs(requests={GPU: "nonsense", "cpu": "8"})], [], 0),
        ([{"name": "c"}], [], 0),
        ([], [], 0),
    ],
)
def test_gpus_that_a_pod_reserves(containers: list[Any], init: list[Any], gpus: int) -> None:
    pod = objects.pod(0, "decode", 0)
    pod["spec"]["containers"], pod["spec"]["initContainers"] = containers, init
    assert decode.pod(raw(pod)).gpus == gpus


def test_the_controlling_owner_counts_else_the_first() -> None:
    pod = objects.pod(0, "decode", 0)
    (owner,) = pod["metadata"]["ownerReferences"]
    other = {"apiVersion": "v1", "kind": "Other", "name": "o", "uid": "o"}
    pod["metadata"]["ownerReferences"] = [other, owner]
    found = decode.pod(raw(pod)).owner
    assert found is not None
    assert found.kind == "ModelServing"
    del owner["controller"]
    found = decode.pod(raw(pod)).owner
    assert found is not None
    assert found.kind == "Other"


def test_a_model_serving() -> None:
    managers = [
        {"manager": "kubectl", "time": "2026-09-01T08:00:00Z", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
        {"manager": "hpa", "time": "2026-09-01T09:00:00Z", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
        {
            "manager": "argo",
            "time": "2026-09-01T07:00:00Z",
            "fieldsV1": {"f:spec": {"f:template": {"f:roles": {}}}},
        },
        {"manager": "kthena", "time": "2026-09-01T10:00:00Z", "fieldsV1": {"f:status": {"f:replicas": {}}}},
    ]
    entry = objects.role("decode", None, 1, gpus=4, maxUnavailable="50%", partition=1)
    entry["entryTemplate"]["spec"] |= {
        "nodeSelector": {"pool": "gpu"},
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
    }
    small = {"nodeSelector": {"pool": "small"}, "tolerations": [{"key": "small"}]}
    entry["workerTemplate"] = {"spec": entry["workerTemplate"]["spec"] | small}
    row = decode.model_serving(
        raw(
            objects.model_serving(
                replicas=3,
                roles=[objects.role("prefill", 2), entry],
                generation=7,
                meta={"managedFields": managers, "labels": {"app": "x", "y": "z"}},
                rolloutStrategy={
                    "type": "RoleRollingUpdate",
                    "rollingUpdateConfiguration": {"maxUnavailable": 1, "partition": "30%"},
                },
                template={
                    "roles": [objects.role("prefill", 2), entry],
                    "gangPolicy": {"minRoleReplicas": {"decode": 1}},
                },
            )
        )
    )
    assert (row.replicas, row.generation, row.observed_generation, row.rollout_type) == (
        3,
        7,
        7,
        "RoleRollingUpdate",
    )
    assert (row.max_unavailable, row.partition, row.gang, row.min_role_replicas) == (
        "1",
        "30%",
        True,
        (("decode", 1),),
    )
    assert (row.replicas_manager, row.roles_manager) == ("hpa", "argo")
    assert row.labels == {"app": "x"}
    assert row.api_version == "workload.serving.volcano.sh/v1alpha1"
    prefill, found = row.roles
    assert (prefill.index, prefill.replicas, prefill.workers, prefill.gpus_entry) == (0, 2, 0, 8)
    assert (found.index, found.replicas, found.replicas_present, found.workers) == (1, 1, False, 1)
    assert (found.gpus_entry, found.gpus_worker, found.max_unavailable, found.partition) == (4, 4, "50%", "1")
    assert found.placement == Placement((("pool", "gpu"),), (("nvidia.com/gpu", "Exists", "", "NoSchedule"),))
    assert found.worker_placement == Placement((("pool", "small"),), (("small", "Equal", "", ""),))
    assert found.startup_probe
    assert found.has_worker_template
    specs = role_specs(row)
    assert [spec.gang for spec in specs] == [True, True]
    (worker,) = (need for need in plan_parts.needs(specs) if need.placement == found.worker_placement)
    assert (worker.gpus, worker.count) == (4, 1)
    row.scheduler = "default-scheduler"
    assert not any(spec.gang for spec in role_specs(row))


def test_a_model_serving_that_says_next_to_nothing() -> None:
    row = decode.model_serving(b'{"metadata":{"name":"x","uid":"u"}}')
    assert (row.replicas, row.replicas_present, row.roles, row.scheduler) == (1, False, (), "volcano")
    assert (row.recovery_policy, row.rollout_type) == ("RoleRecreate", "ServingGroupRollingUpdate")
    assert (row.observed_generation, row.update_revision, row.replicas_manager) == (None, None, None)


def test_the_condition_of_a_pod_group_counts_only_while_it_is_true() -> None:
    waiting = objects.pod_group(0, phase="Inqueue", message="no room")
    row = decode.pod_group(raw(waiting))
    assert (row.name, row.phase, row.min_member, row.message) == ("qwen-chat-0", "Inqueue", 3, "no room")
    waiting["status"]["conditions"][0]["status"] = "False"
    assert decode.pod_group(raw(waiting)).message is None


def test_a_node() -> None:
    row = decode.node(
        raw(objects.node(gpus=8, unschedulable=True, taints=[{"key": "k", "effect": "NoSchedule"}]))
    )
    assert (row.name, row.gpus, row.ready, row.unschedulable, row.pods) == ("gpu-node-07", 8, True, True, 110)
    assert row.taints == (("k", "", "NoSchedule"),)
    assert row.labels == {"kubernetes.io/hostname": "gpu-node-07"}
    assert not decode.node(raw(objects.node(ready=False))).ready


def test_events_of_both_groups() -> None:
    old = decode.event(raw(objects.event("p", "FailedScheduling", "no room", at=EPOCH + 5)))
    new = decode.event(
        raw(
            {
                "metadata": {"name": "e", "namespace": "llm-prod", "uid": "e"},
                "regarding": {"kind": "Pod", "name": "p", "uid": "uid-p"},
                "reason": "FailedScheduling",
                "note": "no room",
                "type": "Warning",
                "eventTime": "2026-09-01T08:00:03.250000Z",
                "series": {"count": 4, "lastObservedTime": "2026-09-01T08:00:05.000000Z"},
                "reportingController": "volcano",
            }
        )
    )
    for row in (old, new):
        assert (row.kind, row.name, row.object_uid, row.reason) == ("Pod", "p", "uid-p", "FailedScheduling")
        assert (row.message, row.type, row.at, row.source) == ("no room", "Warning", EPOCH + 5, "volcano")
    assert (old.count, new.count) == (1, 4)


def test_an_endpoint_slice() -> None:
    slices = objects.endpoint_slice("chat", {"a": True, "b": False})
    slices["endpoints"].append({"addresses": ["10.0.0.1"]})
    row = decode.endpoint_slice(raw(slices))
    assert (row.service, row.ready, row.total, row.pods, row.port) == ("chat", 2, 3, ("a", "b"), 8000)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-09-01T08:00:00Z", EPOCH),
        ("2026-09-01T10:00:00+02:00", EPOCH),
        ("2026-09-01T08:00:00.5Z", EPOCH + 0.5),
        ("2026-09-01T08:00:00", EPOCH),
        ("yesterday", None),
        ("", None),
        (None, None),
        ("0001-01-01T00:00:00Z", -62135596800.0),
    ],
)
def test_times(text: str | None, expected: float | None) -> None:
    assert decode.timestamp(text) == expected


DECODERS = {
    "pod": (decode.pod, objects.pod(0, "decode", 0)),
    "node": (decode.node, objects.node()),
    "model_serving": (decode.model_serving, objects.model_serving()),
    "pod_group": (decode.pod_group, objects.pod_group(0, message="m")),
    "event": (decode.event, objects.event("p", "r", "m")),
    "endpoint_slice": (decode.endpoint_slice, objects.endpoint_slice("s", {"p": True})),
}
kinds = pytest.mark.parametrize("kind", list(DECODERS))


@kinds
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"7",
        b'"x"',
        b"{}",
        b'{"metadata":null}',
        b'{"metadata":{"name":"x"}}',
        b'{"metadata":{"uid":"x"}}',
        b'{"metadata":{"uid":1,"name":"x"}}',
        b"\xff\xfe",
        b"[" * 5000,
    ],
)
def test_what_cannot_be_told_from_others_is_a_failure_without_its_bytes(kind: str, body: bytes) -> None:
    with pytest.raises(decode.DecodeFailure) as caught:
        DECODERS[kind][0](body)
    assert "x" not in str(caught.value).split()


@kinds
def test_null_everywhere_but_in_the_identity_is_no_error(kind: str) -> None:
    decoder, body = DECODERS[kind]
    identity = {"name": "n", "uid": "u"}
    decoder(raw(dict.fromkeys(body) | {"metadata": dict.fromkeys(body["metadata"]) | identity}))


def _broken(value: Any, draw: st.DrawFn, chance: int) -> Any:
    """The same JSON with some values replaced by ones of other types."""
    if draw(st.integers(0, chance)) == 0:
        return draw(st.sampled_from([None, True, 7, -1, 1.5, "x", [], [1], {}, {"a": 1}, 2**70, ["x"]]))
    if isinstance(value, dict):
        return {key: _broken(item, draw, chance) for key, item in value.items()}
    if isinstance(value, list):
        return [_broken(item, draw, chance) for item in value]
    return value


@st.composite
def broken_objects(draw: st.DrawFn) -> tuple[str, bytes]:
    kind = draw(st.sampled_from(sorted(DECODERS)))
    body = dict(DECODERS[kind][1])
    body.pop("kind")
    meta = {key: item for key, item in body["metadata"].items() if key != "managedFields"}
    if kind == "pod":
        body["spec"] = {**body["spec"], "containers": [needs(requests={GPU: "1"})]}
    broken = _broken(body, draw, draw(st.sampled_from([5, 30])))
    if isinstance(broken, dict):
        odd = {key: _broken(value, draw, 30) for key, value in meta.items()} if draw(st.booleans()) else meta
        broken["metadata"] = odd | {"name": "n", "uid": "u"}
    return kind, msgspec.json.encode(broken)


@given(broken_objects())
@settings(max_examples=150, deadline=None)
def test_wrong_types_anywhere_cost_only_the_field(case: tuple[str, bytes]) -> None:
    kind, body = case
    try:
        row = DECODERS[kind][0](body)
    except decode.DecodeFailure:
        assert not isinstance(msgspec.json.decode(body), dict)
    else:
        assert getattr(row, "uid", None) == "u"


def test_a_field_of_the_wrong_type_leaves_the_rest() -> None:
    pod = objects.pod(0, "decode", 0)
    pod["metadata"]["labels"] |= {"count": 7, PREFIX + "revision": 12}
    pod["metadata"]["creationTimestamp"] = 12
    pod["spec"]["nodeName"] = ["a"]
    pod["status"]["containerStatuses"].append("junk")
    row = decode.pod(raw(pod))
    assert (row.node, row.created, row.ready, row.phase) == (None, None, True, "Running")
    assert (row.labels.role, row.labels.revision) == ("decode", None)
    assert len(row.containers) == 1
    assert row.owner is not None
