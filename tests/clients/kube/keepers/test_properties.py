"""Whatever the pods and their keepers go through, deriving gives a value, the same one, and a sound one."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers import kserve_webhook, lws_webhook
from clients.embedded.faults import CUDA_OOM, Fault, FaultKind
from clients.kube.controller_rows import (
    ComponentRow,
    ControllerRow,
    InferenceServiceRow,
    LeaderWorkerSetRow,
    TemplateRow,
)
from clients.kube.pod_labels import PodLabels
from clients.kube.rows import ContainerRow, OwnerRow, PodRow
from clients.kube.world import World
from clients.serving.keys import WorkloadKey
from clients.serving.phase import Phase
from clients.serving.workload import Workload
from tests.support import simworld
from tests.support.apps import DEPLOYMENTS, STATEFUL_SETS, new_image, workload
from tests.support.looked import FEEDS, Looked, empty, feed
from tests.support.simworld import NAMESPACE

LWS = "leaderworkersets.leaderworkerset.x-k8s.io"
ISVC = "inferenceservices.serving.kserve.io"
NOW = 1.75e9

APPS = ("Deployment", "StatefulSet", "ReplicaSet")
NAMES = ("web", "web-0", "web-1", "web-predictor", "")
names = st.sampled_from(NAMES)


def whose(*kinds: str) -> st.SearchStrategy[OwnerRow]:
    """An object's identity: its uid stands for one kind and one name, and two may follow each other there."""
    return st.builds(
        lambda kind, name, serial: OwnerRow(kind=kind, name=name, uid=f"{kind}/{name}/{serial}"),
        st.sampled_from(kinds),
        names,
        st.integers(1, 2),
    )


maybe_texts = st.none() | st.text(max_size=6)
ordinals = st.none() | st.sampled_from(["0", "1", "2", "-1", "x", "٣", "9" * 20, ""])
times = st.none() | st.floats(-1e12, 1e12) | st.floats(NOW - 1e4, NOW)
counts = st.integers(0, 4) | st.sampled_from([10**6, 2**31])
owners = st.none() | whose(*APPS, "LeaderWorkerSet", "InferenceService", "Pod", "Revision")
templates = st.builds(TemplateRow, gpus=st.integers(0, 8), startup_probe=st.booleans())
conditions = st.lists(
    st.tuples(
        st.sampled_from(["Ready", "IngressReady", "Progressing", "ReplicaFailure", "UpdateInProgress", "?"]),
        st.sampled_from(["True", "False", "Unknown", ""]),
        st.sampled_from(["", "ProgressDeadlineExceeded", "Stopped"]),
        st.text(max_size=6),
    ),
    max_size=3,
).map(tuple)
common: dict[str, Any] = {
    "uid": st.just(""),
    "namespace": st.just("llm"),
    "name": st.just(""),
    "kind": st.just(""),
    "group": st.just("apps"),
    "generation": st.none() | st.integers(0, 3),
    "observed_generation": st.none() | st.integers(0, 3),
    "created": times,
    "deleted": times,
    "owner": owners,
    "conditions": conditions,
}
status_counts = dict.fromkeys(("status_replicas", "status_ready", "status_updated"), st.none() | counts)
controllers = st.builds(
    ControllerRow,
    **common,
    **status_counts,
    replicas=counts,
    template=templates,
    start=counts,
    parallel=st.booleans(),
    paused=st.booleans(),
    partition=counts,
    by_hand=st.booleans(),
    service=st.none() | names,
    revision=maybe_texts,
)
group_sets = st.builds(
    LeaderWorkerSetRow,
    **common,
    **status_counts,
    replicas=counts,
    size=st.integers(1, 4),
    leader=templates,
    worker=templates,
)
services = st.builds(
    InferenceServiceRow,
    **common,
    mode=st.sampled_from(["Standard", "Knative", "ModelMesh", "?"]),
    scaler=st.sampled_from(["hpa", "external", "keda", "none", "?"]),
    stopped=st.booleans(),
    components=st.lists(st.builds(ComponentRow, name=names, minimum=st.none() | counts), max_size=2).map(
        tuple
    ),
    model_state=maybe_texts,
)


def named(rows: st.SearchStrategy[Any], *kinds: str) -> st.SearchStrategy[Any]:
    return st.builds(
        lambda row, me: replace(row, uid=me.uid, kind=me.kind, name=me.name), rows, whose(*kinds)
    )


