"""The reason a person needs: which resource and how many short, the last words of a crash, which image."""

from __future__ import annotations

from typing import Any

import pytest

from clients.kube import decode
from clients.kube.pod_scheduling import gang_sentence, unschedulable_sentence
from clients.serving.phase import Phase, Trouble, TroubleKind
from tests.support import kthena_objects as objects
from tests.support.kthena_field import Field

DECODE = [objects.role("decode", 1)]
OOM = {"reason": "OOMKilled", "exitCode": 137}
TRACEBACK = {
    "reason": "Error",
    "exitCode": 1,
    "message": "Traceback (most recent call last):\n  x\ntorch.OutOfMemoryError: CUDA out of memory.\n\n",
}


@pytest.mark.parametrize(
    ("message", "gpus", "expected"),
    [
        (
            "0/16 nodes are available: 12 Insufficient nvidia.com/gpu, 4 node(s) had untolerated taint "
            "{pool: cpu, x: y}. preemption: 0/16 nodes are available: 16 Preemption is not helpful.",
            8,
            "short of GPUs: needs 8 on one node, 12 of 16 nodes have fewer free; "
            "4 of 16 nodes have a taint it does not tolerate {pool: cpu, x: y}",
        ),
        (
            "0/16 nodes are available: 4 node(s) had untolerated taint {pool: cpu}, 10 Insufficient "
            "nvidia.com/gpu, 2 Insufficient cpu.",
            1,
            "short of GPUs: needs 1 on one node, 10 of 16 nodes have fewer free; "
            "short of cpu on 2 of 16 nodes; 4 of 16 nodes have a taint it does not tolerate {pool: cpu}",
        ),
        (
            "0/3 nodes are unavailable: 3 Insufficient memory.",
            1,
            "short of memory on 3 of 3 nodes",
        ),
        (
            "0/5 nodes are available: 2 node(s) were unschedulable, 3 node(s) didn't match Pod's node "
            "affinity/selector.",
            1,
            "3 of 5 nodes do not match its node selector or affinity; 2 of 5 nodes are cordoned",
        ),
        ("0/2 nodes are available: 2 too many pods.", 0, "2 of 2 nodes: too many pods"),
        ("no such scheduler words", 4, "no such scheduler words"),
        ("", 0, ""),
    ],
)
def test_the_schedulers_message_is_told_by_resource(message: str, gpus: int, expected: str) -> None:
    assert unschedulable_sentence(message, gpus) == expected


@pytest.mark.parametrize(
    ("message", "minimum", "expected"),
    [
        (
            "18/18 tasks in gang unschedulable: pod group is not ready, 18 Pending, 18 minAvailable",
            18,
            "pod group is not ready, 18 Pending, 18 minAvailable; "
            "18 of 18 pods fit nowhere, and the group needs 18 pods placed at once",
        ),
        (
            "2/3 tasks in gang unschedulable: 0/4 nodes are unavailable: 4 Insufficient nvidia.com/gpu.",
            None,
            "short of GPUs on 4 of 4 nodes; 2 of 3 pods fit nowhere, and the group is placed at once",
        ),
        ("", 3, "PodGroup is Pending; the group needs 3 pods placed at once"),
    ],
)
def test_a_gangs_message_says_what_is_lacking_and_that_all_are_placed_at_once(
    message: str, minimum: int | None, expected: str
) -> None:
    assert gang_sentence(message, minimum, "Pending") == expected


def trouble_of(**pod: Any) -> Trouble:
    field = Field(replicas=1, roles=DECODE)
    field.put(0, "decode", **pod)
    value = field.derive()
    item = field.replica(0, "decode-0")
    assert item.trouble is not None
    assert value.trouble is not None
    assert value.trouble.message == f"G-0 decode-0: {item.trouble.message}"
    assert item.pods[0].trouble == item.trouble
    return item.trouble


@pytest.mark.parametrize(
    ("pod", "kind", "reason", "message"),
    [
        (
            {"state": "crash", "restarts": 4, "last": TRACEBACK},
            TroubleKind.FAILED,
            "CrashLoopBackOff",
            "engine: 4 restarts, last exit code 1: torch.OutOfMemoryError: CUDA out of memory.",
        ),
        (
            {"state": "crash", "restarts": 1, "last": OOM},
            TroubleKind.FAILED,
            "CrashLoopBackOff",
            "engine: 1 restart, last OOMKilled (exit code 137)",
        ),
        (
            {"state": "restarted", "restarts": 2, "last": OOM},
            TroubleKind.FAILED,
            "OOMKilled",
            "engine: 2 restarts, last OOMKilled (exit code 137)",
        ),
        (
            {"state": "failed", "reason": "Evicted", "message": "disk pressure"},
            TroubleKind.FAILED,
            "Evicted",
            "engine ended with Evicted (exit code 1): disk pressure",
        ),
        (
            {"state": "imageerror", "message": "manifest for vllm:nope not found"},
            TroubleKind.FAILED,
            "ImagePullBackOff",
            f"engine cannot pull {objects.IMAGE}: manifest for vllm:nope not found",
        ),
        (
            {"state": "image", "reason": "CreateContainerConfigError"},
            TroubleKind.FAILED,
            "CreateContainerConfigError",
            "engine: CreateContainerConfigError",
        ),
        (
            {"state": "unschedulable"},
            TroubleKind.BLOCKED,
            "Unschedulable",
            "short of GPUs: needs 8 on one node, 16 of 16 nodes have fewer free",
        ),
        (
            {"state": "unschedulable", "reason": "SchedulingGated", "message": "gated"},
            TroubleKind.BLOCKED,
            "SchedulingGated",
            "held back by a scheduling gate that nobody has lifted",
        ),
        (
            {"state": "unscheduled"},
            TroubleKind.BLOCKED,
            "NotScheduled",
            "scheduler volcano has said nothing about it for over a minute: is it running?",
        ),
        (
            {"state": "lost"},
            TroubleKind.DEGRADED,
            "NotReady",
            "was ready and fails its readiness probe, without a restart",
        ),
        (
            {"state": "ready", "deleted": objects.EPOCH + 3000},
            TroubleKind.BLOCKED,
            "StuckTerminating",
            "past its grace period: kubelet on gpu-node-07 has not ended it",
        ),
    ],
)
def test_what_is_wrong_with_a_pod(pod: dict[str, Any], kind: TroubleKind, reason: str, message: str) -> None:
    found = trouble_of(**pod)
    assert (found.kind, found.reason, found.message) == (kind, reason, message)


def test_events_say_what_the_status_does_not() -> None:
    field = Field(replicas=1, roles=DECODE)
    name = "qwen-chat-0-decode-0-0"
    field.put(0, "decode", state="unscheduled", created=field.now)
    assert field.derive().trouble is None
    field.put_event(name, "FailedScheduling", "0/2 nodes are available: 2 Insufficient cpu.", at=field.now)
    value = field.derive()
    assert value.trouble is not None
    assert value.trouble.message == "G-0 decode-0: short of cpu on 2 of 2 nodes"
    field.put(0, "decode", state="imageerror", message='Back-off pulling image "x"')
    field.put_event(name, "Failed", "unauthorized: access to the requested resource", at=field.now)
    value = field.derive()
    assert value.trouble is not None
    assert value.trouble.message.endswith("unauthorized: access to the requested resource")


def test_an_event_about_an_earlier_pod_of_the_name_is_not_believed() -> None:
    field = Field(replicas=1, roles=DECODE)
    field.put(0, "decode", uid="new", state="unscheduled", created=field.now)
    field.put_event("qwen-chat-0-decode-0-0", "FailedScheduling", "0/2 nodes", uid="old", at=field.now)
    assert field.derive().trouble is None


def test_a_gang_that_does_not_fit_is_told_for_the_whole_group() -> None:
    field = Field(replicas=1)
    field.put_pod_group(0, phase="Inqueue", message="3/3 tasks in gang unschedulable: 0/4 nodes")
    field.put_group(0, state="unscheduled", created=field.now)
    value = field.derive()
    assert value.trouble is not None
    assert (value.trouble.kind, value.trouble.reason) == (TroubleKind.BLOCKED, "GangUnschedulable")
    assert "3 of 3 pods fit nowhere, and the group needs 3 pods placed at once" in value.trouble.message
    field.put_pod_group(0, phase="Running")
    assert field.derive().trouble is None