keepers = st.one_of(
    named(controllers, *APPS),
    named(controllers, *APPS),
    named(group_sets, "LeaderWorkerSet"),
    named(services, "InferenceService"),
)
any_pods = st.builds(
    PodRow,
    uid=st.just(""),
    namespace=st.just("llm"),
    name=st.just(""),
    node=st.none() | st.sampled_from(["n1", "n2"]),
    phase=st.sampled_from(["Pending", "Running", "Failed", "Succeeded", "Unknown", "?"]),
    ready=st.booleans(),
    gpus=st.integers(0, 8),
    owner=owners,
    created=times,
    deleted=times,
    grace=st.none() | st.floats(0, 1e6),
    labels=st.builds(PodLabels, group_index=ordinals, worker_index=ordinals, controller_revision=maybe_texts),
    deletion_cost=st.integers(-(10**9), 10**9),
    containers=st.lists(
        st.builds(
            ContainerRow,
            name=st.text(max_size=3),
            restarts=st.integers(-1, 3),
            state=st.sampled_from(["", "waiting", "running", "terminated", "?"]),
            reason=st.none() | st.sampled_from(["CrashLoopBackOff", "ErrImagePull", "?"]),
            started_at=times,
        ),
        max_size=2,
    ).map(tuple),
    scheduled=st.none() | st.booleans(),
    ready_at=times,
)
pods = st.builds(lambda row, me: replace(row, uid=me.uid, name=me.name), any_pods, whose("Pod"))
Change = tuple[str, Any]
changes = st.lists(
    st.one_of(
        st.tuples(st.just("put"), keepers),
        st.tuples(st.just("put"), keepers),
        st.tuples(st.just("pod"), pods),
        st.tuples(st.just("pod"), pods),
        st.tuples(st.just("drop"), keepers),
        st.tuples(st.just("gone"), pods),
        st.tuples(st.just("look"), st.sampled_from([0.1, 7.0, 90.0])),
    ),
    min_size=1,
    max_size=24,
)


def check_sound(value: Workload) -> None:
    known = [group.ordinal for group in value.groups if group.ordinal is not None]
    assert known == sorted(set(known))
    names_of = [group.name for group in value.groups]
    assert len(names_of) == len(set(names_of))
    existing = [group for group in value.groups if group.phase is not Phase.QUEUED]
    assert (value.ready is None) == (value.desired is None)
    assert 0 <= (value.ready or 0) <= len(existing)
    for group in value.groups:
        assert group.progress is None or 0 <= group.progress <= 100
        items = [item for role in group.roles for item in role.replicas]
        if group.phase is Phase.QUEUED:
            assert not any(item.pods for item in items)
        if group.phase is Phase.RUNNING and group.trouble is None:
            assert all(item.phase is Phase.RUNNING for item in items)
        for role in group.roles:
            numbers = [item.ordinal for item in role.replicas if item.ordinal is not None and not item.pods]
            assert len(numbers) == len(set(numbers))
            assert role.ready <= len(role.replicas)
        for item in items:
            assert item.progress is None or 0 <= item.progress <= 100
            for pod in item.pods:
                assert not (pod.ready and pod.terminating), "what is deleted is never ready"
                assert (item.phase is Phase.DELETING) == pod.terminating


def do(world: World, change: Change) -> None:
    what, row = change
    takers: dict[str, Callable[[Any], None]] = {
        "put": world.put_keeper,
        "pod": world.put_pod,
        "drop": world.drop_keeper,
        "gone": world.drop_pod,
    }
    takers[what](row)


@settings(max_examples=300, deadline=None)
@given(changes)
def test_any_history_gives_sound_values_and_the_same_again(steps: list[Change]) -> None:
    worlds = [empty(), empty()]
    known: list[dict[WorkloadKey, Workload]] = [{}, {}]
    now = NOW
    for step in [*steps, ("look", 0.1)]:
        if step[0] != "look":
            for world in worlds:
                do(world, (step[0], replace(step[1])))
            continue
        now += step[1]
        for world, values in zip(worlds, known, strict=True):
            changed, gone = world.derive(now)
            assert not gone & changed.keys()
            for key in gone:
                del values[key]
            values.update(changed)
            for value in changed.values():
                check_sound(value)
            assert {one.key: one for one in world.workloads} == values
            world.touch_all()
            assert world.derive(now) == ({}, set()), "deriving again changes nothing"
        assert known[0] == known[1]


def bare(value: Workload) -> Workload:
    """Without running numbers, which tell of the order in which things were seen."""
    return replace(
        value,
        groups=tuple(
            replace(
                group,
                created_seq=None,
                deleting_seq=None,
                roles=tuple(
                    replace(
                        role,
                        replicas=tuple(
                            replace(item, created_seq=None, deleting_seq=None) for item in role.replicas
                        ),
                    )
                    for role in group.roles
                ),
            )
            for group in value.groups
        ),
    )


# Histories that controllers make

ACTIONS = ("scale", "scale", "image", "delete pod", "crash", "stop", "wait", "wait", "drop")
acts = st.lists(
    st.tuples(st.sampled_from(ACTIONS), st.integers(0, 5), st.sampled_from([0.5, 4.0, 20.0, 90.0])),
    min_size=1,
    max_size=6,
)
KEPT = {
    "Deployment": (DEPLOYMENTS, "web"),
    "StatefulSet": (STATEFUL_SETS, "web"),
    "LeaderWorkerSet": (LWS, "ds"),
    "InferenceService": (ISVC, "iris"),
}