def test_a_lost_node_is_told_for_its_pods_and_only_while_it_is_lost() -> None:
    field = Field(replicas=1)
    field.put(0, "prefill", node_name="gpu-1")
    field.put(0, "decode", 0, 0, node_name="gpu-2")
    field.put(0, "decode", 0, 1, node_name="gpu-2")
    field.derive()
    field.index.put_node("gpu-1", reports=False)
    value = field.derive()
    assert value.trouble is not None
    assert value.trouble.reason == "NodeLost"
    assert "node gpu-1 does not report" in value.trouble.message
    assert field.replica(0, "decode-0").trouble is None
    field.index.put_node("gpu-1", reports=True)
    assert field.derive().trouble is None


def test_finalizers_that_hold_a_pod_are_named() -> None:
    field = Field(replicas=1, roles=DECODE)
    pod = objects.pod(0, "decode", 0, deleted=field.now - 100)
    pod["metadata"]["finalizers"] = ["example.com/drain"]
    field.index.put_pod(decode.pod(objects.raw(pod)))
    value = field.derive()
    assert value.trouble is not None
    assert "example.com/drain" in value.trouble.message


def test_time_alone_makes_a_terminating_pod_stuck_and_says_when_to_look() -> None:
    field = Field(replicas=1, roles=DECODE)
    field.put(0, "decode", deleted=field.now + 30)
    value = field.derive()
    assert value.trouble is None
    assert field.index.wake == field.now - 1 + 30 + 10
    assert field.derive(20) is value
    late = field.derive(30)
    assert late.trouble is not None
    assert late.trouble.reason == "StuckTerminating"
    assert field.derive(100) is late


def test_trouble_keeps_the_time_at_which_it_began() -> None:
    field = Field(replicas=1, roles=DECODE)
    field.put(0, "decode")
    field.derive()
    field.put(0, "decode", state="crash", restarts=1)
    began = field.derive().trouble
    field.put(0, "decode", state="crash", restarts=2)
    later = field.derive(60).trouble
    assert began is not None
    assert later is not None
    assert later.since == began.since
    assert later.message != began.message


def test_the_gravest_trouble_stands_for_the_whole() -> None:
    field = Field(replicas=3, roles=DECODE)
    field.put(0, "decode", state="lost")
    field.put(1, "decode", state="unschedulable")
    field.put(2, "decode", state="crash", restarts=3)
    value = field.derive()
    assert value.trouble is not None
    assert value.trouble.message.startswith("G-2 decode-0: engine: 3 restarts")


def test_a_pod_of_an_earlier_namesake_holds_the_name() -> None:
    field = Field(replicas=1)
    field.put(0, "decode", 0, 0, owner_uid="earlier", uid="old", deleted=field.now + 3600)
    value = field.derive()
    assert value.groups[0].phase is Phase.QUEUED
    assert value.trouble is not None
    assert (value.trouble.kind, value.trouble.reason) == (TroubleKind.BLOCKED, "NameHeld")
    assert "qwen-chat-0-decode-0-0" in value.trouble.message
    assert any("linger" in warning for warning in value.warnings)
    assert value.gpus == 0
    field.put(0, "prefill", created=field.now)
    field.put(0, "decode", 0, 1, created=field.now)
    field.derive()
    assert field.replica(0, "decode-0").trouble is not None
    field.index.drop_pod("old")
    value = field.derive()
    assert value.trouble is None
    assert value.warnings == ()


def test_overridden_labels_are_believed_less_than_names_and_told() -> None:
    field = Field(replicas=2, roles=DECODE)
    key = "modelserving.volcano.sh/group-name"
    for group in (0, 1):
        field.put(group, "decode", labels={key: "group-0"})
    value = field.derive()
    assert value.ready == 2
    assert [group.name for group in value.groups] == ["qwen-chat-0", "qwen-chat-1"]
    assert any(key in warning and "2 in all" in warning for warning in value.warnings)