def made(kind: str) -> tuple[str, Json]:
    engine = {"spec": {"containers": [{"name": "main", "image": "engine:1"}]}}
    resource, name = KEPT[kind]
    meta: Json = {"name": name, "namespace": NAMESPACE}
    if kind == "LeaderWorkerSet":
        spec = {"replicas": 2, "leaderWorkerTemplate": {"size": 2, "workerTemplate": engine}}
        body = {"apiVersion": "leaderworkerset.x-k8s.io/v1", "kind": kind, "metadata": meta, "spec": spec}
        return resource, lws_webhook.with_defaults(body)
    if kind == "InferenceService":
        marks = {"serving.kserve.io/deploymentMode": "Standard", "serving.kserve.io/autoscalerClass": "none"}
        spec = {"predictor": {"minReplicas": 2, "containers": [{"name": "main", "image": "engine:1"}]}}
        meta = {**meta, "annotations": marks}
        body = {"apiVersion": "serving.kserve.io/v1beta1", "kind": kind, "metadata": meta, "spec": spec}
        return resource, kserve_webhook.with_defaults(body)
    return resource, workload(kind, replicas=2)


def act(world: simworld.World, kind: str, action: str, number: int) -> None:
    resource, name = KEPT[kind]

    def change(obj: Json) -> None:
        spec = obj["spec"]
        if action == "stop" and kind == "InferenceService":
            obj["metadata"]["annotations"]["serving.kserve.io/stop"] = "true" if number % 2 else "false"
        elif action == "scale" and kind == "InferenceService":
            spec["predictor"]["minReplicas"] = number
        elif action == "scale":
            spec["replicas"] = number
        elif action == "image" and kind == "LeaderWorkerSet":
            template = spec["leaderWorkerTemplate"]["workerTemplate"]
            template["spec"]["containers"][0]["image"] = f"engine:{number}"
        elif action == "image" and kind == "InferenceService":
            spec["predictor"]["containers"][0]["image"] = f"engine:{number}"

    if action == "delete pod":
        for pod in world.pods()[number : number + 1]:
            world.store.delete("pods", NAMESPACE, pod)
    elif action == "crash":
        world.cluster.faults.add(Fault(FaultKind.CRASH, NAMESPACE, "*", CUDA_OOM, times=1))
    elif action == "image" and kind in ("Deployment", "StatefulSet"):
        if world.store.get(resource, NAMESPACE, name) is not None:
            new_image(world, resource, f"engine:{number}", name)
    elif action == "drop" and number == 5:
        if world.store.get(resource, NAMESPACE, name) is not None:
            world.store.delete(resource, NAMESPACE, name)
    elif action in ("scale", "image", "stop"):
        world.store.mutate(resource, NAMESPACE, name, change, manager="kubectl")


def afresh(sim: simworld.World, order: Sequence[tuple[str, Json]]) -> Iterable[Workload]:
    world = empty()
    for resource, obj in order:
        feed(world, resource, "ADDED", obj)
    world.derive(sim.cluster.clock.now())
    return world.workloads


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(KEPT)), acts, st.randoms(use_true_random=False))
@example(
    # The set is deleted and a leader pod is gone, while the StatefulSet of its workers is still there.
    kind="LeaderWorkerSet",
    steps=[("scale", 1, 0.5), ("scale", 1, 0.5), ("drop", 5, 0.5)],
    dice=random.Random(0),
)
def test_what_controllers_do_is_shown_soundly_in_whatever_order_it_arrives(
    kind: str, steps: list[tuple[str, int, float]], dice: random.Random
) -> None:
    sim = simworld.World(nodes=3).started()
    resource, body = made(kind)
    sim.store.create(resource, body, manager="kubectl")
    look = Looked(sim)
    for action, number, wait in steps:
        act(sim, kind, action, number)
        for known in look.live(wait, max(0.5, wait / 20)):
            assert len(known) <= 1, "only the workload itself is a row"
            for value in known.values():
                check_sound(value)
        objects = [(name, obj) for name in FEEDS for obj in sim.store.list(name)]
        first = list(afresh(sim, objects))
        dice.shuffle(objects)
        assert [bare(value) for value in afresh(sim, objects)] == [bare(value) for value in first]
        shown = {group.name for value in look.look().values() for group in value.groups}
        assert shown >= {group.name for value in first for group in value.groups}
    for value in look.look().values():
        truth = [sim.pod(name) for name in sim.pods()]
        staying = {one["metadata"]["name"] for one in truth if "deletionTimestamp" not in one["metadata"]}
        told = {
            pod.name
            for group in value.groups
            for role in group.roles
            for item in role.replicas
            for pod in item.pods
            if not pod.terminating
        }
        assert told == staying
